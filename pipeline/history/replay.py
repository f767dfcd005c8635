"""Doing a session again: every segmentation and every edit from its own words, masks, prompts and seeds.

Photos that were opened and masks that a hand drew are taken as they are stored; all else is computed anew, each step
on what the replay itself made before, and compared with what is stored, pixel by pixel.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ..device import share_of
from ..edit.composite import count_changed
from ..errors import NamebrushError
from ..models.revisions import revisions_of
from ..progress import Progress
from ..records import EditResult, Photo
from .steps import REPLAYED, History, Step

if TYPE_CHECKING:
    from ..pipeline import Pipeline


@dataclass(frozen=True, eq=False)
class Replayed:
    """One step done again.

    Attributes:
        step: the step as it is now; its pictures are the replay's own.
        differing: pixels that differ from what is stored: labels of a segmentation, colours or transparency of all
            images of an edit.
        computed: False for a step that was taken as stored.
        seconds: it took.
        note: a sentence, such as that another model made the stored result; "" where there is nothing to say.
    """

    step: Step
    differing: int
    computed: bool
    seconds: float
    note: str = ""

    @property
    def same(self) -> bool:
        """Whether nothing differs."""
        return self.differing == 0


def replay(history: History, pipe: Pipeline, progress: Progress | None = None) -> list[Replayed]:
    """Do all steps of a history again, in the order they were made.

    Args:
        history: what was done.
        pipe: with the models it was done with; other models are noted, and give other pixels.
        progress: told of every step.

    Raises:
        NamebrushError: a step cannot be done, such as one of a model that is not here.
    """
    progress = progress or Progress()
    done: dict[int, Replayed] = {}
    for index, step in enumerate(history.steps):
        part = share_of(progress, index / len(history.steps), (index + 1) / len(history.steps))
        part.step(f"Step {step.id}: {step.label}", 0.0)
        before = done[step.parent].step.photo if step.parent is not None else None
        start = time.perf_counter()
        if step.kind not in REPLAYED or before is None:
            # what stands on a photo that came out otherwise stands on that one
            photo = before if before is not None and step.kind == "hand" else step.photo
            done[step.id] = Replayed(replace(step, photo=photo), 0, False, 0.0)
            continue
        try:
            made, differing = (_segment if step.kind == "segment" else _edit)(step, before, pipe, part)
        except NamebrushError as error:
            raise NamebrushError(f"Step {step.id} ({step.label}) cannot be done again: {error}") from error
        done[step.id] = Replayed(made, differing, True, time.perf_counter() - start, _note(step, pipe))
    return list(done.values())


def _segment(step: Step, photo: Photo, pipe: Pipeline, progress: Progress) -> tuple[Step, int]:
    found = pipe.segment(photo, step.call["classes"], progress=progress, **step.call.get("settings", {}))
    stored = step.segmentation.labels
    differing = int(np.count_nonzero(found.labels != stored)) if found.labels.shape == stored.shape else stored.size
    by_hand = tuple(region for region in step.regions if region.class_index < 0)
    if by_hand:
        found = replace(found, regions=(*found.regions, *by_hand))
    return replace(step, photo=photo, segmentation=found), differing


def _edit(step: Step, photo: Photo, pipe: Pipeline, progress: Progress) -> tuple[Step, int]:
    request = step.edit.request
    if request is None:
        raise NamebrushError("what was asked for is not in the session file.")
    if request.mask.shape != photo.size:
        raise NamebrushError("the photo before it came out in another size.")
    result = pipe.do(photo, request, progress)
    differing = _differing(result, step.edit)
    return replace(step, photo=result.images[step.choice], edit=result), differing


def _differing(made: EditResult, stored: EditResult) -> int:
    """Pixels of all images that differ."""
    if len(made.images) != len(stored.images):
        raise NamebrushError(f"it gave {len(made.images)} pictures where {len(stored.images)} are stored.")
    total = 0
    for one, other in zip(made.images, stored.images, strict=True):
        if one.size != other.size:
            return int(np.prod(other.size)) * len(stored.images)
        total += count_changed(one.pixels, other.pixels, np.ones(one.size, bool))
        if (one.alpha is None) != (other.alpha is None):
            total += int(np.prod(one.size))
        elif one.alpha is not None:
            total += int(np.count_nonzero(one.alpha != other.alpha))
    return total


def _note(step: Step, pipe: Pipeline) -> str:
    stored: Mapping[str, str] = step.models
    now = revisions_of(pipe.models, stored)
    other = [f"{stored[kind]} (now {now[kind]})" for kind in stored if stored[kind] != now[kind]]
    return f"made by {', '.join(other)}" if other else ""
