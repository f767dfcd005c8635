"""The near half of a landscape: grounds one before the other, and the road or pond in the nearest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from .noise import blend, field, stream, three, wash
from .pen import tone

if TYPE_CHECKING:
    from .stage import Stage

EARTH = {
    "grass": ((150, 190, 104), (92, 150, 60)),  # far, near
    "sand": ((244, 222, 172), (230, 194, 128)),
    "snow": ((222, 234, 248), (246, 250, 254)),
    "sea": ((112, 178, 206), (30, 104, 160)),
    "road": ((168, 160, 152), (122, 118, 118)),
}


def paint_grounds(stage: Stage, rng: np.random.Generator) -> None:
    """Each ground from its far edge to the bottom, nearer ones over farther ones."""
    hz, n = stage.horizon, len(stage.grounds)
    for k, noun in enumerate(stage.grounds):
        sub = stream(stage.seed, 4, k)
        far = hz if k == 0 else hz + (1 - hz) * (k / n * rng.uniform(0.62, 1.0))
        swing = 0.0 if noun == "sea" and k == 0 else rng.uniform(0.015, 0.05) * (1 if k == 0 else 1.7)
        edge = _edge(stage, sub, far * stage.h, swing)
        edge = np.maximum(edge, (hz - 0.06) * stage.h)
        stage.edges.append(edge)
        _ground(stage, sub, noun, edge, k, shore=k > 0 and stage.grounds[k - 1] == "sea")


def _edge(stage: Stage, rng: np.random.Generator, y: float, swing: float) -> np.ndarray:
    """A wavering line across the picture: the y of each column, float32 [W]."""
    x = stage.xs / stage.w
    out = np.full(stage.w, y, np.float32)
    for waves in (0.5, 1.1, 2.3):
        out += swing / (1 + waves) * np.sin(2 * np.pi * (waves * x * rng.uniform(0.7, 1.3) + rng.random())) * stage.h
    return out.astype(np.float32)


def _ground(stage: Stage, rng: np.random.Generator, noun: str, edge: np.ndarray, k: int, shore: bool) -> None:
    """Paints one ground below its far edge [W]; `k` counts grounds from afar, `shore` says that water lies behind."""
    y0 = int(max(0, min(stage.h - 2, edge.min() - 1)))
    rows, u = stage.h - y0, stage.unit
    far, near = EARTH[noun]
    jitter = rng.uniform(-12, 12, 3)
    if noun == "grass":
        jitter += [(0, 0, 0), (36, 12, -6), (-24, -14, 6)][rng.integers(3)]
    span = np.linspace(0.25 * (k > 0), 1, rows, dtype=np.float32)[:, None]
    far, near = (np.array(far) + jitter).astype(np.float32), (np.array(near) + jitter).astype(np.float32)
    kind = {"grass": "upright", "sea": "waves"}.get(noun, "patch")
    # strokes are packed towards the horizon: rows of the field are taken faster there
    deep = int(rows * 1.5) + 2
    pick = (np.power(np.linspace(0, 1, rows), 0.62 if k == 0 else 0.8) * (deep - 1)).astype(int)
    texture = field(kind, rng, deep, stage.w, u)[pick]
    slow = field("soft", rng, rows, stage.w, u)
    swell = {"grass": 0.085, "sea": 0.11, "sand": 0.035, "snow": 0.022}[noun] * stage.loud
    lift = 1 + texture * swell * (0.45 + 0.55 * span) + slow * (0.05 if noun != "snow" else 0.025)
    if noun in ("sand", "snow"):
        lift += field("grain", rng, rows, stage.w, u) * 0.03 * stage.loud
        lift += np.minimum(0, field("brush", rng, rows, stage.w, u * 1.5)) * 0.03
    mist = 0.0 if noun != "sea" else 0.1 if k else 0.24 if stage.time == "sunset" else 0.5
    veil = np.clip(1 - span * 1.5, 0, 1) * mist
    hollow = np.minimum(0, slow + 0.2) if noun == "snow" else 0.0  # hollows in snow are blue
    paint = np.empty((rows, stage.w, 3), np.uint8)
    for c in range(3):
        clear = (lift * (far[c] + (near[c] - far[c]) * span) + hollow * (16, 9, 1)[c]) * stage.tint[c]
        paint[..., c] = np.clip(clear * (1 - veil) + stage.haze[c] * veil, 0, 255)
    _strokes(stage, rng, paint, noun, y0)
    depth = np.arange(y0, stage.h, dtype=np.float32)[:, None] - edge[None]
    cover = np.clip(depth + 0.5, 0, 1)
    paint = paint.astype(np.float32)
    if shore:  # wet sand or a dark bank, then a line of foam
        bank = np.clip(1 - depth / (9 * u), 0, 1) * (0.3 if noun != "snow" else 0.14)
        paint *= three(1 - bank)
        foam = np.clip(1.6 - np.abs(depth + (2.5 + 1.2 * texture) * u) / (1.3 * u), 0, 1) * 0.75
        blend(stage.image[y0:], np.array((250, 252, 250)) * stage.tint, foam)
    stage.lay(y0, stage.h, cover, paint, noun)


def _strokes(stage: Stage, rng: np.random.Generator, paint: np.ndarray, noun: str, y0: int) -> None:
    """Blades, wave crests, pebbles or sparkles, few and small far away, many and large near; drawn in `paint`."""
    rows, u = paint.shape[0], stage.unit
    n = int(
        {"grass": 170, "sea": 80, "sand": 60, "snow": 30}[noun]
        * stage.w
        / min(stage.w, stage.h)
        * (0.5 + stage.loud / 2)
    )
    t = rng.uniform(0.02, 1, n) ** 0.8
    x, y = rng.uniform(0, stage.w, n), t * rows
    size = (0.25 + t) * u
    tint = stage.tint
    if noun == "grass":
        lean = rng.normal(0, 1.4, n)
        a, b = np.stack([x, y], 1), np.stack([x + lean * size, y - rng.uniform(3, 8, n) * size], 1)
        shades = [(126, 178, 76), (72, 128, 52), (160, 196, 96)]
    elif noun == "sea":
        long = rng.uniform(4, 13, n) * size
        a, b = np.stack([x - long, y], 1), np.stack([x + long, y + rng.normal(0, 0.4, n)], 1)
        shades = [(168, 214, 226), (22, 82, 136), (216, 236, 238)]
        if stage.time in ("sunset", "night"):  # a path of light under sun or moon
            m = n // 2
            x[:m] = stage.sun_x * stage.w + rng.normal(0, 5 + 10 * t[:m], m) * u
            a[:m, 0], b[:m, 0] = x[:m] - long[:m] * 0.6, x[:m] + long[:m] * 0.6
    else:
        a = np.stack([x, y], 1)
        b = a + np.stack([rng.uniform(1, 4, n) * size, rng.normal(0, 0.3, n)], 1)
        shades = (
            [(250, 236, 200), (184, 144, 96), (206, 170, 118)]
            if noun == "sand"
            else [(255, 255, 255), (206, 222, 242), (255, 255, 255)]
        )
    lines = np.rint(np.stack([a, b], 1) * 16).astype(np.int32)
    for k, shade in enumerate(shades):
        color = np.minimum(np.array(shade) * tint, 255)
        if noun == "sea" and stage.time in ("sunset", "night") and k != 1:
            color = np.array((255, 214, 150) if stage.time == "sunset" else (190, 200, 222))
        for lo, hi in ((0, 0.5), (0.5, 1)):
            sel = (np.arange(n) % 3 == k) & (t >= lo) & (t < hi)
            cv2.polylines(
                paint, list(lines[sel]), False, color.tolist(), max(1, round(u * (0.5 + lo * 0.6))), cv2.LINE_AA, 4
            )
    if noun == "grass" and rng.random() < 0.6:  # a sprinkle of tiny blossoms
        color = np.minimum(np.array([(250, 244, 230), (250, 214, 90), (236, 150, 190)][rng.integers(3)]) * tint, 255)
        for px, py, s in zip(x[:36], y[:36], size[:36], strict=True):
            cv2.circle(paint, (int(px * 16), int(py * 16)), int(1.3 * s * 16), color.tolist(), -1, cv2.LINE_AA, 4)


def paint_road(stage: Stage, rng: np.random.Generator) -> None:
    """A road winding away from us over the nearest ground, or one passing across."""
    u, edge = stage.unit, stage.edges[-1]
    far = float(np.max(edge))
    y0 = int(min(stage.h - 8, far))
    rows = stage.h - y0
    yy = np.arange(y0, stage.h, dtype=np.float32)[:, None]
    across = rng.random() < 0.45 or rows < 0.25 * stage.h
    if across:
        mid = y0 + rows * rng.uniform(0.42, 0.68)
        line = _edge(stage, rng, mid, rng.uniform(0.005, 0.035))
        half = rows * rng.uniform(0.15, 0.22)
        off = (yy - line[None]) / half
        sharp = half
    else:
        t = np.linspace(0, 1, rows, dtype=np.float32)[:, None]
        x_far, x_near = rng.uniform(0.25, 0.75), rng.uniform(0.2, 0.8)
        bend = rng.uniform(-0.16, 0.16) * np.sin(np.pi * 1.7 * (1 - t) ** 1.4)
        centre = (x_far + (x_near - x_far) * t**1.3 + bend) * stage.w
        half = (0.022 + rng.uniform(0.13, 0.2) * t**1.25) * 256 * u
        off = (stage.xs[None] - centre) / half
        sharp = half
    cover = np.clip((1 - np.abs(off)) * sharp + 0.5, 0, 1)
    earthen = rng.random() < 0.35
    color = np.array((188, 152, 112) if earthen else EARTH["road"][1], np.float32)
    if stage.grounds[-1] == "snow":
        color = color * 0.9 + 18
    lift = (
        1
        + field("patch", rng, rows, stage.w, u) * 0.045 * stage.loud
        + field("grain", rng, rows, stage.w, u) * 0.035 * stage.loud
    )
    color = color * stage.tint
    paint = wash(lift, color)
    kerb = np.clip((np.abs(off) - 0.86) * sharp + 0.5, 0, 1) * 0.8
    blend(paint, tone(tuple(color), -0.22 if earthen else 0.28), kerb)
    if not earthen:
        along = stage.xs[None] / (26 * u) if across else np.log(np.maximum(0.04, (yy - y0) / rows)) * 6
        dash = np.clip((0.055 - np.abs(off)) * sharp + 0.5, 0, 1) * (along % 1 < 0.55)
        blend(paint, np.array((246, 238, 206)) * stage.tint, dash * 0.85)
    else:  # two ruts
        rut = np.exp(-(((np.abs(off) - 0.45) / 0.14) ** 2))
        paint *= three(1 - 0.16 * rut)
    stage.lay(y0, stage.h, cover, paint, "road")


def paint_pond(stage: Stage, rng: np.random.Generator) -> None:
    """A round pond in the nearest ground."""
    far = float(np.max(stage.edges[-1]))
    if stage.h - far < 0.3 * stage.h:
        return
    cx, cy = rng.uniform(0.25, 0.75) * stage.w, far + (stage.h - far) * rng.uniform(0.35, 0.6)
    rx, ry = rng.uniform(0.22, 0.36) * 256 * stage.unit, (stage.h - far) * rng.uniform(0.16, 0.24)
    y0, y1 = int(max(0, cy - ry * 1.3)), int(min(stage.h, cy + ry * 1.3))
    yy = (np.arange(y0, y1, dtype=np.float32)[:, None] - cy) / ry
    xx = (stage.xs[None] - cx) / rx
    r = np.hypot(xx, yy) * (1 + 0.08 * np.sin(np.arctan2(yy, xx) * 3 + rng.uniform(0, 6)))
    waves = field("waves", rng, y1 - y0, stage.w, stage.unit)
    far_sea, deep = (np.array(color) * stage.tint for color in EARTH["sea"])
    lift, pale = 1 + waves * 0.08 * stage.loud, np.clip(0.35 - yy * 0.4, 0, 1)
    paint = wash(lift * pale, far_sea) + wash(lift * (1 - pale), deep)
    rim = np.clip(1 - np.abs(r - 1) * ry / (2.4 * stage.unit), 0, 1)
    stage.image[y0:y1] *= three(1 - 0.35 * rim)
    stage.lay(y0, y1, np.clip((1 - r) * ry + 0.5, 0, 1), paint, "sea")
