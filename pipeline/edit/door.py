"""One door to all edits: a photo and a request in, new photos out, exact outside the mask really used."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import numpy as np

from ..errors import NamebrushError
from ..progress import Progress
from ..records import EditRequest, EditResult, Photo
from ..rle import encode_rle
from . import background
from .composite import changed_outside, compose
from .crop import bounds, moved
from .exemplar import fill_parts
from .extend import canvas_of
from .judge import FAR, GONE, RETRIES, Judge, rank_of, score
from .kinds import KINDS, painter_of, parse_color
from .move import Lifted
from .outlines import laid, outline_of, outlines_for, shape_of
from .painters import Guard, Painter, painter_for, painting_of
from .pieces import Piece, joined, shape_pieces
from .recolor import recolored

#: Makes the picture of a seed; the span is the part of the whole work it is.
Make = Callable[[int, tuple[float, float]], Photo]


@dataclass(frozen=True, eq=False)
class Bench:
    """What makers of edits work with: the models, who is told, and the device's lock."""

    models: Any
    progress: Progress
    guard: Guard

    def painter(self, request: EditRequest, method: str) -> Painter:
        """The painter of a request; see `painters.painter_for`."""
        return painter_for(request, method, self.models, self.progress, self.guard)


@dataclass(frozen=True, eq=False)
class Job:
    """An edit made ready: everything but the pictures.

    Attributes:
        make: makes one picture.
        used: bool of the pictures' size, what may differ.
        made_by: who paints, in words.
        painter: who paints; None where everything is computed and a seed makes no difference.
        pieces: what is painted.
        forms: by seed, what is painted where candidates differ in form; `pieces` is for all others.
        name: of what is painted in such a form.
        origin: x and y of the photo's corner in the pictures.
        notes: sentences for the person.
    """

    make: Make
    used: np.ndarray
    made_by: str
    painter: Painter | None = None
    pieces: list[Piece] = field(default_factory=list)
    forms: dict[int, list[Piece]] = field(default_factory=dict)
    origin: tuple[int, int] = (0, 0)
    notes: tuple[str, ...] = ()
    name: str = ""

    def thing(self, seed: int) -> dict:
        """The outline of what a seed paints, as in `EditResult.things`."""
        cores = [replace(piece, used=piece.core) for piece in self.forms[seed]]
        return {"name": self.name, **encode_rle(joined(cores, self.used.shape))}


def edit(
    photo: Photo, request: EditRequest, models: Any, progress: Progress | None = None, judge: Judge | None = None,
    guard: Guard = nullcontext,
) -> EditResult:  # fmt: skip
    """Change what a mask selects; see `kinds.KINDS` for what can be done.

    Removing, moving and extending fill the gap from the photo itself (`exemplar`) unless diffusion is asked for;
    replacing and restyling paint with the models' diffusion inpainting pipeline; the others are computed. What a
    diffusion model painted is judged: candidates are ranked, and where what was removed is still there another seed is
    tried.

    Args:
        photo: the photo to edit.
        request: what to do.
        models: where the pipeline comes from; only read for diffusion. `.inpaint()` gives a `diffusers` pipeline,
            `.title("inpaint")` its name for the person.
        progress: told of every step; raising `Cancelled` from it stops the work and leaves nothing behind.
        judge: the models that judge; None leaves it at the seam, which needs none.
        guard: makes a context that is held while a model works, such as a device's lock.

    Returns:
        One photo per candidate; every pixel outside `EditResult.mask` is the photo's own, which is measured.

    Raises:
        NamebrushError: an unknown kind or method, an empty mask or one of another size, nothing left to copy from,
            no words or colour where they are needed, or no diffusion model here.
    """
    progress = progress or Progress()
    method = painter_of(request)
    own = replace(progress, seconds={})
    with own.stage("mask"):
        progress.step("Shaping the mask", 0.0)
        job = _MAKERS[request.kind](photo, request, method, Bench(models, own, guard))
    seeds = tuple(request.seed + i for i in range(request.candidates if job.painter else 1))
    notes = list(job.notes)
    if request.candidates > 1 and not job.painter:
        notes.append(f"There is one way to {request.kind}, whatever the seed: one result was made.")
    judged = job.painter is not None and job.painter.judged
    look = Look(photo, request, job, judge or Judge(), own) if judged else None
    made: list[tuple[Photo, int, dict[str, float]]] = []
    changed = 0
    for index, seed in enumerate(seeds):
        span = index / len(seeds), (index + 1) / len(seeds)
        with own.stage("paint"):
            image = job.make(seed, span)
        made.append(look.tried(image, seed, span[1]) if look else (image, seed, {}))
        with own.stage("check"):
            changed += changed_outside(photo, made[-1][0], job.used, job.origin)
    if changed:  # not a person's fault: the exactness of the result is a promise
        raise RuntimeError(f"{changed} pixels outside the mask differ from the photo")
    made.sort(key=lambda one: -score(one[2]))  # stable: without a ranking the seeds' order stays
    notes += dict.fromkeys([*(job.painter.notes if job.painter else ()), *(look.notes if look else ())])
    for stage, seconds in own.seconds.items():
        progress.seconds[stage] = progress.seconds.get(stage, 0.0) + seconds
    progress.step("Done", 1.0)
    return EditResult(
        photo, tuple(m[0] for m in made), job.used, tuple(m[1] for m in made), job.made_by, changed, dict(own.seconds),
        job.origin, tuple(notes), tuple(m[2] for m in made) if look else (), _settled(request, job, models, method),
        dict(job.painter.models) if job.painter else {}, tuple(job.thing(m[1]) for m in made if job.forms),
    )  # fmt: skip


class Look:
    """Looks at what a model painted; `notes` gathers what a person should know."""

    def __init__(self, photo: Photo, request: EditRequest, job: Job, judge: Judge, progress: Progress):
        self.job, self.judge, self.progress, self.notes = job, judge, progress, []
        self.seen: float | None = None
        if request.kind == "remove" and judge.there is not None:
            with progress.stage("judge"):
                self.seen = judge.there(photo, job.used)
        self.name = request.subject

    def tried(self, image: Photo, seed: int, share: float) -> tuple[Photo, int, dict[str, float]]:
        """A candidate, its seed and its ranks; where what was removed is still there, the best of further seeds."""
        best = image, seed, self._rank(image, seed)
        for attempt in range(1, RETRIES + 1):
            if best[2].get("there", 0.0) <= GONE:
                break
            other = seed + attempt * FAR
            self.progress.step(f"The {self.name} is still there: trying seed {other}", share)
            with self.progress.stage("paint"):
                image = self.job.make(other, (share, share))
            rank = self._rank(image, other)
            if rank["there"] < best[2]["there"]:
                best = image, other, rank
        if best[1] != seed:
            self.notes.append(f"With seed {seed} the {self.name} was still there; seed {best[1]} was taken instead.")
        if best[2].get("there", 0.0) > GONE:
            self.notes.append(f"The {self.name} may still be there: it is still seen after {RETRIES} more tries.")
        return best

    def _rank(self, image: Photo, seed: int) -> dict[str, float]:
        pieces = self.job.forms.get(seed)
        used = self.job.used if pieces is None else joined(pieces, image.size)
        with self.progress.stage("judge"):
            return rank_of(image, pieces or self.job.pieces, used, self.judge, self.seen)


def _settled(request: EditRequest, job: Job, models: Any, method: str) -> EditRequest:
    """The request with what was chosen for the person, so that it can be done again whatever is chosen later."""
    sampling = job.painter.sampling if job.painter else None
    if sampling is None:
        return request
    shape = shape_of(request, painting_of(models, method))
    return replace(
        request, steps=sampling.steps, guidance=sampling.guidance, strength=sampling.strength, shape=shape
    )


def check_request(request: EditRequest) -> str:
    """As `kinds.painter_of`: who paints, or a `NamebrushError` for a request that cannot be met."""
    return painter_of(request)


def _filled(photo: Photo, request: EditRequest, method: str, bench: Bench) -> Job:
    """Remove, replace, restyle: the pieces are painted anew."""
    asked = painting_of(bench.models, method)
    shape = shape_of(request, asked)
    if shape == "outline":
        return _outlined(photo, request, method, bench)
    margin = asked.margin if request.kind == "replace" else None
    pieces = shape_pieces(request, photo.pixels, KINDS[request.kind].growth, shape, margin)
    used = joined(pieces, photo.size)
    if request.kind == "remove":
        _something_left(used)
    painter = bench.painter(request, method)

    def make(seed: int, share: tuple[float, float]) -> Photo:
        painted = painter.paint(photo.pixels, pieces, used, seed, share)
        return compose(photo, [(p.box, new, p.alpha) for p, new in zip(pieces, painted, strict=True)])

    return Job(make, used, painter.made_by, painter, pieces)


def _outlined(photo: Photo, request: EditRequest, method: str, bench: Bench) -> Job:
    """Replace inside an outline of what is asked for; what was there is filled in from around it first."""
    gaps = shape_pieces(replace(request, shape="region"), photo.pixels, KINDS["remove"].growth)
    gap = joined(gaps, photo.size)
    _something_left(gap)
    name, outlines = outlines_for(request, painting_of(bench.models, method))
    places = [moved(bounds(piece.core), piece.box) for piece in gaps]
    seeds = range(request.seed, request.seed + request.candidates)
    forms = {
        seed: [laid(outline_of(seed, outlines), place, photo.size, request.feather) for place in places]
        for seed in seeds
    }
    painter = bench.painter(request, method)

    @cache
    def cleared() -> Photo:  # the same for every candidate, so that a seed means the same picture in any company
        filled = fill_parts(photo.pixels, gap, [(p.box, p.used) for p in gaps], 0, bench.progress, (0.0, 0.05))
        return compose(photo, [(p.box, new, p.alpha) for p, new in zip(gaps, filled, strict=True)])

    def make(seed: int, share: tuple[float, float]) -> Photo:
        ground, pieces = cleared(), forms[seed]
        painted = painter.paint(ground.pixels, pieces, joined(pieces, photo.size), seed, share)
        return compose(ground, [(p.box, new, p.alpha) for p, new in zip(pieces, painted, strict=True)])

    used = joined([*gaps, *(piece for pieces in forms.values() for piece in pieces)], photo.size)
    return Job(make, used, painter.made_by, painter, gaps, forms, name=name)


def _moved(photo: Photo, request: EditRequest, method: str, bench: Bench) -> Job:
    """Move: lifted with soft edges, its place painted, laid down again."""
    pieces = shape_pieces(request, photo.pixels, None)
    hole = joined(pieces, photo.size)
    _something_left(hole)
    lifted = Lifted(photo, pieces, request)
    painter = bench.painter(request, method)

    def make(seed: int, share: tuple[float, float]) -> Photo:
        painted = painter.paint(photo.pixels, pieces, hole, seed, share)
        return lifted.onto(compose(photo, [(p.box, new, p.alpha) for p, new in zip(pieces, painted, strict=True)]))

    return Job(make, lifted.used(pieces, photo.size), painter.made_by, painter, pieces)


def _extended(photo: Photo, request: EditRequest, method: str, bench: Bench) -> Job:
    """Extend: the same on a wider canvas."""
    canvas, piece = canvas_of(photo, request)
    painter = bench.painter(request, method)

    def make(seed: int, share: tuple[float, float]) -> Photo:
        (painted,) = painter.paint(canvas.pixels, [piece], piece.used, seed, share)
        return compose(canvas, [(piece.box, painted, piece.alpha)])

    notes = ()
    if method == "exemplar":
        notes = ("The new edges are copied from the photo: its textures go on, but no new things are invented.",)
    return Job(make, piece.used, painter.made_by, painter, [piece], {}, (request.left, request.top), notes)


def _recolored(photo: Photo, request: EditRequest, method: str, bench: Bench) -> Job:
    pieces = shape_pieces(request, photo.pixels, KINDS["recolor"].growth)
    own = np.concatenate([photo.pixels[p.slices][p.core] for p in pieces])  # one thing, however many pieces
    color = parse_color(request.color)

    def make(seed: int, share: tuple[float, float]) -> Photo:
        patches = [(p.box, recolored(photo.pixels[p.slices], own, color, request.amount), p.alpha) for p in pieces]
        return compose(photo, patches)

    return Job(make, joined(pieces, photo.size), "colour in Lab")


def _computed(how: Callable[[Photo, EditRequest], tuple[Photo, np.ndarray]], made_by: str):
    """A maker of edits that are computed in one go, mask and picture together."""

    def maker(photo: Photo, request: EditRequest, method: str, bench: Bench) -> Job:
        image, used = how(photo, request)
        return Job(lambda seed, share: image, used, made_by)

    return maker


_MAKERS: dict[str, Callable[[Photo, EditRequest, str, Bench], Job]] = {
    "remove": _filled, "replace": _filled, "restyle": _filled, "move": _moved, "extend": _extended,
    "recolor": _recolored,
    "blur": _computed(background.blurred, "blur of the background alone"),
    "background": _computed(background.replaced, "soft edges"),
    "cutout": _computed(background.cut_free, "soft edges"),
}  # fmt: skip


def _something_left(used: np.ndarray) -> None:
    if used.all():
        raise NamebrushError("The mask covers the whole photo, so nothing is left to fill it from; select less of it.")
