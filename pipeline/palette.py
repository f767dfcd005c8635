"""Colours of classes: Okabe and Ito's eight first, then even steps in OKLCH; the same name keeps its colour."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from functools import cache

import numpy as np

Color = tuple[int, int, int]

#: Okabe and Ito, "Color Universal Design" (2008), safe for every common kind of colour blindness. Ordered so that the
#: first few stand out on photos: what looks like sky, leaves or shadow comes late.
OKABE_ITO: tuple[Color, ...] = (
    (230, 159, 0),  # orange
    (86, 180, 233),  # sky blue
    (204, 121, 167),  # reddish purple
    (0, 158, 115),  # bluish green
    (240, 228, 66),  # yellow
    (213, 94, 0),  # vermillion
    (0, 114, 178),  # blue
    (0, 0, 0),  # black
)
#: Index 255 of a label file, and what is drawn for "no class".
NO_CLASS_COLOR: Color = (224, 224, 224)
COLORS = 255
_HUES = 12


def oklch_to_srgb(lightness: float, chroma: float, hue: float) -> Color:
    """An OKLCH colour (hue in degrees) as 8-bit sRGB; chroma shrinks until the colour exists in sRGB.

    Formulas: Björn Ottosson, "A perceptual color space for image processing" (2020).
    """
    angle = np.deg2rad(hue)
    for scale in np.linspace(1, 0, 41):
        a, b = chroma * scale * np.cos(angle), chroma * scale * np.sin(angle)
        lms = np.array([
            lightness + 0.3963377774 * a + 0.2158037573 * b,
            lightness - 0.1055613458 * a - 0.0638541728 * b,
            lightness - 0.0894841775 * a - 1.2914855480 * b,
        ]) ** 3  # fmt: skip
        linear = np.array([
            [4.0767416621, -3.3077115913, 0.2309699292],
            [-1.2684380046, 2.6097574011, -0.3413193965],
            [-0.0041960863, -0.7034186147, 1.7076147010],
        ]) @ lms  # fmt: skip
        if linear.min() >= -1e-4 and linear.max() <= 1 + 1e-4:
            break
    linear = linear.clip(0, 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    red, green, blue = np.rint(encoded * 255).astype(int).tolist()
    return red, green, blue


@cache
def _table() -> tuple[Color, ...]:
    """All 255 colours: rings of 12 hues in even steps, each ring at another lightness and turned against the last."""
    colors = list(OKABE_ITO)
    ring = 0
    while len(colors) < COLORS:
        # Steps of the golden ratio spread any number of rings evenly over the range, the first ones far apart.
        spread = (ring * 0.6180339887) % 1
        lightness, chroma, turn = 0.85 - 0.45 * spread, 0.15 - 0.05 * ((ring * 0.4142135624) % 1), 30 * spread
        for step in range(_HUES):  # five hues at a time, so that neighbours in the order are far apart
            color = oklch_to_srgb(lightness, chroma, step * 5 % _HUES * 360 / _HUES + turn)
            if color not in colors and color != NO_CLASS_COLOR and len(colors) < COLORS:
                colors.append(color)
        ring += 1
    return tuple(colors)


def slot_color(slot: int) -> Color:
    """The colour of a place in the order; 255 different ones, then again from the first."""
    return _table()[slot % COLORS]


class Palette:
    """Colours that stay with their names: the first name asked for takes the first colour, and keeps it.

    One per visitor's session. Names are the same whatever their case. Safe under threads.
    """

    def __init__(self, names: Iterable[str] = ()):
        self._slots: dict[str, int] = {}
        self._lock = threading.Lock()
        self.colors(list(names))

    def color(self, name: str) -> Color:
        """The name's colour, 8-bit sRGB."""
        return self.colors([name])[0]

    def colors(self, names: Sequence[str]) -> list[Color]:
        """A colour per name; new names take the next colours in order."""
        with self._lock:
            return [slot_color(self._slots.setdefault(name.casefold(), len(self._slots))) for name in names]


def class_colors(names: Sequence[str]) -> list[Color]:
    """A colour per name by its place, for use outside a session: (r, g, b), 0..255."""
    return [slot_color(i) for i in range(len(names))]


def hex_color(color: Color) -> str:
    """`#rrggbb`, as files and pages write it."""
    return "#{:02x}{:02x}{:02x}".format(*color)


def luminance(color: Color) -> float:
    """Relative luminance 0..1 (WCAG 2), to choose a dark or a light edge beside a colour."""
    values = [c / 255 for c in color]
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
