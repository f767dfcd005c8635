"""The one shared `Pipeline`, loaded lazily: importing the page must not import PyTorch.

The pipeline holds models and caches keyed by content; it holds no visitor's photo by name or session.
"""

from __future__ import annotations

import logging
import os
import threading

from pipeline.progress import Progress

log = logging.getLogger("namebrush")

PRESET = os.environ.get("NAMEBRUSH_PRESET", "tiny")
_lock = threading.Lock()
_pipeline = None


def _load():
    from pipeline import Pipeline

    return Pipeline.load(PRESET)


def get_pipeline(progress: Progress | None = None):
    """The shared pipeline; the first caller loads it, others wait for that and may be stopped while they wait.

    Raises:
        NamebrushError: the preset is unknown, or its weights are not here.
        Cancelled: `progress` said so.
    """
    global _pipeline
    progress = progress or Progress()
    if _pipeline is not None:
        return _pipeline
    progress.step("Loading the models, once after starting", 0.0)
    while not _lock.acquire(timeout=0.2):
        progress.step("Loading the models, once after starting", 0.0)
    try:
        if _pipeline is None:
            _pipeline = _load()
        return _pipeline
    finally:
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
