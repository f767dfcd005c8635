"""A few warm decoding processes and the people who wait for them."""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import BinaryIO

import numpy as np

from ..decode import Decoded
from ..errors import NamebrushError
from .limits import Limits
from .process import Died, Process
from .replies import checked_photo, checked_samples, content, refusal
from .transport import nameless_file, write_all

log = logging.getLogger("namebrush.decoding")

#: Pictures that may wait: of one owner, and of all together.
WAITING_EACH, WAITING = 12, 128
#: Bytes of the largest picture file.
LARGEST_FILE = 256 << 20
#: Seconds after which a process beyond the first ends when nobody needs it.
IDLE_SECONDS = 120.0
_LOOK = 0.1

#: A picture file: its bytes, or an open file that has a descriptor.
Source = bytes | BinaryIO


@dataclass(eq=False)
class _Ticket:
    """Somebody who waits for a process."""

    process: Process | None = None
    refused: bool = False
    ready: threading.Event = field(default_factory=threading.Event)


class Decoder:
    """Decodes picture files of strangers in processes that may die. Safe to use from any number of threads.

    Processes start in the background when first needed (or by `warm`), serve many pictures, and are replaced when one
    died, exceeded a limit, served its share or kept much memory. Of several owners each has one picture decoded in
    turn.
    """

    def __init__(self, workers: int | None = None, limits: Limits | None = None):
        """`workers`: how many processes at most; by default two, or one on a machine with one processor."""
        self.limits = limits or Limits()
        self._workers = workers or min(2, os.cpu_count() or 1)
        self._changed = threading.Condition()
        self._waiting: OrderedDict[Hashable, deque[_Ticket]] = OrderedDict()
        self._free: list[tuple[Process, float]] = []
        self._processes: set[Process] = set()
        self._needed = 0
        self._starter: threading.Thread | None = None
        self._closed = False
        atexit.register(self.close)

    def decode(
        self, source: Source, limit: float, name: str, check: Callable[[], None] | None = None, owner: Hashable = None
    ) -> Decoded:
        """Decode a picture file in a process.

        Args:
            source: the file's bytes, or an open file.
            limit: megapixels allowed.
            name: for messages.
            check: called about ten times a second while waiting; what it raises ends the work and is raised here.
            owner: for whom; those who wait are served in turn, one picture each. Nobody in particular is one of them,
                who may wait for any number.

        Raises:
            NamebrushError: as `pipeline.decode.decode`; it took too long or too much memory; too many wait already.
        """
        return self._done("photo", source, limit, name, check, owner, checked_photo)

    def decode_png(
        self, data: bytes, limit: float, name: str, check: Callable[[], None] | None = None, owner: Hashable = None
    ) -> np.ndarray:
        """The samples of a PNG as they are; see `pipeline.decode.decode_png` and `decode`."""
        return self._done("png", data, limit, name, check, owner, checked_samples)

    def warm(self) -> None:
        """Start a process in the background, so that the first picture finds it ready."""
        with self._changed:
            self._need(1)

    def pids(self) -> list[int]:
        """The numbers of its processes."""
        with self._changed:
            return sorted(process.pid for process in self._processes)

    def close(self) -> None:
        """End all processes; whoever waits gets an error. The decoder cannot be used afterwards."""
        with self._changed:
            self._closed = True
            for tickets in self._waiting.values():
                for ticket in tickets:
                    ticket.refused = True
                    ticket.ready.set()
            self._waiting.clear()
            processes = list(self._processes)
            self._changed.notify_all()
        for process in processes:
            process.kill()
        if self._starter is not None and self._starter is not threading.current_thread():
            self._starter.join(5.0)
        atexit.unregister(self.close)

    def _done(self, what, source, limit, name, check, owner, checked):
        """Decode a file, and check what came back."""
        limit = min(limit, self.limits.max_megapixels)
        handle = _opened(source, name)
        result = None
        try:
            reply, result = self._run(what, handle, limit, name, check or (lambda: None), owner)
            if reply.get("error") == "told":
                raise NamebrushError(str(reply.get("message", ""))[:1000])
            if "error" in reply:
                if reply["error"] != "memory":
                    log.error("decoding failed: %s", str(reply.get("message"))[:500])
                raise refusal("memory" if reply["error"] == "memory" else "crash", name)
            return checked(reply, content(result, limit, name), limit, name)
        finally:
            os.close(handle)
            if result is not None:
                os.close(result)

    def _run(self, what, handle, limit, name, check, owner) -> tuple[dict, int | None]:
        process = self._lent(check, owner)
        good = False
        try:
            reply, result = process.decode(what, handle, limit, name, check)
            good = not reply.get("last") and reply.get("error") != "memory"
            return reply, result
        except Died as error:
            raise self._ending() if self._closed else refusal(error.reason, name) from error
        finally:
            self._back(process, good)

    @staticmethod
    def _ending() -> NamebrushError:
        return NamebrushError("The program is ending; open the photo again afterwards.")

    def _lent(self, check: Callable[[], None], owner: Hashable) -> Process:
        """A process, when it is one's turn."""
        ticket = _Ticket()
        with self._changed:
            if self._closed:
                raise self._ending()
            if not self._waiting and self._free:
                return self._free.pop()[0]
            total = sum(map(len, self._waiting.values()))
            if total >= WAITING or (owner is not None and len(self._waiting.get(owner, ())) >= WAITING_EACH):
                raise NamebrushError("Too many photos are being opened already; try again in a moment.")
            self._waiting.setdefault(owner, deque()).append(ticket)
            self._need(self._useful())
        try:
            while not ticket.ready.wait(_LOOK):
                check()
        except BaseException:
            self._leave(ticket, owner)
            raise
        if ticket.process is None:
            raise self._ending() if self._closed else NamebrushError(
                "Photos cannot be opened now: the program that reads them does not start."
            )  # fmt: skip
        return ticket.process

    def _leave(self, ticket: _Ticket, owner: Hashable) -> None:
        """Wait no longer; a process that was given meanwhile goes to the next."""
        with self._changed:
            tickets = self._waiting.get(owner)
            if tickets and ticket in tickets:
                tickets.remove(ticket)
                if not tickets:
                    del self._waiting[owner]
            if ticket.process is not None:
                self._give(ticket.process)

    def _back(self, process: Process, good: bool) -> None:
        """Take a process back; one that is not good any more is replaced where somebody waits, or none is left."""
        with self._changed:
            if good and not self._closed:
                self._give(process)
                return
            self._processes.discard(process)
        process.close()
        with self._changed:
            self._need(max(1, self._useful()))

    def _give(self, process: Process) -> None:
        """Hand a process to who is next, or keep it; with the lock held."""
        if not self._waiting:
            self._free.append((process, time.monotonic()))
            return
        owner, tickets = next(iter(self._waiting.items()))
        ticket = tickets.popleft()
        if tickets:
            self._waiting.move_to_end(owner)
        else:
            del self._waiting[owner]
        ticket.process = process
        ticket.ready.set()

    def _useful(self) -> int:
        """How many processes would have something to do; with the lock held."""
        return len(self._processes) - len(self._free) + sum(map(len, self._waiting.values()))

    def _need(self, count: int) -> None:
        """Have at least so many processes, but no more than allowed; with the lock held."""
        self._needed = min(max(self._needed, count), self._workers)
        if self._closed or self._needed <= len(self._processes):
            return
        if self._starter is None:
            self._starter = threading.Thread(target=self._start_them, name="namebrush-decoder", daemon=True)
            self._starter.start()
        self._changed.notify_all()

    def _start_them(self) -> None:
        """Start processes where some are missing, and end those that nobody needs.

        One thread does this as long as the server lives: where it ends, the kernel ends what it started.
        """
        while not self._closed:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._needed > len(self._processes), IDLE_SECONDS / 4)
                missing = self._needed > len(self._processes) and not self._closed
                idle = [] if missing or self._closed else self._take_idle()
            for process in idle:
                process.close()
            if missing:
                self._start()
        with self._changed:
            processes, self._free = list(self._processes), []
            self._processes.clear()
        for process in processes:
            process.close()

    def _take_idle(self) -> list[Process]:
        """Free processes beyond the first that nobody used for long; with the lock held."""
        since, idle = time.monotonic() - IDLE_SECONDS, []
        while len(self._processes) > 1 and self._free and self._free[0][1] < since:
            process = self._free.pop(0)[0]
            self._processes.discard(process)
            idle.append(process)
        self._needed = len(self._processes)
        return idle

    def _start(self) -> None:
        try:
            process = Process(self.limits, LARGEST_FILE)
        except (OSError, ValueError) as error:
            log.error("%s", error)
            with self._changed:
                self._needed = len(self._processes)
                if not self._processes:  # nobody will come to serve those who wait
                    for tickets in self._waiting.values():
                        for ticket in tickets:
                            ticket.ready.set()
                    self._waiting.clear()
            return
        with self._changed:
            self._processes.add(process)
            if not self._closed:
                self._give(process)


def _opened(source: Source, name: str) -> int:
    """A descriptor of the picture file that the caller closes."""
    if hasattr(source, "fileno"):
        handle = os.dup(source.fileno())
    else:
        handle = nameless_file()
        try:
            write_all(handle, [source])
        except BaseException:
            os.close(handle)
            raise
    if os.fstat(handle).st_size > LARGEST_FILE:
        os.close(handle)
        raise NamebrushError(f'"{name}" is larger than {LARGEST_FILE >> 20} MiB; make it smaller first.')
    return handle
