"""What belongs to one visitor: the steps taken, what is picked, and the number of the job that runs.

A `Session` is kept by `session_store`; nothing of it is reachable from another visitor's page. The records inside are
immutable, so a step costs only what it changed. Handlers of one visitor may overlap (a long job and a click): a
long job notes the step it started from, and its result is dropped when that step is no longer the current one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from pipeline.errors import Cancelled
from pipeline.history import History, Step
from pipeline.palette import Palette
from pipeline.progress import checkpoint
from pipeline.records import Region, Segmentation

from . import endings, engine, permissions, words
from .stored import StoredStep, stored

MAX_STEPS = 40

LAYERS = ("fill", "outline", "names", "prompts", "scores")
TOOLS = ("pick", "add", "subtract", "box")
DEFAULT_LAYERS = ("fill", "outline", "names", "prompts")


@dataclass(eq=False)
class Session:
    """A visitor's table.

    Attributes:
        history: all steps, with the branches that were left, and where in it the page stands.
        kept: the steps a session file holds already, or ().
        picked: ids of the picked regions of the current step; picks: the same of steps that were left, by their id.
        corner: first corner of a box that is being drawn, in photo pixels, or None.
        layers: which layers are drawn over the photo.
        tool: "pick", "add", "subtract" or "box".
        comparing: whether before and after is shown in place of the masks.
        palette: the colours its names have had so far.
        lang: the language of its lines, a key of `words.LANGUAGES`.
        kind: the kind of change that is chosen.
        compared: what the last comparison found, one per panel; compared_words: the names as they were typed for it.
        explained: step, x, y, region and maps of the last point that was explained.
        preset: the set of models it uses.
        plain: whether the plain surface is shown in place of the canvas.
        suggestions: names that are likely in the current photo.
        turn: number of the newest pick on the canvas.
        stamp: number of the newest scene that was sent to the browser.
        job: number of the newest long job; stopped: jobs up to this number have been told to stop.
        token: the secret by which its visitor finds it again, or "" for one that is never saved.
        address: where its visitor's requests come from, or "".
        showing: paths of the files that its page shows.
        notices: sentences the visitor is to be shown with the next line.
        replaced: whether its page shows another session now; nothing it says is shown any more.
        changed: called with the session after its steps, or where it stands, have changed.
    """

    history: History = field(default_factory=History)
    kept: tuple[Step, ...] = ()
    picked: tuple[int, ...] = ()
    picks: dict[int, tuple[int, ...]] = field(default_factory=dict)
    corner: tuple[int, int] | None = None
    layers: tuple[str, ...] = DEFAULT_LAYERS
    tool: str = "pick"
    comparing: bool = False
    lang: str = "en"
    plain: bool = False
    preset: str = engine.PRESET
    kind: str = "remove"
    compared: tuple[Segmentation, ...] = ()
    compared_words: str = ""
    explained: tuple = ()
    suggestions: tuple[str, ...] = ()
    stamp: int = 0
    turn: int = 0
    job: int = 0
    stopped: int = 0
    palette: Palette | None = None
    token: str = ""
    address: str = ""
    showing: frozenset[str] = frozenset()
    notices: list[str] = field(default_factory=list)
    replaced: bool = False
    changed: Callable[[Session], None] | None = None

    @property
    def step(self) -> Step | None:
        """The current step, or None before any photo was opened."""
        return self.history.current

    @property
    def steps(self) -> tuple[Step, ...]:
        """The branch the page stands on, from its first step to its last; later steps can be redone."""
        history = self.history
        line = list(history.path())
        while line and line[-1].id in history.ahead:
            line.append(history.step(history.ahead[line[-1].id]))
        return tuple(line)

    @property
    def cursor(self) -> int:
        """Which of `steps` is the current one; -1 before any photo was opened."""
        return len(self.history.path()) - 1

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
        """Whether leaving the page would lose something made here that is in no session file."""
        return self.history.steps is not self.kept and any(step.is_work for step in self.history.steps)

    def holds(self) -> dict[int, int]:
        """Bytes of what it keeps in memory, by identity; see `Step.holds`."""
        held: dict[int, int] = {}
        for step in self.history.steps:
            held.update(step.holds())
        for one in self.compared:
            arrays = [one.photo.pixels, one.labels, *(r.crop for r in one.regions)]
            held.update({id(array): array.nbytes for array in arrays})
        if self.explained:
            held.update({id(array): array.nbytes for array in self.explained[-1].values()})
        return held

    def say(self, key: str, **values: object) -> str:
        """A sentence in the visitor's language; see `words.say`."""
        return words.say(self.lang, key, **values)

    def heard(self, sentence: str) -> str:
        """A sentence of the engine in the visitor's language; see `words.engine`."""
        return words.engine.translated(self.lang, permissions.without_places(sentence))

    def count(self, number: int, one: str) -> str:
        """`3 masks` in the visitor's language."""
        return words.count(self.lang, number, one)

    def push(
        self, step: Step, picked: tuple[int, ...] = (), comparing: bool = False, parent: int | None = -1
    ) -> None:
        """Add a step after the current one (or after `parent`); what could be redone stays as a branch.

        The oldest steps beyond `MAX_STEPS` go.
        """
        checkpoint()  # a job that was stopped, and whose end nobody waits for, changes nothing
        self._leave()
        after = self.history.at if parent == -1 else parent  # a photo that is opened can be undone too
        self.history = self.history.add(StoredStep.of(step), parent=after).trimmed(MAX_STEPS)
        self.picked, self.corner, self.comparing = picked, None, comparing
        self.tell()

    def put(self, history: History) -> None:
        """Take another history in place of this one, such as a session file's."""
        self.history = stored(history.trimmed(MAX_STEPS))
        self.picked, self.corner, self.comparing = (), None, False
        self.suggestions, self.compared, self.explained = (), (), ()
        self.tell()

    def tell(self) -> None:
        """Say that the steps changed, or where it stands."""
        if self.changed is not None:
            self.changed(self)

    def _leave(self) -> None:
        """Note what is picked on the step that is left, for whoever comes back to it."""
        if self.step is not None:
            kept = {step.id for step in self.history.steps}
            self.picks = {i: ids for i, ids in self.picks.items() if i in kept} | {self.step.id: self.picked}

    def go(self, cursor: int) -> None:
        """Stand at another step of this branch (clamped to it); nothing is lost by it."""
        steps = self.steps
        if steps:
            self.jump(steps[min(max(int(cursor), 0), len(steps) - 1)].id)

    def jump(self, number: int) -> None:
        """Stand at any step, by its id; redo then follows the branch it lies on.

        Raises:
            KeyError: there is no such step.
        """
        self._leave()
        history = self.history.jump(int(number))
        history.current.hold()  # before anything changes: its pictures may be damaged
        self.history = history
        ids = {r.id for r in self.step.regions}
        self.picked = tuple(i for i in self.picks.get(self.step.id, self.picked) if i in ids)
        self.corner, self.comparing = None, False
        self.tell()

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

    def stop(self, before: int | None = None) -> None:
        """Tell every job begun so far, or those begun before the job of this number, to stop at its next step."""
        self.stopped = self.job if before is None else max(self.stopped, before - 1)

    def check(self, job: int) -> None:
        """Raise `Cancelled` when this job was told to stop, or the server is ending."""
        if job <= self.stopped or endings.ENDING.is_set():
            raise Cancelled
