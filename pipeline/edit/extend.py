"""A wider canvas: the photo in its place, and a piece for all that is new."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from ..edit_records import EditRequest
from ..errors import NamebrushError
from ..photo import MAX_MEGAPIXELS, pixel_hash
from ..records import Photo
from .pieces import Piece


def canvas_of(photo: Photo, request: EditRequest) -> tuple[Photo, Piece]:
    """The photo on its wider canvas and the piece that is to be painted.

    What is new holds the nearest edge's pixels until it is painted. Transparency is continued as opaque.

    Raises:
        NamebrushError: the canvas would be larger than a photo may be.
    """
    height, width = photo.size
    tall, wide = height + request.top + request.bottom, width + request.left + request.right
    if tall * wide > MAX_MEGAPIXELS * 1e6:
        raise NamebrushError(
            f"The canvas would be {wide} x {tall} pixels, more than {MAX_MEGAPIXELS:g} megapixels; extend it by less."
        )
    margins = (request.top, request.bottom, request.left, request.right)
    pixels = cv2.copyMakeBorder(photo.pixels, *margins, cv2.BORDER_REPLICATE)
    alpha = None if photo.alpha is None else cv2.copyMakeBorder(photo.alpha, *margins, cv2.BORDER_CONSTANT, value=255)
    new = np.ones((tall, wide), bool)
    new[request.top : request.top + height, request.left : request.left + width] = False
    canvas = replace(photo, pixels=pixels, hash=pixel_hash(pixels), alpha=alpha, notes=())
    return canvas, Piece((0, 0, wide, tall), new, new, new.astype(np.float32))
