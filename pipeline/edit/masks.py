"""Shaping a mask before an edit: holes filled, specks dropped, grown, and feathered inside what was grown."""

from __future__ import annotations

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


def tidy(mask: np.ndarray) -> np.ndarray:
    """Fill small holes and drop small specks; the largest part always stays. bool [H, W] to bool [H, W]."""
    mask = np.asarray(mask, bool).copy()
    small = max(4, _SLIP_SHARE * np.count_nonzero(mask))
    for value in (False, True):  # holes first: a speck in a hole belongs to what surrounds it
        parts = (mask == value).astype(np.uint8)
        count, labels, stats, _ = cv2.connectedComponentsWithStats(parts, connectivity=4 if value is False else 8)
        areas = stats[1:, cv2.CC_STAT_AREA]
        if count <= 1 or (value and count == 2):
            continue
        drop = areas < small
        if value:
            drop[int(areas.argmax())] = False
        else:  # what touches the edge of the photo is surroundings, however small
            x, y, w, h = (stats[1:, i] for i in range(4))
            drop &= (x > 0) & (y > 0) & (x + w < mask.shape[1]) & (y + h < mask.shape[0])
        mask[np.concatenate([[False], drop])[labels]] = not value
    return mask


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
