"""The one shared `Pipeline`, loaded lazily: importing the page must not import PyTorch.

The pipeline holds models and caches keyed by content; it holds no visitor's photo by name or session.
"""

from __future__ import annotations

import logging
import os
import threading

log = logging.getLogger("namebrush")

PRESET = os.environ.get("NAMEBRUSH_PRESET", "tiny")
_lock = threading.Lock()
_pipeline = None


def _load():
    from pipeline import Pipeline

    return Pipeline.load(PRESET)


def get_pipeline():
    """The shared pipeline; the first caller loads it, others wait for that.

    Raises:
        NamebrushError: the preset is unknown, or its weights are not here.
    """
    global _pipeline
    with _lock:
        if _pipeline is None:
            _pipeline = _load()
        return _pipeline


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
