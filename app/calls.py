"""Calls of the named endpoints as jobs: in the page's line, told of their place, ended when their caller goes."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing

import gradio as gr

from pipeline.progress import Progress

from . import engine, estimate, keeper
from .scheduler import Work
from .session import Session
from .texts import Told
from .words import say
from .working import Job, run


def as_job(endpoint: Callable[..., Iterator], need: Callable[..., Work]):
    """The endpoint as a job in the line of all visitors; `need`, given its arguments by name, says what it will need.

    A caller is told of the job's steps and of how many are first by Gradio's progress events; what a person can cause
    becomes the client's error, in one sentence; a caller who goes away ends the job.
    """
    signature = inspect.signature(endpoint)

    @functools.wraps(endpoint)
    async def told(*args, **kwargs) -> AsyncIterator:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        shown = bound.arguments.pop("progress")
        made: list = []

        def work(progress: Progress) -> Told:
            keeper.room(job.session, ROOM)
            answer = endpoint(**bound.arguments, progress=progress)
            made.append(answer)
            made.append(next(answer))
            return Told("")

        job = Job(Session(), need=functools.partial(need, **bound.arguments))
        try:
            async with aclosing(run(job, work)) as heard:
                async for state in heard:
                    if isinstance(shown, gr.Progress):
                        shown(state["share"] or 0.0, desc=state["text"])
            if job.outcome.kind in ("error", "stopped"):
                raise gr.Error(job.outcome.text, print_exception=False)
            yield made[1]
        finally:
            for answer in made[:1]:
                answer.close()  # its files are Gradio's by now

    return told


#: Sentences for programs, in English.
SAY = functools.partial(say, "en")
#: Bytes that must be free before a call begins, whose photo is not known yet.
ROOM = 200 << 20
#: Height and width a photo is thought to have: nothing is decoded before it is its turn.
USUAL = (1000, 1000)


def of_search(classes="", refine="sam", **_) -> Work:
    """A call of `/segment`."""
    return Work("models", estimate.search(engine.PRESET, USUAL, classes, {"refine": refine}))


def of_mask(points=None, **_) -> Work:
    """A call of `/select` or `/correct`."""
    return Work("models", 0.5 + (estimate.sam_seconds(engine.PRESET, estimate.speed()) if points else 0.0))


def of_comparison(classes="", methods="", refine="sam", **_) -> Work:
    """A call of `/compare`."""
    return Work("models", estimate.comparison(engine.PRESET, USUAL, classes, methods, {"refine": refine}))


def of_change(kind="remove", classes="", name="", options=None, **_) -> Work:
    """A call of `/edit`."""
    work = estimate.work_of_change(engine.PRESET, USUAL, kind, options or {}, None)
    if not name:
        return work
    return Work("models", work.seconds + estimate.search(engine.PRESET, USUAL, classes, {}))
