"""One door to all edits: a photo and a request in, new photos out, exact outside the mask really used."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import NamebrushError
from ..progress import Progress
from ..records import EditRequest, EditResult, Photo
from .composite import compose, count_changed
from .exemplar import fill
from .masks import shape_mask
from .prompts import build_words

KINDS = ("remove", "replace", "restyle")
METHODS = ("auto", "exemplar", "diffusion")
MAX_CANDIDATES = 16


def edit(photo: Photo, request: EditRequest, models: Any, progress: Progress | None = None) -> EditResult:
    """Remove, replace or restyle what a mask selects.

    Removing fills the gap from the photo itself (`exemplar`) unless diffusion is asked for; replacing and restyling
    paint with the models' diffusion inpainting pipeline.

    Args:
        photo: the photo to edit.
        request: what to do.
        models: where the pipeline comes from; only read for diffusion. `.inpaint()` gives a `diffusers` pipeline,
            `.title("inpaint")` its name for the person.
        progress: told of every step; raising `Cancelled` from it stops the work and leaves nothing behind.

    Returns:
        One photo per candidate; every pixel outside `EditResult.mask` is the photo's own, which is measured.

    Raises:
        NamebrushError: an unknown kind or method, an empty mask or one of another size, nothing left to copy from,
            no words where they are needed, or no diffusion model here.
    """
    progress = progress or Progress()
    method = check_request(request)
    own = Progress(report=progress.report)
    with own.stage("mask"):
        progress.step("Shaping the mask", 0.0)
        shaped = shape_mask(request.mask, photo.size, request.grow, request.feather)
        if request.kind == "remove" and shaped.used.all():
            raise NamebrushError(
                "The mask covers the whole photo, so nothing is left to fill it from; select less of it."
            )
    seeds = tuple(request.seed + i for i in range(request.candidates))
    painters = {"exemplar": _by_exemplar, "diffusion": _by_diffusion}
    paint, made_by = painters[method](photo, request, shaped.used, models, own)
    images: list[Photo] = []
    changed = 0
    for index, seed in enumerate(seeds):
        with own.stage("paint"):
            painted = paint(seed, (index / len(seeds), (index + 1) / len(seeds)))
        with own.stage("composite"):
            images.append(compose(photo, painted, shaped.alpha))
            changed += count_changed(photo.pixels, images[-1].pixels, ~shaped.used)
    if changed:  # not a person's fault: the exactness of the result is a promise
        raise RuntimeError(f"{changed} pixels outside the mask differ from the photo")
    for stage, seconds in own.seconds.items():
        progress.seconds[stage] = progress.seconds.get(stage, 0.0) + seconds
    progress.step("Done", 1.0)
    return EditResult(photo, tuple(images), shaped.used, seeds, made_by, changed, dict(own.seconds))


def check_request(request: EditRequest) -> str:
    """Refuse a request that cannot be met; returns the method "auto" stands for.

    Raises:
        NamebrushError: which value is wrong, and what it may be.
    """
    if request.kind not in KINDS:
        raise NamebrushError(f'"{request.kind}" is no kind of edit; choose from {", ".join(KINDS)}.')
    if request.method not in METHODS:
        raise NamebrushError(f'"{request.method}" is no way of painting; choose from {", ".join(METHODS)}.')
    if request.kind != "remove":
        if request.method == "exemplar":
            raise NamebrushError(
                f"Copying from the photo can only remove; to {request.kind} choose the method diffusion or auto."
            )
        if not request.prompt.strip():
            raise NamebrushError(f'Say in words what shall be there: "{request.kind}" needs a prompt.')
    if not 1 <= request.candidates <= MAX_CANDIDATES:
        raise NamebrushError(f"Between 1 and {MAX_CANDIDATES} candidates can be made, got {request.candidates}.")
    if not 0 <= request.seed < 2**63:
        raise NamebrushError(f"The seed must be between 0 and 2^63 - 1, got {request.seed}.")
    if request.feather < 0:
        raise NamebrushError(f"The soft seam must be 0 pixels wide or more, got {request.feather}.")
    if request.method == "auto":
        return "exemplar" if request.kind == "remove" else "diffusion"
    return request.method


def _by_exemplar(photo: Photo, request: EditRequest, used: np.ndarray, models: Any, progress: Progress):
    def paint(seed: int, share: tuple[float, float]) -> np.ndarray:
        return fill(photo.pixels, used, seed, progress, share)

    return paint, "exemplar fill"


def _by_diffusion(photo: Photo, request: EditRequest, used: np.ndarray, models: Any, progress: Progress):
    from .diffusion import paint as paint_by_model  # torch and diffusers: seconds to import, not needed to remove
    from .diffusion import sampling_of

    sampling = sampling_of(request.kind, request.steps, request.guidance, request.strength)
    with progress.stage("load"):
        pipe = models.inpaint()
    words = build_words(request.kind, request.prompt, request.negative_prompt, request.subject)

    def paint(seed: int, share: tuple[float, float]) -> np.ndarray:
        return paint_by_model(photo.pixels, used, pipe, words, sampling, seed, progress, share)

    return paint, models.title("inpaint")
