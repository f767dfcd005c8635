"""A plate that shows what several methods found in one photo: laid out in pixels, then PNG, PDF or SVG."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

import cv2
import numpy as np
from PIL import Image

from ..draw import Layers, overlay
from ..errors import NamebrushError
from ..export import png_bytes
from ..glyphs import shorten, text_size, write
from ..palette import Color, class_colors, hex_color
from ..pdf import pdf_page
from ..records import Segmentation
from ..xml_text import xml_text
from .caption import letter, note, presets, title

#: How dark the photo stays where all panels agree and only differences are shown.
AGREED = 0.35
_PAPER: Color = (255, 255, 255)
_INK: Color = (25, 25, 25)
_FAINT: Color = (105, 105, 105)
_MAX_COLUMNS = 4
_MM_PER_INCH = 25.4
_POINTS_PER_INCH = 72


@dataclass(frozen=True)
class Sizes:
    """Measures of a plate in pixels.

    Attributes:
        panel: long side of a panel.
        title, small: sizes of the letters.
        gap, margin: between panels, and around all.
        dots_per_inch: what a pixel is on paper.
        columns: panels in a row at most.
    """

    panel: int = 480
    title: int = 17
    small: int = 13
    gap: int = 16
    margin: int = 24
    dots_per_inch: int = 150
    columns: int = _MAX_COLUMNS


def check_width(width_mm: float | None) -> None:
    """Refuse a width that no paper has; None is none.

    Raises:
        NamebrushError: below 20 or above 1000 mm.
    """
    if width_mm is not None and not 20 <= width_mm <= 1000:
        raise NamebrushError(f"A figure must be between 20 and 1000 mm wide, got {width_mm:g}.")


def printed(width_mm: float, panels: int, ratio: float, dots_per_inch: int = 300) -> Sizes:
    """Measures of a plate that is `width_mm` wide on paper, its letters 8 and 7 points high whatever the width.

    Args:
        width_mm: of the whole plate.
        panels: how many.
        ratio: width of the photo by its height.
        dots_per_inch: of the panels.
    """
    check_width(width_mm)
    inch = width_mm / _MM_PER_INCH
    points = dots_per_inch / _POINTS_PER_INCH
    gap, margin = round(6 * points), round(2 * points)
    columns = min(panels, _MAX_COLUMNS, max(1, int(width_mm // 38)))  # below 38 mm a panel shows too little
    cell = (inch * dots_per_inch - 2 * margin - (columns - 1) * gap) / columns
    panel = round(cell if ratio >= 1 else cell / ratio)
    return Sizes(panel, round(8 * points), round(7 * points), gap, margin, dots_per_inch, columns)


@dataclass
class Plate:
    """A drawing in whole pixels, before it becomes a file.

    Attributes:
        width, height: of the whole.
        images: x, y and uint8 [h, w, 3].
        swatches: x, y, side and colour of filled squares.
        texts: x and y of a line's top left corner, letter size, colour and text.
        dots_per_inch: what a pixel is on paper.
    """

    width: int
    height: int = 0
    images: list[tuple[int, int, np.ndarray]] = field(default_factory=list)
    swatches: list[tuple[int, int, int, Color]] = field(default_factory=list)
    texts: list[tuple[int, int, int, Color, str]] = field(default_factory=list)
    dots_per_inch: int = 150


def check_differences(of: str, count: int) -> list[str]:
    """Refuse what `differing` does not know; gives the letters of `count` panels.

    Raises:
        NamebrushError: no such panel.
    """
    letters = [letter(i)[1:-1] for i in range(1, count + 1)]
    if of and of != "all" and of not in letters:
        raise NamebrushError(f'There is no panel "{of}"; say "all" or one of {", ".join(letters)}.')
    return letters


def differing(found: Sequence[Segmentation], of: str = "all") -> list[np.ndarray | None]:
    """Per panel where it differs, bool [H, W], or None where nothing is to be faded.

    Args:
        found: of one photo and one list of names.
        of: "" (fade nothing), "all" (where not all panels give a pixel the same name), or a panel's letter such as "b"
            (where a panel differs from that one, which itself shows where any panel does).

    Raises:
        NamebrushError: no such panel.
    """
    letters = check_differences(of, len(found))
    if not of:
        return [None] * len(found)
    first = found[0].labels
    some = np.logical_or.reduce([np.zeros(first.shape, bool), *(one.labels != first for one in found[1:])])
    if of == "all":
        return [some] * len(found)
    reference = found[letters.index(of)]
    return [some if one is reference else one.labels != reference.labels for one in found]


def drawn(one: Segmentation, colors: Sequence[Color], differ: np.ndarray | None = None) -> np.ndarray:
    """One panel at the photo's size, uint8 [H, W, 3]: colours and outlines; with `differ` what all agree on fades."""
    pixels = overlay(one.photo, one, Layers(prompts=False, names=False), colors)
    if differ is None:
        return pixels
    grey = one.photo.pixels.mean(axis=2, keepdims=True)
    faded = (255 - (255 - grey) * AGREED).astype(np.uint8).repeat(3, axis=2)
    return np.where(differ[:, :, None], pixels, faded)


def lay_out(
    found: Sequence[Segmentation],
    sizes: Sizes | None = None,
    colors: Sequence[Color] | None = None,
    differences: str = "",
) -> Plate:
    """Place the photo, one panel per segmentation, titles and the legend.

    Args:
        found: of one photo and one list of names.
        sizes: measures; None: for the screen.
        colors: per name; None takes the standard order.
        differences: what is faded, see `differing`.
    """
    photo, z = found[0].photo, sizes or Sizes()
    names = [c.name for c in found[0].vocabulary.classes]
    colors = class_colors(names) if colors is None else colors
    several = len(presets(found)) > 1
    differ = differing(found, differences)
    panels = [(f"{letter(0)} photo", photo.name, photo.pixels)]
    for i, one in enumerate(found, 1):
        panels.append((f"{letter(i)} {title(one)}", note(one, several), drawn(one, colors, differ[i - 1])))
    columns = min(len(panels), z.columns)
    height, width = photo.size
    factor = z.panel / max(height, width)
    size = max(1, round(width * factor)), max(1, round(height * factor))
    cell = max(size[0], z.panel // 2)
    line = round(z.title * 1.5)
    plate = Plate(2 * z.margin + columns * cell + (columns - 1) * z.gap, dots_per_inch=z.dots_per_inch)
    step = size[1] + line + round(z.small * 1.9) + z.gap
    for index, (head, below, pixels) in enumerate(panels):
        x, y = z.margin + index % columns * (cell + z.gap), z.margin + index // columns * step
        plate.texts.append((x, y, z.title, _INK, _fitting(head, cell, z.title)))
        plate.images.append((x, y + line, resized(pixels, size)))
        under = y + line + size[1] + z.small // 3
        plate.texts.append((x, under, z.small, _FAINT, _fitting(below, cell, z.small)))
    bottom = z.margin + -(-len(panels) // columns) * step
    plate.height = _lay_legend(plate, names, colors, bottom, z) + z.margin
    return plate


def _lay_legend(plate: Plate, names: Sequence[str], colors: Sequence[Color], top: int, z: Sizes) -> int:
    """Place a swatch and a name per class, in rows; returns the lower end."""
    x, y, row, space = z.margin, top, round(z.title * 1.6), z.title // 3
    for name, color in zip(names, colors, strict=True):
        text = shorten(name)
        wide = z.title + space + text_size(text, z.title)[0]
        if x > z.margin and x + wide > plate.width - z.margin:
            x, y = z.margin, y + row
        plate.swatches.append((x, y + (row - z.title) // 2, z.title, color))
        plate.texts.append((x + z.title + space, y + (row - round(z.title * 1.25)) // 2, z.title, _INK, text))
        x += wide + 2 * z.gap
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


def as_pdf(plate: Plate) -> bytes:
    """The plate as a one-page PDF: panels as they are, words as text; a picture of all where a word needs more
    letters than the standard fonts have."""
    try:
        return pdf_page(plate.width, plate.height, plate.dots_per_inch, plate.images, plate.swatches, plate.texts)
    except UnicodeEncodeError:
        buffer = io.BytesIO()
        Image.fromarray(as_pixels(plate)).save(buffer, "PDF", resolution=plate.dots_per_inch, quality=95)
        return buffer.getvalue()


def as_svg(plate: Plate, width_mm: float | None = None) -> bytes:
    """The plate as an SVG file that needs no other file: panels are embedded PNG, words are text."""
    high = "" if width_mm is None else f"{width_mm * plate.height / plate.width:.2f}mm"
    shown = f'width="{plate.width}" height="{plate.height}"' if width_mm is None else (
        f'width="{width_mm:g}mm" height="{high}"'
    )
    size = f'{shown} viewBox="0 0 {plate.width} {plate.height}"'
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
        lines.append(f"<text {place}>{escape(xml_text(text))}</text>")
    return "\n".join([*lines, "</svg>", ""]).encode()


def resized(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Pixels uint8 [h, w, 3] brought to width and height `size`."""
    shrinks = size[0] < pixels.shape[1]
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)


def _fitting(text: str, width: int, size: int) -> str:
    while len(text) > 1 and text_size(text, size)[0] > width:
        text = text[:-2].rstrip() + "…"
    return text
