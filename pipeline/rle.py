"""COCO's run-length encoding of masks, plain and compressed, in numpy.

A mask is read column by column; `counts` are lengths of runs that start with zeros (a first run of zeros may have
length 0). Compressed, each count from the fourth on is its difference to the one two before it, written as groups of 5
bits, low ones first, signed in two's complement, bit 6 saying that more follow, as characters from "0" on. This is
what pycocotools reads and writes.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping

import cv2
import numpy as np

from .errors import NamebrushError
from .records import Box, Region

_GROUPS = 13  # 5-bit groups of the largest difference that is written
_READ_GROUPS = 7  # and of one that is read: 35 bits, so that no sum of them leaves 64
#: A mask has no more pixels than this where nobody says less: its size is text, which costs nothing to write.
MAX_PIXELS = 1 << 28


def encode_rle(mask: np.ndarray) -> dict:
    """`{"size": [H, W], "counts": str}` of a mask, bool [H, W]."""
    mask = np.asarray(mask)
    if mask.ndim != 2:
        raise ValueError(f"mask must be [H, W], got {list(mask.shape)}")
    return _encode(mask.astype(bool, copy=False), 0, 0, mask.shape)


def encode_region(region: Region) -> dict:
    """The same for a region's mask, without making it at the photo's size."""
    return _encode(region.crop, region.box[0], region.box[1], region.size)


def decode_rle(rle: Mapping, size: tuple[int, int] | None = None, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """The mask, bool [H, W], of `{"size": [H, W], "counts": str | bytes | list of int}`.

    Args:
        rle: from anywhere; nothing of the mask's size is allocated before it is known to be sound.
        size: height and width it must have, those of its photo; None: any up to `max_pixels`.
        max_pixels: height times width at most.

    Raises:
        NamebrushError: another size, too many pixels, or the counts are malformed or do not fill the size.
    """
    (height, width), runs = _runs(rle, size, max_pixels)
    values = np.zeros(len(runs), bool)
    values[1::2] = True
    flat = np.repeat(values, runs).reshape(width, height)
    return cv2.transpose(flat.view(np.uint8)).view(bool) if flat.size else np.zeros((height, width), bool)


def check_rle(rle: Mapping, size: tuple[int, int] | None = None, max_pixels: int = MAX_PIXELS) -> None:
    """Refuse what `decode_rle` would refuse, without making the mask."""
    _runs(rle, size, max_pixels)


def decode_region(rle: Mapping, size: tuple[int, int]) -> tuple[Box, np.ndarray]:
    """The tight box of a mask and the mask inside it, bool [y1 - y0, x1 - x0], never made at the photo's size.

    Raises:
        NamebrushError: as `decode_rle`, or the mask is empty.
    """
    (height, _), runs = _runs(rle, size, MAX_PIXELS)
    ends = np.cumsum(runs)
    starts, ends = (ends - runs)[1::2], ends[1::2]
    filled = starts < ends
    if not filled.any():
        raise NamebrushError("A run-length mask is empty.")
    starts, ends = starts[filled], ends[filled]
    x0, x1 = int(starts[0]) // height, (int(ends[-1]) - 1) // height + 1
    first, last = starts % height, (ends - 1) % height
    if (starts // height != (ends - 1) // height).any():  # a run over a column's end has its bottom and the next's top
        y0, y1 = 0, height
    else:
        y0, y1 = int(first.min()), int(last.max()) + 1
    begin = (starts // height - x0) * (y1 - y0) + first - y0
    bounds = np.zeros(2 * len(begin) + 2, np.int64)
    bounds[1:-1:2], bounds[2:-1:2], bounds[-1] = begin, begin + ends - starts, (x1 - x0) * (y1 - y0)
    values = np.zeros(len(bounds) - 1, bool)
    values[1::2] = True
    flat = np.repeat(values, np.diff(bounds)).reshape(x1 - x0, y1 - y0)
    return (x0, y0, x1, y1), cv2.transpose(flat.view(np.uint8)).view(bool)


def _runs(rle: Mapping, size: tuple[int, int] | None, max_pixels: int) -> tuple[tuple[int, int], np.ndarray]:
    """Height and width, and the lengths of the runs, int64, each and all of which were checked against them."""
    try:
        height, width = (operator.index(n) for n in rle["size"])
        counts = rle["counts"]
        if not isinstance(counts, (str, bytes, list, tuple, np.ndarray)):
            raise TypeError("counts of another type")
    except (KeyError, TypeError, ValueError) as error:
        raise NamebrushError("This is not a COCO run-length mask.") from error
    if min(height, width) < 0 or height * width > max_pixels:
        raise NamebrushError("The run-length mask has an impossible size.")
    if size is not None and (height, width) != tuple(size):
        raise NamebrushError("The run-length mask has another size than its photo.")
    pixels = height * width
    if not len(counts) or len(counts) > _READ_GROUPS * (pixels + 2):
        raise NamebrushError("The run-length mask does not fill its size.")
    try:
        if isinstance(counts, str):
            counts = counts.encode("ascii")
        runs = _decompress(counts) if isinstance(counts, bytes) else np.asarray(counts, np.int64)
    except (TypeError, ValueError, OverflowError) as error:
        raise NamebrushError("This is not a COCO run-length mask.") from error
    # Each run first: only then can their sum not wrap around.
    if runs.ndim != 1 or runs.min() < 0 or runs.max() > pixels or int(runs.sum()) != pixels:
        raise NamebrushError("The run-length mask does not fill its size.")
    return (height, width), runs


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
    if place.max() >= _READ_GROUPS:
        raise ValueError("a count is too long")
    counts = np.add.reduceat((groups & 31) << (5 * place), first)
    counts -= np.where(groups[last] & 16, np.int64(1) << (5 * (place[last] + 1)), 0)
    counts[1::2] = np.cumsum(counts[1::2])
    counts[2::2] = np.cumsum(counts[2::2])
    return counts
