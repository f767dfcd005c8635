"""From dense features and words to cosines at the photo's size, by bilinear upsampling alone."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..records import Encoded, FeatureMap


def resize_bilinear(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Bilinear with align_corners False and no antialias: [C, h, w] -> [C, H, W]; the same size is left untouched."""
    if maps.shape[-2:] == tuple(size):
        return maps
    return F.interpolate(maps[None], size=tuple(size), mode="bilinear", align_corners=False)[0]


def patch_cosines(features: Tensor, text: Tensor, grid: tuple[int, int]) -> Tensor:
    """Cosines of patch features [h * w, D], of any length, with unit text rows [Q, D]: [Q, h, w]."""
    return (F.normalize(features, dim=-1) @ text.T).T.unflatten(-1, tuple(grid))


def cosine_maps(encoded: Encoded, text: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Cosine of every word with every pixel.

    Each map's cosines go bilinearly to the pixels of its box, what lies outside the frame is cut off, overlapping maps
    are summed and divided by their count, and the frame goes bilinearly to `size`. Maps of several frames (scales) are
    averaged at `size`. Cosines are averaged, not probabilities.

    Args:
        encoded: dense features; together the boxes of a frame must cover it.
        text: float32 [Q, D] of unit rows.
        size: height and width wanted, usually the photo's.

    Returns:
        float32 [Q, H, W] in -1..1. Holds at most three such arrays at a time, in the frame's or the wanted size.

    Raises:
        ValueError: the maps leave part of their frame uncovered, or the words were embedded by another CLIP.
    """
    maps = frame_cosines(encoded, text)
    total = sum(resize_bilinear(one, size) for one in maps)
    return (total / len(maps) if len(maps) > 1 else total).numpy()


def frame_cosines(encoded: Encoded, text: np.ndarray) -> list[Tensor]:
    """Cosine of every word with every pixel of every frame, before they are brought to a common size.

    Args:
        encoded: dense features; together the boxes of a frame must cover it.
        text: float32 [Q, D] of unit rows.

    Returns:
        One float32 [Q, fh, fw] per frame (one frame, unless there are several scales).

    Raises:
        ValueError: the maps leave part of their frame uncovered, or the words were embedded by another CLIP.
    """
    words = as_words(text)
    return [join_maps([(one, _cosines(one, words)) for one in maps], frame)
            for frame, maps in by_frame(encoded).items()]


def as_words(text: np.ndarray) -> Tensor:
    """Text embeddings [Q, D] as a float32 tensor."""
    return torch.from_numpy(np.ascontiguousarray(text, dtype=np.float32))


def by_frame(encoded: Encoded) -> dict[tuple[int, int], list[FeatureMap]]:
    """The maps of each frame, in order."""
    frames: dict[tuple[int, int], list[FeatureMap]] = {}
    for one in encoded.maps:
        frames.setdefault(tuple(one.frame or encoded.frame), []).append(one)
    return frames


def map_size(one: FeatureMap) -> tuple[int, int]:
    """Height and width of a map's box in pixels of its frame."""
    x0, y0, x1, y1 = one.box
    return y1 - y0, x1 - x0


def _cosines(one: FeatureMap, words: Tensor) -> Tensor:
    if one.features.shape[0] != words.shape[1]:
        raise ValueError(f"features of {one.features.shape[0]} channels, words of {words.shape[1]}")
    features = torch.tensor(one.features)
    return (words @ features.flatten(1)).unflatten(-1, features.shape[1:])


def join_maps(maps: Iterable[tuple[FeatureMap, Tensor]], frame: tuple[int, int]) -> Tensor:
    """Scores of windows joined into one map: each goes bilinearly to the pixels of its window's box, what lies outside
    the frame is cut off, and what overlaps is averaged.

    Args:
        maps: windows, each with its scores, float32 [Q, h, w] of any size.
        frame: height and width.

    Returns:
        float32 [Q, *frame].

    Raises:
        ValueError: the windows leave part of the frame uncovered.
    """
    total, count = None, torch.zeros(frame)
    for one, scores in maps:
        if total is None:
            total = torch.zeros(len(scores), *frame)
        x0, y0, x1, y1 = one.box
        pixels = resize_bilinear(scores, (y1 - y0, x1 - x0))
        rows, cols = slice(max(y0, 0), min(y1, frame[0])), slice(max(x0, 0), min(x1, frame[1]))
        total[:, rows, cols] += pixels[:, rows.start - y0 : rows.stop - y0, cols.start - x0 : cols.stop - x0]
        count[rows, cols] += 1
    if total is None or not count.all():
        raise ValueError("the feature maps leave part of the frame uncovered")
    return total.div_(count)
