"""The history: a tree of steps, every one immutable, and the step one stands at.

    history = History().add(opened(photo))
    history = history.add(segmented(found, "dog, grass", {"method": "sclip"}))
    history = history.add(edited(result))
    history = history.undo().undo().redo()      # a new step added now begins a branch; the old one stays

Every change gives a new `History`; the arrays inside are shared, so a step costs what it changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..records import EditResult, Photo, Region, Segmentation

#: What a step can be. Those of `REPLAYED` are computed again by a replay; what a hand did is taken as it was stored.
KINDS = ("open", "segment", "edit", "hand")
REPLAYED = ("segment", "edit")


@dataclass(frozen=True, eq=False)
class Step:
    """One thing that was done: the photo and its masks as they are after it.

    Attributes:
        kind: "open" (a photo was opened), "segment" (names were looked for), "edit" (pixels were changed) or "hand"
            (masks were made or corrected by hand).
        label: what was done, in two or three words.
        photo: the photo after this step.
        segmentation: its masks, by words and by hand, or None while there are none.
        edit: the edit that led here, or None.
        choice: which of the edit's images became the photo.
        call: what a replay needs to do it again, as JSON can hold it: for "segment" the `classes` and `settings`.
        told: the sentence a person was shown.
        models: revisions of the models used, by kind.
        id: its number in the history, given by `History.add`.
        parent: the step it began from, or None.
    """

    kind: str
    label: str
    photo: Photo
    segmentation: Segmentation | None = None
    edit: EditResult | None = None
    choice: int = 0
    call: Mapping[str, Any] = field(default_factory=dict)
    told: str = ""
    models: Mapping[str, str] = field(default_factory=dict)
    id: int = -1
    parent: int | None = None

    def __post_init__(self):
        if self.kind not in KINDS:
            raise ValueError(f"a step is one of {', '.join(KINDS)}, not {self.kind!r}")
        if self.edit is not None and not 0 <= self.choice < len(self.edit.images):
            raise ValueError(f"choice must be one of {len(self.edit.images)} images, got {self.choice}")

    @property
    def regions(self) -> tuple[Region, ...]:
        """All masks of this step, those by words first."""
        return self.segmentation.regions if self.segmentation is not None else ()

    def after(self, parent: int | None) -> Step:
        """The same step after another one."""
        return replace(self, parent=parent)

    def holds(self) -> dict[int, int]:
        """Bytes of what this step keeps alive by its identity, so that what is shared counts once: pixels,
        transparency, EXIF and colour profiles, labels, scores, masks and SAM's answers."""
        photos = [self.photo, *((self.edit.photo, *self.edit.images) if self.edit is not None else ())]
        if self.segmentation is not None:
            photos.append(self.segmentation.photo)
        if self.edit is not None and self.edit.request is not None and self.edit.request.picture is not None:
            photos.append(self.edit.request.picture)
        arrays = [array for photo in photos for array in (photo.pixels, photo.alpha) if array is not None]
        if self.segmentation is not None:
            arrays += [self.segmentation.labels, self.segmentation.scores, *(r.crop for r in self.regions)]
            answers = [r.logits for r in self.regions if r.logits is not None]
            arrays += [array for answer in answers for array in (answer.fine, answer.coarse)]
            arrays += [r.prompt.mask for r in self.regions if r.prompt.mask is not None]
        if self.edit is not None:
            arrays += [self.edit.mask, *([self.edit.request.mask] if self.edit.request is not None else ())]
        extra = [data for photo in photos for data in (photo.exif, photo.icc) if data is not None]
        return {**{id(base): base.nbytes for base in map(_base, arrays)}, **{id(data): len(data) for data in extra}}


def _base(array: np.ndarray) -> np.ndarray:
    return array.base if isinstance(array.base, np.ndarray) else array


def opened(photo: Photo, told: str = "") -> Step:
    """The step of opening a photo."""
    return Step("open", photo.name, photo, told=told)


def segmented(
    found: Segmentation, classes: Any = None, settings: Mapping[str, Any] | None = None, told: str = "",
    models: Mapping[str, str] | None = None,
) -> Step:  # fmt: skip
    """The step of looking for names.

    Args:
        found: what was found, with masks by hand that were kept.
        classes: the text that was typed; None takes the vocabulary's names, which lose how they were typed.
        settings: what else `Pipeline.segment` was given.
        told: the sentence a person was shown.
        models: see `models.revisions.revisions_of`.
    """
    names = [one.name for one in found.vocabulary.classes]
    if classes is None:
        classes = ", ".join("; ".join(one.words) for one in found.vocabulary.classes)
    call = {"classes": classes if isinstance(classes, str) else list(classes), "settings": dict(settings or {})}
    label = ", ".join(names)
    return Step("segment", label if len(label) <= 40 else label[:37] + "...", found.photo, found, call=call, told=told,
                models=dict(models or {}))  # fmt: skip


def edited(
    result: EditResult, choice: int = 0, segmentation: Segmentation | None = None, label: str = "", told: str = ""
) -> Step:
    """The step of an edit.

    Args:
        result: what came of it.
        choice: which of its images becomes the photo.
        segmentation: the masks that are still right after it, or None.
        label, told: in words; "" names the kind of edit.
    """
    kind = result.request.kind if result.request is not None else "edit"
    return Step("edit", label or kind, result.images[choice], segmentation, result, choice, told=told,
                models=dict(result.models))  # fmt: skip


def check_tree(steps: Sequence[tuple[int, int | None]], at: int | None, ahead: Mapping[int, int]) -> dict[int, int]:
    """Refuse what is no tree, or what undo and redo could walk for ever.

    Args:
        steps: id and parent of each, in order.
        at, ahead: as in `History`.

    Returns:
        The place of each id.

    Raises:
        ValueError: as `History`.
    """
    places: dict[int, int] = {}
    for place, (number, parent) in enumerate(steps):
        if number in places:
            raise ValueError(f"two steps have the id {number}")
        if parent is not None and parent not in places:
            raise ValueError(f"step {number} comes before its parent {parent}")
        places[number] = place
    if at is not None and at not in places:
        raise ValueError(f"there is no step {at} to stand at")
    for number, child in ahead.items():
        if number not in places or child not in places or steps[places[child]][1] != number:
            raise ValueError(f"redo goes from step {number} to {child}, which is no child of it")
    return places


@dataclass(frozen=True, eq=False)
class History:
    """A tree of steps and where in it one stands.

    Attributes:
        steps: all steps, in the order they were made; a parent always comes before its children.
        at: id of the current step, or None before the first.
        ahead: for a step the child that redo goes to.

    Raises:
        ValueError: ids that are not unique, a step before its parent, `at` or `ahead` naming no such step or child.
    """

    steps: tuple[Step, ...] = ()
    at: int | None = None
    ahead: Mapping[int, int] = field(default_factory=dict)

    def __post_init__(self):
        object.__setattr__(self, "_places", check_tree([(s.id, s.parent) for s in self.steps], self.at, self.ahead))

    @property
    def current(self) -> Step | None:
        """The step one stands at, or None before the first."""
        return None if self.at is None else self.step(self.at)

    def step(self, number: int) -> Step:
        """A step by its id.

        Raises:
            KeyError: there is none.
        """
        return self.steps[self._places[number]]

    def add(self, step: Step, parent: int | None = -1) -> History:
        """A new step after the current one (or after `parent`; None begins a new tree), where one then stands.

        A step that opens a photo begins a tree of its own. What could be redone stays as a branch.
        """
        number = max((s.id for s in self.steps), default=-1) + 1
        if parent == -1:
            parent = None if step.kind == "open" else self.at
        if parent is not None:
            self.step(parent)
        step = replace(step, id=number, parent=parent)
        ahead = self.ahead if parent is None else {**self.ahead, parent: number}
        return History((*self.steps, step), number, ahead)

    @property
    def can_undo(self) -> bool:
        """Whether there is a step before the current one."""
        return self.current is not None and self.current.parent is not None

    @property
    def can_redo(self) -> bool:
        """Whether a step was undone that can be gone to again."""
        return self.at in self.ahead

    def undo(self) -> History:
        """Stand at the step before; at the first one nothing changes."""
        return self.jump(self.current.parent) if self.can_undo else self

    def redo(self) -> History:
        """Stand at the step after the current one on the branch last stood on; without one nothing changes."""
        return self.jump(self.ahead[self.at]) if self.can_redo else self

    def jump(self, number: int) -> History:
        """Stand at any step; redo then follows the branch it lies on.

        Raises:
            KeyError: there is no such step.
        """
        ahead = dict(self.ahead)
        path = self.path(number)
        for step, following in zip(path, path[1:], strict=False):
            ahead[step.id] = following.id
        return History(self.steps, number, ahead)

    def path(self, number: int | None = None) -> tuple[Step, ...]:
        """The steps from the first to one (the current, where none is named), both included."""
        number, found = self.at if number is None else number, []
        while number is not None:
            found.append(self.step(number))
            number = found[-1].parent
        return tuple(reversed(found))

    def children(self, number: int) -> tuple[Step, ...]:
        """The steps that begin from one; several are branches."""
        self.step(number)
        return tuple(step for step in self.steps if step.parent == number)

    @property
    def tips(self) -> tuple[Step, ...]:
        """The last step of every branch."""
        parents = {step.parent for step in self.steps}
        return tuple(step for step in self.steps if step.id not in parents)

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays held, shared ones counted once."""
        held: dict[int, int] = {}
        for step in self.steps:
            held.update(step.holds())
        return sum(held.values())

    def trimmed(self, most_steps: int, most_bytes: float = float("inf")) -> History:
        """The same within bounds: the oldest tips of other branches go first, then the oldest steps.

        The current step and the one before it always stay.
        """
        history = self
        while len(history.steps) > 2 and (len(history.steps) > most_steps or history.nbytes > most_bytes):
            keep = {step.id for step in history.path()}
            spare = [step for step in history.tips if step.id not in keep]
            first = next(step for step in history.steps if step.parent is None and (step.id in keep or not spare))
            if not spare and first.id in {step.id for step in history.path()[-2:]}:
                break
            history = history._without((spare[0] if spare else first).id)
        return history

    def _without(self, number: int) -> History:
        gone = self.step(number)
        steps = tuple(
            step.after(gone.parent) if step.parent == number else step
            for step in self.steps if step.id != number
        )  # fmt: skip
        ahead = {a: b for a, b in self.ahead.items() if number not in (a, b)}
        return History(steps, self.at, ahead)
