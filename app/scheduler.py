"""Who is served next: one fair line for all long work, of the page and of the endpoints.

Work stands in a *pool* (`models`, `plain`, `quick`, `fetch`) that serves a fixed number of jobs at a time: what runs
no model never waits for one, opening a photo or painting a stroke waits for no removal, and what waits for a network
holds nobody. In each pool one place is never given to long jobs, so that a short one finds it free soon.

The order is that of start-time fair queueing (Goyal, Vin, Cheng 1996) on two levels: first among client addresses,
then among the sessions of one address. Whoever has had less is served first; among equals the shorter job. What has
waited moves forward with time, so that nobody starves. What a job really took is what its visitor is charged.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from queue import SimpleQueue

#: Seconds of expected work from which a job is long.
LONG = 6.0
#: How far ahead, in seconds of work, a click goes before whole photos, and the most that a short job gains on a long.
URGENT, MOST_GAIN = 2.0, 5.0
#: Seconds of work that a second of waiting is worth.
AGEING = 0.1
#: Seconds a job is thought to take where nothing is known of it.
USUAL = 1.0


@dataclass(frozen=True)
class Visitor:
    """Whose a job is.

    Attributes:
        address: of the client; "" where it tells nothing (the machine itself, or a proxy that serves many).
        session: of the page or of the client program; "" for calls without one.
    """

    address: str = ""
    session: str = ""

    @property
    def place(self) -> tuple[str, str]:
        """The address whose share counts; where addresses tell nothing, every session is its own."""
        return (self.address, "") if self.address else ("", self.session)


@dataclass(frozen=True)
class Work:
    """What a job will need: its pool, the seconds it is expected to take, and whether somebody is at the mouse."""

    pool: str = "models"
    seconds: float = USUAL
    urgent: bool = False


@dataclass(frozen=True)
class Bounds:
    """Jobs that may wait: of one session, of one address, and of all together."""

    session: int = 8
    address: int = 24
    everybody: int = 160


class LineFull(Exception):
    """Too many jobs wait; `own`: of this visitor, `count` of them; `seconds`: when to try again."""

    def __init__(self, own: bool, count: int, seconds: float):
        super().__init__(f"{count} jobs wait")
        self.own, self.count, self.seconds = own, count, seconds


@dataclass(eq=False)
class _Share:
    """What an address or a session has had: `start`, on the line's clock of seconds of work; `last`: when."""

    start: float = 0.0
    last: float = 0.0
    jobs: int = 0
    clock: float = 0.0


@dataclass(eq=False)
class Ticket:
    """A job in the line. `state` is "waiting", "running", "aside" or "done"."""

    visitor: Visitor
    work: Work
    call: Callable[[Ticket], None]
    since: float
    state: str = "waiting"
    began: float = 0.0
    least_ahead: int = field(default=1 << 30)

    @property
    def long(self) -> bool:
        """Whether it may not take a pool's last place."""
        return self.work.seconds > LONG


def processors() -> int:
    """How many processors this program may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def places(count: int | None = None) -> dict[str, int]:
    """Jobs served at a time in each pool, by the number of processors."""
    count = count or processors()
    return {"models": max(2, count), "plain": max(2, count // 2), "quick": 4, "fetch": 4}


class Scheduler:
    """The line; safe to use from any thread.

    Attributes:
        places: jobs served at a time, by pool.
    """

    def __init__(self, places: dict[str, int], clock: Callable[[], float] = time.monotonic):
        self.places, self._now = places, clock
        self._lock = threading.Lock()
        self._waiting: list[Ticket] = []
        self._running: dict[str, list[Ticket]] = {pool: [] for pool in places}
        self._addresses: dict[tuple[str, str], _Share] = {}
        self._sessions: dict[tuple[tuple[str, str], str], _Share] = {}
        self._clock = 0.0
        self._idle: list[SimpleQueue] = []

    def submit(
        self, visitor: Visitor, work: Work, call: Callable[[Ticket], None], bounds: Bounds | None = None
    ) -> Ticket:
        """Stand in line; `call(ticket)` runs in a thread of the line's when it is its turn, and must not raise.

        Raises:
            LineFull: as many as `bounds` allows wait already.
        """
        with self._lock:
            self._refuse(visitor, bounds or Bounds())
            ticket = Ticket(visitor, work, call, self._now())
            for share, clock in zip(self._shares(visitor), (self._clock, self._address(visitor).clock), strict=True):
                if not share.jobs:
                    share.start = max(share.start, clock)
                share.jobs += 1
            self._waiting.append(ticket)
            self._dispatch()
            return ticket

    def cancel(self, ticket: Ticket) -> bool:
        """Leave the line; False where the job runs already, or has run."""
        with self._lock:
            if ticket.state != "waiting":
                return False
            ticket.state = "done"
            self._waiting.remove(ticket)
            self._leave(ticket)
            return True

    def ahead(self, ticket: Ticket) -> int:
        """How many are first, those being served included; never more than was said before. 0: it is its turn."""
        with self._lock:
            if ticket.state != "waiting":
                return 0
            now, pool = self._now(), ticket.work.pool
            own = self._rank(ticket, now)
            first = sum(t.work.pool == pool and self._rank(t, now) < own for t in self._waiting)
            ticket.least_ahead = min(ticket.least_ahead, first + max(1, len(self._running[pool])))
            return ticket.least_ahead

    def busy(self) -> int:
        """How many jobs compute at this moment."""
        with self._lock:
            return sum(len(r) for pool, r in self._running.items() if pool != "fetch")

    @contextmanager
    def aside(self, ticket: Ticket) -> Iterator[None]:
        """Give the place to others while this job waits for something; it goes on afterwards without standing in line
        again, one too many for a moment, since waiting here with locks in hand could stop everybody."""
        if ticket.state != "running":
            yield
            return
        with self._lock:
            ticket.state = "aside"
            self._running[ticket.work.pool].remove(ticket)
            self._dispatch()
        try:
            yield
        finally:
            with self._lock:
                ticket.state = "running"
                self._running[ticket.work.pool].append(ticket)

    def _refuse(self, visitor: Visitor, bounds: Bounds) -> None:
        mine = [t for t in self._waiting if t.visitor.place == visitor.place]
        same = sum(t.visitor.session == visitor.session for t in mine)
        for own, count, most in (
            (True, same, bounds.session), (True, len(mine), bounds.address),
            (False, len(self._waiting), bounds.everybody),
        ):  # fmt: skip
            if count >= most:
                ahead = mine if own else self._waiting
                share = max(1, len(self._addresses)) if own else 1
                seconds = sum(t.work.seconds for t in ahead) * share / max(1, len(ahead))
                raise LineFull(own, count, max(5.0, seconds))

    def _address(self, visitor: Visitor) -> _Share:
        return self._addresses.setdefault(visitor.place, _Share(start=self._clock))

    def _shares(self, visitor: Visitor) -> tuple[_Share, _Share]:
        address = self._address(visitor)
        key = visitor.place, visitor.session
        return address, self._sessions.setdefault(key, _Share(start=address.clock))

    def _leave(self, ticket: Ticket) -> None:
        """A job has gone. Shares are forgotten once nobody uses them and they owe nothing, all of them when the line
        is idle: there is nobody to be fair to."""
        for share in self._shares(ticket.visitor):
            share.jobs -= 1
        if not self._waiting and not any(share.jobs for share in self._addresses.values()):
            self._addresses.clear()
            self._sessions.clear()
        elif len(self._sessions) > 4 * len(self._waiting) + 64:
            self._addresses = {k: a for k, a in self._addresses.items() if a.jobs or a.start > self._clock}
            self._sessions = {
                k: s for k, s in self._sessions.items()
                if k[0] in self._addresses and (s.jobs or s.start > self._addresses[k[0]].clock)
            }  # fmt: skip

    def _key(self, share: _Share, ticket: Ticket, now: float) -> float:
        waited = now - max(ticket.since, share.last)
        gain = min(ticket.work.seconds, MOST_GAIN) - URGENT * ticket.work.urgent
        return share.start + gain - AGEING * waited

    def _rank(self, ticket: Ticket, now: float) -> tuple[float, float, float]:
        address, session = self._shares(ticket.visitor)
        return self._key(address, ticket, now), self._key(session, ticket, now), ticket.since

    def _fits(self, ticket: Ticket) -> bool:
        running, count = self._running[ticket.work.pool], self.places[ticket.work.pool]
        if len(running) >= count:
            return False
        return not ticket.long or count == 1 or sum(t.long for t in running) < count - 1

    def _next(self) -> Ticket | None:
        """The job that is served now: of the address that has had least, of its session that has had least."""
        now = self._now()
        best: dict[tuple[str, str], tuple] = {}
        for ticket in self._waiting:
            if self._fits(ticket):
                rank = self._rank(ticket, now)
                inside = (rank[1], rank[2], rank[0], ticket)
                known = best.get(ticket.visitor.place)
                if known is None or inside[:2] < known[:2]:
                    best[ticket.visitor.place] = inside
        return min(best.values(), key=lambda one: (one[2], one[1]))[3] if best else None

    def _dispatch(self) -> None:
        while (ticket := self._next()) is not None:
            self._waiting.remove(ticket)
            ticket.state, ticket.began = "running", self._now()
            self._running[ticket.work.pool].append(ticket)
            address, session = self._shares(ticket.visitor)
            self._clock = max(self._clock, address.start)
            address.clock = max(address.clock, session.start)
            self._charge(ticket, ticket.work.seconds)
            self._start(ticket)

    def _charge(self, ticket: Ticket, seconds: float) -> None:
        for share in self._shares(ticket.visitor):
            share.start += seconds
            share.last = self._now()

    def _serve(self, ticket: Ticket) -> None:
        try:
            ticket.call(ticket)
        finally:
            with self._lock:
                ticket.state = "done"
                self._running[ticket.work.pool].remove(ticket)
                self._charge(ticket, max(self._now() - ticket.began, 0.0) - ticket.work.seconds)
                self._leave(ticket)
                self._dispatch()

    def _start(self, ticket: Ticket) -> None:
        """Serve a ticket in a thread that is free, or in a new one. There are never more threads than jobs that were
        served at once; one that has run a job runs the next faster, since libraries set up each thread once."""

        def loop(wanted: SimpleQueue) -> None:
            while True:
                self._serve(wanted.get())
                with self._lock:
                    self._idle.append(wanted)

        if self._idle:
            wanted = self._idle.pop()
        else:
            wanted = SimpleQueue()
            threading.Thread(target=loop, args=(wanted,), name="namebrush-job", daemon=True).start()
        wanted.put(ticket)


#: The line of this program.
SCHEDULER = Scheduler(places())
