"""The far half of a landscape: the sky with its sun, moon, stars and clouds, and the mountains under it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from .noise import blend, field, three, wash
from .pen import mix
from .records import INDEX

if TYPE_CHECKING:
    from .stage import Stage


def paint_sky(stage: Stage, rng: np.random.Generator) -> None:
    hz = stage.horizon * stage.h * 1.1
    t = np.clip(np.arange(stage.h) / hz, 0, 1)
    stops = np.array(stage.sky) + rng.uniform(-10, 10, 3)
    column = np.stack([np.interp(t, (0, 0.55, 1), stops[:, c]) for c in range(3)], 1).astype(np.float32)
    stage.image[:] = column[:, None]
    n = min(stage.h, int(hz) + 8)
    wisp = field("soft", rng, n, stage.w, stage.unit) * 7 + field("brush", rng, n, stage.w, stage.unit) * 2.2
    stage.image[:n] += three(wisp * stage.loud)
    if stage.time == "night":
        count = int(rng.integers(40, 90) * max(1, stage.w / stage.h))
        for x, y, b in rng.uniform(0, 1, (count, 3)).tolist():
            r = int((0.28 + b**4 * 0.75) * 16 * max(0.8, stage.unit))
            if r < 6:
                continue
            cv2.circle(stage.image, (int(x * stage.w * 16), int(y * hz * 14)), r, (240, 236, 214), -1, cv2.LINE_AA, 4)
    if stage.time != "overcast":
        low = 0.82 if stage.time == "sunset" else rng.uniform(0.2, 0.55)
        _disc(stage, stage.sun_x * stage.w, low * stage.horizon * stage.h, rng)


def _disc(stage: Stage, x: float, y: float, rng: np.random.Generator) -> None:
    """Sun or moon with a soft halo."""
    r = rng.uniform(0.035, 0.062) * 256 * stage.unit
    color = {"day": (255, 246, 196), "sunset": (255, 226, 150), "night": (246, 240, 214)}[stage.time]
    reach = int(r * 5)
    x0, x1, y0, y1 = (
        max(0, int(x) - reach),
        min(stage.w, int(x) + reach),
        max(0, int(y) - reach),
        min(stage.h, int(y) + reach),
    )
    if x1 <= x0 or y1 <= y0:
        return
    d = np.hypot(stage.xs[None, x0:x1] - x, np.arange(y0, y1, dtype=np.float32)[:, None] - y)
    glow = np.exp(-((d / (r * 2.1)) ** 2)) * (0.5 if stage.time != "night" else 0.32)
    glow = np.maximum(glow, np.clip((r - d) * 0.7 / max(0.6, stage.unit) + 0.5, 0, 1) * 0.96)
    blend(stage.image[y0:y1, x0:x1], color, glow)


def paint_cloud(stage: Stage, rng: np.random.Generator) -> None:
    """A heap of round puffs on a flat foot, lit from above."""
    s = rng.uniform(0.16, 0.34) * 256 * stage.unit
    cx, cy = rng.uniform(0.04, 0.96) * stage.w, rng.uniform(0.08, 0.72) * stage.horizon * stage.h
    h, w = int(s * 0.62) + 4, int(s * 1.5) + 4
    mask = np.zeros((h, w), np.uint8)
    n = int(rng.integers(6, 10))
    foot = h * 0.78
    for k in range(n):
        t = (k + 0.5) / n * 2 - 1
        r = s * (0.10 + 0.14 * (1 - t * t) * rng.uniform(0.6, 1.15))
        px, py = w / 2 + t * s * 0.54, foot - r * rng.uniform(0.55, 1.1)
        cv2.circle(mask, (int(px * 16), int(py * 16)), int(r * 16), 255, -1, cv2.LINE_AA, 4)
    cv2.ellipse(
        mask,
        (int(w * 8), int(foot * 16)),
        (int(s * 0.6 * 16), int(s * 0.075 * 16)),
        0,
        0,
        360,
        255,
        -1,
        cv2.LINE_AA,
        4,
    )
    k = max(1, int(1.6 * stage.unit)) * 2 + 1
    cover = cv2.blur(mask, (k, k)).astype(np.float32) / 255
    light, dark = {
        "day": ((255, 254, 250), (196, 212, 230)), "sunset": ((255, 224, 190), (202, 124, 138)),
        "night": ((112, 122, 162), (60, 70, 116)), "overcast": ((226, 230, 232), (156, 166, 176)),
    }[stage.time]  # fmt: skip
    kb = max(3, int(s * 0.14)) | 1
    inner = cv2.blur(mask, (kb, kb)).astype(np.float32) / 255
    lift = cv2.Sobel(inner, cv2.CV_32F, 0, 1, scale=kb / 8 * 0.55)  # puffs are bright above and shaded below
    rise = np.linspace(1.05, -0.05, h, dtype=np.float32)[:, None]
    t = rise + lift + field("patch", rng, h, w, stage.unit) * (0.09 * stage.loud) - 0.02
    np.clip(t, 0, 1, out=t)
    color = wash(1 - t, dark) + wash(t, light)
    x0, y0 = int(cx - w / 2), int(cy - h / 2)
    ax, ay, bx, by = max(0, x0), max(0, y0), min(stage.w, x0 + w), min(stage.h, y0 + h)
    if bx - ax < 4 or by - ay < 4:
        return
    cut = (slice(ay - y0, by - y0), slice(ax - x0, bx - x0))
    part, cover = stage.image[ay:by, ax:bx], cover[cut]
    part += (color[cut] - part) * three(cover)
    stage.classes[ay:by, ax:bx][cover >= 0.5] = INDEX["cloud"]


def paint_mountains(stage: Stage, rng: np.random.Generator) -> None:
    """One or two ranges of faceted peaks, snowy or bare, fading towards the horizon; or rolling hills."""
    hz = stage.horizon * stage.h
    base = int(min(stage.h, hz + 0.08 * stage.h))
    alpine = rng.random() < 0.75
    hue = [(112, 122, 152), (128, 112, 122), (96, 120, 118), (140, 116, 96)][rng.integers(4)]
    for far in (1, 0)[0 if rng.random() < 0.6 else 1 :]:
        rise = hz * rng.uniform(0.3, 0.62) * (1.12 if far else 0.8)
        color = np.array(mix(hue, stage.haze / np.maximum(stage.tint, 0.1), 0.5 if far else 0.12), np.float32)
        count = int(rng.integers(3, 6) * max(1.0, stage.w / stage.h * 0.8))
        xs = stage.xs
        ridge = np.full(stage.w, -1e9, np.float32)
        shade = np.zeros(stage.w, np.float32)
        rough = field("patch", rng, 1, stage.w, stage.unit)[0]
        peak = np.zeros(stage.w, np.float32)
        for k in range(count):
            cx = (k + rng.uniform(0.1, 0.9)) / count * stage.w
            top = rise * rng.uniform(0.55, 1.0)
            half = max(top * rng.uniform(0.8, 1.5), stage.w / count * 0.55)
            d = (xs - cx) / half
            up = top * (1 - np.abs(d)) if alpine else top * (1.1 * np.exp(-2.2 * d * d) - 0.1)
            take = up > ridge
            ridge[take], peak[take] = up[take], top
            shade[take] = (np.where(d < 0, 1, -1) if alpine else -np.tanh(d * 1.5))[take]
        ridge += rough * rise * (0.045 if alpine else 0.02)
        y0 = int(max(0, hz - ridge.max() - 2))
        yy = np.arange(y0, base, dtype=np.float32)[:, None]
        depth = yy - (hz - ridge)[None]
        cover = np.clip(depth + 0.5, 0, 1)
        rows = base - y0
        grain = field("dab", rng, rows, stage.w, stage.unit)
        patch = field("patch", rng, rows, stage.w, stage.unit)
        # facets: the lit side of a peak wavers as it comes down, so ridges look hewn and not folded
        slide = (stage.xs[None] + depth * 0.42 * stage.side + patch * 5 * stage.unit).astype(np.int32)
        face = shade[np.clip(slide, 0, stage.w - 1)]
        tone_ = 1 + 0.13 * stage.side * (face + patch * 0.22) + grain * 0.04 * stage.loud
        paint = wash(tone_, color * stage.tint)
        if alpine and (peak.max() > 0.2 * hz) and (rng.random() < 0.65 or stage.grounds[-1] == "snow"):
            line = peak[None] * (0.27 + 0.1 * patch + 0.05 * np.sin(xs / (5 * stage.unit))[None])
            fall = (hz - peak)[None] + line - yy
            white = np.clip(fall / max(1.0, 1.2 * stage.unit) + 0.5, 0, 1) * 0.94
            snow = wash(1 + 0.1 * stage.side * face, np.array((246, 248, 252)) * stage.tint)
            blend(paint, np.minimum(snow, 255), white)
        t = np.clip((yy - hz + rise * 0.7) / (rise * 0.9), 0, 1) * (0.5 if far else 0.32)
        blend(paint, stage.haze, np.repeat(t, stage.w, 1))
        stage.lay(y0, base, cover, paint, "mountain")
