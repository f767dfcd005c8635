"""Judging candidates: is what was removed gone, does what was asked for show, does the seam show.

`Judge` holds the two questions only models can answer, as functions; the engine's door makes them (`judging`). The
seam needs no model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from ..records import Box, Photo
from .pieces import Piece

#: Share of what a model saw of a class before that may still be there for it to count as gone.
GONE = 0.25
#: Further seeds that are tried when the class is still there, and how far they lie from each other.
RETRIES, FAR = 2, 1_000_003
#: What a seam twice as steep as the photo costs, in hundredths of CLIP's cosine.
SEAM_COST = 5.0


@dataclass(frozen=True)
class Judge:
    """What models say of a candidate.

    Attributes:
        there: share of a mask, bool [H, W], that is still named as what was removed, 0..1; None where nothing can
            tell, such as for a thing without a name.
        likeness: cosine of CLIP between the picture inside a box and the words asked for; None without words.
    """

    there: Callable[[Photo, np.ndarray], float] | None = None
    likeness: Callable[[Photo, Box], float] | None = None


def seam_cost(pixels: np.ndarray, pieces: list[Piece]) -> float:
    """How steep the picture is across the masks' borders, as a multiple of how steep it is just outside them.

    1 is a seam like the rest of the photo; pieces count by the length of their borders.

    Args:
        pixels: uint8 [H, W, 3], the candidate.
        pieces: what was painted.
    """
    across = around = 0.0
    for piece in pieces:
        grey = pixels[piece.slices].astype(np.float32).mean(axis=2)
        steps = [np.abs(np.diff(grey, axis=a)) for a in (0, 1)]
        outside = cv2.dilate(piece.used.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
        rings = [outside & ~piece.used, piece.used]
        for axis, step in enumerate(steps):
            first, second = (np.delete(piece.used, at, axis=axis) for at in (-1, 0))
            border = first != second
            free = np.delete(rings[0], -1, axis=axis) & np.delete(rings[0], 0, axis=axis)
            across += float(step[border].sum()) * max(1, int(free.sum()))
            around += float(step[free].sum()) * max(1, int(border.sum()))
    return across / around if around > 0 else 1.0


def score(rank: Mapping[str, float]) -> float:
    """One number to sort candidates by, higher is better: gone first, then likeness less what the seam costs."""
    gone = 1000.0 * (rank.get("there", 0.0) <= GONE) if "there" in rank else 0.0
    return gone + 100 * rank.get("clip", 0.0) - SEAM_COST * max(0.0, rank.get("seam", 1.0) - 1)


def rank_of(image: Photo, pieces: list[Piece], used: np.ndarray, judge: Judge, seen: float | None) -> dict[str, float]:
    """Everything that can be measured of a candidate.

    Args:
        image: the candidate.
        pieces, used: what was painted, and its mask bool [H, W].
        judge: the models' part.
        seen: share of the mask that was named as what is removed before, or None.

    Returns:
        "seam" always; "clip" with words; "there", the share of `seen` that is left, where something was removed.
    """
    rank = {"seam": round(seam_cost(image.pixels, pieces), 4)}
    if judge.likeness is not None:
        rows, cols = np.flatnonzero(used.any(axis=1)), np.flatnonzero(used.any(axis=0))
        box = (int(cols[0]), int(rows[0]), int(cols[-1]) + 1, int(rows[-1]) + 1)
        rank["clip"] = round(float(judge.likeness(image, box)), 4)
    if judge.there is not None and seen:
        rank["there"] = round(float(judge.there(image, used)) / seen, 4)
    return rank
