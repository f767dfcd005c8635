"""A plate that shows what several methods found in one photo, as PNG, PDF or SVG."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import escape

import cv2
import numpy as np
from PIL import Image

from .draw import Layers, overlay
from .errors import NamebrushError
from .export import png_bytes
from .files import write_atomic
from .glyphs import shorten, text_size, write
from .palette import Color, class_colors, hex_color
from .records import Segmentation

ENDINGS = (".png", ".pdf", ".svg")
_PAPER: Color = (255, 255, 255)
_INK: Color = (25, 25, 25)
_FAINT: Color = (105, 105, 105)
_GAP, _MARGIN, _TITLE, _SMALL = 16, 24, 17, 13
_PANEL, _MAX_COLUMNS, _DOTS_PER_INCH = 480, 4, 150


@dataclass
class Plate:
    """A drawing in whole pixels, before it becomes a file.

    Attributes:
        width, height: of the whole.
        images: x, y and uint8 [h, w, 3].
        swatches: x, y, side and colour of filled squares.
        texts: x and y of a line's top left corner, letter size, colour and text.
    """

    width: int
    height: int = 0
    images: list[tuple[int, int, np.ndarray]] = field(default_factory=list)
    swatches: list[tuple[int, int, int, Color]] = field(default_factory=list)
    texts: list[tuple[int, int, int, Color, str]] = field(default_factory=list)


def check_ending(path: str | os.PathLike) -> str:
    """The ending of a figure's file.

    Raises:
        NamebrushError: another than .png, .pdf or .svg.
    """
    ending = Path(path).suffix.lower()
    if ending not in ENDINGS:
        raise NamebrushError(f'"{path}" must end in {", ".join(ENDINGS)}.')
    return ending


def write_figure(found: Sequence[Segmentation], path: str | os.PathLike) -> None:
    """Draw the photo and what each method found, with a legend, and write it whole or not at all.

    Args:
        found: of one photo and one vocabulary, in the order to show.
        path: ends in .png, .pdf (the same picture) or .svg (pictures with text that stays text).

    Raises:
        NamebrushError: another ending, or a place that cannot be written.
    """
    ending = check_ending(path)
    plate = lay_out(found)
    if ending == ".svg":
        data = as_svg(plate)
    elif ending == ".png":
        data = png_bytes(as_pixels(plate))
    else:
        buffer = io.BytesIO()
        Image.fromarray(as_pixels(plate)).save(buffer, "PDF", resolution=_DOTS_PER_INCH, quality=95)
        data = buffer.getvalue()
    write_atomic(path, data)


def lay_out(found: Sequence[Segmentation]) -> Plate:
    """Place the photo, one panel per segmentation, titles and the legend."""
    photo = found[0].photo
    names = [c.name for c in found[0].vocabulary.classes]
    colors = class_colors(names)
    panels = [("photo", photo.name, photo.pixels)]
    for one in found:
        note = f"{one.preset}, edges: {one.refine}, {sum(one.seconds.values()):.2f} s"
        drawn = overlay(photo, one, Layers(prompts=False), colors)
        panels.append((one.method, note, drawn))
    columns = min(len(panels), _MAX_COLUMNS)
    height, width = photo.size
    factor = _PANEL / max(height, width)
    size = max(1, round(width * factor)), max(1, round(height * factor))
    cell = max(size[0], _PANEL // 2)
    line = round(_TITLE * 1.5)
    plate = Plate(2 * _MARGIN + columns * cell + (columns - 1) * _GAP)
    step = size[1] + line + round(_SMALL * 1.6) + _GAP
    for index, (title, note, pixels) in enumerate(panels):
        x, y = _MARGIN + index % columns * (cell + _GAP), _MARGIN + index // columns * step
        plate.texts.append((x, y, _TITLE, _INK, title))
        plate.images.append((x, y + line, _resized(pixels, size)))
        plate.texts.append((x, y + line + size[1] + 4, _SMALL, _FAINT, _fitting(note, cell, _SMALL)))
    bottom = _MARGIN + -(-len(panels) // columns) * step
    plate.height = _lay_legend(plate, names, colors, bottom) + _MARGIN
    return plate


def _lay_legend(plate: Plate, names: Sequence[str], colors: Sequence[Color], top: int) -> int:
    """Place a swatch and a name per class, in rows; returns the lower end."""
    x, y, row = _MARGIN, top, round(_TITLE * 1.6)
    for name, color in zip(names, colors, strict=True):
        text = shorten(name)
        wide = _TITLE + 6 + text_size(text, _TITLE)[0]
        if x > _MARGIN and x + wide > plate.width - _MARGIN:
            x, y = _MARGIN, y + row
        plate.swatches.append((x, y + (row - _TITLE) // 2, _TITLE, color))
        plate.texts.append((x + _TITLE + 6, y + (row - round(_TITLE * 1.25)) // 2, _TITLE, _INK, text))
        x += wide + 2 * _GAP
    return y + row


def as_pixels(plate: Plate) -> np.ndarray:
    """The plate as uint8 [H, W, 3]."""
    canvas = np.full((plate.height, plate.width, 3), _PAPER, np.uint8)
    for x, y, pixels in plate.images:
        canvas[y : y + pixels.shape[0], x : x + pixels.shape[1]] = pixels
    for x, y, side, color in plate.swatches:
        canvas[y : y + side, x : x + side] = color
    for x, y, size, color, text in plate.texts:
        write(canvas, text, x, y, size, color)
    return canvas


def as_svg(plate: Plate) -> bytes:
    """The plate as an SVG file that needs no other file: panels are embedded PNG, words are text."""
    size = f'width="{plate.width}" height="{plate.height}" viewBox="0 0 {plate.width} {plate.height}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="system-ui, sans-serif">',
        f'<rect width="100%" height="100%" fill="{hex_color(_PAPER)}"/>',
    ]
    for x, y, pixels in plate.images:
        data = base64.b64encode(png_bytes(pixels)).decode()
        place = f'x="{x}" y="{y}" width="{pixels.shape[1]}" height="{pixels.shape[0]}"'
        lines.append(f'<image {place} href="data:image/png;base64,{data}"/>')
    for x, y, side, color in plate.swatches:
        lines.append(f'<rect x="{x}" y="{y}" width="{side}" height="{side}" fill="{hex_color(color)}"/>')
    for x, y, letters, color, text in plate.texts:
        baseline = y + letters
        place = f'x="{x}" y="{baseline}" font-size="{letters}" fill="{hex_color(color)}"'
        lines.append(f"<text {place}>{escape(text)}</text>")
    return "\n".join([*lines, "</svg>", ""]).encode()


def _resized(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    shrinks = size[0] < pixels.shape[1]
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)


def _fitting(text: str, width: int, size: int) -> str:
    while len(text) > 1 and text_size(text, size)[0] > width:
        text = text[:-2].rstrip() + "…"
    return text
