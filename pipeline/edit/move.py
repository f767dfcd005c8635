"""A thing lifted with soft edges and put elsewhere, larger or smaller."""

from __future__ import annotations

import cv2
import numpy as np

from ..edit_records import EditRequest
from ..errors import NamebrushError
from ..records import Box, Photo
from .composite import compose
from .crop import bounds, widened, window
from .matte import matte
from .pieces import Piece, joined

_CONTEXT = 12


class Lifted:
    """What is moved, at its new place.

    Attributes:
        box: where it lies in the photo, cut to it.
        colors: float32 [h, w, 3] in 0..255; alpha: float32 [h, w] in 0..1.
    """

    def __init__(self, photo: Photo, pieces: list[Piece], request: EditRequest):
        core = np.zeros(photo.size, bool)
        for piece in pieces:
            core[piece.slices] |= piece.core
        tight = bounds(core)
        box = widened(tight, request.feather + _CONTEXT, photo.size)
        alpha, colors = matte(photo.pixels[window(box)], core[window(box)], request.feather)
        self.box, self.colors, self.alpha = _placed(alpha, colors, box, tight, request, photo.size)
        if not (self.alpha > 0).any():
            raise NamebrushError("It would be moved out of the photo altogether; move it less far.")

    def onto(self, photo: Photo) -> Photo:
        """A photo with the thing laid on it."""
        return compose(photo, [(self.box, self.colors, self.alpha)])

    def used(self, pieces: list[Piece], size: tuple[int, int]) -> np.ndarray:
        """What may differ: where it was and where it is; bool [H, W]."""
        used = joined(pieces, size)
        used[window(self.box)] |= self.alpha > 0
        return used


def _placed(alpha: np.ndarray, colors: np.ndarray, box: Box, tight: Box, request: EditRequest, size: tuple[int, int]):
    """Scale about the middle of `tight` and shift; returns the box in the photo and what lies in it."""
    scale = request.scale
    if scale == 1:  # whole pixels: nothing is computed anew
        moved = (box[0] + request.dx, box[1] + request.dy, box[2] + request.dx, box[3] + request.dy)
        return _cut(moved, colors, alpha, size)
    middle = np.array([(tight[0] + tight[2]) / 2, (tight[1] + tight[3]) / 2])
    start = middle + scale * (np.array(box[:2]) - middle) + (request.dx, request.dy)
    end = middle + scale * (np.array(box[2:]) - middle) + (request.dx, request.dy)
    x0, y0 = (int(v) for v in np.maximum(np.floor(start), 0))
    x1, y1 = (int(v) for v in np.minimum(np.ceil(end), (size[1], size[0])))
    if x0 >= x1 or y0 >= y1:
        return _cut((size[1], size[0], size[1] + 1, size[0] + 1), colors, alpha, size)
    # pixel centres: new = scale * (old + 0.5) + offset - 0.5
    premultiplied = colors * alpha[..., None]
    if scale < 1:  # what is made smaller is averaged first, or it would sparkle
        sigma = 0.5 * (1 / scale - 1)
        premultiplied, alpha = (cv2.GaussianBlur(v, (0, 0), max(sigma, 1e-2)) for v in (premultiplied, alpha))
    offset = start - (x0, y0) + 0.5 * scale - 0.5
    matrix = np.array([[scale, 0, offset[0]], [0, scale, offset[1]]])
    how = {"flags": cv2.INTER_LINEAR, "borderMode": cv2.BORDER_CONSTANT, "borderValue": 0}
    laid = cv2.warpAffine(premultiplied, matrix, (x1 - x0, y1 - y0), **how)
    share = cv2.warpAffine(alpha, matrix, (x1 - x0, y1 - y0), **how)
    share[share < 1 / 512] = 0
    return (x0, y0, x1, y1), laid / np.maximum(share, 1e-6)[..., None], np.clip(share, 0, 1)


def _cut(box: Box, colors: np.ndarray, alpha: np.ndarray, size: tuple[int, int]):
    x0, y0, x1, y1 = box
    inside = (max(0, x0), max(0, y0), min(size[1], x1), min(size[0], y1))
    if inside[0] >= inside[2] or inside[1] >= inside[3]:
        return (0, 0, 1, 1), np.zeros((1, 1, 3), np.float32), np.zeros((1, 1), np.float32)
    at = window((inside[0] - x0, inside[1] - y0, inside[2] - x0, inside[3] - y0))
    return inside, colors[at], alpha[at]
