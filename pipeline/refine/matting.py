"""Soft alpha at a mask's boundary, for cut-outs: hair and thin parts follow the photo's colours.

A guided filter (He, Sun and Tang, PAMI 2013) with the photo as guide: in every small window alpha is the linear
function of the colours that fits the mask best. Only a band around the boundary is filtered; inside it alpha is 1,
outside 0, so what a person selected stays what it is.
"""

from __future__ import annotations

import cv2
import numpy as np


def guided_filter(guide: np.ndarray, values: np.ndarray, radius: int, eps: float) -> np.ndarray:
    """The guided filter with a colour guide.

    Args:
        guide: float32 [H, W, 3], 0..1.
        values: float32 [H, W].
        radius: windows have 2 radius + 1 pixels a side; at the rim only what is in the picture counts.
        eps: variance of the guide below which edges are smoothed away.

    Returns:
        float32 [H, W].
    """
    guide, values = guide.astype(np.float64), values.astype(np.float64)
    count = _sum(np.ones(values.shape), radius)

    def mean(x: np.ndarray) -> np.ndarray:
        return _sum(x, radius) / (count if x.ndim == 2 else count[..., None])

    colours, level = mean(guide), mean(values)
    spread = mean((guide[..., :, None] * guide[..., None, :]).reshape(*values.shape, 9)).reshape(*values.shape, 3, 3)
    spread -= colours[..., :, None] * colours[..., None, :]
    joint = mean(guide * values[..., None]) - colours * level[..., None]
    slope = np.linalg.solve(spread + eps * np.eye(3), joint[..., None])[..., 0]
    offset = level - (slope * colours).sum(-1)
    return ((mean(slope) * guide).sum(-1) + mean(offset)).astype(np.float32)


def _sum(x: np.ndarray, radius: int) -> np.ndarray:
    side = 2 * radius + 1
    if x.ndim == 2 or x.shape[2] <= 4:
        return cv2.boxFilter(x, -1, (side, side), normalize=False, borderType=cv2.BORDER_CONSTANT)
    parts = [cv2.boxFilter(np.ascontiguousarray(x[..., i]), -1, (side, side), normalize=False,
                           borderType=cv2.BORDER_CONSTANT) for i in range(x.shape[2])]  # fmt: skip
    return np.stack(parts, axis=2)


def snap_alpha(pixels: np.ndarray, mask: np.ndarray, width: int | None = None, eps: float = 1e-4) -> np.ndarray:
    """A mask's alpha, soft where the photo is.

    Args:
        pixels: uint8 [H, W, 3].
        mask: bool [H, W].
        width: pixels by which alpha may move from the mask's boundary, either way; None: a hundredth of the mask's
            longer side, 2 to 12.
        eps: see `guided_filter`; larger keeps alpha nearer to the blurred mask.

    Returns:
        float32 [H, W], 0..1; exactly the mask beyond `width` pixels from its boundary.
    """
    alpha = mask.astype(np.float32)
    ys, xs = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(ys):
        return alpha
    if width is None:
        width = int(np.clip(round(max(ys[-1] - ys[0], xs[-1] - xs[0]) / 100), 2, 12))
    # The rim of the photo is no boundary: a thing that goes on beyond it stays whole.
    wide = cv2.copyMakeBorder(mask.astype(np.uint8), width, width, width, width, cv2.BORDER_REPLICATE)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * width + 1, 2 * width + 1))
    inside, outside = (move(wide, disc)[width:-width, width:-width] > 0 for move in (cv2.erode, cv2.dilate))
    # A part thinner than the band would have no sure inside; its own pixels are taken for sure.
    thin = mask & ~(cv2.dilate(inside.astype(np.uint8), disc) > 0)
    band = outside & ~inside
    reach = 3 * width
    at = (slice(max(ys[0] - reach, 0), ys[-1] + reach + 1), slice(max(xs[0] - reach, 0), xs[-1] + reach + 1))
    guide = np.ascontiguousarray(pixels[at]).astype(np.float32) / 255
    soft = guided_filter(guide, np.ascontiguousarray(alpha[at]), 2 * width, eps).clip(0, 1)
    part = alpha[at]
    part[band[at]] = soft[band[at]]
    part[thin[at]] = np.maximum(part[thin[at]], 0.5 + 0.5 * soft[thin[at]])
    return alpha
