"""Hugging Face's ZeroGPU: a graphics card that is lent for seconds, function by function.

Where the package `spaces` is there, `on_card` is its `GPU` function; everywhere else this module changes nothing. On a
ZeroGPU Space the program itself has no graphics card: a decorated function runs in another process that has one, gets
its arguments and gives its result by pickle, and nothing it keeps comes back by itself. So the models here stay on the
processor, and a job whose image features are kept already (other words, a click, another threshold) runs here and asks
for no card. Any other job is sent to the card whole, and brings the features home with its result.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from typing import Any

from pipeline.models.catalog import CHECKPOINTS, get_preset

from . import estimate

#: Where models are in the process that has a card.
DEVICE = "cuda"
#: Seconds asked for at least and at most; a visitor without an account is lent some minutes a day in all.
LEAST, MOST = 5, 120
#: What an estimate is multiplied with: a job that outlives its time is killed.
MARGIN = 1.5
#: Bytes a second from memory to the card, and seconds until the process with the card answers at all.
COPY, START = 3e9, 1.5


def here() -> bool:
    """Whether the package `spaces` is installed."""
    return importlib.util.find_spec("spaces") is not None


def active() -> bool:
    """Whether this is a ZeroGPU Space; on any other machine, with or without the package, nothing is lent."""
    return here() and os.environ.get("SPACES_ZERO_GPU", "").lower() in ("1", "true", "yes")


def gpu(duration: Callable[..., int]) -> Callable:
    """`spaces.GPU(duration=duration)` where the package is there, else a decorator that changes nothing."""
    if not here():
        return lambda function: function
    import spaces

    return spaces.GPU(duration=duration)


def seconds_for(preset: str, name: str, args: tuple, kwargs: dict[str, Any]) -> int:
    """Whole seconds to ask for, from what the job will do (`estimate`); arguments as for `on_card`."""
    chosen = get_preset(preset)
    photo = args[0].photo if hasattr(args[0], "photo") else args[0]
    size = getattr(photo, "size", (1000, 1000))
    moved, work = _looks_with(preset), 0.0
    if name in ("segment", "encode"):
        work = estimate.search(preset, size, args[1] if name == "segment" else "", kwargs, estimate.CARD)
    elif name in ("select", "correct", "sam_features"):
        work = estimate.sam_seconds(preset, estimate.CARD)
    elif name == "compare":
        from pipeline.comparison.entries import parse_entries

        work = estimate.comparison(preset, size, args[1], args[2], kwargs, estimate.CARD)
        moved += sum(_looks_with(e.preset) for e in parse_entries(args[2]) if e.preset and e.preset != preset)
    elif name == "do":
        request = args[1]
        moved += CHECKPOINTS[chosen.inpaint].bytes if chosen.inpaint else 0
        settings = {"method": "diffusion", "steps": request.steps, "candidates": request.candidates}
        work = estimate.change(preset, size, request.kind, settings, rate=estimate.CARD)
    return round(min(max(LEAST, MARGIN * (START + moved / COPY + work)), MOST))


def _looks_with(preset: str) -> int:
    """Bytes of the models that look at photos."""
    chosen = get_preset(preset)
    return sum(CHECKPOINTS[chosen.part(kind)].bytes for kind in ("clip", "dino", "sam"))


@gpu(seconds_for)
def on_card(preset: str, name: str, args: tuple, kwargs: dict[str, Any]) -> tuple[Any, list[tuple[Any, Any]]]:
    """Run a method of the preset's pipeline with its models on the card.

    Args:
        preset: of `PRESETS`.
        name: "segment", "encode", "sam_features", "select", "correct", "compare" or "do" (an edit).
        args, kwargs: its arguments but for progress; they travel by pickle.

    Returns:
        Its result, and the image features it made with their keys, all in ordinary memory.
    """
    from .borrowed import run

    return run(preset, name, args, kwargs, DEVICE)
