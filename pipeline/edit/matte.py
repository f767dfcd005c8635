"""Soft edges: how much of every pixel at a mask's edge belongs to the thing, and of what colour the thing is there.

A pixel at an edge is a mixture I = a F + (1 - a) B of the thing's colour and the background's. Both are continued
smoothly into a ring along the edge, a follows from where I lies between them, and where they are too alike to tell,
from the distance to the edge. F then is free of the old background: no halo on a new one.
"""

from __future__ import annotations

import cv2
import numpy as np

from .masks import grow
from .pyramid import membrane

#: Difference of colours (root of the summed squares of 0..255) at which they say as much as the distance does.
_TELLING = 28.0
#: How far the colours may move the share from what the distance says.
_FREEDOM = 0.4


def matte(pixels: np.ndarray, mask: np.ndarray, ring: int) -> tuple[np.ndarray, np.ndarray]:
    """The share of the thing in every pixel, and its colours.

    Args:
        pixels: uint8 [H, W, 3].
        mask: bool [H, W], the thing.
        ring: pixels on either side of the mask's edge in which a pixel may be a mixture; 0 for a hard edge.

    Returns:
        alpha float32 [H, W] in 0..1, 1 beyond the ring inside and 0 beyond it outside; foreground float32 [H, W, 3]
        in 0..255, which equals `pixels` where alpha is 1.
    """
    image = pixels.astype(np.float32)
    if ring <= 0 or mask.all() or not mask.any():
        return mask.astype(np.float32), image
    inside = _distance(mask) - 0.5
    ring = min(float(ring), max(0.5, float(inside[mask].max())))  # a thin thing keeps a sure middle
    sure, away = inside > ring - 0.5, ~grow(mask, int(np.ceil(ring)))
    sure &= mask
    if not sure.any() or not away.any():
        return mask.astype(np.float32), image
    near = cv2.dilate((~sure & ~away).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    front, back = _continued(image, sure), _continued(image, away)
    apart = front - back
    gap = (apart**2).sum(axis=2)
    mixed = ((image - back) * apart).sum(axis=2) / np.maximum(gap, 1e-3)
    signed = np.where(mask, inside, 0.5 - _distance(~mask))
    by_distance = np.clip(0.5 + signed / (2 * ring + 1), 0, 1)
    telling = gap / (gap + _TELLING**2)
    alpha = telling * np.clip(mixed, 0, 1) + (1 - telling) * by_distance
    alpha = np.clip(alpha, by_distance - _FREEDOM, by_distance + _FREEDOM)
    alpha = cv2.GaussianBlur(alpha.astype(np.float32), (3, 3), 0.6)
    alpha = np.where(sure, 1.0, np.where(away, 0.0, np.clip(alpha, 0, 1))).astype(np.float32)
    alpha[~near & ~sure] = 0
    share = alpha[..., None]
    pure = (image - (1 - share) * back) / np.maximum(share, 0.1)
    pure = share * np.clip(pure, 0, 255) + (1 - share) * front
    return alpha, np.where(share >= 1, image, np.clip(pure, 0, 255)).astype(np.float32)


def _distance(mask: np.ndarray) -> np.ndarray:
    return cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)


def _continued(image: np.ndarray, known: np.ndarray) -> np.ndarray:
    """The picture's colours continued smoothly from where they are known, a little calmed; float32 [H, W, 3]."""
    weight = known.astype(np.float32)
    calm = cv2.GaussianBlur(image * weight[..., None], (0, 0), 1.5)
    calm /= np.maximum(cv2.GaussianBlur(weight, (0, 0), 1.5), 1e-3)[..., None]
    return membrane(calm, ~known)
