"""What a segmentation leaves on disk: `overlay.png`, `labels.png`, `regions.json`, and single masks.

Everything is rendered to bytes first and written whole or not at all (`files`).
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Sequence

import numpy as np
from PIL import Image

from .draw import overlay
from .errors import NamebrushError
from .files import write_atomic, write_folder
from .palette import NO_CLASS_COLOR, Color, class_colors, hex_color
from .progress import Progress
from .records import Prompt, Region, Segmentation
from .rle import decode_rle, encode_region, encode_rle

__all__ = ["decode_rle", "encode_region", "encode_rle", "labels_png", "mask_png", "png_bytes", "regions_json",
           "write_mask", "write_segmentation"]  # fmt: skip

NO_CLASS_INDEX = 255


def png_bytes(image: Image.Image | np.ndarray) -> bytes:
    """A lossless PNG of an image or a uint8 array [H, W], [H, W, 3] or [H, W, 4]."""
    buffer = io.BytesIO()
    # Level 3 is several times faster than the default and a few percent larger.
    (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()


def mask_png(mask: np.ndarray) -> bytes:
    """An 8-bit grey PNG of a mask, bool [H, W]: 255 inside, 0 outside."""
    return png_bytes(np.asarray(mask, bool) * np.uint8(255))


def labels_png(labels: np.ndarray, colors: Sequence[Color]) -> bytes:
    """An 8-bit palette PNG of labels, int [H, W]: the index is the class, 255 (light grey) is "no class".

    Raises:
        NamebrushError: more than 255 classes, which 8 bits cannot tell apart.
    """
    if len(colors) > NO_CLASS_INDEX:
        raise NamebrushError(f"labels.png can tell 255 classes apart, not {len(colors)}. Type fewer names.")
    if labels.size and not -1 <= labels.min() <= labels.max() < len(colors):
        raise ValueError(f"labels must lie in -1..{len(colors) - 1}, got {labels.min()}..{labels.max()}")
    image = Image.fromarray(np.where(labels < 0, NO_CLASS_INDEX, labels).astype(np.uint8))
    table = [(0, 0, 0)] * 256
    table[: len(colors)] = colors
    table[NO_CLASS_INDEX] = NO_CLASS_COLOR
    image.putpalette([value for color in table for value in color])
    return png_bytes(image)


def regions_json(segmentation: Segmentation, colors: Sequence[Color] | None = None) -> dict:
    """The contents of `regions.json`: photo, what made it, classes with areas, regions with prompts and masks.

    Beyond the promised keys it holds the background names, the threshold, the notes a person should read, and per
    region the prompt's box, who drew its edges and SAM's predicted IoU.

    Args:
        segmentation: what to describe.
        colors: per class; None takes the standard order.
    """
    names = segmentation.vocabulary.classes
    colors = class_colors([c.name for c in names]) if colors is None else colors
    labels = segmentation.labels
    areas = np.bincount(labels[labels >= 0], minlength=len(names)).tolist()
    height, width = segmentation.photo.size
    return {
        "photo": {"width": width, "height": height, "name": segmentation.photo.name},
        "preset": segmentation.preset,
        "method": segmentation.method,
        "refine": segmentation.refine,
        "background": list(segmentation.vocabulary.background),
        "threshold": segmentation.vocabulary.threshold,
        "notes": list(segmentation.notes),
        "seconds": {stage: round(float(s), 3) for stage, s in segmentation.seconds.items()},
        "classes": [
            {"index": i, "name": c.name, "synonyms": list(c.synonyms), "color": hex_color(colors[i]), "area": areas[i]}
            for i, c in enumerate(names)
        ],
        "regions": [_region_json(region) for region in segmentation.regions],
    }


def write_segmentation(
    segmentation: Segmentation,
    out_dir: str | os.PathLike,
    colors: Sequence[Color] | None = None,
    progress: Progress | None = None,
) -> None:
    """Write `overlay.png` (prompts and names on it), `labels.png` and `regions.json` into a folder: all or none.

    Raises:
        NamebrushError: the folder cannot be made or written, the disk is full, or there are more than 255 classes.
    """
    progress = progress or Progress()
    names = [c.name for c in segmentation.vocabulary.classes]
    colors = class_colors(names) if colors is None else colors
    progress.step("Drawing the overlay")
    files = {"labels.png": labels_png(segmentation.labels, colors)}
    files["overlay.png"] = png_bytes(overlay(segmentation.photo, segmentation, colors=colors))
    progress.step("Writing the files")
    files["regions.json"] = (
        json.dumps(regions_json(segmentation, colors), indent=1, ensure_ascii=False) + "\n"
    ).encode()
    write_folder(out_dir, files)


def write_mask(mask: np.ndarray, path: str | os.PathLike) -> None:
    """Write a mask, bool [H, W], as an 8-bit grey PNG, whole or not at all."""
    write_atomic(path, mask_png(mask))


def _region_json(region: Region) -> dict:
    return {
        "id": region.id,
        "class": region.name,
        "class_index": region.class_index,
        "score": round(float(region.score), 4),
        "area": region.area,
        "box": [int(v) for v in region.box],
        "points": _points(region.prompt),
        "prompt_box": None if region.prompt.box is None else [round(float(v), 2) for v in region.prompt.box],
        "made_by": region.made_by,
        "iou": None if region.iou is None else round(float(region.iou), 4),
        "rle": encode_region(region),
    }


def _points(prompt: Prompt) -> list[list[float | int]]:
    """[[x, y, label]], whole numbers where they are whole."""
    places = np.round(prompt.points.astype(float), 2).tolist()
    labels = prompt.labels.tolist()
    return [[*(int(v) if v == int(v) else v for v in xy), label] for xy, label in zip(places, labels, strict=True)]
