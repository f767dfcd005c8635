"""A pen that draws one thing on its own small transparent sheet.

The sheet starts as zeros and OpenCV's antialiased drawing mixes colour and coverage alike, so what is drawn is
premultiplied RGBA from the start and has no fringe when laid over a painting.
"""

from __future__ import annotations

import cv2
import numpy as np

from .noise import field
from .records import PIGMENTS

_T = np.linspace(0, 2 * np.pi, 25)[:-1]
_CIRCLE = np.stack([np.cos(_T), np.sin(_T)], 1)
_K = np.linspace(0, 1, 7)[:-1, None]
_SPLINE = (
    np.hstack([-_K + 2 * _K**2 - _K**3, 2 - 5 * _K**2 + 3 * _K**3, _K + 4 * _K**2 - 3 * _K**3, _K**3 - _K**2]) / 2
)
Color = tuple[float, float, float]


def mix(a: Color, b: Color, t: float) -> Color:
    """The colour a part t of the way from a to b."""
    return (a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t, a[2] + (b[2] - a[2]) * t)


def tone(color: Color, by: float) -> Color:
    """A lighter (by > 0) or darker (by < 0) tone; shadows lean to blue as painters make them."""
    return mix(color, (255, 250, 232), by) if by > 0 else mix(color, (24, 20, 52), -by)


def pigment(rng: np.random.Generator, word: str) -> Color:
    """One rendering of a colour word: near its pigment, never the same twice."""
    r, g, b = np.array(PIGMENTS[word]) * rng.uniform(0.92, 1.06) + rng.uniform(-9, 9, 3)
    return (min(255, max(0, r)), min(255, max(0, g)), min(255, max(0, b)))


def spline(points) -> np.ndarray:
    """A closed smooth curve through the points, float [6n, 2]."""
    p = np.asarray(points, float)
    four = np.stack([np.roll(p, 1, 0), p, np.roll(p, -1, 0), np.roll(p, -2, 0)], 1)
    return np.einsum("sk,nkd->nsd", _SPLINE, four).reshape(-1, 2)


class Pen:
    """Draws in the thing's own measure: y from 0 (top) to 1 (foot), x from -aspect/2 to aspect/2, 0 the middle."""

    def __init__(self, rng: np.random.Generator, size: float, aspect: float, flip: bool, lean: float, lit: bool):
        self.rng, self.size, self.lit = rng, size, lit
        pad = 3 + int(size * 0.03)
        self.h, self.w = int(size) + 2 * pad, int(size * (aspect + abs(lean))) + 2 * pad
        self.px = np.zeros((self.h, self.w, 4), np.uint8)
        self.foot = (self.w / 2 - lean * size / 2, pad + size)  # where x=0, y=1 lies on the sheet
        self._turn = np.array([[-size if flip else size, 0], [-lean * size, size]]) * 16
        self._shift = np.array([self.foot[0] + lean * size, pad]) * 16
        self._glow: list[tuple[np.ndarray, Color]] = []

    def at(self, points) -> np.ndarray:
        """The thing's measure to sixteenths of a pixel on the sheet, int32 [n, 2]."""
        return np.rint(np.asarray(points, float).reshape(-1, 2) @ self._turn + self._shift).astype(np.int32)

    def poly(self, points, color: Color, pattern: str | None = None, second: Color | None = None, pitch=0.2) -> None:
        """A filled polygon, plain or patterned with a second colour."""
        q = self.at(points)
        if pattern in (None, "plain"):
            cv2.fillPoly(self.px, [q], (*color, 255), cv2.LINE_AA, 4)
            return
        mask = np.zeros((self.h, self.w), np.uint8)
        cv2.fillPoly(mask, [q], 255, cv2.LINE_AA, 4)
        sheet = np.empty_like(self.px)
        sheet[:] = np.array([*color, 255], np.uint8)
        other = second or tone(color, 0.6)
        sheet[self._pattern(pattern, pitch)] = np.array([*other, 255], np.uint8)
        m = mask * np.float32(1 / 255)
        m = cv2.merge((m, m, m, m))
        self.px = (self.px * (1 - m) + sheet * m).astype(np.uint8)

    def _pattern(self, kind: str, pitch: float) -> np.ndarray:
        """Where the second colour goes: bool [h, w]."""
        step = max(3.0, pitch * self.size)
        x = (np.arange(self.w, dtype=np.float32) - self.foot[0])[None] / step
        y = (np.arange(self.h, dtype=np.float32) - self.foot[1])[:, None] / step
        if kind == "stripes":
            return (x % 1 < 0.5) & (y < 1e9)
        if kind == "bands":
            return (y % 1 < 0.5) & (x < 1e9)
        if kind == "slant":
            return (x + y) % 1 < 0.45
        if kind == "checks":
            return (x % 1 < 0.5) ^ (y % 1 < 0.5)
        if kind == "bricks":
            row = np.floor(y * 2)
            return ((y * 2) % 1 < 0.2) | ((x + row * 0.5) % 1 < 0.12)
        odd = np.floor(y) % 2 * 0.5
        return ((x + odd) % 1 - 0.5) ** 2 + (y % 1 - 0.5) ** 2 < 0.085  # dots

    def blob(self, points, color: Color, **pattern) -> None:
        """A filled smooth closed curve through the points."""
        self.poly(spline(points), color, **pattern)

    def oval(self, x: float, y: float, rx: float, ry: float, color: Color, turn: float = 0.0, **pattern) -> None:
        """A filled ellipse, turned by radians."""
        e = _CIRCLE * (rx, ry)
        if turn:
            c, s = np.cos(turn), np.sin(turn)
            e = e @ np.array([[c, s], [-s, c]])
        self.poly(e + (x, y), color, **pattern)

    def rect(self, x0: float, y0: float, x1: float, y1: float, color: Color, **pattern) -> None:
        """A filled upright rectangle."""
        self.poly([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], color, **pattern)

    def line(self, points, color: Color, width: float = 0.02) -> None:
        """An open line with a width in the thing's measure."""
        thick = max(1, round(width * self.size))
        cv2.polylines(self.px, [self.at(points)], False, (*color, 255), thick, cv2.LINE_AA, 4)

    def limb(self, a, b, wa: float, wb: float, color: Color) -> None:
        """A tapering round-ended limb from a to b, wa and wb wide."""
        (ax, ay), (bx, by) = a, b
        d = max(1e-6, float(np.hypot(bx - ax, by - ay)))
        nx, ny = -(by - ay) / d / 2, (bx - ax) / d / 2
        self.poly([(ax + nx * wa, ay + ny * wa), (bx + nx * wb, by + ny * wb),
                   (bx - nx * wb, by - ny * wb), (ax - nx * wa, ay - ny * wa)], color)  # fmt: skip
        self.oval(ax, ay, wa / 2, wa / 2, color)
        self.oval(bx, by, wb / 2, wb / 2, color)

    def dabs(self, x: float, y: float, rx: float, ry: float, n: int, color: Color, r: float, spread: float = 0.3):
        """Foliage or wool: n round dabs over an ellipse, dark ones below and light ones above."""
        rng = self.rng
        angle, reach = rng.uniform(0, 2 * np.pi, n), np.sqrt(rng.uniform(0, 1, n))
        px, py = x + np.cos(angle) * reach * rx, y + np.sin(angle) * reach * ry
        order = np.argsort(-py + rng.normal(0, ry * 0.35, n))
        centres = self.at(np.stack([px, py], 1)[order])
        radii = (r * rng.uniform(0.55, 1.15, n) * self.size * 16).astype(int)
        lift = spread * ((y - py[order]) / ry * 0.75 - 0.1) + rng.normal(0, spread * 0.25, n)
        for c, radius, by in zip(centres.tolist(), radii.tolist(), lift.tolist(), strict=True):
            cv2.circle(self.px, c, max(12, radius), (*tone(color, by), 255), -1, cv2.LINE_AA, 4)

    def window(self, points, day: Color = (150, 190, 214)) -> None:
        """A pane of glass: bluish by day, glowing when lamps are lit."""
        self.poly(points, (58, 66, 92) if self.lit else day)
        if self.lit:
            self.glow(points, (255, 214, 120))

    def glow(self, points, color: Color) -> None:
        """A shape that shines by itself: drawn after night has darkened everything else."""
        self._glow.append((self.at(points), color))

    def finish(self, tint: np.ndarray, side: float, volume: float, brush: float, unit: float) -> np.ndarray:
        """Light, brush strokes and the colour of the hour; returns the sheet, premultiplied uint8 RGBA [h, w, 4]."""
        alpha = self.px[..., 3]
        k = max(3, int(self.size * 0.11)) | 1
        soft = cv2.blur(alpha, (k, k), borderType=cv2.BORDER_CONSTANT)
        soft = cv2.blur(soft, (k, k), borderType=cv2.BORDER_CONSTANT).astype(np.float32)  # once alone looks boxy
        shade = cv2.Sobel(soft, cv2.CV_32F, 1, 0, scale=side) + cv2.Sobel(soft, cv2.CV_32F, 0, 1, scale=0.8)
        shade *= volume * k * 1.4 / (255 * 8)
        np.clip(shade, -0.42, 0.34, out=shade)
        if brush:
            shade += brush * field("dab", self.rng, self.h, self.w, max(unit, 0.5))
        shade += 1
        for c in range(3):
            self.px[..., c] = np.minimum(self.px[..., c] * (shade * tint[c]), alpha)
        for q, color in self._glow:
            cv2.fillPoly(self.px, [q], (*color, 255), cv2.LINE_AA, 4)
        return self.px
