"""One door to all edits: a photo and a request in, new photos out, exact outside the mask really used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import NamebrushError
from ..progress import Progress
from ..records import EditRequest, EditResult, Photo
from . import background
from .composite import changed_outside, compose
from .exemplar import fill_parts
from .extend import canvas_of
from .kinds import KINDS, painter_of, parse_color
from .move import Lifted
from .pieces import Piece, joined, shape_pieces
from .recolor import recolored

#: Makes the picture of a seed; the span is the part of the whole work it is.
Make = Callable[[int, tuple[float, float]], Photo]


@dataclass(frozen=True, eq=False)
class Job:
    """An edit made ready: everything but the pictures.

    Attributes:
        make: makes one picture.
        used: bool of the pictures' size, what may differ.
        made_by: who paints, in words.
        seeds: whether another seed gives another picture.
        origin: x and y of the photo's corner in the pictures.
        notes: sentences for the person.
        models: revision of each model used, by its kind.
    """

    make: Make
    used: np.ndarray
    made_by: str
    seeds: bool = False
    origin: tuple[int, int] = (0, 0)
    notes: tuple[str, ...] = ()
    models: dict[str, str] = field(default_factory=dict)


def edit(photo: Photo, request: EditRequest, models: Any, progress: Progress | None = None) -> EditResult:
    """Change what a mask selects; see `kinds.KINDS` for what can be done.

    Removing, moving and extending fill the gap from the photo itself (`exemplar`) unless diffusion is asked for;
    replacing and restyling paint with the models' diffusion inpainting pipeline; the others are computed.

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
            no words or colour where they are needed, or no diffusion model here.
    """
    progress = progress or Progress()
    method = painter_of(request)
    own = Progress(report=progress.report)
    with own.stage("mask"):
        progress.step("Shaping the mask", 0.0)
        job = _MAKERS[request.kind](photo, request, method, models, own)
    seeds = tuple(request.seed + i for i in range(request.candidates if job.seeds else 1))
    notes = list(job.notes)
    if request.candidates > 1 and not job.seeds:
        notes.append(f"There is one way to {request.kind}, whatever the seed: one result was made.")
    images: list[Photo] = []
    changed = 0
    for index, seed in enumerate(seeds):
        with own.stage("paint"):
            images.append(job.make(seed, (index / len(seeds), (index + 1) / len(seeds))))
        with own.stage("check"):
            changed += changed_outside(photo, images[-1], job.used, job.origin)
    if changed:  # not a person's fault: the exactness of the result is a promise
        raise RuntimeError(f"{changed} pixels outside the mask differ from the photo")
    for stage, seconds in own.seconds.items():
        progress.seconds[stage] = progress.seconds.get(stage, 0.0) + seconds
    progress.step("Done", 1.0)
    return EditResult(
        photo, tuple(images), job.used, seeds, job.made_by, changed, dict(own.seconds), job.origin, tuple(notes),
        request=request, models=job.models,
    )  # fmt: skip


def check_request(request: EditRequest) -> str:
    """As `kinds.painter_of`: who paints, or a `NamebrushError` for a request that cannot be met."""
    return painter_of(request)


def _filled(photo: Photo, request: EditRequest, method: str, models: Any, progress: Progress) -> Job:
    """Remove, replace, restyle: the pieces are painted anew."""
    pieces = shape_pieces(request, photo.pixels, KINDS[request.kind].growth)
    used = joined(pieces, photo.size)
    if request.kind == "remove":
        _something_left(used)
    paint, made_by, revisions = _painter(request, method, models, progress)

    def make(seed: int, share: tuple[float, float]) -> Photo:
        painted = paint(photo.pixels, pieces, used, seed, share)
        return compose(photo, [(p.box, new, p.alpha) for p, new in zip(pieces, painted, strict=True)])

    return Job(make, used, made_by, seeds=True, models=revisions)


def _moved(photo: Photo, request: EditRequest, method: str, models: Any, progress: Progress) -> Job:
    """Move: lifted with soft edges, its place painted, laid down again."""
    pieces = shape_pieces(request, photo.pixels, None)
    hole = joined(pieces, photo.size)
    _something_left(hole)
    lifted = Lifted(photo, pieces, request)
    paint, made_by, revisions = _painter(request, method, models, progress)

    def make(seed: int, share: tuple[float, float]) -> Photo:
        painted = paint(photo.pixels, pieces, hole, seed, share)
        return lifted.onto(compose(photo, [(p.box, new, p.alpha) for p, new in zip(pieces, painted, strict=True)]))

    return Job(make, lifted.used(pieces, photo.size), made_by, seeds=True, models=revisions)


def _extended(photo: Photo, request: EditRequest, method: str, models: Any, progress: Progress) -> Job:
    """Extend: the same on a wider canvas."""
    canvas, piece = canvas_of(photo, request)
    paint, made_by, revisions = _painter(request, method, models, progress)

    def make(seed: int, share: tuple[float, float]) -> Photo:
        (painted,) = paint(canvas.pixels, [piece], piece.used, seed, share)
        return compose(canvas, [(piece.box, painted, piece.alpha)])

    notes = ()
    if method == "exemplar":
        notes = ("The new edges are copied from the photo: its textures go on, but no new things are invented.",)
    return Job(make, piece.used, made_by, True, (request.left, request.top), notes, revisions)


def _recolored(photo: Photo, request: EditRequest, method: str, models: Any, progress: Progress) -> Job:
    pieces = shape_pieces(request, photo.pixels, KINDS["recolor"].growth)
    own = np.concatenate([photo.pixels[p.slices][p.core] for p in pieces])  # one thing, however many pieces
    color = parse_color(request.color)

    def make(seed: int, share: tuple[float, float]) -> Photo:
        patches = [(p.box, recolored(photo.pixels[p.slices], own, color, request.amount), p.alpha) for p in pieces]
        return compose(photo, patches)

    return Job(make, joined(pieces, photo.size), "colour in Lab")


def _computed(how: Callable[[Photo, EditRequest], tuple[Photo, np.ndarray]], made_by: str):
    """A maker of edits that are computed in one go, mask and picture together."""

    def maker(photo: Photo, request: EditRequest, method: str, models: Any, progress: Progress) -> Job:
        image, used = how(photo, request)
        return Job(lambda seed, share: image, used, made_by)

    return maker


_MAKERS: dict[str, Callable[[Photo, EditRequest, str, Any, Progress], Job]] = {
    "remove": _filled, "replace": _filled, "restyle": _filled, "move": _moved, "extend": _extended,
    "recolor": _recolored,
    "blur": _computed(background.blurred, "blur of the background alone"),
    "background": _computed(background.replaced, "soft edges"),
    "cutout": _computed(background.cut_free, "soft edges"),
}  # fmt: skip


def _something_left(used: np.ndarray) -> None:
    if used.all():
        raise NamebrushError("The mask covers the whole photo, so nothing is left to fill it from; select less of it.")


#: Paints pieces: pixels, pieces, all that may change, seed, span of the work; for each piece uint8 [h, w, 3].
Paint = Callable[[np.ndarray, list[Piece], np.ndarray, int, tuple[float, float]], list[np.ndarray]]


def _painter(request: EditRequest, method: str, models: Any, progress: Progress) -> tuple[Paint, str, dict[str, str]]:
    if method == "exemplar":
        return _by_exemplar(progress), "exemplar fill", {}
    return _by_diffusion(request, models, progress)


def _by_exemplar(progress: Progress) -> Paint:
    def paint(pixels, pieces, used, seed, share):
        return fill_parts(pixels, used, [(p.box, p.used) for p in pieces], seed, progress, share)

    return paint


def _by_diffusion(request: EditRequest, models: Any, progress: Progress) -> tuple[Paint, str, dict[str, str]]:
    from ..models.revisions import revisions_of
    from . import diffusion  # torch and diffusers: seconds to import, not needed by the other painters
    from .prompts import build_words

    sampling = diffusion.sampling_of(request.kind, request.steps, request.guidance, request.strength)
    with progress.stage("load"):
        pipe = models.inpaint()
    words = build_words(request.kind, request.prompt, request.negative_prompt, request.subject)

    def paint(pixels, pieces, used, seed, share):
        return diffusion.paint(pixels, pieces, used, pipe, words, sampling, seed, progress, share)

    return paint, models.title("inpaint"), revisions_of(models, ("inpaint",))
