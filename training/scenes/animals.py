"""Animals, and what flies or rolls about for fun. Each function draws one thing with a pen; see `pen.Pen`."""

from __future__ import annotations

import numpy as np

from .pen import Color, Pen, mix, tone

DARK = (38, 34, 40)


def dog(p: Pen, c: Color) -> None:
    """From the side: long muzzle, hanging ear, raised tail; or sitting."""
    rng = p.rng
    far, patch = tone(c, -0.28), tone(c, -0.45) if sum(c) > 250 else tone(c, 0.35)
    belly = mix(c, (250, 240, 220), 0.5)
    if rng.random() < 0.62:
        for x in (-0.3, 0.3):
            p.limb((x, 0.66), (x + 0.05, 0.96), 0.15, 0.085, far)
        p.limb((-0.46, 0.5), (-0.66, 0.2), 0.11, 0.05, c)
        p.blob(
            [
                (-0.52, 0.5),
                (-0.4, 0.4),
                (0, 0.44),
                (0.3, 0.38),
                (0.46, 0.5),
                (0.4, 0.7),
                (0.1, 0.75),
                (-0.3, 0.76),
                (-0.5, 0.68),
            ],
            c,
        )
        p.blob([(-0.2, 0.73), (0.1, 0.68), (0.34, 0.66), (0.2, 0.75)], belly)
        if rng.random() < 0.6:
            p.oval(-0.14, 0.52, 0.17, 0.1, patch)
        for x in (-0.4, 0.36):
            p.limb((x, 0.62), (x, 0.96), 0.17, 0.09, c)
            p.oval(x + 0.03, 0.965, 0.075, 0.035, belly)
        hx, hy = 0.48, 0.26
        p.limb((0.36, 0.5), (hx - 0.02, hy + 0.06), 0.26, 0.2, c)
    else:
        p.limb((-0.3, 0.9), (-0.58, 0.72), 0.1, 0.05, c)
        p.blob([(-0.36, 0.98), (-0.38, 0.7), (-0.12, 0.46), (0.14, 0.36), (0.3, 0.5), (0.26, 0.8), (0.1, 0.98)], c)
        p.oval(-0.16, 0.82, 0.2, 0.17, tone(c, -0.1))
        p.blob([(0.2, 0.5), (0.3, 0.56), (0.26, 0.78), (0.16, 0.76)], belly)
        p.limb((0.2, 0.62), (0.24, 0.95), 0.13, 0.09, tone(c, 0.06))
        for x in (-0.08, 0.28):
            p.oval(x, 0.965, 0.1, 0.036, belly)
        hx, hy = 0.24, 0.26
    p.oval(hx, hy, 0.18, 0.165, c)
    p.blob(
        [
            (hx + 0.02, hy - 0.02),
            (hx + 0.26, hy + 0.02),
            (hx + 0.34, hy + 0.09),
            (hx + 0.26, hy + 0.15),
            (hx + 0.04, hy + 0.15),
        ],
        belly,
    )
    p.oval(hx + 0.32, hy + 0.04, 0.048, 0.04, DARK)
    p.line([(hx + 0.14, hy + 0.12), (hx + 0.28, hy + 0.11)], DARK, 0.014)
    p.oval(hx + 0.07, hy - 0.04, 0.027, 0.03, DARK)
    if rng.random() < 0.75:
        p.blob(
            [
                (hx - 0.1, hy - 0.15),
                (hx - 0.02, hy - 0.06),
                (hx - 0.04, hy + 0.18),
                (hx - 0.14, hy + 0.2),
                (hx - 0.2, hy),
            ],
            patch,
        )
    else:
        p.poly([(hx - 0.16, hy - 0.06), (hx - 0.12, hy - 0.25), (hx + 0.02, hy - 0.13)], patch)
    p.line(
        [(hx - 0.14, hy + 0.17), (hx + 0.06, hy + 0.2)],
        (206, 52, 48) if c[0] < 190 or c[2] > 120 else (60, 110, 190),
        0.045,
    )


def cat(p: Pen, c: Color) -> None:
    """Sitting and facing us, or walking with its tail up: pointed ears, whiskers, often tabby."""
    rng = p.rng
    stripe = tone(c, -0.4) if sum(c) > 200 else tone(c, 0.25)
    tabby = rng.random() < 0.55
    pale = mix(c, (255, 246, 232), 0.55)
    if rng.random() < 0.6:
        tail = np.array([(0.2, 0.92), (0.4, 0.9), (0.46, 0.72), (0.38, 0.56)])
        p.line(tail, c, 0.085)
        p.oval(0.38, 0.56, 0.042, 0.042, stripe if tabby else c)
        p.blob([(-0.27, 0.98), (-0.28, 0.76), (-0.15, 0.44), (0.15, 0.44), (0.28, 0.76), (0.27, 0.98), (0, 1)], c)
        p.oval(0, 0.64, 0.11, 0.15, pale)
        for x in (-0.1, 0.1):
            p.limb((x, 0.7), (x, 0.95), 0.1, 0.09, tone(c, 0.08))
            p.oval(x, 0.96, 0.066, 0.036, pale)
        if tabby:
            for y in (0.62, 0.72, 0.82):
                for s in (-1, 1):
                    p.line([(s * 0.27, y + 0.04), (s * 0.15, y)], stripe, 0.028)
        hx, hy, s = 0.0, 0.3, 1.0
    else:
        p.line([(-0.44, 0.62), (-0.56, 0.46), (-0.54, 0.24), (-0.44, 0.12)], c, 0.08)
        for x in (-0.32, 0.2):
            p.limb((x, 0.68), (x + 0.06, 0.96), 0.12, 0.08, tone(c, -0.26))
        p.blob(
            [(-0.5, 0.62), (-0.36, 0.48), (0, 0.5), (0.3, 0.46), (0.4, 0.6), (0.3, 0.76), (-0.1, 0.78), (-0.44, 0.76)],
            c,
        )
        if tabby:
            for x in (-0.32, -0.18, -0.04, 0.1):
                p.line([(x, 0.5), (x - 0.02, 0.64)], stripe, 0.034)
        for x in (-0.42, 0.28):
            p.limb((x, 0.68), (x, 0.96), 0.13, 0.085, c)
            p.oval(x + 0.02, 0.965, 0.06, 0.034, pale)
        hx, hy, s = 0.38, 0.36, 0.86
    for e in (-1, 1):
        p.poly([(hx + e * 0.24 * s, hy - 0.29 * s), (hx + e * 0.26 * s, hy), (hx + e * 0.03 * s, hy - 0.14 * s)], c)
        p.poly(
            [
                (hx + e * 0.21 * s, hy - 0.22 * s),
                (hx + e * 0.215 * s, hy - 0.06 * s),
                (hx + e * 0.09 * s, hy - 0.13 * s),
            ],
            (236, 158, 160),
        )
    p.oval(hx, hy, 0.265 * s, 0.205 * s, c)
    p.oval(hx, hy + 0.09 * s, 0.13 * s, 0.085 * s, pale)
    if tabby:
        for x in (-0.06, 0, 0.06):
            p.line([(hx + x, hy - 0.19 * s), (hx + x * 0.8, hy - 0.1 * s)], stripe, 0.022)
    eye = [(120, 190, 90), (240, 196, 70), (110, 180, 210)][rng.integers(3)]
    for e in (-1, 1):
        p.oval(hx + e * 0.11 * s, hy - 0.01, 0.05 * s, 0.046 * s, eye)
        p.oval(hx + e * 0.11 * s, hy - 0.01, 0.02 * s, 0.044 * s, DARK)
        for dy in (-0.01, 0.035):
            p.line(
                [(hx + e * 0.12 * s, hy + 0.085 * s), (hx + e * 0.33 * s, hy + 0.06 * s + dy)], tone(pale, 0.4), 0.008
            )
    p.poly([(hx - 0.03, hy + 0.05 * s), (hx + 0.03, hy + 0.05 * s), (hx, hy + 0.085 * s)], (224, 110, 116))
    smile = ((-0.065, 0.105), (-0.035, 0.13), (0, 0.095), (0.035, 0.13), (0.065, 0.105))
    p.line([(hx + x * s, hy + y * s) for x, y in smile], DARK, 0.012)


def sheep(p: Pen, c: Color) -> None:
    """A round fleece of curls on thin legs, with a small dark or pale face; sometimes grazing."""
    rng = p.rng
    face = (58, 50, 54) if rng.random() < 0.65 or sum(c) < 300 else (226, 196, 168)
    for x in (-0.32, -0.2, 0.2, 0.32):
        p.limb((x, 0.7), (x, 0.97), 0.07, 0.055, tone(face, -0.1))
    p.oval(-0.02, 0.48, 0.5, 0.33, tone(c, -0.16))
    for a in np.linspace(0, 2 * np.pi, 15)[:-1]:
        p.oval(-0.02 + np.cos(a) * 0.46, 0.48 + np.sin(a) * 0.3, 0.13, 0.12, tone(c, -0.1 - 0.12 * np.sin(a)))
    p.dabs(-0.02, 0.46, 0.46, 0.3, 46, c, 0.085, 0.2)
    p.oval(-0.53, 0.46, 0.08, 0.1, c)
    grazing = rng.random() < 0.35
    hx, hy = (0.56, 0.62) if grazing else (0.5, 0.3)
    turn = 0.9 if grazing else 0.35
    p.oval(hx - 0.13, hy - 0.03, 0.13, 0.05, tone(face, 0.08), -0.4)
    p.oval(hx, hy, 0.185, 0.125, face, turn)
    p.oval(hx + 0.09, hy - 0.1, 0.05, 0.03, tone(face, 0.08), 0.5)
    p.dabs(hx - 0.08, hy - 0.12, 0.1, 0.05, 9, c, 0.06, 0.2)
    p.oval(hx + 0.03, hy - 0.02, 0.03, 0.03, (250, 248, 240))
    p.oval(hx + 0.035, hy - 0.018, 0.016, 0.018, DARK)


def bird(p: Pen, c: Color, flying: bool = False) -> None:
    """Perched on thin legs, or on the wing."""
    rng = p.rng
    wing, breast = tone(c, -0.3), mix(c, (255, 236, 206), 0.6)
    beak = (244, 162, 44) if not (c[0] > 225 and c[2] < 90) else (96, 70, 60)
    if flying:
        up = rng.uniform(0.0, 0.12)
        p.blob([(-0.12, 0.56), (-0.1, up + 0.1), (0.12, up), (0.2, 0.3), (0.14, 0.56)], tone(wing, -0.15))
        p.poly([(-0.3, 0.6), (-0.74, 0.46), (-0.68, 0.58), (-0.76, 0.68), (-0.3, 0.72)], wing)
        p.blob([(-0.42, 0.62), (-0.1, 0.52), (0.3, 0.48), (0.44, 0.58), (0.3, 0.74), (-0.1, 0.8)], c)
        p.blob([(-0.1, 0.76), (0.2, 0.7), (0.36, 0.66), (0.2, 0.8)], breast)
        p.blob([(-0.3, 0.62), (-0.44, 0.2 + up), (-0.42, up + 0.02), (-0.2, 0.14), (0.1, 0.4), (0.14, 0.62)], wing)
        for k in range(3):
            p.line([(-0.3 + 0.11 * k, 0.56), (-0.38 + 0.12 * k, 0.2 + up + 0.06 * k)], tone(wing, 0.3), 0.018)
        hx, hy = 0.44, 0.55
    else:
        for x in (-0.04, 0.1):
            p.line([(x, 0.78), (x, 0.98)], (196, 118, 52), 0.028)
            p.line([(x - 0.03, 0.985), (x + 0.09, 0.985)], (196, 118, 52), 0.026)
        p.poly([(-0.34, 0.56), (-0.72, 0.68), (-0.7, 0.82), (-0.28, 0.72)], wing)
        p.blob([(-0.42, 0.6), (-0.2, 0.44), (0.12, 0.3), (0.38, 0.36), (0.36, 0.64), (0.12, 0.83), (-0.2, 0.8)], c)
        p.blob([(0.2, 0.5), (0.36, 0.5), (0.34, 0.68), (0.1, 0.82), (0.04, 0.72)], breast)
        p.blob([(-0.5, 0.68), (-0.24, 0.48), (0.06, 0.48), (0.1, 0.62), (-0.1, 0.74)], wing)
        for k in range(3):
            p.line([(-0.36 + 0.1 * k, 0.68), (-0.04 + 0.04 * k, 0.56 + 0.03 * k)], tone(wing, 0.3), 0.018)
        hx, hy = 0.26, 0.26
    r = 0.19 if flying else 0.225
    p.poly([(hx + 0.12, hy - 0.07), (hx + 0.38, hy + 0.03), (hx + 0.12, hy + 0.1)], beak)
    p.oval(hx, hy, r, r, c)
    p.oval(hx + 0.08, hy + 0.07, r * 0.45, r * 0.4, breast)
    p.oval(hx + 0.07, hy - 0.04, 0.045, 0.045, (250, 248, 240))
    p.oval(hx + 0.08, hy - 0.04, 0.026, 0.028, DARK)


def ball(p: Pen, c: Color) -> None:
    """A beach ball of wedges, a dotted or banded ball, or a plain one with a shine."""
    rng = p.rng
    second = (252, 246, 234) if sum(c) < 620 else (216, 64, 58)
    kind = rng.integers(4)
    if kind == 0:
        p.oval(0, 0.5, 0.5, 0.5, c)
        turn = rng.uniform(0, np.pi)
        for k in range(3):
            a = turn + k * 2 * np.pi / 3 + np.linspace(0, np.pi / 3, 6)
            rim = np.stack([np.cos(a) * 0.49, 0.5 + np.sin(a) * 0.49], 1)
            p.poly([(0.08, 0.4), *rim], second)
        p.oval(0.08, 0.4, 0.07, 0.06, second)
    else:
        p.oval(0, 0.5, 0.5, 0.5, c, pattern=["plain", "dots", "slant"][kind - 1], second=second, pitch=0.34)
    p.oval(-0.2, 0.24, 0.1, 0.065, tone(c, 0.65), -0.6)


def balloon(p: Pen, c: Color) -> None:
    """A toy balloon on a string, or a hot-air balloon with its basket."""
    rng = p.rng
    if rng.random() < 0.45:
        s = rng.uniform(-0.06, 0.06)
        p.line([(0, 0.6), (s, 0.72), (-s, 0.85), (0, 0.99)], (110, 100, 100), 0.012)
        p.blob(
            [(0, 0), (0.2, 0.07), (0.27, 0.25), (0.16, 0.47), (0, 0.58), (-0.16, 0.47), (-0.27, 0.25), (-0.2, 0.07)], c
        )
        p.poly([(-0.035, 0.63), (0, 0.56), (0.035, 0.63)], tone(c, -0.25))
        p.oval(-0.12, 0.16, 0.04, 0.08, tone(c, 0.7), 0.4)
        return
    second = (250, 242, 222) if sum(c) < 620 else (236, 120, 60)
    for x in (-1, 1):
        p.line([(x * 0.17, 0.66), (x * 0.07, 0.88)], (96, 76, 60), 0.012)
    shape = [
        (0, 0),
        (0.26, 0.08),
        (0.36, 0.3),
        (0.27, 0.54),
        (0.13, 0.72),
        (-0.13, 0.72),
        (-0.27, 0.54),
        (-0.36, 0.3),
        (-0.26, 0.08),
    ]
    p.blob(shape, c)
    kind = rng.integers(3)
    if kind == 0:
        for x in (-0.52, 0, 0.52):
            p.blob(
                [
                    (x * 0.25, 0.01),
                    (x * 0.68 + 0.05, 0.3),
                    (x * 0.3 + 0.02, 0.71),
                    (x * 0.3 - 0.02, 0.71),
                    (x * 0.68 - 0.05, 0.3),
                ],
                second,
            )
    elif kind == 1:
        p.blob([(-0.345, 0.24), (0, 0.29), (0.345, 0.24), (0.35, 0.38), (0, 0.44), (-0.35, 0.38)], second)
    else:
        for k, x in enumerate(np.linspace(-0.24, 0.24, 4)):
            p.oval(x, 0.24 + 0.16 * (k % 2), 0.06, 0.06, second)
    p.rect(-0.09, 0.87, 0.09, 1, (150, 104, 62), pattern="checks", second=(120, 80, 46), pitch=0.06)


def kite(p: Pen, c: Color) -> None:
    """A diamond in four quarters with a tail of bows."""
    rng = p.rng
    second = (252, 238, 206) if sum(c) < 560 else (66, 120, 190)
    top, mid, low, half = 0.0, 0.22, 0.6, 0.28
    tail = np.array([(0, low), (0.09, 0.7), (-0.06, 0.82), (0.07, 0.96)])
    p.line(tail, (120, 96, 84), 0.012)
    p.poly([(0, top), (half, mid), (0, low), (-half, mid)], c)
    if rng.random() < 0.6:
        p.poly([(0, top), (half, mid), (0, mid)], tone(c, 0.45))
        p.poly([(0, low), (-half, mid), (0, mid)], tone(c, -0.22))
    else:
        p.poly([(-half * 0.5, (mid + top) / 2), (half * 0.5, (mid + top) / 2), (half, mid), (-half, mid)], second)
    p.line([(0, top), (0, low)], (104, 78, 60), 0.014)
    p.line([(-half, mid), (half, mid)], (104, 78, 60), 0.014)
    for x, y in tail[1:]:
        for e in (-1, 1):
            p.poly([(x, y), (x + e * 0.075, y - 0.04), (x + e * 0.075, y + 0.04)], c if y < 0.8 else second)


def umbrella(p: Pen, c: Color) -> None:
    """A parasol of coloured panels on a pole."""
    rng = p.rng
    second = (252, 244, 226) if rng.random() < 0.6 and sum(c) < 640 else tone(c, -0.2)
    p.line([(0, 0.05), (0, 1)], (126, 92, 62), 0.03)
    a = np.linspace(np.pi, 2 * np.pi, 13)
    dome = np.stack([np.cos(a) * 0.56, 0.47 + np.sin(a) * 0.42], 1)
    n = int(rng.choice([4, 6]))
    edges = -np.cos(np.linspace(0, np.pi, n + 1)) * 0.56
    scallop = []
    for k in range(n):
        t = np.linspace(0, 1, 5)[1:-1]
        scallop += [(edges[k] + (edges[k + 1] - edges[k]) * s, 0.47 - 0.045 * np.sin(np.pi * s)) for s in t] + [
            (edges[k + 1], 0.47)
        ]
    p.poly([*dome, *scallop[::-1]], c)
    for k in range(0, n, 2):
        t = np.linspace(0, 1, 6)
        left = np.stack([edges[k] * np.sin(t * np.pi / 2), 0.055 + 0.415 * (1 - np.cos(t * np.pi / 2))], 1)
        right = np.stack([edges[k + 1] * np.sin(t * np.pi / 2), 0.055 + 0.415 * (1 - np.cos(t * np.pi / 2))], 1)
        p.poly([*left, *scallop[k * 4 : k * 4 + 3], *right[::-1]], second)
    p.oval(0, 0.04, 0.025, 0.03, tone(c, -0.3))
