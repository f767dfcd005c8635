"""Long work as the person sees it: what is being done, how long it may take, who is first, and pictures on the way.

A job stands in the line of all visitors (`scheduler`) and runs in one of its threads. The handler that started it
holds no thread: it passes on what the job says, a few times a second, and ends with what it returned. Whoever waits is
told how many are first. A job ends within a moment when it is stopped, when the page is closed, or when the program
that called has gone; what cannot be interrupted goes on unheard, and its result is dropped.
"""

from __future__ import annotations

import asyncio
import base64
import contextvars
import threading
import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

import cv2
import numpy as np

from pipeline.errors import NamebrushError
from pipeline.progress import Progress, running

from . import engine, estimate, needs
from .scheduler import SCHEDULER, Bounds, LineFull, Scheduler, Ticket, Work
from .screen import attempt
from .session import Session
from .texts import Told
from .visitors import Caller, caller

#: Seconds between two messages to the browser, and before the first: what is quicker needs none.
PACE, FIRST = 0.12, 0.3
#: Seconds of work, and the share of it, before its end is guessed.
GUESS_AFTER, GUESS_SHARE = 1.5, 0.04
#: Seconds between two messages to somebody who waits, and between two looks at whether anybody still listens.
WAITING, LOOK = 1.0, 0.25
#: Seconds within which a stopped job is waited for, so that its own last word is heard.
STOPPING = 0.7
PREVIEW_QUALITY = 80
#: Jobs that may wait of somebody at this machine: it is theirs alone.
OWN = Bounds(session=32, address=160, everybody=160)


class Job:
    """One piece of long work and what it last said.

    Attributes:
        outcome: what the work returned, or the line that says why it did not.
        update: what is shown of the outcome.
        done: whether both are there.
    """

    def __init__(
        self, session: Session, shift: tuple[int, int] = (0, 0), inside: bool = True,
        need: Callable[[], Work] | None = None,
    ):  # fmt: skip
        """`shift` is where the photo's corner lies in what the work shows, as x and y; `inside`: only what is picked
        changes; `need` says what the work will need."""
        self.session, self.number, self.shift, self.inside = session, session.begin(), shift, inside
        self.need = need
        self.text, self.share, self.preview = "", None, None
        self.start: tuple[float, float] | None = None
        self.outcome: Told | None = None
        self.update: Any = None
        self.done = False
        self.deadline: float | None = None
        self._least_left: float | None = None
        self._lock = threading.Lock()
        self._wake: Callable[[], None] = lambda: None

    def listen(self) -> asyncio.Event:
        """An event of the running loop that is set whenever the job says something new."""
        loop, event = asyncio.get_running_loop(), asyncio.Event()

        def wake() -> None:
            try:
                loop.call_soon_threadsafe(event.set)
            except RuntimeError:  # the loop is closed: nobody listens any more
                pass

        self._wake = wake
        return event

    @property
    def stopped(self) -> bool:
        """Whether it was told to stop."""
        return self.number <= self.session.stopped

    def stop(self) -> None:
        """Tell it to stop at its next step, and whatever the session began before it."""
        self.session.stopped = max(self.session.stopped, self.number)

    def check(self) -> None:
        """Raise `Cancelled` once it was told to stop, a `NamebrushError` once its time is over."""
        self.session.check(self.number)
        if self.deadline is not None and time.monotonic() > self.deadline:
            raise NamebrushError(self.session.say("deadline"))

    def finish(self, outcome: Told | None, update: Any = None) -> None:
        """Settle what it led to; the first word holds."""
        with self._lock:
            if not self.done:
                self.outcome, self.update, self.done = outcome, update, True
        self._wake()

    def progress(self) -> Progress:
        """The engine's progress: what it says is kept here, and a stopped job raises `Cancelled` from it."""
        return Progress(self.report, show=self.show)

    def report(self, message: str, share: float | None = None) -> None:
        """A `pipeline.progress.Report`."""
        self.check()
        if share is not None:
            share = min(max(float(share), 0.0), 1.0)
            if self.start is None or share <= self.start[1]:
                self.start = (time.monotonic(), share)
        self.text, self.share = self.session.heard(message), share
        self._wake()

    def show(self, picture: np.ndarray, box: tuple[int, int, int, int] | None = None) -> None:
        """A picture on the way, uint8 [h, w, 3], and where it lies in the photo that is being changed."""
        if box is not None:
            (dx, dy), (x0, y0, x1, y1) = self.shift, box
            box = tuple(int(v) for v in (x0 - dx, y0 - dy, x1 - dx, y1 - dy))
        ok, data = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, PREVIEW_QUALITY])
        if ok:
            url = "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode("ascii")
            self.preview = {"url": url, "box": box, "inside": self.inside}
            self._wake()

    def left(self) -> float | None:
        """Seconds it may still take, by how fast it went; None where that cannot be told yet.

        Never more than was said before, less the time that passed: a guess that turns out too low stands still.
        """
        if self.start is None or self.share is None:
            return None
        now = time.monotonic()
        since, first = self.start
        took, went = now - since, self.share - first
        if took < GUESS_AFTER or went < GUESS_SHARE:
            return None
        guess = took * (1 - self.share) / went
        if self._least_left is None or now + guess < self._least_left:
            self._least_left = now + guess
        return max(min(guess, self._least_left - now), 0.0)

    def told(self) -> dict:
        """What the browser shows of it."""
        left = self.left()
        return {
            "text": self.text, "share": None if self.share is None else round(self.share, 3),
            "left": None if left is None else max(1, round(left)), "preview": self.preview,
        }  # fmt: skip




def _refusal(session: Session, full: LineFull) -> str:
    key = "line_own_full" if full.own else "line_full"
    return session.say(key, count=full.count, seconds=round(full.seconds))


def submit(
    job: Job, work: Callable[[Progress], Told | None], show: Callable[[Told | None], Any], who: Caller,
    scheduler: Scheduler,
) -> Ticket | None:  # fmt: skip
    """Put a job in the line; None, with its outcome settled, where the line is full."""
    engine.libraries()
    allowed = estimate.allowance(who.local)

    def whole(ticket: Ticket) -> Told | None:
        job.deadline = time.monotonic() + allowed.deadline
        job.check()
        estimate.ALLOWED.set(allowed)  # in a copy of the context that is this job's alone
        with running(job.check, partial(scheduler.aside, ticket)):
            return work(job.progress())

    def do(ticket: Ticket) -> None:
        outcome = attempt(partial(whole, ticket), job.session)
        try:
            job.finish(outcome, None if job.done else show(outcome))
        except Exception as error:  # it must reach the handler, which waits
            job.finish(outcome, error)

    # The copy keeps whose request this is, which Gradio notes in context variables.
    context, need = contextvars.copy_context(), needs.safely(job.need)
    try:
        return scheduler.submit(who.visitor, need, lambda ticket: context.run(do, ticket), OWN if who.local else None)
    except LineFull as full:
        told = Told(_refusal(job.session, full), "error")
        job.finish(told, show(told))
        return None


async def run(
    job: Job, work: Callable[[Progress], Told | None], show: Callable[[Told | None], Any] = lambda told: None,
    scheduler: Scheduler | None = None,
) -> AsyncIterator[dict]:  # fmt: skip
    """Do `work(progress)` when it is its turn, and yield what to show meanwhile.

    In the end `job.outcome` is what it told and `job.update` what `show` made of that, both in the job's own thread.
    Whoever stops listening (a page that was closed) stops the job.
    """
    who, scheduler, heard = caller(), scheduler or SCHEDULER, job.listen()
    ticket = await asyncio.to_thread(submit, job, work, show, who, scheduler)
    if ticket is None:
        return
    begin, said = time.monotonic(), -WAITING
    try:
        while not job.done:
            await _heard(heard, LOOK)
            if who.left():
                job.stop()
            if job.stopped and not job.done:
                await _ended(job, ticket, scheduler, heard, show)
            now, ahead = time.monotonic(), scheduler.ahead(ticket)
            if job.done or now - begin < FIRST or (now - said < (WAITING if ahead else PACE)):
                continue
            if ahead:
                say = job.session.say
                job.text = say("wait_one") if ahead == 1 else say("wait_many", count=ahead)
            said = now
            yield job.told()
            await asyncio.sleep(PACE)
    finally:
        if not job.done:
            job.stop()
            scheduler.cancel(ticket)
    if isinstance(job.update, Exception):
        raise job.update


async def _heard(heard: asyncio.Event, seconds: float) -> None:
    """Wait until the job says something, but not for long."""
    try:
        await asyncio.wait_for(heard.wait(), seconds)
    except TimeoutError:
        pass
    heard.clear()


async def _ended(job: Job, ticket: Ticket, scheduler: Scheduler, heard: asyncio.Event, show) -> None:
    """Settle a job that was stopped: by its own last word, or without it where that does not come soon."""
    until = time.monotonic() + (0 if scheduler.cancel(ticket) else STOPPING)
    while not job.done and time.monotonic() < until:
        await _heard(heard, 0.05)
    if not job.done:
        outcome = Told(job.session.say("stopped"), "stopped")
        job.finish(outcome, await asyncio.to_thread(show, outcome))
