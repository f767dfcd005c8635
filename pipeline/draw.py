"""Pictures of results: overlays, prompts, selections, legends. Pure: records in, a new uint8 [H, W, 3] out."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from . import glyphs
from .palette import Color, class_colors
from .records import Photo, Prompt, Region, Segmentation

FILL = 0.35
#: What is made by hand belongs to no class and has this colour.
BY_HAND: Color = (255, 255, 255)
# Beyond this many regions, names and prompts would hide the photo: the largest regions get theirs.
_MAX_MARKED = 200


@dataclass(frozen=True)
class Layers:
    """What an overlay shows; each layer can be switched.

    Attributes:
        fill: classes as faint colour.
        outline: a line around every region.
        prompts: the points and the box that made every region.
        names: the class on every region, numbered where a class has several.
        scores: the region's score, 0..1, behind the name.
    """

    fill: bool = True
    outline: bool = True
    prompts: bool = True
    names: bool = False
    scores: bool = False


def overlay(
    photo: Photo | np.ndarray,
    segmentation: Segmentation | None = None,
    layers: Layers | None = None,
    colors: Sequence[Color] | None = None,
    selected: Collection[int] = (),
) -> np.ndarray:
    """The photo with what was found drawn on it.

    Args:
        photo: the picture to draw on, of the segmentation's size; its alpha is ignored.
        segmentation: what was found; None returns a copy of the photo.
        layers: what to show; None shows fill, outlines and prompts.
        colors: per class; None takes the standard order.
        selected: ids of regions to outline as selected.

    Returns:
        uint8 [H, W, 3].
    """
    pixels = photo.pixels if isinstance(photo, Photo) else photo
    if segmentation is None:
        return pixels.copy()
    layers = layers or Layers()
    colors = class_colors([c.name for c in segmentation.vocabulary.classes]) if colors is None else colors
    canvas = fill_labels(pixels, segmentation.labels, colors) if layers.fill else pixels.copy()
    u = glyphs.unit(canvas.shape[:2])
    shown = sorted(segmentation.regions, key=lambda r: -r.area)  # large ones first, so that small ones stay visible
    lines = {r.id: glyphs.contours(r.crop, *r.box[:2]) for r in shown if layers.outline or r.id in selected}
    if layers.outline:
        for region in shown:
            glyphs.outline(canvas, lines[region.id], region_color(region, colors), u)
    for region in shown:
        if region.id in selected:
            glyphs.selection(canvas, lines[region.id], u)
    if layers.prompts:
        for region in shown[:_MAX_MARKED]:
            glyphs.prompt(canvas, region.prompt, region_color(region, colors), u)
    if layers.names or layers.scores:
        titles = region_titles(segmentation.regions)
        for region in shown[:_MAX_MARKED]:
            parts = [glyphs.shorten(titles[region.id])] if layers.names else []
            parts += [f"{region.score:.2f}"] if layers.scores else []
            x, y = middle(region)
            # Below the point when that is drawn too: it sits where the class is surest, often the middle.
            glyphs.label(
                canvas, " ".join(parts), x, y + (15 * u if layers.prompts else 0), region_color(region, colors), u
            )
    return canvas


def fill_labels(pixels: np.ndarray, labels: np.ndarray, colors: Sequence[Color], share: float = FILL) -> np.ndarray:
    """Lay each class's colour over its pixels.

    Args:
        pixels: uint8 [H, W, 3].
        labels: int [H, W], -1 for "no class", which stays as it is.
        colors: per class.
        share: of the colour in the mix, 0..1.
    """
    table = np.array([*colors, (0, 0, 0)], np.uint8)  # -1 takes the last row, which is not used
    mixed = cv2.addWeighted(pixels, 1 - share, table[labels], share, 0)
    return np.where((labels >= 0)[:, :, None], mixed, pixels)


def with_prompt(pixels: np.ndarray, prompt: Prompt, color: Color = BY_HAND) -> np.ndarray:
    """The picture with a prompt's box and points on it."""
    canvas = pixels.copy()
    glyphs.prompt(canvas, prompt, color, glyphs.unit(canvas.shape[:2]))
    return canvas


def with_selection(
    pixels: np.ndarray, selection: Region | np.ndarray, color: Color | None = None, share: float = FILL
) -> np.ndarray:
    """The picture with a selection outlined in dashes, and filled where a colour is given.

    Args:
        pixels: uint8 [H, W, 3].
        selection: a region, or a mask, bool [H, W] (an empty one draws nothing).
        color: of the fill, or None.
        share: of the fill in the mix, 0..1.
    """
    x0, y0, _, _ = selection.box if isinstance(selection, Region) else (0, 0, 0, 0)
    crop = selection.crop if isinstance(selection, Region) else np.asarray(selection, bool)
    canvas = pixels.copy()
    if color is not None:
        part = canvas[y0 : y0 + crop.shape[0], x0 : x0 + crop.shape[1]]
        part[:] = fill_labels(part, np.where(crop, 0, -1), [color], share)
    glyphs.selection(canvas, glyphs.contours(crop, x0, y0), glyphs.unit(canvas.shape[:2]))
    return canvas


def legend(
    names: Sequence[str],
    colors: Sequence[Color] | None = None,
    values: Sequence[str] | None = None,
    width: int = 320,
    size: int = 15,
    dark: bool = False,
) -> np.ndarray:
    """A plate that tells which colour is which name.

    Args:
        names: one row each, or as many in a row as fit; long ones are cut.
        colors: per name; None takes the standard order.
        values: a few characters behind each name, such as a share or a count.
        width: of the plate in pixels.
        size: of the letters in pixels.
        dark: light letters on a dark plate.

    Returns:
        uint8 [h, width, 3], as high as needed.
    """
    colors = class_colors(names) if colors is None else colors
    paper, ink, faint = (
        ((24, 24, 26), (235, 235, 235), (150, 150, 155)) if dark else ((250,) * 3, (25,) * 3, (110,) * 3)
    )
    pad, swatch, row = size // 2 + 2, size, round(size * 1.8)
    texts = [(glyphs.shorten(name), "" if values is None else str(values[i])) for i, name in enumerate(names)]
    widths = [
        swatch + pad + glyphs.text_size(t, size)[0] + (glyphs.text_size(v, size)[0] + pad if v else 0)
        for t, v in texts
    ]
    places, x, y = [], pad, pad
    for w in widths:
        if x > pad and x + w > width - pad:
            x, y = pad, y + row
        places.append((x, y))
        x += w + 2 * pad
    canvas = np.full((y + row + pad if names else 2 * pad, width, 3), paper, np.uint8)
    for (x, y), (text, value), color in zip(places, texts, colors, strict=True):
        top = y + (row - swatch) // 2
        cv2.rectangle(canvas, (x, top), (x + swatch - 1, top + swatch - 1), color, -1)
        cv2.rectangle(canvas, (x, top), (x + swatch - 1, top + swatch - 1), faint, 1)
        line = y + (row - round(size * 1.25)) // 2
        glyphs.write(canvas, text, x + swatch + pad // 2 + 2, line, size, ink)
        if value:
            after = x + swatch + pad + glyphs.text_size(text, size)[0]
            glyphs.write(canvas, value, after + pad // 2, line, size, faint)
    return canvas


def region_color(region: Region, colors: Sequence[Color]) -> Color:
    """The colour of a region's class; white for what was made by hand."""
    return colors[region.class_index] if region.class_index >= 0 else BY_HAND


def region_titles(regions: Sequence[Region]) -> dict[int, str]:
    """What to call each region, by id: its class, numbered in order where a class has several: "dog 1", "dog 2"."""
    total: dict[str, int] = {}
    for region in regions:
        total[region.name] = total.get(region.name, 0) + 1
    seen: dict[str, int] = {}
    titles = {}
    for region in regions:
        seen[region.name] = seen.get(region.name, 0) + 1
        titles[region.id] = region.name if total[region.name] == 1 else f"{region.name} {seen[region.name]}"
    return titles


def middle(region: Region) -> tuple[float, float]:
    """The place inside a region farthest from its edge, in photo pixels."""
    step = max(1, max(region.crop.shape) // 200)
    small = np.pad(region.crop[::step, ::step], 1).astype(np.uint8)
    if not small.any():
        return (region.box[0] + region.box[2]) / 2, (region.box[1] + region.box[3]) / 2
    y, x = divmod(int(cv2.distanceTransform(small, cv2.DIST_L2, 3).argmax()), small.shape[1])
    return region.box[0] + (x - 1) * step, region.box[1] + (y - 1) * step
