"""A few warm decoding processes and the people who wait for them."""

from __future__ import annotations

import atexit
import logging
import os
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import BinaryIO

import numpy as np

from ..decode import Decoded
from ..errors import NamebrushError
from .limits import Limits
from .process import Died, Process, Unwanted
from .replies import checked_photo, checked_samples, content, refusal
from .transport import nameless_file, write_all

log = logging.getLogger("namebrush.decoding")

#: Pictures that may wait: of one owner, and of all together.
WAITING_EACH, WAITING = 12, 128
#: Bytes of the largest picture file.
LARGEST_FILE = 256 << 20
#: Seconds after which a process beyond the first ends when nobody needs it.
IDLE_SECONDS = 120.0

#: A picture file: its bytes, or an open file that has a descriptor.
Source = bytes | BinaryIO


@dataclass(eq=False)
class _Job:
    what: str
    handle: int
    limit: float
    name: str
    wanted: bool = True
    process: Process | None = None
    done: threading.Event = field(default_factory=threading.Event)
    reply: dict | None = None
    result: int | None = None
    error: Exception | None = None


class Decoder:
    """Decodes picture files of strangers in processes that may die. Safe to use from any number of threads.

    Processes start when first needed (or by `warm`), serve many pictures, and are replaced when one died, exceeded a
    limit, served its share or kept much memory. Of several owners each has one picture decoded in turn.
    """

    def __init__(self, workers: int | None = None, limits: Limits | None = None):
        """`workers`: how many processes at most; by default two, or one on a machine with one processor."""
        self.limits = limits or Limits()
        self._workers = workers or min(2, os.cpu_count() or 1)
        self._changed = threading.Condition()
        self._waiting: OrderedDict[Hashable, deque[_Job]] = OrderedDict()
        self._threads: list[threading.Thread] = []
        self._processes: set[Process] = set()
        self._idle = 0
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
        with self._done("photo", source, limit, name, check, owner) as (reply, parts):
            return checked_photo(reply, parts, limit, name)

    def decode_png(
        self, data: bytes, limit: float, name: str, check: Callable[[], None] | None = None, owner: Hashable = None
    ) -> np.ndarray:
        """The samples of a PNG as they are; see `pipeline.decode.decode_png` and `decode`."""
        with self._done("png", data, limit, name, check, owner) as (reply, parts):
            return checked_samples(reply, parts, limit, name)

    def warm(self) -> None:
        """Start a process in the background, so that the first picture finds it ready."""
        with self._changed:
            if not self._threads and not self._closed:
                self._start_thread()

    def close(self) -> None:
        """End all processes; whoever waits gets an error. The decoder cannot be used afterwards."""
        with self._changed:
            self._closed = True
            processes, waiting = list(self._processes), [j for jobs in self._waiting.values() for j in jobs]
            self._waiting.clear()
            self._changed.notify_all()
        for job in waiting:
            job.error = NamebrushError("The program is ending; open the photo again afterwards.")
            job.done.set()
        for process in processes:
            process.kill()
        for thread in self._threads:
            thread.join(5.0)
        atexit.unregister(self.close)

    @contextmanager
    def _done(self, what, source, limit, name, check, owner) -> Iterator[tuple[dict, np.ndarray]]:
        """Queue a picture and wait for it: the reply, and the uint8 [N] that came with it."""
        limit = min(limit, self.limits.max_megapixels)
        job = _Job(what, _opened(source, name), limit, name)
        try:
            self._enqueue(job, owner)
            while not job.done.wait(0.1 if check else None):
                check()
            if job.error is not None:
                raise job.error
            yield job.reply, content(job.result, limit, name)
        finally:
            self._abandon(job, owner)

    def _abandon(self, job: _Job, owner: Hashable) -> None:
        """Free what belongs to a job; one that is still being decoded is ended."""
        with self._changed:
            job.wanted = False
            jobs = self._waiting.get(owner)
            if jobs and job in jobs:
                jobs.remove(job)
                if not jobs:
                    del self._waiting[owner]
            taken = job.process is not None and not job.done.is_set()
        if taken:
            job.done.wait()  # its thread looks ten times a second whether it is wanted
        os.close(job.handle)
        if job.result is not None:
            os.close(job.result)

    def _enqueue(self, job: _Job, owner: Hashable) -> None:
        with self._changed:
            if self._closed:
                raise NamebrushError("The program is ending; open the photo again afterwards.")
            mine = () if owner is None else self._waiting.get(owner, ())
            if len(mine) >= WAITING_EACH or sum(map(len, self._waiting.values())) >= WAITING:
                raise NamebrushError("Too many photos are being opened already; try again in a moment.")
            self._waiting.setdefault(owner, deque()).append(job)
            waiting = sum(map(len, self._waiting.values()))
            if waiting > self._idle and len(self._threads) < self._workers:
                self._start_thread()
            self._changed.notify()

    def _start_thread(self) -> None:
        thread = threading.Thread(target=self._serve, name="namebrush-decoder", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _next(self, patience: float | None) -> _Job | None:
        """The next job by turns; None once closed.

        Raises:
            TimeoutError: none came within `patience` seconds.
        """
        with self._changed:
            self._idle += 1
            try:
                if not self._changed.wait_for(lambda: self._waiting or self._closed, patience):
                    raise TimeoutError
            finally:
                self._idle -= 1
            if self._closed:
                return None
            owner, jobs = next(iter(self._waiting.items()))
            job = jobs.popleft()
            if jobs:
                self._waiting.move_to_end(owner)
            else:
                del self._waiting[owner]
            return job

    def _serve(self) -> None:
        """What one thread does: keep one process and hand it jobs."""
        process = self._fresh(None)
        first = threading.current_thread() is self._threads[0]
        while True:
            try:
                job = self._next(None if first or process is None else IDLE_SECONDS)
            except TimeoutError:
                self._end(process)
                process = None
                continue
            if job is None:
                break
            process = process or self._fresh(None)
            if process is None:
                job.error = NamebrushError("Photos cannot be opened now: the program that reads them does not start.")
                job.done.set()
                continue
            last = self._run(job, process)
            job.done.set()
            if last:
                process = self._fresh(process)
        self._end(process)

    def _end(self, process: Process | None) -> None:
        if process is not None:
            with self._changed:
                self._processes.discard(process)
            process.close()

    def _fresh(self, old: Process | None) -> Process | None:
        """A new process in place of an old one; None where it does not start, which is logged."""
        self._end(old)
        if self._closed:
            return None
        try:
            process = Process(self.limits, LARGEST_FILE)
        except (OSError, ValueError) as error:
            log.error("%s", error)
            return None
        with self._changed:
            self._processes.add(process)
            closed = self._closed
        if closed:
            self._end(process)
        return None if closed else process

    def _run(self, job: _Job, process: Process) -> bool:
        """Do one job; True when its process must be replaced."""
        with self._changed:
            if not job.wanted:
                return False
            job.process = process
        try:
            job.reply, job.result = process.decode(
                job.what, job.handle, job.limit, job.name, lambda: job.wanted and not self._closed
            )
        except Died as error:
            job.error = refusal(error.reason, job.name)
            return True
        except Unwanted:
            job.error = NamebrushError("The program is ending; open the photo again afterwards.")
            return True
        except Exception as error:
            log.exception("A picture could not be handed to its process")
            job.error = error
            return True
        told = job.reply.get("error")
        if told is not None:
            message = str(job.reply.get("message", ""))
            job.error = NamebrushError(message) if told == "told" else refusal("memory", job.name)
        return bool(job.reply.get("last")) or told == "memory"


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
