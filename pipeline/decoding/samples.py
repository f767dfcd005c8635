"""Samples as arrays of 8 bits, made a strip at a time: never is a whole photo copied more often than once, or held in
wider numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image

#: Samples that are converted at once.
_STRIP = 1 << 20


def pixels_of(image: Image.Image) -> np.ndarray:
    """The samples of an RGB or L image as a fresh uint8 [H, W, 3] or [H, W]; `numpy.asarray` copies them thrice."""
    width, height = image.size
    shape = (height, width, 3) if image.mode == "RGB" else (height, width)
    out, step = np.empty(shape, np.uint8), max(1, _STRIP // (4 * width))
    for row in range(0, height, step):
        strip = image.crop((0, row, width, min(row + step, height)))
        out[row : row + step] = np.frombuffer(strip.tobytes(), np.uint8).reshape(-1, *shape[1:])
    return out


def to_uint8(values: np.ndarray, notes: list[str]) -> np.ndarray:
    """Scale samples of any numeric type to 0..255.

    Unsigned 16-bit divides by 257, so that 65535 is 255. Wider integers count as 16-bit where they fit. Floats count
    as 0..1 where they fit, as 0..255 where they fit; whatever is left is stretched from its least to its greatest
    value, and NaN is 0.
    """
    values = values.astype(values.dtype.newbyteorder("="), copy=False)
    if values.dtype == np.uint8:
        return values
    if values.dtype == np.bool_:
        return values.astype(np.uint8) * np.uint8(255)
    if values.dtype == np.uint16:
        notes.append("The photo has 16 bits per channel; they were scaled to 8.")
        return _by_strips(values, lambda strip: (strip.astype(np.uint32) + 128) // 257)
    ends = [(known.min(), known.max()) for known in _strips(values) if known.size]
    least, most = float(min((a for a, _ in ends), default=0.0)), float(max((b for _, b in ends), default=0.0))
    low, high = min(least, 0.0), max(most, 0.0)
    if values.dtype.kind in "iu" and low >= 0 and high <= 65535:
        top, how = 65535.0, "scaled"
    elif values.dtype.kind == "f" and low >= 0 and high <= 255:
        top, how = (1.0 if high <= 1 else 255.0), "scaled"
    else:
        low, top, how = least, high, "stretched from darkest to lightest"
    notes.append(f"The photo's samples are {values.dtype}; they were {how} to 8 bits.")
    factor = 255.0 / max(top - low, 1e-30)
    return _by_strips(values, lambda strip: np.rint((_known(strip) - low) * factor).clip(0, 255))


def _known(strip: np.ndarray) -> np.ndarray:
    """Samples as float64; what is no finite number is 0."""
    return np.nan_to_num(strip.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)


def _rows(values: np.ndarray) -> int:
    return max(1, _STRIP // max(1, values[:1].size))


def _strips(values: np.ndarray) -> Iterator[np.ndarray]:
    step = _rows(values)
    for row in range(0, max(1, len(values)), step):
        yield _known(values[row : row + step])


def _by_strips(values: np.ndarray, scaled: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """uint8 samples of the same shape, computed some rows at a time."""
    out, step = np.empty(values.shape, np.uint8), _rows(values)
    for row in range(0, len(values), step):
        out[row : row + step] = scaled(values[row : row + step])
    return out
