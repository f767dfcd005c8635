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

#: Where models are in the process that has a card.
DEVICE = "cuda"
#: Seconds asked for at least and at most; a visitor without an account is lent some minutes a day in all.
LEAST, MOST = 5, 120
#: What an estimate is multiplied with: a job that outlives its time is killed.
MARGIN = 1.5
#: Bytes a second from memory to the card, and seconds until the process with the card answers at all.
COPY, START = 3e9, 1.5
#: Seconds of work by the size of CLIP: one window (with its share of DINO), and SAM's encoder once.
WINDOW = {"namebrush-clip": 0.005, "clip-vit-b16": 0.02, "clip-vit-l14": 0.04, "clip-vit-h14": 0.08}
SAM = {"namebrush-sam": 0.05, "sam-vit-b": 0.3, "sam-vit-l": 0.5, "sam-vit-h": 0.9}
#: Seconds of one step of painting, by the painter's name; others as the slowest of these.
STEP = {"namebrush-inpaint": 0.02, "sd2-inpainting": 0.05, "sdxl-inpainting": 0.12}
#: Seconds of refining a map, of masking a whole photo, and of looking at what was painted.
REFINE, MASKS, JUDGE = 1.0, 4.0, 1.0


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
    """Whole seconds to ask for, from what the job will do; arguments as for `on_card`.

    Windows are counted from the photo's size and the preset's geometry, painting from its steps and candidates, a
    comparison from its panels.
    """
    chosen = get_preset(preset)
    photo = args[0].photo if hasattr(args[0], "photo") else args[0]
    size = getattr(photo, "size", (1000, 1000))
    moved = sum(CHECKPOINTS[chosen.part(kind)].bytes for kind in ("clip", "dino", "sam"))
    work = 0.0
    if name in ("segment", "encode"):
        work = _looking(chosen, size, kwargs) + _refining(kwargs)
    elif name in ("select", "correct", "sam_features"):
        work = SAM.get(chosen.sam, max(SAM.values()))
    elif name == "compare":
        from pipeline.comparison.entries import parse_entries

        for entry in parse_entries(args[2]):
            own = get_preset(entry.preset or preset)
            work += _looking(own, size, kwargs) + _refining({**kwargs, "refine": entry.refine or kwargs.get("refine")})
            if own is not chosen:
                moved += sum(CHECKPOINTS[own.part(kind)].bytes for kind in ("clip", "dino", "sam"))
    elif name == "do":
        request = args[1]
        moved += CHECKPOINTS[chosen.inpaint].bytes if chosen.inpaint else 0
        step = STEP.get(chosen.inpaint, max(STEP.values()))
        work = request.candidates * ((request.steps or 40) * step + JUDGE) + _looking(chosen, size, {})
    return round(min(max(LEAST, MARGIN * (START + moved / COPY + work)), MOST))


def _looking(preset, size: tuple[int, int], settings: dict[str, Any]) -> float:
    """Seconds of CLIP's windows and SAM's encoder."""
    geometry = preset.geometry
    short = settings.get("short_side") or geometry.short_side
    window, stride = settings.get("window") or geometry.window, settings.get("stride") or geometry.stride
    sides = [short * n / min(size) for n in size]
    windows = 1
    for side in sides:
        windows *= 1 + max(0, -(-round(side - window) // stride))
    return windows * WINDOW.get(preset.clip, max(WINDOW.values())) + SAM.get(preset.sam, max(SAM.values()))


def _refining(settings: dict[str, Any]) -> float:
    masks = settings.get("refine") in ("vote", "vote-auto") or settings.get("method") in ("proposals", "corrclip")
    painted = settings.get("refine") == "diffusion"
    return REFINE + (MASKS if masks else 0) + (10 * max(STEP.values()) if painted else 0)


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
