"""What people build and what floats or rolls. Each function draws one thing with a pen; see `pen.Pen`."""

from __future__ import annotations

import numpy as np

from .pen import Color, Pen, mix, tone

CREAM = (246, 238, 218)
DARK = (48, 46, 56)


def house(p: Pen, c: Color) -> None:
    """Walls, a gabled or hipped roof, a door, windows, and a chimney."""
    rng = p.rng
    roof = [(150, 70, 52), (92, 74, 70), (84, 92, 112), (172, 96, 60), (70, 96, 88)][rng.integers(5)]
    eave, half = rng.uniform(0.42, 0.5), 0.5
    wall = ["plain", "plain", "bricks", "bands"][rng.integers(4)]
    if rng.random() < 0.75:
        x = rng.choice([-0.28, 0.27])
        p.rect(x - 0.055, 0.02, x + 0.055, 0.36, (146, 92, 76))
        p.rect(x - 0.07, 0.01, x + 0.07, 0.05, (112, 68, 58))
    p.rect(-half, eave, half, 1, c, pattern=wall, second=tone(c, -0.13), pitch=0.13)
    p.rect(-half, eave, half, eave + 0.04, tone(c, -0.3))
    gable = rng.random() < 0.5
    if gable:
        p.poly([(-half, eave), (0, 0.1), (half, eave)], c)
        for side in (-1, 1):
            p.poly(
                [(0, 0.04), (0, 0.13), (side * 0.54, eave + 0.08), (side * 0.59, eave + 0.02)], tone(roof, 0.06 * side)
            )
        p.oval(0, eave - 0.1, 0.07, 0.07, CREAM)
        p.window(np.array([(np.cos(a) * 0.05, eave - 0.1 + np.sin(a) * 0.05) for a in np.linspace(0, 6, 12)]))
    else:
        inset = rng.uniform(0.1, 0.25)
        p.poly([(-0.59, eave + 0.03), (-half + inset, 0.1), (half - inset, 0.1), (0.59, eave + 0.03)], roof)
        for t in (0.3, 0.55, 0.8):
            y, w = 0.1 + t * (eave - 0.07), half - inset + t * (0.09 + inset)
            p.line([(-w, y), (w, y)], tone(roof, -0.25), 0.012)
    door = [(120, 62, 40), (60, 92, 140), (60, 110, 84), (176, 60, 52)][rng.integers(4)]
    dx = rng.choice([0.0, -0.26, 0.26])
    p.rect(dx - 0.1, 0.67, dx + 0.1, 1, CREAM)
    p.rect(dx - 0.078, 0.69, dx + 0.078, 1, door)
    p.oval(dx + 0.045, 0.85, 0.014, 0.014, (250, 214, 110))
    for x in (-0.3, 0, 0.3):
        if abs(x - dx) < 0.2:
            continue
        y = eave + 0.2
        p.rect(x - 0.1, y - 0.1, x + 0.1, y + 0.1, CREAM)
        p.window([(x - 0.08, y - 0.08), (x + 0.08, y - 0.08), (x + 0.08, y + 0.08), (x - 0.08, y + 0.08)])
        if not p.lit:
            p.line([(x, y - 0.08), (x, y + 0.08)], CREAM, 0.014)
            p.line([(x - 0.08, y), (x + 0.08, y)], CREAM, 0.014)
        if rng.random() < 0.4:
            p.dabs(x, y + 0.12, 0.09, 0.025, 8, (226, 90, 110), 0.022)


def lighthouse(p: Pen, c: Color) -> None:
    """A tapering banded tower, a gallery, a lantern and a dome."""
    rng = p.rng
    top, foot, bands = 0.13, 0.2, int(rng.integers(5, 8))
    pale = (250, 246, 236) if sum(c) < 640 else (206, 62, 52)

    def half(y):
        return top + (foot - top) * (y - 0.24) / 0.76

    ys = np.linspace(0.24, 1, bands + 1)
    for k in range(bands):
        a, b = ys[k], ys[k + 1]
        p.poly([(-half(a), a), (half(a), a), (half(b), b), (-half(b), b)], c if k % 2 == 0 else pale)
    for y in (0.42, 0.64):
        p.rect(-0.028, y, 0.028, y + 0.07, DARK)
        p.window([(-0.02, y + 0.01), (0.02, y + 0.01), (0.02, y + 0.06), (-0.02, y + 0.06)])
    p.poly([(-0.06, 1), (-0.06, 0.9), (0, 0.86), (0.06, 0.9), (0.06, 1)], (86, 60, 48))
    p.rect(-0.11, 0.1, 0.11, 0.22, (70, 74, 84))
    pane = [(-0.085, 0.11), (0.085, 0.11), (0.085, 0.2), (-0.085, 0.2)]
    p.poly(pane, (250, 228, 150))
    if p.lit:
        p.glow(pane, (255, 240, 170))
    for x in (-0.04, 0.04):
        p.line([(x, 0.1), (x, 0.21)], (70, 74, 84), 0.012)
    p.rect(-0.19, 0.21, 0.19, 0.25, (74, 72, 80))
    for x in np.linspace(-0.17, 0.17, 6):
        p.line([(x, 0.165), (x, 0.22)], (74, 72, 80), 0.009)
    p.line([(-0.18, 0.165), (0.18, 0.165)], (74, 72, 80), 0.01)
    p.blob([(-0.14, 0.11), (0, 0.02), (0.14, 0.11), (0, 0.115)], tone(c, -0.25))
    p.line([(0, 0.05), (0, 0.0)], DARK, 0.014)


def fence(p: Pen, c: Color) -> None:
    """Pickets, or posts and rails."""
    rng = p.rng
    if rng.random() < 0.6:
        for y in (0.4, 0.76):
            p.rect(-1.12, y - 0.05, 1.12, y + 0.05, tone(c, -0.25))
        for x in np.linspace(-1.04, 1.04, int(rng.integers(7, 11))):
            t = 0.06 + rng.uniform(-0.03, 0.05)
            p.poly(
                [(x - 0.085, 1), (x - 0.085, t + 0.14), (x, t), (x + 0.085, t + 0.14), (x + 0.085, 1)],
                tone(c, rng.uniform(-0.12, 0.1)),
            )
        return
    for x in np.linspace(-1, 1, int(rng.integers(3, 5))):
        p.rect(x - 0.07, 0.04, x + 0.07, 1, tone(c, -0.1))
        p.oval(x, 0.05, 0.07, 0.04, tone(c, 0.2))
    for y in (0.22, 0.5, 0.78):
        p.poly(
            [(-1.14, y + rng.uniform(-0.08, 0.02)), (1.14, y - 0.06), (1.14, y + 0.07), (-1.14, y + 0.1)],
            tone(c, rng.uniform(-0.2, 0.12)),
        )


def tent(p: Pen, c: Color) -> None:
    """A ridge tent seen from its corner, or a pointed one with its poles showing."""
    rng = p.rng
    pattern = ["plain", "plain", "stripes", "dots"][rng.integers(4)]
    inside = (255, 206, 120) if p.lit else tone(c, -0.65)
    if rng.random() < 0.6:
        p.poly(
            [(-0.28, 0.06), (0.4, 0.16), (0.7, 0.95), (0.2, 1.0)],
            tone(c, -0.18),
            pattern=pattern,
            second=tone(c, 0.35),
        )
        p.poly([(-0.7, 1), (-0.28, 0.05), (0.2, 1)], c)
        door = [(-0.44, 1), (-0.28, 0.34), (-0.08, 1)]
        p.poly(door, inside)
        if p.lit:
            p.glow(door, inside)
        p.poly([(-0.44, 1), (-0.29, 0.34), (-0.36, 0.8), (-0.52, 1)], tone(c, 0.35))
        p.line([(-0.28, 0.05), (-0.28, 0.0)], (120, 90, 60), 0.03)
        return
    for x in (-0.09, 0.08):
        p.line([(0, 0.16), (x, 0.01)], (120, 88, 58), 0.022)
    p.poly(
        [(-0.54, 1), (0, 0.12), (0.54, 1)],
        c,
        pattern="bands" if pattern == "stripes" else pattern,
        second=tone(c, 0.45),
        pitch=0.3,
    )
    door = [(-0.16, 1), (0, 0.45), (0.16, 1)]
    p.poly(door, inside)
    if p.lit:
        p.glow(door, inside)


def boat(p: Pen, c: Color) -> None:
    """A sailing boat, or a fishing boat with a cabin."""
    rng = p.rng
    if rng.random() < 0.65:
        sail = (250, 244, 228) if rng.random() < 0.65 else tone(c, 0.5)
        pattern = ["plain", "plain", "bands", "stripes"][rng.integers(4)]
        p.line([(0, 0.02), (0, 0.78)], (112, 80, 54), 0.026)
        p.blob(
            [(0.03, 0.06), (0.26, 0.4), (0.44, 0.7), (0.2, 0.7), (0.03, 0.7), (0.05, 0.4)],
            sail,
            pattern=pattern,
            second=tone(c, 0.25),
        )
        p.poly([(-0.03, 0.14), (-0.16, 0.45), (-0.36, 0.7), (-0.03, 0.7)], tone(sail, -0.12))
        p.poly([(0, 0), (0.13, 0.03), (0, 0.07)], c)
        deck = 0.76
    else:
        p.rect(-0.2, 0.38, 0.2, 0.8, (246, 240, 226))
        p.rect(-0.25, 0.34, 0.25, 0.41, tone(c, -0.2))
        for x in (-0.13, 0.04):
            p.window([(x, 0.48), (x + 0.1, 0.48), (x + 0.1, 0.6), (x, 0.6)])
        p.line([(0.3, 0.76), (0.3, 0.1)], (112, 80, 54), 0.024)
        p.line([(0.3, 0.14), (0.52, 0.7)], (90, 84, 80), 0.01)
        p.poly([(0.3, 0.08), (0.14, 0.13), (0.3, 0.19)], tone(c, 0.2))
        p.rect(-0.1, 0.2, -0.02, 0.36, tone(c, -0.3))
        deck = 0.72
    p.blob(
        [
            (-0.56, deck),
            (-0.2, deck + 0.03),
            (0.25, deck + 0.03),
            (0.62, deck - 0.05),
            (0.42, 1),
            (0, 1),
            (-0.4, 0.99),
        ],
        c,
    )
    p.line(
        [(-0.5, deck + 0.06), (0, deck + 0.085), (0.5, deck + 0.03)], (250, 246, 236) if sum(c) < 620 else DARK, 0.03
    )


def _wheel(p: Pen, x: float, y: float, r: float) -> None:
    """A tyre with a hub."""
    p.oval(x, y, r, r, (38, 36, 42))
    p.oval(x, y, r * 0.52, r * 0.52, (196, 196, 200))
    p.oval(x, y, r * 0.2, r * 0.2, (110, 110, 118))


def car(p: Pen, c: Color) -> None:
    """A low car with a cabin of glass: a saloon, a beetle or a hatchback."""
    rng = p.rng
    kind = rng.integers(3)
    if kind == 1:  # a beetle is round all over
        p.blob(
            [
                (-0.95, 0.8),
                (-0.86, 0.5),
                (-0.5, 0.22),
                (0, 0.03),
                (0.4, 0.2),
                (0.6, 0.48),
                (0.92, 0.6),
                (0.94, 0.82),
                (0, 0.86),
            ],
            c,
        )
        back, front, roof = -0.44, 0.44, 0.14
    else:
        tail, r0 = ((-0.45, 0.4), -0.3) if kind == 0 else ((-0.86, 0.4), -0.66)
        p.blob(
            [
                (-0.96, 0.8),
                (-0.95, 0.5),
                (-0.7, 0.44),
                (0.55, 0.42),
                (0.9, 0.5),
                (0.97, 0.66),
                (0.94, 0.83),
                (0, 0.85),
            ],
            c,
        )
        p.poly([tail, (r0, 0.06), (r0 + 0.06, 0.03), (0.24, 0.03), (0.32, 0.07), (0.6, 0.46), (tail[0], 0.5)], c)
        back, front, roof = r0 - 0.06, 0.47, 0.12
    glass = (156, 200, 220)
    mid = (back + front) / 2 - 0.04
    p.window([(back + 0.08, roof), (mid - 0.03, roof), (mid - 0.03, 0.43), (back, 0.43)], glass)
    p.window([(mid + 0.03, roof), (front - 0.23, roof), (front, 0.43), (mid + 0.03, 0.43)], glass)
    p.line([(-0.92, 0.64), (0.93, 0.64)], tone(c, -0.3), 0.024)
    p.line([(mid, 0.46), (mid, 0.8)], tone(c, -0.3), 0.018)
    p.line([(mid + 0.06, 0.53), (mid + 0.16, 0.53)], tone(c, 0.5), 0.03)
    p.poly([(-0.97, 0.75), (0.97, 0.75), (0.95, 0.85), (-0.95, 0.85)], tone(c, -0.42))
    lamp = [(0.84, 0.52), (0.93, 0.55), (0.94, 0.63), (0.84, 0.62)]
    p.poly(lamp, (255, 236, 170))
    if p.lit:
        p.glow(lamp, (255, 240, 180))
    p.rect(-0.95, 0.54, -0.88, 0.63, (206, 48, 44))
    for x in (-0.56, 0.56):
        p.oval(x, 0.8, 0.225, 0.23, tone(c, -0.55))
        _wheel(p, x, 0.815, 0.185)


def truck(p: Pen, c: Color) -> None:
    """A tall cab before a box, a tarpaulin or a load of logs."""
    rng = p.rng
    kind = rng.integers(3)
    p.rect(-0.88, 0.76, 0.84, 0.86, (62, 60, 68))
    if kind == 0:
        p.rect(-0.9, 0.04, 0.3, 0.78, mix(c, CREAM, 0.72))
        p.rect(-0.9, 0.3, 0.3, 0.5, c)
        p.rect(-0.9, 0.02, 0.3, 0.07, tone(c, -0.3))
    elif kind == 1:
        p.rect(-0.9, 0.52, 0.3, 0.8, tone(c, -0.12))
        p.blob(
            [(-0.92, 0.56), (-0.84, 0.12), (-0.3, 0.05), (0.22, 0.12), (0.32, 0.56)],
            tone(c, 0.3),
            pattern="stripes",
            second=tone(c, 0.05),
            pitch=0.24,
        )
    else:
        for x, y in ((-0.7, 0.4), (-0.42, 0.4), (-0.14, 0.4), (0.12, 0.4), (-0.56, 0.2), (-0.28, 0.2), (0.0, 0.2)):
            p.oval(x, y, 0.145, 0.14, (122, 82, 50))
            p.oval(x, y, 0.1, 0.1, (214, 172, 116))
            p.oval(x, y, 0.045, 0.045, (176, 130, 82))
        p.rect(-0.9, 0.48, 0.3, 0.8, tone(c, -0.1))
        for x in (-0.6, -0.3, 0):
            p.rect(x - 0.02, 0.48, x + 0.02, 0.8, tone(c, -0.4))
    p.blob(
        [
            (0.34, 0.8),
            (0.34, 0.24),
            (0.44, 0.2),
            (0.66, 0.2),
            (0.76, 0.3),
            (0.84, 0.5),
            (0.9, 0.6),
            (0.9, 0.82),
            (0.6, 0.84),
        ],
        c,
    )
    p.window([(0.5, 0.28), (0.66, 0.28), (0.77, 0.49), (0.5, 0.49)], (160, 204, 222))
    p.line([(0.48, 0.28), (0.48, 0.78)], tone(c, -0.35), 0.018)
    p.line([(0.52, 0.58), (0.6, 0.58)], tone(c, 0.5), 0.026)
    p.rect(0.84, 0.62, 0.91, 0.7, (255, 236, 170))
    for x in (-0.66, -0.34, 0.6):
        p.oval(x, 0.84, 0.185, 0.15, (50, 48, 56))
        _wheel(p, x, 0.85, 0.15)
