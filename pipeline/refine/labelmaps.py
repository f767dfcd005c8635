"""Small steps on class probabilities and label maps that some papers end with."""

from __future__ import annotations

import cv2
import numpy as np


def drop_small_classes(scores: np.ndarray, share: float, background: int | None = None) -> np.ndarray:
    """Take a class out that hardly wins anywhere (SCLIP, SC-CLIP, ITACLIP: `area_thd`).

    Args:
        scores: float32 [C, H, W] class probabilities.
        share: a foreground class that wins at most this share of all pixels won by foreground classes gets 0.
        background: channel of the background, which is never dropped and does not count; None: there is none.

    Returns:
        float32 [C, H, W], a new array.
    """
    won = np.bincount(scores.argmax(0).ravel(), minlength=len(scores)).astype(np.float64)
    if background is not None:
        won[background] = 0
    dropped = won <= share * won.sum()
    if background is not None:
        dropped[background] = False
    return np.where(dropped[:, None, None], np.float32(0), scores)


def close_labels(labels: np.ndarray, side: int = 3) -> np.ndarray:
    """Grey-value closing of a label map int32 [H, W] by a square, as ITACLIP ends: small dark gaps are filled."""
    square = cv2.getStructuringElement(cv2.MORPH_RECT, (side, side))
    return cv2.morphologyEx(labels.astype(np.float32), cv2.MORPH_CLOSE, square).astype(labels.dtype)
