"""Pictures of nothing: overlapping shapes with unrelated textures, for learning edges and not nouns."""

from __future__ import annotations

import cv2
import numpy as np

from .noise import _MIX, field, stream, three, wash
from .pen import spline

_KINDS = tuple(_MIX)


def _texture(rng: np.random.Generator, h: int, w: int, unit: float) -> np.ndarray:
    """A coloured texture under its own light, float32 [h, w, 3]."""
    base = rng.uniform(20, 240, 3).astype(np.float32)
    other = (
        rng.uniform(0, 255, 3).astype(np.float32)
        if rng.random() < 0.5
        else base + rng.uniform(-70, 70, 3).astype(np.float32)
    )
    kind = rng.integers(6)
    if kind == 0:
        t = np.zeros((h, w), np.float32)
    elif kind <= 2:
        t = field(_KINDS[rng.integers(len(_KINDS))], rng, h, w, unit * rng.uniform(0.7, 2)) * 0.4
    else:
        a, step = rng.uniform(0, np.pi), rng.uniform(5, 26) * unit
        yy, xx = np.arange(h, dtype=np.float32)[:, None] / step, np.arange(w, dtype=np.float32)[None] / step
        p, q = xx * np.cos(a) + yy * np.sin(a), yy * np.cos(a) - xx * np.sin(a)
        duty = rng.uniform(0.25, 0.6)
        if kind == 3:
            t = (p % 1 < duty) + 0 * q
        elif kind == 4:
            t = (p % 1 < 0.5) ^ (q % 1 < 0.5)
        else:
            t = (p % 1 - 0.5) ** 2 + (q % 1 - 0.5) ** 2 < duty * 0.25
        t = t.astype(np.float32)
    out = wash(t, other - base) + wash(np.ones_like(t), base)
    gx, gy = rng.uniform(-0.35, 0.35, 2)
    light = 1 + np.linspace(-gx, gx, w, dtype=np.float32)[None] + np.linspace(-gy, gy, h, dtype=np.float32)[:, None]
    light = (
        light
        + field("soft", rng, h, w, unit) * rng.uniform(0, 0.12)
        + field("grain", rng, h, w, unit) * rng.uniform(0, 0.06)
    )
    return out * three(light)


def _shape(rng: np.random.Generator, mask: np.ndarray, short: float) -> None:
    """Draws one random shape as 255 into a uint8 [h, w] mask: blob, polygon, ring, stroke, ellipse or star."""
    h, w = mask.shape
    c = np.array([rng.uniform(0.05, 0.95) * w, rng.uniform(0.05, 0.95) * h])
    r = short * np.exp(rng.uniform(np.log(0.06), np.log(0.34)))
    kind, turn = rng.integers(6), rng.uniform(0, 2 * np.pi)
    n = int(rng.integers(5, 11))
    a = np.linspace(0, 2 * np.pi, n, endpoint=False) + turn
    if kind == 2:
        inner, wide = r * rng.uniform(0.45, 0.75), rng.uniform(0.5, 1)
        for radius, value in ((r, 255), (inner, 0)):
            axes = (int(radius * 16), int(radius * wide * 16))
            cv2.ellipse(
                mask, (int(c[0] * 16), int(c[1] * 16)), axes, np.degrees(turn), 0, 360, value, -1, cv2.LINE_AA, 4
            )
        return
    if kind == 3:
        t = np.cumsum(rng.normal(0, 0.55, 7)) + turn
        path = c + np.cumsum(np.stack([np.cos(t), np.sin(t)], 1) * r * 0.38, 0)
        cv2.polylines(
            mask,
            [np.rint(path * 16).astype(np.int32)],
            False,
            255,
            max(3, int(r * rng.uniform(0.16, 0.4))),
            cv2.LINE_AA,
            4,
        )
        return
    if kind == 0:
        points = spline(np.stack([np.cos(a), np.sin(a)], 1) * r * rng.uniform(0.6, 1.15, (n, 1)))
    elif kind == 1:
        points = np.stack([np.cos(a), np.sin(a)], 1)[: max(3, n - 3)] * r * rng.uniform(0.7, 1.2, (max(3, n - 3), 1))
    elif kind == 4:
        e = np.linspace(0, 2 * np.pi, 40)
        points = np.stack([np.cos(e) * r, np.sin(e) * r * rng.uniform(0.35, 1)], 1)
        points = points @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    else:
        e = np.linspace(0, 2 * np.pi, 2 * n, endpoint=False) + turn
        points = (
            np.stack([np.cos(e), np.sin(e)], 1)
            * (r * np.where(np.arange(2 * n) % 2, rng.uniform(0.4, 0.8), 1.0))[:, None]
        )
    cv2.fillPoly(mask, [np.rint((points + c) * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)


def make_abstract(seed: int, height: int = 256, width: int = 256) -> tuple[np.ndarray, np.ndarray]:
    """An abstract picture: `image` uint8 RGB [H, W, 3] and `instances` uint16 [H, W], 0 for the background and
    1..n (4 to 14) for what is visible of each shape, numbered without gaps."""
    rng = stream(seed, 256)
    short, unit = min(height, width), min(height, width) / 256
    image = _texture(rng, height, width, unit)
    instances = np.zeros((height, width), np.uint16)
    mask = np.zeros((height, width), np.uint8)
    want = int(rng.integers(5, 15))
    for number in range(1, want + 12):  # some will be covered, so a few more may be tried
        shape_rng = stream(seed, 257, number)
        mask[:] = 0
        _shape(shape_rng, mask, short)
        x, y, w, h = cv2.boundingRect(mask)
        solid = mask[y : y + h, x : x + w] >= 128
        part = instances[y : y + h, x : x + w]
        trial = part.copy()
        trial[solid] = number
        before, after = (
            np.bincount(part.ravel(), minlength=number + 1),
            np.bincount(trial.ravel(), minlength=number + 1),
        )
        total = np.bincount(instances.ravel(), minlength=number + 1)
        least = max(12, 60 * unit**2)
        left = (total - before + after)[1:number]
        if after[number] < least or np.any((total[1:number] > 0) & (left < least)):
            continue
        if shape_rng.random() < 0.3:
            _shade(image, mask, shape_rng, unit)
        cover = three(mask[y : y + h, x : x + w]) * (1 / 255)
        under = image[y : y + h, x : x + w]
        under += (_texture(shape_rng, h, w, unit) - under) * cover
        part[:] = trial
        if np.count_nonzero(np.bincount(instances.ravel())[1:]) >= want - 1:
            break
    _, flat = np.unique(instances, return_inverse=True)
    if not (instances == 0).any():  # the background may be covered whole; numbering still starts at 1
        flat = flat + 1
    image *= three(1 + field("grain", rng, height, width, unit) * rng.uniform(0, 0.04))
    return np.clip(image, 0, 255).astype(np.uint8), flat.reshape(height, width).astype(np.uint16)


def _shade(image: np.ndarray, mask: np.ndarray, rng: np.random.Generator, unit: float) -> None:
    """A soft dropped shadow, which is no edge of any shape."""
    dx, dy = rng.uniform(-8, 8, 2) * unit
    k = int(rng.uniform(2, 7) * unit) * 2 + 1
    moved = cv2.warpAffine(mask, np.array([[1, 0, dx], [0, 1, dy]], np.float32), mask.shape[::-1])
    image *= three(1 - cv2.blur(moved, (k, k)).astype(np.float32) * (rng.uniform(0.2, 0.5) / 255))
