"""What work will take, before it starts: seconds from windows, pixels, names, steps, candidates and panels.

One estimate for three uses: short jobs first in the line (`scheduler`), work beyond a bound refused in a sentence that
says what to lower, and the seconds a borrowed graphics card is asked for (`zero`). The numbers are rough on purpose; a
factor of two does not matter to any of the three. Imports no model library.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from pipeline.edit.kinds import KINDS
from pipeline.errors import NamebrushError
from pipeline.models.catalog import get_preset

from . import limits
from .scheduler import Work


@dataclass(frozen=True)
class Speed:
    """Seconds of one kind of hardware.

    Attributes:
        window: of one window of CLIP with its share of DINO, by CLIP.
        sam: of SAM's encoder, by SAM.
        step: of one step of painting, by painter.
        refine, masks, judge: of refining a map, of masking a whole photo, and of looking at what was painted.
        word: of one name through the text tower with all its sentences.
    """

    window: dict[str, float]
    sam: dict[str, float]
    step: dict[str, float]
    refine: float
    masks: float
    judge: float
    word: float


#: Of a graphics card; others than these are as slow as the slowest of them.
CARD = Speed(
    {"namebrush-clip": 0.005, "clip-vit-b16": 0.02, "clip-vit-l14": 0.04, "clip-vit-h14": 0.08},
    {"namebrush-sam": 0.05, "sam-vit-b": 0.3, "sam-vit-l": 0.5, "sam-vit-h": 0.9},
    {"namebrush-inpaint": 0.02, "sd2-inpainting": 0.05, "sdxl-inpainting": 0.12},
    refine=1.0, masks=4.0, judge=1.0, word=0.01,
)  # fmt: skip
#: Of one processor core.
CORE = Speed(
    {"namebrush-clip": 0.015, "clip-vit-b16": 0.5, "clip-vit-l14": 2.0, "clip-vit-h14": 4.0},
    {"namebrush-sam": 0.3, "sam-vit-b": 6.0, "sam-vit-l": 16.0, "sam-vit-h": 30.0},
    {"namebrush-inpaint": 0.3, "sd2-inpainting": 15.0, "sdxl-inpainting": 60.0},
    refine=0.3, masks=10.0, judge=0.5, word=0.05,
)  # fmt: skip
#: Windows whose features one search keeps at most, whatever time it takes: some kilobytes to megabytes each.
MOST_WINDOWS = 20_000
#: Seconds of exemplar fill per pixel of the hole and per pixel of the photo; of other changes per pixel of the photo.
FILLED, AROUND, CHANGED = 2.4e-5, 3e-7, 1.2e-7


@dataclass(frozen=True)
class Allowance:
    """What one job may take: seconds that are expected of it, and seconds after which it is ended in any case."""

    expected: float
    deadline: float


def _setting(name: str, usual: float) -> float:
    try:
        return max(1.0, float(os.environ[name]))
    except (KeyError, ValueError):
        return usual


def allowance(local: bool) -> Allowance:
    """The bounds of a job: wide for whoever sits at this machine, tight for visitors.

    `NAMEBRUSH_JOB_SECONDS` and `NAMEBRUSH_DEADLINE_SECONDS` set both for everybody.
    """
    usual = (1800.0, 4 * 3600.0) if local else (180.0, 900.0) if limits.hosted() else (300.0, 1200.0)
    return Allowance(_setting("NAMEBRUSH_JOB_SECONDS", usual[0]), _setting("NAMEBRUSH_DEADLINE_SECONDS", usual[1]))


#: Of the job that runs in this thread.
ALLOWED: ContextVar[Allowance | None] = ContextVar("allowed", default=None)


class TooMuch(NamebrushError):
    """The work would take too long; a `NamebrushError` of its own kind, so that a caller can tell it."""


def admit(seconds: float, say: Callable[..., str], lower: str) -> None:
    """Let work begin that is expected to take this long.

    Args:
        seconds: expected.
        say: `Session.say`.
        lower: the sentence, a key of `words`, that says what to lower.

    Raises:
        TooMuch: it is beyond the allowance of the job of this thread.
    """
    allowed = ALLOWED.get()
    if allowed is not None and seconds > allowed.expected:
        raise TooMuch(" ".join([say("too_long", minutes=_minutes(seconds), most=_minutes(allowed.expected)),
                                say(lower)]))  # fmt: skip


def _minutes(seconds: float) -> str:
    return f"{max(1, round(seconds / 60)):,}"


def speed() -> Speed:
    """Of the hardware the models run on; a processor where that is not known yet."""
    from . import engine

    held = engine.held(engine.PRESET)
    return CARD if held is not None and getattr(held.models, "device", None) and held.models.device.type == "cuda" \
        else CORE


def _of(table: dict[str, float], name: str | None) -> float:
    return table.get(name or "", max(table.values()))


def windows(preset: str, size: tuple[int, int], settings: dict[str, Any]) -> int:
    """How many windows a photo [H, W] is cut into."""
    geometry = get_preset(preset).geometry
    short = settings.get("short_side") or geometry.short_side
    window, stride = settings.get("window") or geometry.window, settings.get("stride") or geometry.stride
    count = 1
    for side in size:
        length = short * side / max(1, min(size))
        count *= 1 + max(0, -(-round(length - window) // max(1, stride)))
    return count


def looking(preset: str, size: tuple[int, int], settings: dict[str, Any], rate: Speed) -> float:
    """Seconds of CLIP's and DINO's windows and SAM's encoder.

    A window of another side than the preset's costs by its area.
    """
    chosen = get_preset(preset)
    side = settings.get("window") or chosen.geometry.window
    area = max(0.25, (side / chosen.geometry.window) ** 2)
    return windows(preset, size, settings) * area * _of(rate.window, chosen.clip) + _of(rate.sam, chosen.sam)


def sam_seconds(preset: str, rate: Speed) -> float:
    """Seconds of SAM's encoder."""
    return _of(rate.sam, get_preset(preset).sam)


def refining(settings: dict[str, Any], rate: Speed, size: tuple[int, int] = (1000, 1000), names: int = 0) -> float:
    """Seconds of the edges, by who draws them."""
    refine, pixels = settings.get("refine") or "", size[0] * size[1] / 1e6
    grids = [settings.get(n) or 32 for n in ("vote_grid", "proposal_grid")]
    masks = rate.masks * (max(grids) / 32) ** 2
    seconds = rate.refine * max(0.3, pixels)
    if refine in ("vote", "vote-auto") or settings.get("method") in ("proposals", "corrclip", "hybrid"):
        seconds += masks
    if refine == "diffusion":
        seconds += 10 * max(rate.step.values())
    if refine == "crf":
        seconds += 0.02 * (settings.get("crf_steps") or 10) * pixels * max(2, names)
    if refine == "pamr":
        seconds += 0.02 * (settings.get("pamr_steps") or 10) * pixels * max(2, names)
    return seconds


def search(
    preset: str, size: tuple[int, int], words: Any, settings: dict[str, Any], rate: Speed | None = None,
    encoded: bool = False,
) -> float:  # fmt: skip
    """Seconds of a search for names; `encoded`: the photo's features are kept."""
    rate = rate or speed()
    count = len([w for w in str(words).replace("\n", ",").split(",") if w.strip()])
    seen = 0.0 if encoded else looking(preset, size, settings, rate)
    return seen + refining(settings, rate, size, count) + count * rate.word


def check_windows(preset: str, size: tuple[int, int], settings: dict[str, Any], say: Callable[..., str]) -> None:
    """Refuse a search whose features no memory would hold, whoever asks.

    Raises:
        TooMuch: it would cut the photo into more than `MOST_WINDOWS` windows.
    """
    count = windows(preset, size, settings)
    if count > MOST_WINDOWS:
        raise TooMuch(" ".join([say("too_many_windows", count=f"{count:,}", most=f"{MOST_WINDOWS:,}"),
                                say("lower_windows")]))  # fmt: skip


def admit_search(
    preset: str, size: tuple[int, int], words: Any, settings: dict[str, Any], say: Callable[..., str]
) -> None:
    """Let a search begin; see `admit` and `check_windows`."""
    check_windows(preset, size, settings, say)
    admit(search(preset, size, words, settings), say, "lower_windows")


def admit_comparison(
    preset: str, size: tuple[int, int], words: Any, entries: Sequence, settings: dict[str, Any],
    say: Callable[..., str],
) -> None:  # fmt: skip
    """Let a comparison begin; see `admit` and `check_windows`."""
    for entry in _entries(entries):
        check_windows(entry.preset or preset, size, settings, say)
    admit(comparison(preset, size, words, entries, settings), say, "lower_panels")


def admit_change(
    preset: str, size: tuple[int, int], kind: str, settings: dict[str, Any], hole: int | None, say: Callable[..., str]
) -> None:
    """Let a change begin; see `admit`."""
    lower = "lower_steps" if paints(kind, settings) else "lower_hole"
    admit(change(preset, size, kind, settings, hole), say, lower)


def _entries(what: Sequence) -> list:
    from pipeline.comparison.entries import parse_entries

    return parse_entries(what)


def comparison(preset: str, size: tuple[int, int], words: Any, entries: Sequence, settings: dict[str, Any],
               rate: Speed | None = None) -> float:
    """Seconds of a comparison; entries as `pipeline.comparison.entries` reads them."""
    return sum(
        search(e.preset or preset, size, words,
               {**settings, "method": e.method, "refine": e.refine or settings.get("refine")}, rate)
        for e in _entries(entries)
    )  # fmt: skip


def change(preset: str, size: tuple[int, int], kind: str, settings: dict[str, Any], hole: int | None = None,
           rate: Speed | None = None) -> float:
    """Seconds of a change; `hole` is how many pixels are selected, None for a tenth of the photo."""
    rate, pixels = rate or speed(), size[0] * size[1]
    chosen, count = get_preset(preset), settings.get("candidates") or 1
    if paints(kind, settings):
        step = _of(rate.step, chosen.inpaint)
        return count * ((settings.get("steps") or 40) * step + rate.judge) + looking(preset, size, {}, rate)
    if kind in ("remove", "move", "extend", "replace"):
        return 0.2 + count * (FILLED * (pixels / 10 if hole is None else hole) + AROUND * pixels)
    return 0.05 + CHANGED * pixels


def paints(kind: str, settings: dict[str, Any]) -> bool:
    """Whether a change asks an inpainting model."""
    method, painters = settings.get("method") or "auto", KINDS[kind].painters if kind in KINDS else ()
    return method == "diffusion" or (method == "auto" and painters[:1] == ("diffusion",))


def work_of_change(preset: str, size: tuple[int, int], kind: str, settings: dict[str, Any], hole: int | None) -> Work:
    """Where a change stands in line."""
    pool = "models" if paints(kind, settings) else "plain"
    return Work(pool, change(preset, size, kind, settings, hole))
