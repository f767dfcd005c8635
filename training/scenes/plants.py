"""Trees, flowers and what else stands still outdoors. Each function draws one thing with a pen; see `pen.Pen`."""

from __future__ import annotations

import numpy as np

from .pen import Color, Pen, mix, tone

BARK = (112, 78, 52)


def tree(p: Pen, c: Color) -> None:
    """A fir, a broad crown, or a slim poplar."""
    rng = p.rng
    kind = rng.integers(4)
    if kind == 0:
        p.rect(-0.045, 0.8, 0.045, 1, BARK)
        tiers = int(rng.integers(3, 6))
        for i in range(tiers):
            top, foot = 0.72 * (tiers - 1 - i) / tiers, 0.86 - 0.66 * i / tiers
            half = (0.33 - 0.2 * i / tiers) * rng.uniform(0.9, 1.1)
            zig = np.linspace(-half, half, 8)
            fringe = [(x, foot - 0.02 + 0.035 * (k % 2) - 0.05 * abs(x)) for k, x in enumerate(zig)]
            p.poly([(0, top), *fringe[::-1]], tone(c, -0.2 + 0.34 * i / tiers))
            p.poly([(0, top), *fringe[:4]], tone(c, -0.06 + 0.36 * i / tiers))
        return
    trunk = tone(BARK, rng.uniform(-0.2, 0.15))
    if kind == 1:
        p.limb((0, 0.98), (0, 0.6), 0.07, 0.05, trunk)
        p.blob(
            [(0, 0), (0.13, 0.25), (0.17, 0.6), (0.08, 0.84), (-0.08, 0.84), (-0.17, 0.6), (-0.13, 0.25)],
            tone(c, -0.25),
        )
        p.dabs(0, 0.47, 0.13, 0.38, 60, c, 0.055)
        return
    p.poly([(-0.075, 1), (-0.04, 0.78), (-0.04, 0.5), (0.04, 0.5), (0.04, 0.78), (0.08, 1)], trunk)
    p.limb((0, 0.72), (-0.16, 0.5), 0.04, 0.025, trunk)
    p.limb((0, 0.68), (0.17, 0.48), 0.04, 0.025, trunk)
    for x, y, r in ((-0.19, 0.4, 0.16), (0.19, 0.38, 0.17), (0, 0.24, 0.2), (0, 0.42, 0.19)):
        x, y = x + rng.uniform(-0.03, 0.03), y + rng.uniform(-0.03, 0.03)
        p.oval(x, y, r, r * 0.92, tone(c, -0.28))
        p.dabs(x, y - 0.01, r * 0.95, r * 0.85, 26, c, 0.06)
    if rng.random() < 0.3:
        fruit = (206, 54, 44) if rng.random() < 0.6 else (250, 190, 60)
        for _ in range(9):
            p.oval(rng.uniform(-0.27, 0.27), rng.uniform(0.14, 0.5), 0.022, 0.022, fruit)


def palm(p: Pen, c: Color) -> None:
    """A curved ringed trunk under a crown of drooping fronds."""
    rng = p.rng
    bend = rng.uniform(-0.18, 0.18)
    wood = (158, 116, 74)
    for k in range(9):
        t0, t1 = k / 9, (k + 1) / 9
        x0, x1 = bend * (1 - t0) ** 2 * 1.6 - bend * 0.8, bend * (1 - t1) ** 2 * 1.6 - bend * 0.8
        p.limb(
            (x1, 0.3 + 0.68 * (1 - t1)),
            (x0, 0.3 + 0.68 * (1 - t0)),
            0.05,
            0.062 - 0.02 * t0,
            tone(wood, -0.12 * (k % 2)),
        )
    cx, cy = -bend * 0.8, 0.29
    for a in rng.permutation(np.linspace(-0.25, np.pi + 0.25, int(rng.integers(7, 10)))):
        reach, dx, dy = rng.uniform(0.34, 0.42), np.cos(a), -np.sin(a)
        t = np.linspace(0, 1, 7)
        sx = cx + dx * reach * t
        sy = np.maximum(0.01, cy + dy * reach * 0.62 * t + 0.26 * t * t * (0.5 + 0.5 * abs(dx)))
        width = 0.062 * np.sin(np.pi * (0.12 + 0.86 * t))
        shade = tone(c, rng.uniform(-0.3, 0.18))
        teeth = width * (1 + 0.5 * (np.arange(7) % 2))
        p.poly(np.concatenate([np.stack([sx, sy - width * 0.5], 1), np.stack([sx, sy + teeth], 1)[::-1]]), shade)
        p.line(np.stack([sx, sy], 1), tone(shade, 0.2), 0.008)
    for x in (-0.035, 0.03):
        p.oval(cx + x, cy + 0.03, 0.032, 0.036, (104, 66, 38))


def bush(p: Pen, c: Color) -> None:
    """A low round heap of leaves, some in berry or bloom."""
    rng = p.rng
    lobes = int(rng.integers(3, 5))
    for x in np.linspace(-0.44, 0.44, lobes):
        y = 0.5 + 0.22 * abs(x) + rng.uniform(-0.06, 0.1)
        p.oval(x * 0.94, 0.76, 0.27, 0.23, tone(c, -0.36))
        p.oval(x, y, 0.28, min(0.36, y - 0.05), tone(c, -0.3))
    for x in np.linspace(-0.44, 0.44, lobes):
        p.dabs(x * 0.96, 0.54 + 0.12 * abs(x), 0.26, 0.36, 26, c, 0.1)
    if rng.random() < 0.5:
        berry = [(214, 52, 60), (250, 236, 240), (240, 140, 190), (250, 200, 70)][rng.integers(4)]
        for _ in range(14):
            p.oval(rng.uniform(-0.55, 0.55), rng.uniform(0.3, 0.88), 0.035, 0.035, berry)


def flower(p: Pen, c: Color) -> None:
    """A daisy, a tulip or a sunflower on a leafy stem."""
    rng = p.rng
    green = (70, 138, 62)
    kind = rng.integers(3)
    bend = rng.uniform(-0.06, 0.06)
    p.line([(0, 1), (bend, 0.75), (bend * 1.4, 0.5), (0, 0.3)], green, 0.04)
    for side in (-1, 1):
        y = rng.uniform(0.72, 0.88)
        p.blob(
            [(0, y + 0.03), (side * 0.12, y - 0.12), (side * 0.3, y - 0.16), (side * 0.16, y + 0.02)],
            tone(green, 0.12 * side),
        )
    if kind == 0:
        p.blob(
            [
                (-0.19, 0.06),
                (-0.2, 0.3),
                (-0.1, 0.45),
                (0.1, 0.45),
                (0.2, 0.3),
                (0.19, 0.06),
                (0.08, 0.2),
                (-0.08, 0.2),
            ],
            c,
        )
        p.blob([(0, 0.02), (0.1, 0.24), (0.04, 0.44), (-0.04, 0.44), (-0.1, 0.24)], tone(c, 0.25))
        return
    n = int(rng.integers(6, 9)) if kind == 1 else 13
    length, wide = (0.13, 0.075) if kind == 1 else (0.12, 0.042)
    for k in range(n):
        a = 2 * np.pi * k / n + bend * 9
        p.oval(np.cos(a) * 0.165, 0.3 + np.sin(a) * 0.165, length, wide, tone(c, 0.18 * (k % 2) - 0.04), a)
    heart = (250, 204, 72) if kind == 1 else (96, 62, 38)
    if kind == 1 and c[2] < 110 and c[0] > 220:
        heart = (150, 84, 44)  # a yellow heart would vanish among yellow petals
    p.oval(0, 0.3, 0.1, 0.1, heart)
    p.dabs(0, 0.3, 0.07, 0.07, 9, tone(heart, -0.15), 0.02)


def cactus(p: Pen, c: Color) -> None:
    """A ribbed column with raised arms."""
    rng = p.rng
    dark, light = tone(c, -0.28), tone(c, 0.22)

    def column(x, y0, y1, r):
        p.rect(x - r, y0, x + r, y1, c)
        p.oval(x, y0, r, r, c)
        for k, shade in ((-0.45, light), (0.05, dark), (0.5, dark)):
            p.line([(x + k * r, y0 - r * 0.5), (x + k * r, y1)], shade, 0.014)

    for side in (-1, 1) if rng.random() < 0.75 else (1,):
        elbow, tip = rng.uniform(0.52, 0.66), rng.uniform(0.2, 0.36)
        p.limb((0, elbow), (side * 0.26, elbow), 0.12, 0.12, c)
        column(side * 0.26, tip, elbow, 0.062)
    column(0, 0.12, 1, 0.105)
    for y in np.linspace(0.2, 0.9, 7):
        p.line([(-0.1, y), (-0.14, y - 0.02)], light, 0.01)
        p.line([(0.1, y), (0.14, y - 0.02)], light, 0.01)
    if rng.random() < 0.6:
        for k in range(5):
            p.oval(np.cos(k * 1.26) * 0.035, 0.03 + np.sin(k * 1.26) * 0.03, 0.028, 0.028, (240, 100, 150))


def mushroom(p: Pen, c: Color) -> None:
    """A spotted cap on a pale stalk, sometimes with a little one beside."""
    rng = p.rng

    def one(x, s):
        def at(points):
            return [(x + a * s, 1 - (1 - b) * s) for a, b in points]

        p.blob(at([(-0.13, 1), (0.14, 1), (0.11, 0.72), (0.1, 0.45), (-0.1, 0.45), (-0.1, 0.72)]), (240, 228, 204))
        p.blob(at([(-0.15, 0.56), (0.15, 0.56), (0.12, 0.64), (-0.12, 0.64)]), (214, 196, 168))
        p.poly(at([(-0.47, 0.48), (-0.4, 0.54), (0, 0.57), (0.4, 0.54), (0.47, 0.48)]), tone(c, -0.4))
        p.blob(
            at(
                [(-0.49, 0.46), (-0.38, 0.2), (0, 0.02), (0.38, 0.2), (0.49, 0.46), (0.3, 0.5), (0, 0.51), (-0.3, 0.5)]
            ),
            c,
        )
        spot = (250, 240, 222) if sum(c) < 620 else (196, 120, 84)
        for a, b, r in (
            (-0.3, 0.34, 0.055),
            (-0.1, 0.17, 0.06),
            (0.06, 0.38, 0.075),
            (0.25, 0.24, 0.05),
            (0.36, 0.42, 0.04),
        ):
            p.oval(x + a * s, 1 - (1 - b) * s, r * s, r * 0.8 * s, spot)

    if rng.random() < 0.4:
        one(0.36, 0.42)
    one(-0.02, 1.0)


def rock(p: Pen, c: Color) -> None:
    """A boulder: a rough outline cut into lit and shaded faces."""
    rng = p.rng
    n = 9
    a = np.linspace(np.pi, 2 * np.pi, n)
    r = rng.uniform(0.82, 1.0, n)
    rim = np.stack([np.cos(a) * 0.66 * r, 0.95 + np.sin(a) * 0.92 * r], 1)
    base = np.array([(0.6, 1.0), (0.2, 1.0), (-0.3, 1.0), (-0.62, 1.0)])
    p.poly(np.concatenate([rim, base]), tone(c, -0.3))
    crown = (rng.uniform(-0.15, 0.1), rng.uniform(0.36, 0.5))
    for k, by in ((1, 0.1), (2, 0.2), (3, 0.32), (4, 0.2), (5, 0.02), (6, -0.12)):
        p.poly([crown, rim[k], rim[k + 1]], tone(c, by))
    p.poly([crown, rim[1], rim[0], (-0.4, 1.0), (-0.1, 1.0)], tone(c, -0.06))
    p.poly([crown, (-0.1, 1.0), (0.25, 1.0)], tone(c, -0.2))
    p.line([crown, (crown[0] + 0.1, 0.66), (crown[0] + 0.04, 0.84)], tone(c, -0.45), 0.014)
    if rng.random() < 0.4:
        moss = (112, 150, 76)
        p.dabs(rim[4][0] * 0.5, rim[4][1] + 0.1, 0.26, 0.06, 14, mix(c, moss, 0.8), 0.05)
