"""One lock per device: models are called by one job at a time, whoever's job it is."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from .cache import patiently
from .progress import Progress

_locks: dict[str, threading.RLock] = {}
_guard = threading.Lock()


def device_lock(device: object) -> threading.RLock:
    """The lock of a device; `cuda` and `cuda:0` are one device."""
    name = str(device)
    name = name if ":" in name else f"{name}:0"
    with _guard:
        return _locks.setdefault(name, threading.RLock())


@contextmanager
def on_device(device: object, progress: Progress) -> Iterator[None]:
    """Hold a device. Whoever has to wait is told so, and may stop waiting by cancelling."""
    with patiently(device_lock(device), lambda: progress.step("Waiting for another job to finish")):
        yield


def share_of(progress: Progress, low: float, high: float) -> Progress:
    """A progress of its own seconds whose 0..1 is `low` to `high` of another's."""

    def report(message: str, share: float | None = None) -> None:
        progress.report(message, None if share is None else low + (high - low) * share)

    return Progress(report, show=progress.show)


def shared_progress(progress: Progress, low: float, high: float) -> Progress:
    """As `share_of`, but the seconds are the other's own."""
    return replace(share_of(progress, low, high), seconds=progress.seconds)
