"""COCO's run-length encoding of masks, plain and compressed, in numpy.

A mask is read column by column; `counts` are lengths of runs that start with zeros (a first run of zeros may have
length 0). Compressed, each count from the fourth on is its difference to the one two before it, written as groups of 5
bits, low ones first, signed in two's complement, bit 6 saying that more follow, as characters from "0" on. This is
what pycocotools reads and writes.
"""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np

from .errors import NamebrushError
from .records import Region

_GROUPS = 13  # 5-bit groups of the largest difference
_MAX_PIXELS = 1 << 31


def encode_rle(mask: np.ndarray) -> dict:
    """`{"size": [H, W], "counts": str}` of a mask, bool [H, W]."""
    mask = np.asarray(mask)
    if mask.ndim != 2:
        raise ValueError(f"mask must be [H, W], got {list(mask.shape)}")
    return _encode(mask.astype(bool, copy=False), 0, 0, mask.shape)


def encode_region(region: Region) -> dict:
    """The same for a region's mask, without making it at the photo's size."""
    return _encode(region.crop, region.box[0], region.box[1], region.size)


def decode_rle(rle: Mapping) -> np.ndarray:
    """The mask, bool [H, W], of `{"size": [H, W], "counts": str | bytes | list of int}`.

    Raises:
        NamebrushError: the counts are malformed or do not fill the size.
    """
    try:
        height, width = (int(n) for n in rle["size"])
        counts = rle["counts"]
        if isinstance(counts, str):
            counts = counts.encode("ascii")
        runs = _decompress(counts) if isinstance(counts, bytes) else np.asarray(counts, np.int64)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise NamebrushError("This is not a COCO run-length mask.") from error
    if not 0 <= height * width <= _MAX_PIXELS or runs.ndim != 1 or not len(runs):
        raise NamebrushError("The run-length mask has an impossible size.")
    if min(height, width) < 0 or runs.min() < 0 or runs.sum() != height * width:
        raise NamebrushError("The run-length mask does not fill its size.")
    values = np.zeros(len(runs), bool)
    values[1::2] = True
    flat = np.repeat(values, runs).reshape(width, height)
    return cv2.transpose(flat.view(np.uint8)).view(bool) if flat.size else np.zeros((height, width), bool)


def _encode(crop: np.ndarray, x0: int, y0: int, size: tuple[int, int]) -> dict:
    """Encode a mask that is `crop` at (x0, y0) of a size and nothing elsewhere."""
    height, width = size
    # Column after column with one zero behind each, so that every run starts and ends in a column of its own.
    columns = np.zeros((crop.shape[1], crop.shape[0] + 1), bool)
    if crop.size:
        columns[:, :-1] = cv2.transpose(np.ascontiguousarray(crop).view(np.uint8))  # far faster than a strided copy
    flat = columns.ravel()
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    if len(flat) and flat[0]:
        edges = np.r_[0, edges]
    column, row = np.divmod(edges, crop.shape[0] + 1)
    places = (column + x0) * height + row + y0
    starts, ends = places[::2], places[1::2]
    if len(starts):  # a run that ends at the bottom goes on where the next starts at the top
        split = starts[1:] != ends[:-1]
        starts, ends = starts[np.r_[True, split]], ends[np.r_[split, True]]
    bounds = np.empty(2 * len(starts) + 2, np.int64)
    bounds[0], bounds[1:-1:2], bounds[2:-1:2], bounds[-1] = 0, starts, ends, height * width
    counts = np.diff(bounds)
    if len(counts) > 1 and counts[-1] == 0:
        counts = counts[:-1]
    return {"size": [int(height), int(width)], "counts": _compress(counts)}


def _compress(counts: np.ndarray) -> str:
    left = counts.copy()
    left[3:] -= counts[1:-2]
    groups = np.zeros((len(left), _GROUPS), np.uint8)
    used = np.zeros((len(left), _GROUPS), bool)
    open_ = np.ones(len(left), bool)
    for i in range(_GROUPS):
        low = left & 31
        left = left >> 5
        more = np.where(low & 16, left != -1, left != 0)
        groups[:, i] = low + np.where(more, 32, 0) + 48
        used[:, i] = open_
        open_ = open_ & more
        if not open_.any():
            break
    return groups[used].tobytes().decode("ascii")


def _decompress(text: bytes) -> np.ndarray:
    groups = np.frombuffer(text, np.uint8).astype(np.int64) - 48
    if not len(groups) or groups.min() < 0 or groups.max() > 63 or groups[-1] & 32:
        raise ValueError("malformed counts")
    last = np.flatnonzero((groups & 32) == 0)
    first = np.r_[0, last[:-1] + 1]
    place = np.arange(len(groups)) - np.repeat(first, last - first + 1)
    if place.max() >= 12:
        raise ValueError("a count is too long")
    counts = np.add.reduceat((groups & 31) << (5 * place), first)
    counts -= np.where(groups[last] & 16, np.int64(1) << (5 * (place[last] + 1)), 0)
    counts[1::2] = np.cumsum(counts[1::2])
    counts[2::2] = np.cumsum(counts[2::2])
    return counts
