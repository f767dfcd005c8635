"""The shared `Pipeline`s, one per preset in use, loaded lazily: importing the page must not import PyTorch.

A pipeline holds models and caches keyed by content; it holds no visitor's photo by name or session. Which preset a
visitor uses is noted in their session; the preset the page starts with stays loaded, and of the others the newest one.
"""

from __future__ import annotations

import logging
import os
import threading

from pipeline.progress import Progress

from . import zero

log = logging.getLogger("namebrush")

PRESET = os.environ.get("NAMEBRUSH_PRESET", "tiny")
_lock = threading.Lock()
_pipelines: dict = {}
#: The preset somebody switched to last.
_newest = PRESET


def _load(preset: str):
    """A pipeline; on a ZeroGPU Space one that borrows its card."""
    if zero.active():
        from .borrowed import BorrowingPipeline

        return BorrowingPipeline.load(preset, device="cpu")
    from pipeline import Pipeline

    return Pipeline.load(preset)


def held(preset: str):
    """The pipeline of a preset that is in memory, or None."""
    return _pipelines.get(preset)


def get_pipeline(progress: Progress | None = None, preset: str | None = None):
    """The shared pipeline of a preset; the first caller loads it, others wait for that and may stop waiting.

    Args:
        progress: told what is being done; may raise `Cancelled`.
        preset: None takes the one the page starts with.

    Raises:
        NamebrushError: the preset is unknown, or its weights are not here.
        Cancelled: `progress` said so.
    """
    preset, progress = preset or PRESET, progress or Progress()
    if preset in _pipelines:
        return _pipelines[preset]
    with _waiting(progress):
        if preset not in _pipelines:
            _pipelines[preset] = _load(preset)
        return _pipelines[preset]


def switch(preset: str, progress: Progress):
    """Fetch and load all of a preset; what was in use stays until this has answered.

    Another preset than this one and the first is let go afterwards: visitors who still use it load it again.

    Raises:
        NamebrushError: unknown, no network, or no room; nothing has changed then.
    """
    global _newest
    with _waiting(progress):
        made = _pipelines.get(preset) or _load(preset)
        made.models.load(progress=progress)
        _newest = preset
        for name in [n for n in _pipelines if n not in (PRESET, preset)]:
            del _pipelines[name]
        _pipelines[preset] = made
        return made


def beside(preset: str, progress: Progress):
    """The pipeline of another preset than the one a page uses, for a comparison; its parts load as they are needed.

    Others than this one, the first, and the one switched to last are let go.

    Raises:
        NamebrushError: unknown preset.
    """
    made = get_pipeline(progress, preset)
    with _waiting(progress):
        for name in [n for n in _pipelines if n not in (PRESET, _newest, preset)]:
            del _pipelines[name]
    return made


def models_of(preset: str) -> list[dict]:
    """The parts of a preset for a person: see `Models.describe`; loads nothing but the libraries.

    Raises:
        NamebrushError: unknown preset.
    """
    made = _pipelines.get(preset)
    return (made or _load(preset)).models.describe()


class _waiting:
    """Holds the lock; says so while waiting, so that a visitor may stop."""

    def __init__(self, progress: Progress):
        self.progress = progress

    def __enter__(self):
        self.progress.step("Loading the models, once after starting", 0.0)
        while not _lock.acquire(timeout=0.2):
            self.progress.step("Loading the models, once after starting", 0.0)

    def __exit__(self, *_):
        _lock.release()


def warm(*jobs) -> threading.Thread:
    """Load the pipeline in a thread of its own, then run `jobs(pipeline)`, so that the first visitor need not wait.

    A failure is logged and no more: the visitor's own request meets it again and is told there.
    """

    def work():
        try:
            pipeline = get_pipeline()
            for job in jobs:
                job(pipeline)
        except Exception:
            log.exception("Warming up failed; the page runs on and tells the visitor.")

    thread = threading.Thread(target=work, name="warm", daemon=True)
    thread.start()
    return thread
