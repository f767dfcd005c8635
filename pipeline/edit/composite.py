"""Putting new pixels into the photo, and nothing else."""

from __future__ import annotations

import numpy as np

from ..photo import photo_from_pixels
from ..records import Photo


def compose(photo: Photo, painted: np.ndarray, alpha: np.ndarray) -> Photo:
    """The photo with the painted pixels where alpha is above 0; all others are copied, not computed.

    Args:
        photo: the photo before.
        painted: uint8 [H, W, 3] of the photo's size; only its pixels where alpha is above 0 are read.
        alpha: float32 [H, W], share of the painted pixels, 0..1.

    Returns:
        A photo with the same alpha, EXIF, colour profile and name.
    """
    used = alpha > 0
    share = alpha[used][:, None].astype(np.float32)
    mixed = painted[used].astype(np.float32) * share + photo.pixels[used].astype(np.float32) * (1 - share)
    pixels = photo.pixels.copy()
    pixels[used] = np.clip(np.rint(mixed), 0, 255).astype(np.uint8)
    return photo_from_pixels(pixels, like=photo)


def count_changed(before: np.ndarray, after: np.ndarray, where: np.ndarray) -> int:
    """Number of pixels of the mask `where` (bool [H, W]) at which two pictures (uint8 [H, W, 3]) differ."""
    return int(np.count_nonzero((before != after).any(axis=2) & where))
