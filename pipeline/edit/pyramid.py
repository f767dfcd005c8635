"""Pictures with a hole, coarse to fine, and the smoothest way across a hole."""

from __future__ import annotations

import cv2
import numpy as np

from ..progress import checkpoint

_RELAXATIONS = 12
_CROSS = np.array([[0, 0.25, 0], [0.25, 0, 0.25], [0, 0.25, 0]], np.float32)


def _halved(image: np.ndarray, hole: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Means over blocks of two by two known pixels, how many were known, and how many lie in the picture."""
    checkpoint()
    height, width = hole.shape
    tall, wide = (height + 1) // 2, (width + 1) // 2
    padding = ((0, 2 * tall - height), (0, 2 * wide - width))
    known = np.pad((~hole).astype(np.float32), padding)
    inside = np.pad(np.ones(hole.shape, np.float32), padding)
    checkpoint()
    values = np.pad(image, (*padding, (0, 0))) * known[..., None]
    checkpoint()
    count = known.reshape(tall, 2, wide, 2).sum((1, 3))
    sums = values.reshape(tall, 2, wide, 2, -1).sum((1, 3))
    return sums / np.maximum(count, 1e-6)[..., None], count, inside.reshape(tall, 2, wide, 2).sum((1, 3))


def halve(image: np.ndarray, hole: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Half the size: float32 [H, W, C] and hole bool [H, W]; a block with any pixel in the hole is in the hole."""
    smaller, known, inside = _halved(image, hole)
    return smaller, known < inside - 0.5


def membrane(image: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """The smoothest surface across a hole that meets its border: Laplace's equation, coarse to fine.

    Args:
        image: float32 [H, W, C]; its values in the hole are not read.
        hole: bool [H, W].

    Returns:
        float32 [H, W, C], equal to `image` outside the hole; 0 everywhere in a hole without any border.
    """
    out = image.astype(np.float32, copy=True)
    if not hole.any():
        return out
    height, width = hole.shape
    if min(height, width) > 4:
        smaller, known, _ = _halved(out, hole)
        start = membrane(smaller, known < 0.5)
        start = cv2.resize(start, (2 * start.shape[1], 2 * start.shape[0]), interpolation=cv2.INTER_LINEAR)
        start = start.reshape(*start.shape[:2], -1)[:height, :width]
        out[hole] = start[hole]
    else:
        out[hole] = out[~hole].mean(axis=0) if not hole.all() else 0
    for _ in range(_RELAXATIONS):
        checkpoint()
        relaxed = cv2.filter2D(out, -1, _CROSS, borderType=cv2.BORDER_REPLICATE).reshape(out.shape)
        out[hole] = relaxed[hole]
    return out
