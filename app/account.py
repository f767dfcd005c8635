"""One account of memory: what is held and by whom, and what goes when it is too much.

What counts is the process's real size (`limits.used`). Above a mark of what may be used, things go in this order
until it is below: freed memory the C library still holds, the features used longest ago, the pictures of saved steps
that nobody looks at (the sessions not seen for longest first), and last what sessions show that nobody looks at now.
Steps that go lie on the disk and are read back when they are used, so nothing is lost by it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator

from pipeline.cache import ByteCache
from pipeline.errors import NamebrushError

from . import engine, examples, limits
from .session import Session
from .session_store import SessionStore, Visit

log = logging.getLogger("namebrush")

#: Shares of what may be used: above MARK things go until REST is left; above FULL no new photo is taken.
MARK, REST, FULL = 0.75, 0.65, 0.92
#: Seconds between two looks, and for the steps of a session in use to reach the disk before they are waited for.
PACE, WRITING = 0.5, 20.0
#: Bytes a piece of work may need beside what it keeps, per pixel of its photo.
PER_PIXEL = 24


class Account:
    """The account of a server.

    Args:
        store: the sessions.
        most: bytes that may be used; None asks `limits.memory`.
        used: bytes in use now.
    """

    def __init__(self, store: SessionStore, most: int | None = None, used: Callable[[], int] = limits.used):
        self.store, self.used = store, used
        self.most = limits.memory() if most is None else most
        self._guard = threading.Lock()
        self._end = threading.Event()

    def start(self) -> None:
        """Look every `PACE` seconds in a thread of its own."""
        threading.Thread(target=self._run, name="memory", daemon=True).start()

    def stop(self) -> None:
        """Look no more."""
        self._end.set()

    def _run(self) -> None:
        while not self._end.wait(PACE):
            try:
                self.settle()
            except Exception:
                log.exception("Memory could not be freed; it is tried again.")

    def held(self) -> dict[str, int]:
        """Bytes held, by what holds them."""
        sessions: dict[int, int] = {}
        for visit in self.store.visits():
            sessions.update(visit.session.holds())
        return {
            "process": self.used(), "features": sum(cache.nbytes for cache in self._caches()),
            "sessions": sum(sessions.values()), "examples": examples.kept().nbytes, "models": engine.model_bytes(),
        }  # fmt: skip

    def room(self, session: Session, bytes_: int) -> None:
        """Make room for work of a session before it begins.

        Raises:
            NamebrushError: there is none even with everything else on the disk.
        """
        if self.used() + bytes_ <= MARK * self.most:
            return
        self.settle(bytes_, session)
        if self.used() + bytes_ > FULL * self.most:
            self.store.writer.flush(WRITING)
            self.settle(bytes_, session)
            if self.used() + bytes_ > FULL * self.most:
                raise NamebrushError(session.say("memory_full"))

    def settle(self, coming: int = 0, keep: Session | None = None) -> bool:
        """Let go of things until there is room for `coming` bytes more; whether there is.

        Args:
            coming: bytes about to be used.
            keep: the session whose current step stays.
        """
        if self.used() + coming <= MARK * self.most:
            return True
        with self._guard:
            limits.give_back()
            goal = REST * self.most - coming
            for drop in self._droppable(keep):
                over = self.used() - goal
                if over <= 0:
                    return True
                drop(over)
                limits.give_back()
            return self.used() <= goal

    def _droppable(self, keep: Session | None) -> Iterator[Callable[[int], object]]:
        """What can go, in order; each is called with the bytes that are too much."""
        for cache in self._caches():
            yield cache.shrink
        yield examples.kept().shrink
        visits = sorted(self.store.visits(), key=lambda v: (v.pages > 0, v.used))
        for visit in visits:
            if any(step.in_memory for step in visit.session.history.steps if step is not visit.session.step):
                yield lambda over, visit=visit: _drop_steps(visit, current=False)
        for visit in visits:
            if visit.session is not keep:
                yield lambda over, visit=visit: _drop_steps(visit, current=True)

    def _caches(self) -> list[ByteCache]:
        return [pipeline.cache for pipeline in engine.all_held()]


def _drop_steps(visit: Visit, current: bool) -> None:
    """Let go of the pictures of saved steps, the current one too where `current` says so."""
    session = visit.session
    for step in session.history.steps:
        if current or step is not session.step:
            step.drop()
    if current:
        session.explained = ()
    if visit.folder is not None:
        visit.folder.forget_recent()
