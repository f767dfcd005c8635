"""Masks as other programs want them: single PNGs, one indexed PNG, COCO's JSON, LabelMe's JSON."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence

import cv2
import numpy as np

from .errors import NamebrushError
from .export import labels_png, mask_png
from .files import write_folder
from .mask_formats import FORMATS, check_formats
from .palette import class_colors
from .records import Photo, Region
from .rle import encode_region

__all__ = ["FORMATS", "mask_files", "polygons", "write_masks"]

#: LabelMe's polygons follow the mask's edge to so many pixels.
POLYGON_ERROR = 0.75
_MOST_INDEXED = 254


def mask_files(photo: Photo, regions: Sequence[Region], format: str) -> dict[str, bytes]:
    """Masks as files.

    Args:
        photo: what they belong to.
        regions: the masks; names may repeat.
        format: a key of `FORMATS`.

    Returns:
        Bytes by file name. "png": `NAME-NUMBER.png` each; "indexed": `masks.png` and `masks.json`, which tells what
        each index is; where masks overlap the smaller one is on top; "coco": `coco.json`; "labelme": `labelme.json`.

    Raises:
        NamebrushError: an unknown format, no mask, or more masks than 8 bits can number.
    """
    check_formats((format,))
    if not regions:
        raise NamebrushError("There are no masks to save: name something or point at it first.")
    return {"png": _single, "indexed": _indexed, "coco": _coco, "labelme": _labelme}[format](photo, regions)


def write_masks(photo: Photo, regions: Sequence[Region], folder: str | os.PathLike, format: str) -> None:
    """Write masks into a folder, all files or none; see `mask_files`."""
    write_folder(folder, mask_files(photo, regions, format))


def _single(photo: Photo, regions: Sequence[Region]) -> dict[str, bytes]:
    return {f"{_plain(r.name)}-{number}.png": mask_png(r.mask) for number, r in enumerate(regions, 1)}


def _plain(name: str) -> str:
    """A name as part of a file's name."""
    return re.sub(r"[^\w-]+", "-", name, flags=re.UNICODE).strip("-")[:60] or "mask"


def _indexed(photo: Photo, regions: Sequence[Region]) -> dict[str, bytes]:
    if len(regions) > _MOST_INDEXED:
        raise NamebrushError(f"An indexed PNG can number {_MOST_INDEXED} masks, not {len(regions)}; save as COCO.")
    labels = np.zeros(photo.size, np.int32)
    for index in sorted(range(len(regions)), key=lambda i: -regions[i].area):
        region = regions[index]
        x0, y0, x1, y1 = region.box
        labels[y0:y1, x0:x1][region.crop] = index + 1
    names = class_colors([f"{r.name} {i}" for i, r in enumerate(regions, 1)])
    told = [{"index": 0, "name": ""}] + [
        {"index": i, "name": r.name, "class_index": r.class_index, "score": round(float(r.score), 4)}
        for i, r in enumerate(regions, 1)
    ]
    return {"masks.png": labels_png(labels, [(0, 0, 0), *names]), "masks.json": _json({"masks": told})}


def _coco(photo: Photo, regions: Sequence[Region]) -> dict[str, bytes]:
    height, width = photo.size
    names = list(dict.fromkeys(r.name for r in regions))
    annotations = [
        {
            "id": number, "image_id": 1, "category_id": names.index(r.name) + 1, "segmentation": encode_region(r),
            "area": r.area, "bbox": [r.box[0], r.box[1], r.box[2] - r.box[0], r.box[3] - r.box[1]], "iscrowd": 0,
            "score": round(float(r.score), 4),
        }
        for number, r in enumerate(regions, 1)
    ]  # fmt: skip
    return {"coco.json": _json({
        "images": [{"id": 1, "file_name": photo.name, "width": width, "height": height}],
        "categories": [{"id": i, "name": name} for i, name in enumerate(names, 1)],
        "annotations": annotations,
    })}  # fmt: skip


def _labelme(photo: Photo, regions: Sequence[Region]) -> dict[str, bytes]:
    shapes = []
    for number, region in enumerate(regions, 1):
        for outline in polygons(region):
            shapes.append({
                "label": region.name, "points": outline, "group_id": number, "shape_type": "polygon", "flags": {},
                "description": "",
            })  # fmt: skip
    height, width = photo.size
    return {"labelme.json": _json({
        "version": "5.5.0", "flags": {}, "shapes": shapes, "imagePath": photo.name, "imageData": None,
        "imageHeight": height, "imageWidth": width,
    })}  # fmt: skip


def polygons(region: Region) -> list[list[list[float]]]:
    """A mask's outlines as [[x, y], ...] in photo pixels, one per part; holes are not told, LabelMe knows none.

    Outlines run along the edges of the pixels, an eighth of a pixel inside, so that a single pixel has an area too.
    """
    fine = 4 if region.crop.size < 1 << 20 else 2
    larger = cv2.resize(region.crop.view(np.uint8), None, fx=fine, fy=fine, interpolation=cv2.INTER_NEAREST)
    found, _ = cv2.findContours(larger, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    outlines = []
    for contour in found:
        simple = cv2.approxPolyDP(contour, fine * POLYGON_ERROR, True)
        if len(simple) < 3:  # so small that it was simplified to a line
            simple = cv2.approxPolyDP(contour, 0.5, True)
        corners = (simple[:, 0].astype(np.float64) + 0.5) / fine + (region.box[0], region.box[1])
        outlines.append(np.round(corners, 3).tolist())
    return outlines


def _json(told: dict) -> bytes:
    return (json.dumps(told, ensure_ascii=False, indent=1) + "\n").encode()
