"""The shared `Pipeline`s, one per preset in use, loaded lazily: importing the page must not import PyTorch.

A pipeline holds models and caches keyed by content; it holds no visitor's photo by name or session. Which preset a
visitor uses is noted in their session; the preset the page starts with stays loaded, and of the others the newest one.
"""

from __future__ import annotations

import importlib
import logging
import os
import threading
from functools import cache

from pipeline.cache import patiently
from pipeline.device import share_processor
from pipeline.progress import Progress, aside

from . import zero
from .scheduler import SCHEDULER, processors

log = logging.getLogger("namebrush")

PRESET = os.environ.get("NAMEBRUSH_PRESET", "tiny")
#: Held for moments only: to look up and note pipelines, never while weights are fetched or loaded.
#: What events import when they first need it.
LIBRARIES = ("pipeline.pipeline", "pipeline.methods", "pipeline.compare", "pipeline.suggest", "pipeline.explain")
_importing = threading.Lock()
_lock = threading.Lock()
_pipelines: dict = {}
#: The preset somebody switched to last.
_newest = PRESET


@cache
def _share() -> None:
    """Let as many model calls run at once as the line serves; a call that is alone gets all processors."""
    share_processor(SCHEDULER.places["models"], lambda: max(1, processors() // max(1, SCHEDULER.busy())))


def libraries() -> None:
    """Import what works with the models, one thread after the other; at once where that has been done.

    Visitors' first events come while the models load. Threads that begin to import at different ends of the same
    modules wait for each other, and Python ends that with an error in one of them.
    """
    with _importing:
        for name in LIBRARIES:
            importlib.import_module(name)


def _load(preset: str):
    """A pipeline; on a ZeroGPU Space one that borrows its card."""
    libraries()
    _share()
    if zero.active():
        from .borrowed import BorrowingPipeline

        return BorrowingPipeline.load(preset, device="cpu")
    from pipeline import Pipeline

    return Pipeline.load(preset)


def held(preset: str):
    """The pipeline of a preset that is in memory, or None."""
    return _pipelines.get(preset)


def knows(preset: str, photo: str) -> bool:
    """Whether features of a photo, by its hash, are kept for a preset."""
    made = _pipelines.get(preset)
    return made is not None and any(photo in key for key in made.cache.keys() if isinstance(key, tuple))


def all_held() -> list:
    """All pipelines that are in memory."""
    return list(_pipelines.values())


def model_bytes() -> int:
    """Bytes of the weights of all pipelines in memory, those that several share once."""
    weights: dict[int, int] = {}
    for pipeline in all_held():
        weights.update(pipeline.models.weights())
    return sum(weights.values())


def get_pipeline(progress: Progress | None = None, preset: str | None = None):
    """The shared pipeline of a preset. It fetches and loads no weights: a part is loaded when it is first used.

    Args:
        progress: told what is being done; may raise `Cancelled`.
        preset: None takes the one the page starts with.

    Raises:
        NamebrushError: the preset is unknown.
        Cancelled: `progress` said so.
    """
    preset, progress = preset or PRESET, progress or Progress()
    made = _pipelines.get(preset)
    if made is None:
        progress.step("Loading the models, once after starting", 0.0)
        with aside(), patiently(_lock, lambda: progress.step("Loading the models, once after starting", 0.0)):
            made = _pipelines.get(preset) or _load(preset)
            _pipelines[preset] = made
    return made


def switch(preset: str, progress: Progress):
    """Fetch and load all of a preset; what was in use stays until this has answered, and nobody waits meanwhile.

    Another preset than this one and the first is let go afterwards: visitors who still use it load it again.

    Raises:
        NamebrushError: unknown, no network, or no room; nothing has changed then.
    """
    global _newest
    made = _pipelines.get(preset) or _load(preset)
    made.models.load(progress=progress)
    with _lock:
        made = _pipelines.setdefault(preset, made)
        _newest = preset
        _let_go((PRESET, preset))
    return made


def beside(preset: str, progress: Progress):
    """The pipeline of another preset than the one a page uses, for a comparison; its parts load as they are needed.

    Others than this one, the first, and the one switched to last are let go.

    Raises:
        NamebrushError: unknown preset.
    """
    made = get_pipeline(progress, preset)
    with _lock:
        _let_go((PRESET, _newest, preset))
    return made


def _let_go(kept: tuple[str, ...]) -> None:
    for name in [n for n in _pipelines if n not in kept]:
        del _pipelines[name]


def models_of(preset: str) -> list[dict]:
    """The parts of a preset for a person: see `Models.describe`; loads nothing but the libraries.

    Raises:
        NamebrushError: unknown preset.
    """
    made = _pipelines.get(preset)
    return (made or _load(preset)).models.describe()


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
