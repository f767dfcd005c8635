"""What belongs to one visitor: the steps taken, what is picked, and the number of the job that runs.

A `Session` lives in `gr.State`; nothing of it is reachable from another visitor's page. The records inside are
immutable, so a step costs only what it changed. Handlers of one visitor may overlap (a long job and a click): a
long job notes the step it started from, and its result is dropped when that step is no longer the current one.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.errors import Cancelled
from pipeline.palette import Palette
from pipeline.records import EditResult, Photo, Region, Segmentation

from . import engine, words

MAX_STEPS = 40
MAX_BYTES = 1 << 30

LAYERS = ("fill", "outline", "names", "prompts", "scores")
DEFAULT_LAYERS = ("fill", "outline", "names")


@dataclass(frozen=True, eq=False)
class Step:
    """One entry of the history: the photo and its masks as they were then.

    Attributes:
        label: what was done, in two or three words, for the history line.
        photo: the photo as it is after this step.
        segmentation: its masks (by words and by hand), or None while there are none.
        edit: the edit that led here, for before and after; None otherwise.
        told: the sentence that was shown when the step was made.
    """

    label: str
    photo: Photo
    segmentation: Segmentation | None = None
    edit: EditResult | None = None
    told: str = ""

    @property
    def regions(self) -> tuple[Region, ...]:
        """All masks of this step, those by words first."""
        return self.segmentation.regions if self.segmentation is not None else ()

    def holds(self) -> dict[int, int]:
        """Bytes of the arrays this step keeps alive, by the array's identity, so that shared ones count once."""
        arrays = [self.photo.pixels]
        if self.segmentation is not None:
            arrays += [self.segmentation.labels, self.segmentation.scores, *(r.crop for r in self.regions)]
        if self.edit is not None:
            arrays += [self.edit.mask, self.edit.photo.pixels, *(p.pixels for p in self.edit.images)]
        return {id(a.base if a.base is not None else a): a.nbytes for a in arrays}


@dataclass(eq=False)
class Session:
    """A visitor's table.

    Attributes:
        steps, cursor: the history and where in it the page stands; later steps can be redone.
        picked: ids of the picked regions of the current step.
        corner: first corner of a box that is being drawn, in photo pixels, or None.
        layers: which layers are drawn over the photo.
        tool: "pick", "add", "subtract" or "box".
        comparing: whether before and after is shown in place of the masks.
        palette: the colours its names have had so far.
        lang: the language of its lines, a key of `words.LANGUAGES`.
        kind: the kind of change that is chosen.
        compared: what the last comparison found, one per method.
        explained: step, x, y, region and maps of the last point that was explained.
        preset: the set of models it uses.
        plain: whether the plain surface is shown in place of the canvas.
        suggestions: names that are likely in the current photo.
        turn: number of the newest pick on the canvas.
        stamp: number of the newest scene that was sent to the browser.
        job: number of the newest long job; stopped: jobs up to this number have been told to stop.
    """

    steps: tuple[Step, ...] = ()
    cursor: int = -1
    picked: tuple[int, ...] = ()
    corner: tuple[int, int] | None = None
    layers: tuple[str, ...] = DEFAULT_LAYERS
    tool: str = "pick"
    comparing: bool = False
    lang: str = "en"
    plain: bool = False
    preset: str = engine.PRESET
    kind: str = "remove"
    compared: tuple[Segmentation, ...] = ()
    explained: tuple = ()
    suggestions: tuple[str, ...] = ()
    stamp: int = 0
    turn: int = 0
    job: int = 0
    stopped: int = 0
    palette: Palette | None = None

    @property
    def step(self) -> Step | None:
        """The current step, or None before any photo was opened."""
        return self.steps[self.cursor] if self.steps else None

    def colors(self) -> list[tuple[int, int, int]]:
        """A colour per class of the current step, 8-bit sRGB; a name keeps its colour as long as the session lives."""
        if self.step is None or self.step.segmentation is None:
            return []
        return self.colors_of([c.name for c in self.step.segmentation.vocabulary.classes])

    def colors_of(self, names: list[str]) -> list[tuple[int, int, int]]:
        """A colour per name, 8-bit sRGB."""
        if self.palette is None:  # made here, not at the start: it holds a lock, and Gradio copies the first session
            self.palette = Palette()
        return self.palette.colors(names)

    @property
    def picked_regions(self) -> tuple[Region, ...]:
        """The picked regions in the order of the list."""
        return tuple(r for r in self.step.regions if r.id in self.picked) if self.step else ()

    @property
    def has_work(self) -> bool:
        """Whether leaving the page would lose something made here."""
        return any(s.edit is not None or any(r.class_index < 0 for r in s.regions) for s in self.steps)

    def say(self, key: str, **values: object) -> str:
        """A sentence in the visitor's language; see `words.say`."""
        return words.say(self.lang, key, **values)

    def count(self, number: int, one: str) -> str:
        """`3 masks` in the visitor's language."""
        return words.count(self.lang, number, one)

    def push(self, step: Step, picked: tuple[int, ...] = (), comparing: bool = False) -> None:
        """Add a step after the current one; what could be redone is dropped, and the oldest beyond the limits."""
        steps = [*self.steps[: self.cursor + 1], step][-MAX_STEPS:]
        while len(steps) > 2 and _bytes(steps) > MAX_BYTES:
            steps.pop(0)
        self.steps, self.cursor = tuple(steps), len(steps) - 1
        self.picked, self.corner, self.comparing = picked, None, comparing

    def go(self, cursor: int) -> None:
        """Stand at another step of the history (clamped to it); nothing is lost by it."""
        if not self.steps:
            return
        self.cursor = min(max(int(cursor), 0), len(self.steps) - 1)
        ids = {r.id for r in self.step.regions}
        self.picked = tuple(i for i in self.picked if i in ids)
        self.corner, self.comparing = None, False

    def toggle(self, region_id: int) -> None:
        """Pick a region, or put it back when it was picked."""
        if region_id in self.picked:
            self.picked = tuple(i for i in self.picked if i != region_id)
        else:
            self.picked = (*self.picked, region_id)

    def begin(self) -> int:
        """Number a new long job; called before it waits in the queue, so that it can be stopped there too."""
        self.job += 1
        return self.job

    def stop(self) -> None:
        """Tell every job begun so far to stop at its next step."""
        self.stopped = self.job

    def check(self, job: int) -> None:
        """Raise `Cancelled` when this job was told to stop."""
        if job <= self.stopped:
            raise Cancelled


def _bytes(steps: list[Step]) -> int:
    held: dict[int, int] = {}
    for step in steps:
        held.update(step.holds())
    return sum(held.values())
