"""Shaping a mask before an edit: holes filled, specks dropped, grown, and feathered inside what was grown."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np

from ..errors import NamebrushError

#: Growth chosen by size, in pixels: enough for the soft edge of a thing, little enough to spare its neighbours.
LEAST_GROWTH, MOST_GROWTH = 2, 24
_GROWTH_SHARE = 0.02
#: Holes and specks up to this share of the mask's area are taken for slips of the brush.
_SLIP_SHARE = 0.004


@dataclass(frozen=True, eq=False)
class Shaped:
    """A mask made ready for an edit.

    Attributes:
        core: bool [H, W], what the person selected, tidied, or shrunk where they asked for that.
        used: bool [H, W], the pixels that may change; `core` lies inside it.
        alpha: float32 [H, W], share of the new pixels in the result: 1 in `core`, falling towards the border of
            `used`, 0 outside.
    """

    core: np.ndarray
    used: np.ndarray
    alpha: np.ndarray


def check_mask(mask: np.ndarray, size: tuple[int, int]) -> None:
    """Refuse a mask that cannot be worked with.

    Args:
        mask: bool [H, W].
        size: height and width of the photo.

    Raises:
        NamebrushError: it is of another size than the photo, or empty.
    """
    if mask.shape != tuple(size):
        raise NamebrushError(
            f"The mask is {mask.shape[1]}x{mask.shape[0]} and the photo {size[1]}x{size[0]} pixels; "
            "give a mask of the photo's size."
        )
    if not mask.any():
        raise NamebrushError("The mask is empty: select something first, by a click, a box or the brush.")


def automatic_growth(mask: np.ndarray) -> int:
    """Pixels by which a mask of this size grows when nobody says otherwise: 2 % of the side of a square as large."""
    side = float(np.sqrt(np.count_nonzero(mask)))
    return int(np.clip(round(_GROWTH_SHARE * side), LEAST_GROWTH, MOST_GROWTH))


def growth_by_share(mask: np.ndarray, share: float) -> int:
    """Pixels that are a share of the side of a square as large as the mask; negative for a negative share."""
    return round(share * float(np.sqrt(np.count_nonzero(mask))))


def _distance(mask: np.ndarray) -> np.ndarray:
    """Euclidean distance of every pixel of the mask to the nearest pixel outside it; beyond the photo is unknown."""
    return cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)


def grow(mask: np.ndarray, pixels: int) -> np.ndarray:
    """Grow (or for negative `pixels` shrink) a mask by a disc; bool [H, W] to bool [H, W].

    By distance, not by a structuring element, so that the time does not depend on the radius.
    """
    mask = np.asarray(mask, bool)
    if pixels == 0 or mask.all() or not mask.any():
        return mask.copy()
    if pixels > 0:
        return _distance(~mask) <= pixels
    return _distance(mask) > -pixels


def fill_holes(mask: np.ndarray, area: float) -> np.ndarray:
    """Fill holes smaller than an area in pixels; bool [H, W] to bool [H, W].

    What touches the edge of the picture is surroundings, however small.
    """
    count, labels, stats, _ = cv2.connectedComponentsWithStats((~mask).view(np.uint8), connectivity=4)
    if count <= 1:
        return mask.copy()
    x, y, w, h, size = (stats[1:, i] for i in range(5))
    small = (size < area) & (x > 0) & (y > 0) & (x + w < mask.shape[1]) & (y + h < mask.shape[0])
    return mask | np.concatenate([[False], small])[labels] if small.any() else mask.copy()


def drop_specks(mask: np.ndarray, area: float, keep: bool = True) -> np.ndarray:
    """Drop parts smaller than an area in pixels; with `keep` the largest part always stays. bool to bool [H, W]."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=8)
    sizes = stats[1:, cv2.CC_STAT_AREA]
    small = sizes < area
    if count > 1 and keep:
        small[int(sizes.argmax())] = False
    return mask & ~np.concatenate([[False], small])[labels] if small.any() else mask.copy()


def roomy(mask: np.ndarray, shape: str) -> np.ndarray:
    """A mask, bool [H, W] and not empty, widened to give another form room: "region" (as it is), "hull" or "box"."""
    if shape == "region":
        return mask
    wide = np.zeros(mask.shape, np.uint8)
    rows, cols = np.nonzero(mask)
    if shape == "box":
        wide[rows.min() : rows.max() + 1, cols.min() : cols.max() + 1] = 1
    else:
        cv2.fillConvexPoly(wide, cv2.convexHull(np.stack([cols, rows], axis=1).astype(np.int32)), 1)
    return (wide > 0) | mask


def slip_area(pixels: int) -> float:
    """The area below which a hole or speck of a mask of so many pixels is taken for a slip of the brush."""
    return max(4.0, _SLIP_SHARE * pixels)


def tidy(mask: np.ndarray) -> np.ndarray:
    """Fill small holes and drop small specks; the largest part always stays. bool [H, W] to bool [H, W]."""
    mask = np.asarray(mask, bool)
    mask = fill_holes(mask, slip_area(np.count_nonzero(mask)))  # first: a speck in a hole belongs to what surrounds it
    return drop_specks(mask, slip_area(np.count_nonzero(mask)))


def union(*masks: np.ndarray) -> np.ndarray:
    """What lies in any of several masks, bool [H, W]."""
    return np.logical_or.reduce(masks)


def difference(mask: np.ndarray, *minus: np.ndarray) -> np.ndarray:
    """What lies in a mask and in none of the others, bool [H, W]."""
    return mask & ~np.logical_or.reduce(minus) if minus else mask.copy()


@dataclass(frozen=True)
class Stroke:
    """One stroke of a person's brush.

    Attributes:
        points: (x, y) in photo pixels, in the order drawn; a single one is a dab.
        radius: of the brush in pixels.
        add: True paints into the mask, False takes away from it.
    """

    points: tuple[tuple[float, float], ...]
    radius: float = 8.0
    add: bool = True


def draw_strokes(mask: np.ndarray, strokes: Iterable[Stroke]) -> np.ndarray:
    """A mask, bool [H, W], after strokes of the brush, in their order; what leaves the photo is cut off.

    Raises:
        NamebrushError: a stroke without points, or a radius that is not above 0.
    """
    drawn = np.asarray(mask).astype(np.uint8)
    for stroke in strokes:
        points = np.asarray(stroke.points, np.float64)
        if points.ndim != 2 or points.shape[1] != 2 or not len(points) or not np.isfinite(points).all():
            raise NamebrushError("A stroke of the brush needs points (x, y).")
        if not 0 < stroke.radius <= 4096:
            raise NamebrushError(f"The brush must be above 0 and at most 4096 pixels wide, got {stroke.radius}.")
        value, fine = int(stroke.add), 16  # positions to a sixteenth of a pixel, as OpenCV's `shift` wants them
        reach = 4 * (max(drawn.shape) + stroke.radius)
        at = np.rint(np.clip(points, -reach, reach) * fine).astype(np.int32)
        for start, end in zip(at[:-1], at[1:], strict=True):
            cv2.line(drawn, start.tolist(), end.tolist(), value, max(1, round(2 * stroke.radius)), cv2.LINE_8, 4)
        for x, y in at:
            cv2.circle(drawn, (int(x), int(y)), round(stroke.radius * fine), value, -1, cv2.LINE_8, 4)
    return drawn.view(bool)


def feather_alpha(core: np.ndarray, used: np.ndarray, width: int) -> np.ndarray:
    """Share of the new pixels: 1 in `core`, falling linearly over the last `width` pixels inside `used`, 0 outside.

    The seam lies inside the used mask, never across its border, so that every pixel outside stays the photo's own.

    Args:
        core, used: bool [H, W], the first inside the second.
        width: pixels, 0 for a hard edge.

    Returns:
        float32 [H, W], above 0 everywhere in `used`.
    """
    if width <= 0 or used.all():
        return used.astype(np.float32)
    alpha = np.clip(_distance(used) / (width + 1.0), 0, 1)
    return np.where(core, 1.0, alpha).astype(np.float32)


def shape_mask(mask: np.ndarray, size: tuple[int, int], pixels: int | None = None, feather: int = 2) -> Shaped:
    """Everything a mask goes through before an edit.

    Args:
        mask: bool [H, W], what the person selected.
        size: height and width of the photo.
        pixels: growth; negative shrinks; None chooses by the mask's size.
        feather: width of the soft seam in pixels.

    Raises:
        NamebrushError: the mask has another size, is empty, or nothing is left after shrinking it.
    """
    check_mask(mask, size)
    core = tidy(mask)
    if core.all():
        core = mask.copy()  # the little that is left of the photo is all there is to go by
    pixels = automatic_growth(core) if pixels is None else int(pixels)
    if pixels < 0:
        core = grow(core, pixels)
        if not core.any():
            raise NamebrushError(f"Nothing is left of the mask when it shrinks by {-pixels} pixels; shrink it less.")
    used = grow(core, max(pixels, 0))
    if used.all() and not core.all():
        used = core.copy()  # growing would leave nothing of the photo to go by
    return Shaped(core, used, feather_alpha(core, used, feather))
