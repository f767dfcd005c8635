"""Tiny islands of a label map join the neighbour they fit best, so that what is shown are things and not crumbs.

Masks of one class overlap another's unevenly, and what is left between them are pieces too small to be meant and too
ragged to be clicked. A piece below a least area takes the class among those that surround it which the photo's
probabilities favour inside it; smallest first, so that crumbs of crumbs meet what has grown. Pieces that mostly lie in
"no class" stay: a small thing alone may well be one.
"""

from __future__ import annotations

import cv2
import numpy as np

from ..records import NO_CLASS
from .merge import photo_probability
from .regions import areas

#: Pieces below the smallest region must be so many times surer than others.
SMALL_SURER = 2.5


def sure(labels: np.ndarray, scores: np.ndarray, least: float, smallest: float) -> np.ndarray:
    """Labels without pieces that nobody is sure of: those are no class.

    A piece is kept where its class's mean probability inside it reaches `least`, and a piece of fewer pixels than
    `smallest`, of which there are many that mean nothing, where it reaches `SMALL_SURER` times that.

    Args:
        labels: int32 [H, W], -1 for no class.
        scores: float32 [C, h, w] class probabilities.
        least: 0..1; 0: the labels as they are.
        smallest: pixels.

    Returns:
        int32 [H, W]; `labels` itself where there is nothing to do.
    """
    changed = labels
    for c in np.unique(labels[labels >= 0]) if least > 0 else ():
        probability = photo_probability(scores, int(c), labels.shape)
        for area, (x0, y0, x1, y1), crop in areas(labels, int(c)):
            wanted = least * (SMALL_SURER if area < smallest else 1)
            if float(probability[y0:y1, x0:x1][crop].mean(dtype=np.float64)) < wanted:
                changed = labels.copy() if changed is labels else changed
                changed[y0:y1, x0:x1][crop] = NO_CLASS
    return changed


def absorb(labels: np.ndarray, scores: np.ndarray, least: float) -> np.ndarray:
    """Labels without islands.

    Args:
        labels: int32 [H, W], -1 for no class.
        scores: float32 [C, h, w] class probabilities.
        least: area in pixels below which a connected piece is an island; 0: the labels as they are.

    Returns:
        int32 [H, W]; `labels` itself where there is nothing to do.
    """
    if least <= 1:
        return labels
    found = []
    for c in np.unique(labels[labels >= 0]):
        found += [(area, int(c), box, crop) for area, box, crop in areas(labels, int(c)) if area < least]
    if not found:
        return labels
    changed, probability = labels.copy(), {}
    for _, c, box, crop in sorted(found, key=lambda f: f[:3]):
        x0, y0, x1, y1 = box
        wide = (slice(max(y0 - 1, 0), y1 + 1), slice(max(x0 - 1, 0), x1 + 1))
        padded = np.pad(crop, ((min(y0, 1), 1), (min(x0, 1), 1)))[: changed.shape[0] - wide[0].start]
        padded = padded[:, : changed.shape[1] - wide[1].start].astype(np.uint8)
        around = changed[wide][(cv2.dilate(padded, np.ones((3, 3), np.uint8)) > 0) & (padded == 0)]
        # Its own class may have come to touch it: a neighbour that joined the class before. Then it is no island.
        if not len(around) or (around == c).any() or 2 * (around < 0).sum() >= len(around):
            continue
        names, counts = np.unique(around[around >= 0], return_counts=True)
        fits = []
        for name in names:
            if name not in probability:
                probability[name] = photo_probability(scores, int(name), labels.shape)
            fits.append(float(probability[name][y0:y1, x0:x1][crop].mean()))
        # Probabilities first; the longer border decides between names that were not asked or fit alike.
        best = max(range(len(names)), key=lambda i: (round(fits[i], 3), counts[i]))
        changed[y0:y1, x0:x1][crop] = names[best]
    return changed
