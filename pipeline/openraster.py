"""Layered OpenRaster files (.ora), which GIMP and Krita open: the photo, its edits and its masks as layers.

The format is a zip whose first entry is an uncompressed `mimetype`, with `stack.xml` naming the layers from the top
down, each a PNG, a `mergedimage.png` of all together and a thumbnail (freedesktop.org, OpenRaster 0.0.6).
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import quoteattr

import cv2
import numpy as np
from PIL import Image

from .draw import BY_HAND
from .edit.crop import bounds
from .errors import NamebrushError
from .palette import class_colors
from .records import EditResult, Photo, Segmentation
from .xml_text import xml_text

MIMETYPE = b"image/openraster"
_THUMBNAIL = 256


@dataclass(frozen=True, eq=False)
class Layer:
    """One layer.

    Attributes:
        name: what the layers' list shows.
        pixels: uint8 [h, w, 4], colour and transparency.
        x, y: of its left upper corner in the picture; may lie outside.
        visible: whether it is shown at first.
        opacity: 0..1.
    """

    name: str
    pixels: np.ndarray
    x: int = 0
    y: int = 0
    visible: bool = True
    opacity: float = 1.0


def layers_of(
    photo: Photo, segmentation: Segmentation | None = None, edits: Sequence[tuple[str, EditResult, int]] = ()
) -> list[Layer]:
    """The layers of a piece of work, from the top down.

    Masks are layers in their class's colour, hidden at first; every edit is a layer of the pixels that may differ;
    the photo lies below.

    Args:
        photo: as it was opened.
        segmentation: masks to add, of the photo's size, or None.
        edits: name, result and chosen image of the edits, in the order they were made, each on the photo that the
            one before made.

    Raises:
        NamebrushError: an edit changed the canvas; what lies on canvases of two sizes does not make one stack.
    """
    layers = []
    if segmentation is not None:
        colors = class_colors([c.name for c in segmentation.vocabulary.classes])
        for number, region in enumerate(segmentation.regions, 1):
            color = colors[region.class_index] if region.class_index >= 0 else BY_HAND
            pixels = np.empty((*region.crop.shape, 4), np.uint8)
            pixels[..., :3], pixels[..., 3] = color, region.crop * np.uint8(255)
            layers.append(Layer(f"{region.name} {number}", pixels, region.box[0], region.box[1], False, 0.5))
    shown = True
    for name, result, choice in reversed(edits):
        image = result.images[choice]
        if image.size != photo.size or result.photo.size != photo.size:
            raise NamebrushError("An edit changed the canvas; save the layers of the steps before or after it.")
        if image.alpha is not None and image.alpha is not result.photo.alpha:
            # it takes away, which no layer can do to those below: it is a picture of its own, and they are hidden
            layers.append(Layer(name, _rgba(image), visible=shown))
            shown = False
            continue
        x0, y0, x1, y1 = bounds(result.mask)
        part = _rgba(image)[y0:y1, x0:x1]
        part[..., 3] = np.where(result.mask[y0:y1, x0:x1], part[..., 3], 0)
        layers.append(Layer(name, part, x0, y0, shown))
    layers.append(Layer(photo.name, _rgba(photo), visible=shown))
    return layers


def _rgba(photo: Photo) -> np.ndarray:
    alpha = np.full(photo.size, 255, np.uint8) if photo.alpha is None else photo.alpha
    return np.dstack([photo.pixels, alpha])


def ora_bytes(layers: Sequence[Layer], size: tuple[int, int]) -> bytes:
    """An OpenRaster file.

    Args:
        layers: from the top down.
        size: height and width of the picture.
    """
    if not layers:
        raise NamebrushError("There is nothing to save: open a photo first.")
    height, width = size
    merged = flatten(layers, size)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("mimetype", MIMETYPE)  # first and uncompressed: that is how programs know the file
        lines = []
        for number, layer in enumerate(layers):
            source = f"data/layer{number:03}.png"
            archive.writestr(source, _png(layer.pixels))
            shown = "visible" if layer.visible else "hidden"
            lines.append(
                f'  <layer name={quoteattr(_printable(layer.name))} src="{source}" x="{layer.x}" y="{layer.y}" '
                f'opacity="{layer.opacity:g}" visibility="{shown}" composite-op="svg:src-over"/>'
            )
        stack = "\n".join(lines)
        archive.writestr(
            "stack.xml",
            f'<?xml version="1.0" encoding="UTF-8"?>\n<image version="0.0.6" w="{width}" h="{height}">\n <stack>\n'
            f"{stack}\n </stack>\n</image>\n".encode(),
            zipfile.ZIP_DEFLATED,
        )
        archive.writestr("mergedimage.png", _png(merged))
        factor = min(1.0, _THUMBNAIL / max(size))
        small = (max(1, round(width * factor)), max(1, round(height * factor)))
        archive.writestr("Thumbnails/thumbnail.png", _png(cv2.resize(merged, small, interpolation=cv2.INTER_AREA)))
    return buffer.getvalue()


def flatten(layers: Sequence[Layer], size: tuple[int, int]) -> np.ndarray:
    """What the visible layers show together, uint8 [H, W, 4]; colours under full transparency are black."""
    color, cover = np.zeros((*size, 3), np.float32), np.zeros((*size, 1), np.float32)
    for layer in reversed(layers):
        if not layer.visible:
            continue
        tall, wide = layer.pixels.shape[:2]
        y0, x0, y1, x1 = max(0, layer.y), max(0, layer.x), min(size[0], layer.y + tall), min(size[1], layer.x + wide)
        if y0 >= y1 or x0 >= x1:
            continue
        part = layer.pixels[y0 - layer.y : y1 - layer.y, x0 - layer.x : x1 - layer.x].astype(np.float32)
        share = part[..., 3:] * (layer.opacity / 255)
        color[y0:y1, x0:x1] = part[..., :3] * share + color[y0:y1, x0:x1] * (1 - share)  # premultiplied
        cover[y0:y1, x0:x1] = share + cover[y0:y1, x0:x1] * (1 - share)
    plain = np.where(cover > 0, color / np.maximum(cover, 1e-6), 0)
    return np.clip(np.rint(np.dstack([plain, cover * 255])), 0, 255).astype(np.uint8)


def _printable(text: str) -> str:
    """Text on one line that XML can hold."""
    return "".join(c if c.isprintable() else " " for c in xml_text(text))


def _png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()
