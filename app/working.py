"""Long work as the person sees it: what is being done, how long it may take, who is first, and pictures on the way.

A job runs in a thread of its own; the handler that started it passes on what it says, a few times a second, and ends
with what it returned. Jobs of all visitors stand in one line, since they share the models; whoever waits is told how
many are first, and may stop waiting.
"""

from __future__ import annotations

import base64
import contextvars
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from queue import SimpleQueue

import cv2
import numpy as np

from pipeline.progress import Progress

from .screen import attempt
from .session import Session
from .texts import Told

#: Seconds between two messages to the browser, and before the first: what is quicker needs none.
PACE, FIRST = 0.12, 0.3
#: Seconds of work, and the share of it, before its end is guessed.
GUESS_AFTER, GUESS_SHARE = 1.5, 0.04
PREVIEW_QUALITY = 80


class Line:
    """People before a counter: served in the order they came."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._tickets: list[object] = []

    @contextmanager
    def turn(self, waiting: Callable[[int], None]) -> Iterator[None]:
        """Stand in line until it is one's turn; inside, nobody else is served.

        Args:
            waiting: told how many are first, a few times a second; what it raises ends the waiting.
        """
        ticket = object()
        with self._changed:
            self._tickets.append(ticket)
        try:
            while True:
                with self._changed:
                    ahead = self._tickets.index(ticket)
                    if ahead:
                        self._changed.wait(0.25)
                        ahead = self._tickets.index(ticket)
                if not ahead:
                    break
                waiting(ahead)
            yield
        finally:
            with self._changed:
                self._tickets.remove(ticket)
                self._changed.notify_all()


#: The line before the models.
LINE = Line()


class Job:
    """One piece of long work and what it last said."""

    def __init__(self, session: Session, shift: tuple[int, int] = (0, 0), inside: bool = True):
        """`shift` is where the photo's corner lies in what the work shows, as x and y; `inside`: only what is picked
        changes."""
        self.session, self.number, self.shift, self.inside = session, session.begin(), shift, inside
        self.changed, self.done = threading.Event(), threading.Event()
        self.text, self.share, self.preview = "", None, None
        self.start: tuple[float, float] | None = None
        self.outcome: Told | None = None

    def progress(self) -> Progress:
        """The engine's progress: what it says is kept here, and a stopped job raises `Cancelled` from it."""
        return Progress(self.report, show=self.show)

    def report(self, message: str, share: float | None = None) -> None:
        """A `pipeline.progress.Report`."""
        self.session.check(self.number)
        if share is not None:
            share = min(max(float(share), 0.0), 1.0)
            if self.start is None or share <= self.start[1]:
                self.start = (time.monotonic(), share)
        self.text, self.share = self.session.heard(message), share
        self.changed.set()

    def show(self, picture: np.ndarray, box: tuple[int, int, int, int] | None = None) -> None:
        """A picture on the way, uint8 [h, w, 3], and where it lies in the photo that is being changed."""
        if box is not None:
            (dx, dy), (x0, y0, x1, y1) = self.shift, box
            box = tuple(int(v) for v in (x0 - dx, y0 - dy, x1 - dx, y1 - dy))
        ok, data = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, PREVIEW_QUALITY])
        if ok:
            url = "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode("ascii")
            self.preview = {"url": url, "box": box, "inside": self.inside}
            self.changed.set()

    def left(self) -> float | None:
        """Seconds it may still take, by how fast it went; None where that cannot be told yet."""
        if self.start is None or self.share is None:
            return None
        since, first = self.start
        took, went = time.monotonic() - since, self.share - first
        if took < GUESS_AFTER or went < GUESS_SHARE:
            return None
        return took * (1 - self.share) / went

    def told(self) -> dict:
        """What the browser shows of it."""
        left = self.left()
        return {
            "text": self.text, "share": None if self.share is None else round(self.share, 3),
            "left": None if left is None else max(1, round(left)), "preview": self.preview,
        }  # fmt: skip


#: Threads that wait for a job, each by its queue. A thread that has run a job runs the next one faster: what the
#: libraries set up for a thread, they set up once.
_idle: list[SimpleQueue] = []


def _start(work: Callable[[], None]) -> None:
    """Do `work` in a thread that is free, or in a new one."""

    def serve(wanted: SimpleQueue) -> None:
        while True:
            wanted.get()()
            _idle.append(wanted)

    try:
        wanted = _idle.pop()
    except IndexError:
        wanted = SimpleQueue()
        threading.Thread(target=serve, args=(wanted,), name="namebrush-job", daemon=True).start()
    wanted.put(work)


def run(job: Job, work: Callable[[Progress], Told | None]) -> Iterator[dict]:
    """Do `work(progress)` when it is its turn, and yield what to show meanwhile; `job.outcome` is what it told.

    Whoever stops listening (a page that was closed) stops the job.
    """

    def first(ahead: int) -> None:
        job.report(job.session.say("wait_one") if ahead == 1 else job.session.say("wait_many", count=ahead))

    def whole() -> Told | None:
        with LINE.turn(first):
            job.session.check(job.number)
            return work(job.progress())

    def do() -> None:
        job.outcome = attempt(whole, job.session)
        job.done.set()
        job.changed.set()

    # The copy keeps whose request this is, which Gradio notes in a context variable.
    _start(partial(contextvars.copy_context().run, do))
    try:
        job.done.wait(FIRST)
        while not job.done.is_set():
            job.changed.wait(1.0)
            job.changed.clear()
            if not job.done.is_set():
                yield job.told()
                job.done.wait(PACE)
    finally:
        if not job.done.is_set():
            job.session.stopped = max(job.session.stopped, job.number)
