"""One small callback for everything that takes long: the page, the command line and Python all use it.

Beside it, what a job running in this thread can be asked from anywhere inside the work, however deep: whether it shall
stop (`checkpoint`), and to let others work while it waits or loads (`aside`). Whoever runs jobs sets both (`running`);
where nobody did, they do nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field

#: Called with a sentence for the person and the share done in 0..1 (None: unknown). Raise `Cancelled` from it to stop.
Report = Callable[[str, "float | None"], None]

_check: ContextVar[Callable[[], None] | None] = ContextVar("check", default=None)
_aside: ContextVar[Callable[[], AbstractContextManager]] = ContextVar("aside", default=nullcontext)


def checkpoint(*_: object) -> None:
    """A point where the job of this thread may stop: raises what its runner wants raised, `Cancelled` as a rule.

    Cheap enough for inner loops of some milliseconds. Takes and ignores arguments, so that it can be a hook.
    """
    check = _check.get()
    if check is not None:
        check()


def aside() -> AbstractContextManager:
    """A context in which the job of this thread computes nothing: it waits for another, or for a disk or a network.

    Others may run meanwhile. Never entered with a device in hand.
    """
    return _aside.get()()


@contextmanager
def running(
    check: Callable[[], None] | None = None, aside: Callable[[], AbstractContextManager] = nullcontext
) -> Iterator[None]:
    """Run a job in this context: `checkpoint` calls `check`, `aside` enters what `aside` gives."""
    tokens = _check.set(check), _aside.set(aside)
    try:
        yield
    finally:
        _check.reset(tokens[0])
        _aside.reset(tokens[1])


def silent(message: str, share: float | None = None) -> None:
    """A `Report` that says nothing."""


@dataclass
class Progress:
    """Reports steps to a person and measures the seconds of every stage.

    Attributes:
        report: where sentences go; it may raise `Cancelled`, which stops the work between two steps.
        seconds: seconds per finished stage, in the order the stages ran; a stage that was served from a cache is 0.
        show: where pictures on the way go: uint8 [h, w, 3] of any size, and the box x0, y0, x1, y1 of the photo it
            covers; None where nobody looks at them, so that none are made.
    """

    report: Report = silent
    seconds: dict[str, float] = field(default_factory=dict)
    show: Callable[..., None] | None = None

    def step(self, message: str, share: float | None = None) -> None:
        """Say what is being done, in words; also the point where a cancelled job stops."""
        checkpoint()
        self.report(message, share)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure one stage: `with progress.stage("encode"): ...`."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start
