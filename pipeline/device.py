"""Who may call models: on a graphics card one job at a time, on the processor as many as it serves best.

Held for model calls alone. What comes before and after them, and what waits for a network or a disk, holds no device.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import replace

from .cache import patiently
from .progress import Progress, aside


class _Places:
    """A lock that a number of threads hold at once; a thread that holds it may take it again."""

    def __init__(self, count: int):
        self._free, self._own = threading.Semaphore(count), threading.local()

    def acquire(self, timeout: float = -1) -> bool:
        """As `threading.RLock.acquire`."""
        depth = getattr(self._own, "depth", 0)
        if depth or self._free.acquire(timeout=None if timeout < 0 else timeout):
            self._own.depth = depth + 1
            return True
        return False

    def release(self) -> None:
        """As `threading.RLock.release`."""
        self._own.depth -= 1
        if not self._own.depth:
            self._free.release()


_locks: dict[str, _Places] = {}
_parts: dict[str, threading.RLock] = {}
_guard = threading.Lock()
_calls = 1
_threads: Callable[[], int] | None = None
_holding = threading.local()


def share_processor(calls: int, threads: Callable[[], int] | None = None) -> None:
    """Let several model calls run at once on the processor. To be said before the first model is called.

    Args:
        calls: how many.
        threads: how many threads a call that begins now may use; None leaves PyTorch's own number.
    """
    global _calls, _threads
    with _guard:
        _calls, _threads = calls, threads
        _locks.pop("cpu:0", None)


def device_lock(device: object) -> _Places:
    """The lock of a device; `cuda` and `cuda:0` are one device."""
    name = str(device)
    name = name if ":" in name else f"{name}:0"
    with _guard:
        return _locks.setdefault(name, _Places(_calls if name == "cpu:0" else 1))


def part_lock(part: str) -> threading.RLock:
    """The lock of models that keep something of a call in themselves, so that two calls must not overlap."""
    with _guard:
        return _parts.setdefault(part, threading.RLock())


def holds_device() -> bool:
    """Whether this thread holds a device."""
    return getattr(_holding, "depth", 0) > 0


@contextmanager
def loading(lock: threading.RLock, progress: Progress) -> Iterator[None]:
    """Fetch or load models, one thread at a time under this lock. Nobody waits but who needs the same models."""

    def waiting() -> None:
        progress.step("Waiting for models that another job loads")

    with nullcontext() if holds_device() else aside(), patiently(lock, waiting, False):
        yield


@contextmanager
def on_device(device: object, progress: Progress, part: str = "") -> Iterator[None]:
    """Hold a device. Whoever has to wait is told so, and may stop waiting by cancelling.

    Args:
        device: which.
        progress: told of waiting.
        part: models of this name are held alone, see `part_lock`.
    """

    def waiting() -> None:
        progress.step("Waiting for another job to finish")

    with ExitStack() as held:
        if part:
            held.enter_context(patiently(part_lock(part), waiting, not holds_device()))
        held.enter_context(patiently(device_lock(device), waiting, False))
        if _threads is not None and str(device).startswith("cpu") and not holds_device():
            _use_threads(_threads())
        _holding.depth = getattr(_holding, "depth", 0) + 1
        try:
            yield
        finally:
            _holding.depth -= 1


def _use_threads(count: int) -> None:
    """Give PyTorch's sums in this thread a number of threads; every thread has its own."""
    import torch

    if torch.get_num_threads() != count:  # asking first makes the number this thread's own
        torch.set_num_threads(count)


def share_of(progress: Progress, low: float, high: float) -> Progress:
    """A progress of its own seconds whose 0..1 is `low` to `high` of another's."""

    def report(message: str, share: float | None = None) -> None:
        progress.report(message, None if share is None else low + (high - low) * share)

    return Progress(report, show=progress.show)


def shared_progress(progress: Progress, low: float, high: float) -> Progress:
    """As `share_of`, but the seconds are the other's own."""
    return replace(share_of(progress, low, high), seconds=progress.seconds)
