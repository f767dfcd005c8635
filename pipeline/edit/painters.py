"""Who paints: the photo itself, a diffusion pipeline, or LaMa; all behind one call."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import NamebrushError
from ..models.painting import Painting, Sampling
from ..progress import Progress
from ..records import EditRequest
from .exemplar import fill_parts
from .pieces import Piece

#: Paints pieces: pixels, pieces, all that may change, seed, span of the work; for each piece uint8 [h, w, 3].
Paint = Callable[[np.ndarray, list[Piece], np.ndarray, int, tuple[float, float]], list[np.ndarray]]
#: Makes a context in which the device is ours.
Guard = Callable[[], AbstractContextManager]
#: Kinds whose hole is first filled from the photo, so that the diffusion starts from its colours.
PREFILLED = ("remove", "move", "extend")


@dataclass(frozen=True, eq=False)
class Painter:
    """One that paints.

    Attributes:
        paint: does it.
        made_by: its name for a person.
        models: revision of each model used, by its kind.
        notes: sentences for the person that come up while it paints.
        sampling: how a diffusion samples, everything settled; None for other painters.
        judged: whether its results are to be looked at and ranked: what a model invents may be wrong.
    """

    paint: Paint
    made_by: str
    models: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    judged: bool = False
    sampling: Sampling | None = None


def painting_of(models: Any, method: str) -> Painting:
    """How the inpainting model of a `Models`, or what stands in for one, is asked; the usual for other painters."""
    return getattr(models, "painting", None) or Painting() if method == "diffusion" else Painting()


def painter_for(request: EditRequest, method: str, models: Any, progress: Progress, guard: Guard) -> Painter:
    """The painter of a request.

    Args:
        request: what is to be painted.
        method: "exemplar" or "diffusion", which stands for whatever inpainting model the models have.
        models: where the model comes from.
        progress: told of the work.
        guard: the device's lock; held only while a model paints.

    Raises:
        NamebrushError: there is no model, or it cannot do this.
    """
    if method == "exemplar":

        def copy(pixels, pieces, used, seed, share):
            return fill_parts(pixels, used, [(p.box, p.used) for p in pieces], seed, progress, share)

        return Painter(copy, "exemplar fill")
    return _by_model(request, models, progress, guard)


def _by_model(request: EditRequest, models: Any, progress: Progress, guard: Guard) -> Painter:
    from ..models.revisions import revisions_of
    from . import diffusion, lama  # torch and diffusers: seconds to import, not needed by the other painters
    from .prompts import build_words
    from .vocabulary import check_words

    asked = painting_of(models, "diffusion")
    own = request.kind, request.steps, request.guidance, request.strength
    diffusion.sampling_of(*own, painting=asked)  # refused before loading
    notes: list[str] = []
    if asked.known is not None and request.prompt.strip():
        notes += check_words(request.prompt, asked.known, models.title("inpaint"), request.kind == "replace")
    if asked.note and request.kind not in PREFILLED:
        notes.append(asked.note)
    with progress.stage("load"):  # before the device is held: a download would hold everybody
        pipe = models.inpaint()
    named = models.title("inpaint"), revisions_of(models, ("inpaint",))
    if isinstance(pipe, lama.Lama):
        if request.kind not in PREFILLED:
            raise NamebrushError(
                f"{pipe.name} only fills holes, it knows no words; to {request.kind} choose another inpainting model."
            )

        def fill(pixels, pieces, used, seed, share):
            with guard():
                return lama.paint(pixels, pieces, used, pipe, progress, share)

        return Painter(fill, *named)
    sampling = diffusion.sampling_of(*own, pipe, asked)
    words = build_words(request.kind, request.prompt, request.negative_prompt, request.subject, asked)

    def paint(pixels, pieces, used, seed, share):
        start = None
        if request.kind in PREFILLED and sampling.strength < 1:
            middle = share[0] + (share[1] - share[0]) * 0.1
            start = fill_parts(pixels, used, [(p.box, p.used) for p in pieces], seed, progress, (share[0], middle))
            share = (middle, share[1])
        with guard():
            return diffusion.paint(
                pixels, pieces, used, pipe, words, sampling, seed, progress, share, notes, asked, start
            )  # fmt: skip

    return Painter(paint, *named, notes, judged=True, sampling=sampling)
