"""Putting new pixels into the photo, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..photo import pixel_hash
from ..progress import checkpoint
from ..records import Box, Photo
from .crop import window

_ROWS = 256


def compose(photo: Photo, patches: list[tuple[Box, np.ndarray, np.ndarray]], alpha: np.ndarray | None = None) -> Photo:
    """The photo with painted patches laid where their share is above 0; all other pixels are copied, not computed.

    Args:
        photo: the photo before.
        patches: for each its box, the painted pixels uint8 or float32 0..255 [h, w, 3] and their share float32
            [h, w] in 0..1; painted pixels are read only where the share is above 0.
        alpha: uint8 [H, W], a new transparency, or None to keep the photo's.

    Returns:
        A photo with the same EXIF, colour profile and name.
    """
    pixels = photo.pixels.copy()
    for box, painted, share in patches:
        at = window(box)
        used = share > 0
        own = share[used][:, None].astype(np.float32)
        mixed = painted[used].astype(np.float32) * own + photo.pixels[at][used].astype(np.float32) * (1 - own)
        pixels[at][used] = np.clip(np.rint(mixed), 0, 255).astype(np.uint8)
    made = replace(photo, pixels=pixels, hash=pixel_hash(pixels), notes=())
    return made if alpha is None else replace(made, alpha=alpha)


def count_changed(before: np.ndarray, after: np.ndarray, where: np.ndarray, outside: bool = False) -> int:
    """Number of pixels at which two pictures (uint8 [H, W, C]) differ, of a mask bool [H, W] or all `outside` it.

    Rows are compared in bands, and those without any difference at once: the memory stays small.
    """
    changed = 0
    for y in range(0, len(before), _ROWS):
        checkpoint()
        band = slice(y, y + _ROWS)
        if not np.array_equal(before[band], after[band]):
            differs = (before[band] != after[band]).any(axis=2)
            changed += int(np.count_nonzero(differs & ~where[band] if outside else differs & where[band]))
    return changed


def changed_outside(photo: Photo, image: Photo, used: np.ndarray, origin: tuple[int, int] = (0, 0)) -> int:
    """Measured: pixels of the photo, colour or transparency, that differ in the image though outside the mask.

    Args:
        photo, image: before and after; the image may be larger.
        used: bool of the image's size, what may differ.
        origin: x and y of the photo's corner in the image.
    """
    height, width = photo.size
    at = window((*origin, origin[0] + width, origin[1] + height))
    changed = count_changed(photo.pixels, image.pixels[at], used[at], outside=True)
    if photo.alpha is None and image.alpha is None:
        return changed
    opaque = np.broadcast_to(np.uint8(255), photo.size)
    before = opaque if photo.alpha is None else photo.alpha
    after = opaque if image.alpha is None else image.alpha[at]
    return changed + count_changed(before[..., None], after[..., None], used[at], outside=True)
