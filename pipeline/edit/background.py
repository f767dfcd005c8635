"""Edits of all that is not the thing: blurred, replaced by a colour or a photo, or made transparent.

The thing's edge is a matte (`matte`), so neither the new background shows a halo of the old one nor the blur a halo of
the thing. Pixels that are the thing's altogether stay the photo's own, bit for bit.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ..edit_records import EditRequest
from ..records import Photo
from .composite import compose
from .crop import widened, window
from .kinds import parse_color
from .matte import matte
from .pieces import joined, shape_pieces

#: Standard deviation of the blur as a share of the photo's longer side, where nobody says.
BLUR_SHARE = 0.012
#: Pixels beyond the ring that a matte looks at for the background's colours.
_CONTEXT = 12


@dataclass(frozen=True, eq=False)
class Subject:
    """The thing: alpha float32 [H, W] in 0..1, and its colours float32 [H, W, 3], right wherever alpha is above 0."""

    alpha: np.ndarray
    colors: np.ndarray


def subject_of(photo: Photo, request: EditRequest) -> Subject:
    """The selection with soft edges; the ring is as wide as the request's feather on either side."""
    pieces = shape_pieces(request, photo.pixels, 0)
    used = joined(pieces, photo.size)
    alpha, colors = np.zeros(photo.size, np.float32), photo.pixels.astype(np.float32)
    for piece in pieces:
        at = window(widened(piece.box, request.feather + _CONTEXT, photo.size))
        own, pure = matte(photo.pixels[at], used[at], request.feather)
        better = own > alpha[at]
        alpha[at][better], colors[at][better] = own[better], pure[better]
    return Subject(alpha, colors)


def blurred(photo: Photo, request: EditRequest) -> tuple[Photo, np.ndarray]:
    """The photo with all but the selection out of focus, and bool [H, W]: what may differ."""
    subject = subject_of(photo, request)
    sigma = request.blur or BLUR_SHARE * max(photo.size)
    return _laid_on(photo, subject, _soft(photo.pixels, subject.alpha, sigma))


def replaced(photo: Photo, request: EditRequest) -> tuple[Photo, np.ndarray]:
    """The selection before a colour or another photo, and bool [H, W]: what may differ."""
    subject = subject_of(photo, request)
    if request.picture is not None:
        back = covering(request.picture.pixels, photo.size).astype(np.float32)
    else:
        back = np.broadcast_to(np.array(parse_color(request.color), np.float32), photo.pixels.shape)
    if photo.alpha is None:
        return _laid_on(photo, subject, back)
    clear = Subject(subject.alpha * (photo.alpha.astype(np.float32) / 255), subject.colors)
    return _laid_on(photo, clear, back, np.full(photo.size, 255, np.uint8))


def cut_free(photo: Photo, request: EditRequest) -> tuple[Photo, np.ndarray]:
    """The selection on nothing, and bool [H, W]: what may differ. What is transparent altogether is black below."""
    subject = subject_of(photo, request)
    own = subject.alpha if photo.alpha is None else subject.alpha * (photo.alpha.astype(np.float32) / 255)
    bare = np.where(subject.alpha[..., None] > 0, subject.colors, 0)
    changed = subject.alpha < 1
    whole = (0, 0, photo.size[1], photo.size[0])
    image = compose(photo, [(whole, bare, changed.astype(np.float32))], np.rint(own * 255).astype(np.uint8))
    return image, changed


def _laid_on(photo: Photo, subject: Subject, back: np.ndarray, alpha: np.ndarray | None = None):
    share = subject.alpha[..., None]
    mixed = share * subject.colors + (1 - share) * back
    changed = subject.alpha < 1
    whole = (0, 0, photo.size[1], photo.size[0])
    return compose(photo, [(whole, mixed, changed.astype(np.float32))], alpha), changed


def _soft(pixels: np.ndarray, thing: np.ndarray, sigma: float) -> np.ndarray:
    """The background blurred as if the thing were not there: only its own pixels are averaged; float32 [H, W, 3]."""
    height, width = thing.shape
    factor = max(1, min(int(sigma / 3), min(height, width) // 8))  # a wide blur shows nothing finer than this
    size = (-(-width // factor), -(-height // factor))
    weight = (thing <= 0).astype(np.float32)
    values = pixels.astype(np.float32) * weight[..., None]
    if factor > 1:
        weight = cv2.resize(weight, size, interpolation=cv2.INTER_AREA)
        values = cv2.resize(values, size, interpolation=cv2.INTER_AREA)
    own = sigma / factor
    # far inside the thing nothing is near enough: a second, wider blur says what is there
    near, wide = (cv2.GaussianBlur(weight, (0, 0), s) for s in (own, 4 * own))
    soft = cv2.GaussianBlur(values, (0, 0), own) + 1e-3 * cv2.GaussianBlur(values, (0, 0), 4 * own)
    soft /= np.maximum(near + 1e-3 * wide, 1e-9)[..., None]
    return cv2.resize(soft, (width, height), interpolation=cv2.INTER_LINEAR) if factor > 1 else soft


def covering(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A picture uint8 [h, w, 3] scaled to cover a height and width, its middle kept; uint8 [H, W, 3]."""
    height, width = size
    scale = max(height / pixels.shape[0], width / pixels.shape[1])
    tall, wide = max(height, round(pixels.shape[0] * scale)), max(width, round(pixels.shape[1] * scale))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    resized = cv2.resize(pixels, (wide, tall), interpolation=how)
    top, left = (tall - height) // 2, (wide - width) // 2
    return resized[top : top + height, left : left + width]
