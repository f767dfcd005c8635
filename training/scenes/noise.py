"""Noise fields: made once per process, then cropped. Cropping is what makes a scene cost milliseconds."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

TILE = 512  # side of a cached field; every field wraps, so crops may start anywhere


def stream(seed: int, *salt: int) -> np.random.Generator:
    """A random stream of its own for one element, so that leaving one element out disturbs no other."""
    return np.random.Generator(np.random.SFC64((seed, *salt)))


def three(a: np.ndarray) -> np.ndarray:
    """The same values in three channels, float32 [h, w, 3]; ten times faster to compute with than broadcasting."""
    a = np.asarray(a, np.float32)
    return cv2.merge((a, a, a))


def wash(a: np.ndarray, color) -> np.ndarray:
    """A colour in the strength given at each pixel, float32 [h, w, 3]."""
    a = np.asarray(a, np.float32)
    return cv2.merge([a * np.float32(c) for c in color])


def blend(image: np.ndarray, color, a: np.ndarray) -> None:
    """Moves an image, in place, a part a [h, w] of the way to a colour: three numbers, or an image."""
    inverse = three(1 - a)
    image *= inverse
    image += wash(a, color) if np.ndim(color) == 1 else color * (1 - inverse)


def _blurred(rng: np.random.Generator, sx: float, sy: float) -> np.ndarray:
    """White noise blurred by (sx, sy) pixels, wrapping, with mean 0 and deviation 1; float32 [TILE, TILE]."""
    spectrum = np.fft.rfft2(rng.standard_normal((TILE, TILE)))
    fx, fy = np.fft.rfftfreq(TILE), np.fft.fftfreq(TILE)
    spectrum *= np.exp(-2 * np.pi**2 * ((fx * sx)[None] ** 2 + (fy * sy)[:, None] ** 2))
    out = np.fft.irfft2(spectrum, (TILE, TILE))
    out -= out.mean()
    return (out / out.std()).astype(np.float32)


_MIX = {  # kind: (blur x, blur y, weight) of each octave
    "soft": ((40, 24, 1.0), (16, 10, 0.55), (6, 4, 0.25)),
    "patch": ((14, 10, 1.0), (6, 4, 0.7), (2.2, 1.8, 0.5)),
    "brush": ((14, 1.7, 1.0), (6, 0.9, 0.8), (24, 5, 0.8)),
    "waves": ((20, 2.2, 1.0), (9, 1.0, 0.6), (40, 6, 0.5)),
    "upright": ((1.1, 5.5, 1.0), (5, 9, 0.7), (0.7, 2.4, 0.6)),
    "grain": ((0.9, 0.9, 1.0), (0.4, 0.4, 0.9)),
    "dab": ((4.5, 2.0, 1.0), (1.8, 1.2, 0.6)),
}


@cache
def _tile(kind: str) -> np.ndarray:
    """A wrapping field of mean 0 and deviation 1, twice as wide and high as TILE so that most crops are views."""
    rng = np.random.default_rng(sorted(_MIX).index(kind) + 7)
    out = sum(weight * _blurred(rng, sx, sy) for sx, sy, weight in _MIX[kind])
    out = np.clip(out / out.std(), -2.6, 2.6).astype(np.float32)
    return np.tile(out, (2, 2))


def field(kind: str, rng: np.random.Generator, h: int, w: int, unit: float = 1.0) -> np.ndarray:
    """A random crop of a field, float32 [h, w], about mean 0 and deviation 1; read only.

    `unit` is how many pixels one pixel of a 256 px painting has become; strokes grow with it, and a finer octave is
    added where growth alone would look out of focus.
    """
    tile = _tile(kind)
    if abs(unit - 1) < 0.02:  # not worth a resize
        unit = 1.0
    y, x = int(rng.integers(TILE)), int(rng.integers(TILE))
    ch, cw = int(np.ceil(h / unit)) + 1, int(np.ceil(w / unit)) + 1
    if ch > TILE or cw > TILE:
        crop = tile.take(range(y, y + ch), axis=0, mode="wrap").take(range(x, x + cw), axis=1, mode="wrap")
    else:
        crop = tile[y : y + ch, x : x + cw]
    if unit == 1:
        return crop[:h, :w]
    if unit < 1:  # a small painting shows the same strokes, only smaller
        return cv2.resize(crop, (w, h), interpolation=cv2.INTER_AREA)
    out = cv2.resize(crop, (w, h), interpolation=cv2.INTER_CUBIC)
    if unit > 1.6:
        out = out * 0.85 + field(kind, rng, h, w, max(1.0, unit / 2.6)) * 0.5
    return out
