"""A cache bounded in bytes, keyed by content, safe under threads, that makes nothing twice."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, TypeVar

from .progress import aside, checkpoint

T = TypeVar("T")

#: Seconds between two looks at whether somebody who waits for another's work wants to stop waiting.
POLL_SECONDS = 0.1
#: What an entry costs beside its arrays, so that many small values are bounded too.
ENTRY_BYTES = 256


def nbytes_of(value: Any) -> int:
    """Bytes of the arrays and tensors a value holds, through records, sequences and mappings.

    Small things (numbers, names) count as nothing; what is wanted is the size that fills a memory.
    """
    own = getattr(value, "nbytes", None)
    if isinstance(own, int):
        return own
    if is_dataclass(value) and not isinstance(value, type):
        return sum(nbytes_of(getattr(value, f.name)) for f in fields(value))
    if isinstance(value, Mapping):
        return sum(nbytes_of(v) for v in value.values())
    if isinstance(value, (tuple, list)):
        return sum(nbytes_of(v) for v in value)
    return 0


@dataclass
class _Making:
    """A lock for one key and how many threads hold or await it."""

    lock: threading.Lock
    users: int = 0


class ByteCache:
    """Keeps the values used last, as many as fit into `max_bytes`.

    Values are shared between threads and must not be changed by whoever gets them.

    Attributes:
        max_bytes: the bound; a value larger than it is handed out but not kept.
        hits, misses: how often `get_or_make` found its key and how often it had to make the value.
    """

    def __init__(self, max_bytes: int):
        if max_bytes < 0:
            raise ValueError(f"max_bytes must not be negative, got {max_bytes}")
        self.max_bytes = max_bytes
        self.hits = self.misses = 0
        self._bytes = 0
        self._values: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._making: dict[Hashable, _Making] = {}
        self._guard = threading.Lock()

    def __len__(self) -> int:
        with self._guard:
            return len(self._values)

    @property
    def nbytes(self) -> int:
        """Bytes held now."""
        with self._guard:
            return self._bytes

    def keys(self) -> tuple[Hashable, ...]:
        """The keys held now, the one used last at the end."""
        with self._guard:
            return tuple(self._values)

    def get(self, key: Hashable) -> Any | None:
        """The value of a key, which becomes the one used last, or None."""
        with self._guard:
            if key not in self._values:
                return None
            self._values.move_to_end(key)
            return self._values[key][0]

    def put(self, key: Hashable, value: Any) -> None:
        """Keep a value, dropping those not used for longest until all fit."""
        size = nbytes_of(value) + ENTRY_BYTES
        with self._guard:
            if key in self._values:
                self._bytes -= self._values.pop(key)[1]
            if size > self.max_bytes:
                return
            self._values[key] = (value, size)
            self._bytes += size
            while self._bytes > self.max_bytes:
                self._bytes -= self._values.popitem(last=False)[1][1]

    def get_or_make(self, key: Hashable, make: Callable[[], T], waiting: Callable[[], None] = lambda: None) -> T:
        """The value of a key, made once however many threads ask for it at the same time.

        Args:
            key: names the content, never an object that may change.
            make: makes the value; it must not ask this cache for the same key. If it raises, nothing is kept and
                the next thread in line makes it anew.
            waiting: called again and again while another thread is making the value; raise from it to stop waiting.
        """
        with self._alone(key, waiting):
            found = self.get(key)
            with self._guard:
                self.hits += found is not None
                self.misses += found is None
            if found is not None:
                return found
            value = make()
            self.put(key, value)
            return value

    def shrink(self, by: int) -> int:
        """Forget values, those not used for longest first, until `by` bytes are let go of or none is left; returns
        the bytes."""
        before = self.nbytes
        with self._guard:
            while self._values and before - self._bytes < by:
                self._bytes -= self._values.popitem(last=False)[1][1]
            return before - self._bytes

    def clear(self) -> None:
        """Forget everything."""
        with self._guard:
            self._values.clear()
            self._bytes = 0

    @contextmanager
    def _alone(self, key: Hashable, waiting: Callable[[], None]):
        with self._guard:
            making = self._making.setdefault(key, _Making(threading.Lock()))
            making.users += 1
        try:
            with patiently(making.lock, waiting):
                yield
        finally:
            with self._guard:
                making.users -= 1
                if not making.users:
                    del self._making[key]


@contextmanager
def patiently(lock, waiting: Callable[[], None], letting: bool = True):
    """Hold a lock, calling `waiting` every moment until it is free; what `waiting` raises ends the wait.

    With `letting` other jobs may take this one's place while it waits (`progress.aside`).
    """
    if not lock.acquire(timeout=0):
        with aside() if letting else nullcontext():
            while not lock.acquire(timeout=POLL_SECONDS):
                checkpoint()
                waiting()
    try:
        yield
    finally:
        lock.release()
