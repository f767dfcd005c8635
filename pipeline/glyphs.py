"""Small marks drawn on a picture in place: points, boxes, outlines, names.

Each has a light and a dark edge, so that it can be read on any photo. Canvases are
uint8 [H, W, 3] and are changed; `draw` is the pure side.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .palette import Color, luminance
from .records import Prompt

WHITE, BLACK = (255, 255, 255), (0, 0, 0)
_SHIFT = 4  # cv2 draws at 1/16 pixel
_FONTS = ("DejaVuSans.ttf", "NotoSans-Regular.ttf", "Arial Unicode.ttf", "Arial.ttf", "Helvetica.ttc")


def unit(size: tuple[int, int]) -> float:
    """The thickness of a thin line in pixels, so that marks look the same on small and large photos."""
    height, width = size
    return float(np.clip((height * width) ** 0.5 / 500, 0.8, 12))


def edge_color(color: Color) -> Color:
    """White beside dark colours, black beside light ones."""
    return WHITE if luminance(color) < 0.18 else BLACK


def _at(x: float, y: float) -> tuple[int, int]:
    return round(x * (1 << _SHIFT)), round(y * (1 << _SHIFT))


def _disc(canvas: np.ndarray, x: float, y: float, radius: float, color: Color) -> None:
    cv2.circle(canvas, _at(x, y), round(radius * (1 << _SHIFT)), color, -1, cv2.LINE_AA, _SHIFT)


def _line(canvas: np.ndarray, a: tuple[float, float], b: tuple[float, float], color: Color, width: float) -> None:
    cv2.line(canvas, _at(*a), _at(*b), color, max(1, round(width)), cv2.LINE_AA, _SHIFT)


def point(canvas: np.ndarray, x: float, y: float, positive: bool, color: Color, u: float) -> None:
    """A point that SAM was given: a filled disc with a light ring, or for "not this" a ring with a bar.

    Args:
        canvas: drawn on.
        x, y: photo pixels.
        positive: "this belongs" or not.
        color: of the disc or ring.
        u: thickness of a thin line, see `unit`.
    """
    radius = max(3.0, 4.0 * u)
    if positive:
        _disc(canvas, x, y, radius + 2 * u, BLACK)
        _disc(canvas, x, y, radius + 1.3 * u, WHITE)
        _disc(canvas, x, y, radius - 0.2 * u, color)
    else:
        _disc(canvas, x, y, radius + 2 * u, BLACK)
        _disc(canvas, x, y, radius + 1.3 * u, color if luminance(color) > 0.18 else WHITE)
        _disc(canvas, x, y, radius - 0.4 * u, BLACK if luminance(color) > 0.18 else color)
        half = max(2.0, radius * 0.62)
        _line(canvas, (x - half, y), (x + half, y), WHITE, max(1.0, 1.6 * u))


def box(canvas: np.ndarray, corners: Sequence[float], color: Color, u: float) -> None:
    """A thin box with ticks at its corners; corners x0, y0, x1, y1 with exclusive ends."""
    x0, y0, x1, y1 = (float(v) for v in corners)
    x1, y1 = x1 - 1, y1 - 1
    tick = min(max(5.0, 9 * u), max(x1 - x0, y1 - y0) / 3)
    frame = np.rint(np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]]) * (1 << _SHIFT)).astype(np.int32)
    edge = edge_color(color)
    for shade, thin, thick in ((edge, 1.6 * u, 3 * u), (color, 0.6 * u, 1.8 * u)):
        cv2.polylines(canvas, [frame], True, shade, max(1, round(thin)), cv2.LINE_AA, _SHIFT)
        for x, y, dx, dy in ((x0, y0, 1, 1), (x1, y0, -1, 1), (x1, y1, -1, -1), (x0, y1, 1, -1)):
            _line(canvas, (x, y), (x + dx * min(tick, (x1 - x0) / 3), y), shade, thick)
            _line(canvas, (x, y), (x, y + dy * min(tick, (y1 - y0) / 3)), shade, thick)


def prompt(canvas: np.ndarray, asked: Prompt, color: Color, u: float) -> None:
    """Everything a prompt shows: its box, then its points."""
    if asked.box is not None:
        box(canvas, asked.box, color, u)
    for (x, y), label in zip(asked.points.tolist(), asked.labels.tolist(), strict=True):
        point(canvas, x, y, label == 1, color, u)


def contours(crop: np.ndarray, x0: int, y0: int) -> list[np.ndarray]:
    """Outlines of a mask that is `crop`, bool [h, w], at (x0, y0): int32 [N, 1, 2] photo pixels each, holes too."""
    found, _ = cv2.findContours(
        np.ascontiguousarray(crop, np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE, offset=(int(x0), int(y0))
    )
    return list(found)


def outline(canvas: np.ndarray, lines: Sequence[np.ndarray], color: Color, u: float) -> None:
    """Closed lines in a colour over an edge that sets it off."""
    cv2.polylines(canvas, lines, True, edge_color(color), max(2, round(2.4 * u)), cv2.LINE_AA)
    cv2.polylines(canvas, lines, True, color, max(1, round(1.2 * u)), cv2.LINE_AA)


def selection(canvas: np.ndarray, lines: Sequence[np.ndarray], u: float) -> None:
    """Closed lines of white and black dashes, as selections are drawn everywhere."""
    width, dash = max(2, round(2 * u)), max(4, round(6 * u))
    cv2.polylines(canvas, lines, True, BLACK, width + 2, cv2.LINE_AA)
    cv2.polylines(canvas, lines, True, WHITE, width, cv2.LINE_AA)
    pieces = [line[i : i + dash] for line in lines for i in range(0, len(line), 2 * dash)]
    cv2.polylines(canvas, pieces, False, BLACK, width, cv2.LINE_AA)


@lru_cache(maxsize=64)
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """A font with many scripts where the machine has one, else Pillow's own."""
    for name in _FONTS:
        try:
            return ImageFont.truetype(name, size)
        except OSError:
            continue
    return ImageFont.load_default(size)


def shorten(text: str, limit: int = 28) -> str:
    """Text for a small plate: one line, cut with an ellipsis."""
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def text_size(text: str, size: int) -> tuple[int, int]:
    """Width of a text and height of its line, in pixels."""
    face = font(size)
    left, _, right, _ = face.getbbox(text)
    return int(np.ceil(right - min(0, left))), int(round(size * 1.25))


def write(canvas: np.ndarray, text: str, x: int, y: int, size: int, color: Color) -> None:
    """A line of text, its line's top left corner at (x, y); what lies outside the canvas is cut off."""
    height, width = canvas.shape[:2]
    w, h = text_size(text, size)
    x0, y0, x1, y1 = max(0, x), max(0, y), min(width, x + w + 2), min(height, y + h)
    if x0 >= x1 or y0 >= y1:
        return
    patch = Image.fromarray(np.ascontiguousarray(canvas[y0:y1, x0:x1]))
    ImageDraw.Draw(patch).text((x - x0, y - y0 + h // 2), text, fill=color, font=font(size), anchor="lm")
    canvas[y0:y1, x0:x1] = np.asarray(patch)


def label(canvas: np.ndarray, text: str, x: float, y: float, color: Color, u: float) -> None:
    """A name on a plate of its class's colour, centred on (x, y) and moved into the picture."""
    height, width = canvas.shape[:2]
    size = max(9, round(11 * u))
    w, h = text_size(text, size)
    pad = max(2, round(3 * u))
    x0 = round(min(max(0, x - w / 2 - pad), max(0, width - w - 2 * pad)))
    y0 = round(min(max(0, y - h / 2), max(0, height - h)))
    ink = BLACK if luminance(color) > 0.18 else WHITE
    cv2.rectangle(canvas, (x0, y0), (x0 + w + 2 * pad - 1, y0 + h - 1), color, -1)
    cv2.rectangle(canvas, (x0, y0), (x0 + w + 2 * pad - 1, y0 + h - 1), ink, 1)
    write(canvas, text, x0 + pad, y0, size, ink)
