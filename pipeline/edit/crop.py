"""Crops around a mask: what a diffusion model sees, at its own size, and the way back to the photo's.

A model made for 512 pixels paints a small thing in a large photo well only if it sees a crop around it at that size.
Parts of a mask that lie far apart become crops of their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from ..records import Box

#: Context on every side of the mask, as a share of the mask's longer side, and at least so many pixels.
CONTEXT, LEAST_CONTEXT = 0.5, 32
#: Windows with more pixels than this are searched for parts in blocks of BLOCK pixels a side.
_COARSE, BLOCK = 1 << 18, 8
_SEAM = 12


@dataclass(frozen=True, eq=False)
class Crop:
    """One crop.

    Attributes:
        box: where it lies in the photo.
        size: height and width the model sees, multiples of the step asked for.
        mask: bool [y1 - y0, x1 - x0], the part of the mask this crop is for.
    """

    box: Box
    size: tuple[int, int]
    mask: np.ndarray


def groups_of(mask: np.ndarray, context: float = CONTEXT, least: int = LEAST_CONTEXT) -> list[np.ndarray]:
    """Split a mask into groups of parts that are near each other: each list entry bool [H, W], together the mask.

    Two parts belong together when their boxes, each with its context around it, meet.
    """
    return list(_groups(mask, context, least))


def _groups(mask: np.ndarray, context: float, least: int) -> Iterator[np.ndarray]:
    """The groups one after the other: of thousands not all are held at once."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(np.asarray(mask, np.uint8), connectivity=8)
    boxes = stats[1:, :4].astype(np.int64)
    boxes[:, 2:] += boxes[:, :2]
    owner = np.arange(count - 1)  # of every part, the group it is in; a group's box stands at its own number
    wide = np.array([_padded(box, context, least) for box in boxes]).reshape(-1, 4)
    alive = np.zeros(count - 1, bool)
    for part in range(count - 1):
        while True:  # a joined group is larger and reaches further, so look again
            near = alive & (wide[:, :2] < wide[part, 2:]).all(axis=1) & (wide[part, :2] < wide[:, 2:]).all(axis=1)
            if not near.any():
                break
            owner[np.isin(owner, np.flatnonzero(near))] = part
            boxes[part, :2] = np.minimum(boxes[part, :2], boxes[near, :2].min(axis=0))
            boxes[part, 2:] = np.maximum(boxes[part, 2:], boxes[near, 2:].max(axis=0))
            wide[part] = _padded(boxes[part], context, least)
            alive &= ~near
        alive[part] = True
    if alive.sum() == 1:
        yield np.asarray(mask, bool)
        return
    of_label = np.concatenate([[-1], owner])[labels]
    for group in np.flatnonzero(alive):
        yield of_label == group


def _padded(box: np.ndarray, context: float, least: int) -> np.ndarray:
    margin = max(least, int(round(context * max(box[2] - box[0], box[3] - box[1]))))
    return box + np.array([-margin, -margin, margin, margin])


def window(box: Box) -> tuple[slice, slice]:
    """A box as an index into rows and columns."""
    return slice(box[1], box[3]), slice(box[0], box[2])


def widened(box: Box, margin: int, size: tuple[int, int]) -> Box:
    """A box with a margin on every side, cut to a photo of a height and width."""
    x0, y0, x1, y1 = box
    return max(0, x0 - margin), max(0, y0 - margin), min(size[1], x1 + margin), min(size[0], y1 + margin)


def split(mask: np.ndarray, context: float = CONTEXT, least: int = LEAST_CONTEXT) -> list[tuple[Box, np.ndarray]]:
    """A mask's far-apart pieces: for each its tight box and bool [h, w] inside it; together they are the mask.

    Large masks are looked at in blocks of a few pixels, so that a photo's size hardly counts.
    """
    box = bounds(mask)
    inside = mask[window(box)]
    if inside.size <= _COARSE:
        parts = [(bounds(part), part) for part in _groups(inside, context, least)]
        return [(moved(own, box), part[window(own)]) for own, part in parts]
    tall, wide = (-(-side // BLOCK) for side in inside.shape)
    padded = np.zeros((tall * BLOCK, wide * BLOCK), np.uint8)
    padded[: inside.shape[0], : inside.shape[1]] = inside
    # a single pixel of a block still counts after rounding: 255 / 64 = 4
    coarse = cv2.resize(padded * np.uint8(255), (wide, tall), interpolation=cv2.INTER_AREA) > 0
    found = []
    for part in _groups(coarse, context, -(-least // BLOCK)):
        x0, y0, x1, y1 = bounds(part)
        fine = cv2.resize(part[y0:y1, x0:x1].view(np.uint8), None, fx=BLOCK, fy=BLOCK, interpolation=cv2.INTER_NEAREST)
        around = (x0 * BLOCK, y0 * BLOCK, min(x1 * BLOCK, inside.shape[1]), min(y1 * BLOCK, inside.shape[0]))
        own = inside[window(around)] & fine.view(bool)[: around[3] - around[1], : around[2] - around[0]]
        tight = bounds(own)
        found.append((moved(moved(tight, around), box), own[window(tight)]))
    return found


def moved(box: Box, origin: Box) -> Box:
    """A box inside a window, in the coordinates the window's own box is in."""
    return box[0] + origin[0], box[1] + origin[1], box[2] + origin[0], box[3] + origin[1]


def bounds(mask: np.ndarray) -> Box:
    """Tight box of a mask that is not empty, exclusive ends."""
    rows, cols = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(cols[0]), int(rows[0]), int(cols[-1]) + 1, int(rows[-1]) + 1


def plan_crops(mask: np.ndarray, native: int, step: int = 8) -> list[Crop]:
    """Crops that cover a mask, bool [H, W], one for each of its far-apart parts; see `plan_crop`."""
    return [plan_crop(box, part, mask.shape, native, step) for box, part in split(mask)]


def plan_crop(
    box: Box, part: np.ndarray, size: tuple[int, int], native: int, step: int = 8, context: float = CONTEXT,
    least: int = LEAST_CONTEXT,
) -> Crop:  # fmt: skip
    """A crop around a part of a mask, as square as the photo allows, with context on every side.

    Args:
        box: where the part lies in the photo; part: bool [h, w] inside it.
        size: height and width of the photo.
        native: longer side the model was made for, in pixels.
        step: both sides the model sees are multiples of it.
        context, least: surroundings on every side as a share of the part's longer side, and at least so many pixels.
    """
    x0, y0, x1, y1 = (int(v) for v in _padded(np.array(box), context, least))
    side = max(x1 - x0, y1 - y0)
    left, right = _span((x0 + x1) / 2, side, size[1])
    top, bottom = _span((y0 + y1) / 2, side, size[0])
    scale = native / max(right - left, bottom - top)
    seen = tuple(max(step, round((b - a) * scale / step) * step) for a, b in ((top, bottom), (left, right)))
    mask = np.zeros((bottom - top, right - left), bool)
    mask[box[1] - top : box[3] - top, box[0] - left : box[2] - left] = part
    return Crop((left, top, right, bottom), seen, mask)


def _span(centre: float, side: int, limit: int) -> tuple[int, int]:
    """An interval of a length around a centre, pushed inside 0..limit and cut where it is longer."""
    side = min(side, limit)
    start = int(np.clip(round(centre - side / 2), 0, limit - side))
    return start, start + side


def cut_out(
    pixels: np.ndarray, crop: Crop, laid: Sequence[tuple[Box, np.ndarray, np.ndarray]] = ()
) -> tuple[np.ndarray, np.ndarray]:
    """What the model sees: uint8 [h, w, 3] and the mask bool [h, w], at the crop's size.

    Args:
        pixels: uint8 [H, W, 3], the photo.
        crop: what is cut out.
        laid: patches laid on the photo first: for each its box, bool [h, w] inside it and uint8 [h, w, 3].
    """
    x0, y0, x1, y1 = crop.box
    h, w = crop.size
    smaller = h < y1 - y0
    part = pixels[y0:y1, x0:x1]
    for box, where, patch in laid:
        both = max(x0, box[0]), max(y0, box[1]), min(x1, box[2]), min(y1, box[3])
        if both[0] < both[2] and both[1] < both[3]:
            part = part.copy()
            own, at = window(moved(both, (-box[0], -box[1], 0, 0))), window(moved(both, (-x0, -y0, 0, 0)))
            part[at][where[own]] = patch[own][where[own]]
    seen = cv2.resize(part, (w, h), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC)
    share = cv2.resize(crop.mask.astype(np.float32), (w, h), interpolation=cv2.INTER_AREA)
    return seen, share > 0  # every pixel the mask touches is the model's: none of the old thing may show it the way


def put_back(painted: np.ndarray, crop: Crop, pixels: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    """Bring a painted crop to the photo's resolution and match its colours to the photo on a ring around the mask.

    An autoencoder shifts colours a little everywhere; the shift is measured where the photo is known.

    Args:
        painted: uint8 [h, w, 3] of the crop's size.
        crop: where it belongs.
        pixels: uint8 [H, W, 3], the photo.
        hidden: bool [H, W], pixels of the photo that say nothing about the colours (all that may change).

    Returns:
        uint8 [y1 - y0, x1 - x0, 3].
    """
    x0, y0, x1, y1 = crop.box
    smaller = y1 - y0 < painted.shape[0]
    full = cv2.resize(painted, (x1 - x0, y1 - y0), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC)
    known = ~hidden[y0:y1, x0:x1]
    if not known.any():
        return full
    away = cv2.distanceTransform((~crop.mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    ring = known & (away <= _SEAM)
    if np.count_nonzero(ring) < 16:
        ring = known
    shift = np.median(pixels[y0:y1, x0:x1][ring].astype(np.float32) - full[ring].astype(np.float32), axis=0)
    return np.clip(np.rint(full.astype(np.float32) + shift), 0, 255).astype(np.uint8)
