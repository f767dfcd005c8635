"""The shadow of a thing: the connected darker area below it, proposed, never taken without asking."""

from __future__ import annotations

import cv2
import numpy as np

#: How far a shadow reaches beyond the thing, as shares of its width to the sides and of its height downwards.
SIDE_REACH, DOWN_REACH = 0.6, 0.5
#: Drops of lightness (0..100) that count as shadow at sensitivity 0 and 1.
LEAST_SURE, MOST_SURE = 14.0, 3.0
#: Widths in pixels of the median that takes the ground's grain away.
_SMOOTH = 5


def propose_shadow(pixels: np.ndarray, mask: np.ndarray, sensitivity: float = 0.5) -> np.ndarray:
    """Propose the shadow of what is selected.

    A shadow is darker than the ground beside it, of nearly the ground's hue, begins at the lower half of the thing and
    hangs together with it. The ground's lightness is the upper quartile, row by row, of what lies around the thing.

    Args:
        pixels: uint8 [H, W, 3] sRGB.
        mask: bool [H, W], the thing.
        sensitivity: 0..1; the higher, the slighter a darkening counts.

    Returns:
        bool [H, W], apart from the mask; empty where nothing below it is darker.
    """
    nothing = np.zeros(mask.shape, bool)
    if not mask.any():
        return nothing
    rows, cols = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    top, bottom, left, right = rows[0], rows[-1] + 1, cols[0], cols[-1] + 1
    tall, wide = bottom - top, right - left
    y0, y1 = top + tall // 2, min(mask.shape[0], bottom + max(4, round(DOWN_REACH * tall)))
    x0, x1 = max(0, left - round(SIDE_REACH * wide) - 4), min(mask.shape[1], right + round(SIDE_REACH * wide) + 4)
    thing = mask[y0:y1, x0:x1]
    smooth = cv2.medianBlur(np.ascontiguousarray(pixels[y0:y1, x0:x1]), _SMOOTH)
    lab = cv2.cvtColor(smooth.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
    ground = _ground(lab, thing)
    drop = ground[..., 0] - lab[..., 0]
    enough = LEAST_SURE + (MOST_SURE - LEAST_SURE) * float(np.clip(sensitivity, 0, 1))
    # a shadow takes light, not hue: chroma falls along with lightness and may turn a little towards blue
    turned = np.hypot(*(lab[..., 1:] - ground[..., 1:]).transpose(2, 0, 1)) > 6 + 1.2 * np.abs(drop)
    dark = ((drop > enough) & ~turned & ~thing).astype(np.uint8)
    dark = cv2.morphologyEx(dark, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    touching = cv2.dilate(thing.astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
    count, labels = cv2.connectedComponents(dark, connectivity=8)
    hit = np.zeros(count, bool)
    hit[np.unique(labels[touching])] = True
    hit[0] = False
    found = hit[labels]
    if not found.any():
        return nothing
    # the soft rim of the shadow, and the line between it and the thing
    found = cv2.dilate(found.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    nothing[y0:y1, x0:x1] = found & ~thing
    return nothing


def _ground(lab: np.ndarray, thing: np.ndarray) -> np.ndarray:
    """What the ground looks like in full light, row by row, smoothed over rows: float32 [h, 1, 3]."""
    rows = np.zeros((len(lab), 1, 3), np.float32)
    known = np.zeros(len(lab), bool)
    for y in range(len(lab)):
        free = lab[y][~thing[y]]
        if len(free) >= 8:
            light = free[free[:, 0] >= np.quantile(free[:, 0], 0.6)]
            rows[y, 0], known[y] = np.median(light, axis=0), True
    if not known.any():
        return lab.reshape(-1, 3).max(axis=0).reshape(1, 1, 3)
    near = np.abs(np.arange(len(lab))[:, None] - np.flatnonzero(known)).argmin(axis=1)
    rows = rows[np.flatnonzero(known)[near]]
    return cv2.blur(rows, (1, 9), borderType=cv2.BORDER_REPLICATE).reshape(-1, 1, 3)
