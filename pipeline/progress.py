"""One small callback for everything that takes long: the page, the command line and Python all use it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

#: Called with a sentence for the person and the share done in 0..1 (None: unknown). Raise `Cancelled` from it to stop.
Report = Callable[[str, "float | None"], None]


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
        self.report(message, share)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure one stage: `with progress.stage("encode"): ...`."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start
