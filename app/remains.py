"""What remains of a photo's masks after it was changed: no model need look again at pixels that are the same."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from pipeline import regions_edit
from pipeline.records import NO_CLASS, EditResult, Prompt, Region, Segmentation
from pipeline.rle import decode_rle, encode_region

MIN_AREA = 16


#: Kinds of change after which every thing is where it was, only looking otherwise.
IN_PLACE = ("recolor", "blur")


def remaining(segmentation: Segmentation | None, result: EditResult) -> Segmentation | None:
    """The masks that remain after any edit, with that of what was painted: all of them after a change of looks, moved
    along after the canvas grew, and else those the edit's mask left, see `without`."""
    if segmentation is None:
        return None
    kind = result.request.kind if result.request else ""
    if kind == "extend":
        return shifted(segmentation, result)
    if result.images[0].size != segmentation.photo.size:
        return None
    if kind in IN_PLACE:
        return replace(segmentation, photo=result.images[0])
    return arrived(without(segmentation, result), result)


def shifted(segmentation: Segmentation, result: EditResult) -> Segmentation:
    """The masks on a canvas that grew: each where its thing lies now; what is new has no name."""
    left, top = result.request.left, result.request.top
    height, width = size = result.images[0].size
    old_height, old_width = segmentation.photo.size
    labels = np.full(size, np.int32(NO_CLASS))
    labels[top : top + old_height, left : left + old_width] = segmentation.labels
    classes, rows, columns = segmentation.scores.shape
    fy, fx = rows / old_height, columns / old_width
    scores = np.zeros((classes, max(rows, round(height * fy)), max(columns, round(width * fx))), np.float32)
    y = min(round(top * fy), scores.shape[1] - rows)
    x = min(round(left * fx), scores.shape[2] - columns)
    scores[:, y : y + rows, x : x + columns] = segmentation.scores
    by = np.float32([left, top])
    regions = tuple(
        replace(
            r, box=_moved(r.box, left, top), size=size, logits=None,
            prompt=Prompt(r.prompt.points + by, r.prompt.labels, r.prompt.box and _moved(r.prompt.box, left, top)),
        )
        for r in segmentation.regions
    )  # fmt: skip
    return replace(segmentation, photo=result.images[0], labels=labels, scores=scores, regions=regions)


def _moved(box, dx: int, dy: int):
    """A box, so many pixels to the right and down."""
    x0, y0, x1, y1 = box
    return x0 + dx, y0 + dy, x1 + dx, y1 + dy


def without(segmentation: Segmentation | None, result: EditResult) -> Segmentation | None:
    """The masks that remain after an edit: outside its mask the pixels are the same, so they need no model.

    What the edit's mask covered loses its label; a region it covered in part keeps the rest of its mask.
    """
    if segmentation is None:
        return None
    mask = result.mask
    regions = []
    for region in segmentation.regions:
        x0, y0, x1, y1 = region.box
        left = region.crop & ~mask[y0:y1, x0:x1]
        area = int(left.sum())
        if area == region.area:
            regions.append(region)
        elif area >= max(MIN_AREA, region.area // 50):
            regions.append(_cropped(region, left))
    labels = np.where(mask, np.int32(NO_CLASS), segmentation.labels)
    return replace(segmentation, photo=result.images[0], labels=labels, regions=tuple(regions))


def carried(regions: tuple[Region, ...], result: EditResult) -> list[Region]:
    """The masks of what was moved, where it lies now; one that left the photo is gone."""
    request = result.request
    boxes = np.array([r.box for r in regions], float)
    middle = (boxes[:, :2].min(axis=0) + boxes[:, 2:].max(axis=0)) / 2
    scale, shift = request.scale, np.array([request.dx, request.dy], float)
    # Pixel centres go along: new = scale * (old + 0.5 - middle) + middle + shift - 0.5
    offset = middle + shift - scale * middle + 0.5 * scale - 0.5
    matrix = np.array([[scale, 0, offset[0]], [0, scale, offset[1]]])
    moved = []
    for region in regions:
        height, width = region.size
        old = region.mask.astype(np.uint8) * 255
        mask = cv2.warpAffine(old, matrix, (width, height), flags=cv2.INTER_LINEAR) > 127
        if mask.any():
            prompt, place = region.prompt, np.append(middle + shift, middle + shift)
            box = None if prompt.box is None else tuple(scale * (np.array(prompt.box) - np.tile(middle, 2)) + place)
            points = scale * (prompt.points + 0.5 - middle) + middle + shift - 0.5
            inside = ((points >= 0) & (points < (width, height))).all(axis=1)
            prompt = Prompt(points[inside].astype(np.float32), prompt.labels[inside], box)
            moved.append(Region.from_mask(
                mask, id=region.id, class_index=region.class_index, name=region.name, score=region.score,
                prompt=prompt, made_by=region.made_by, accepted=region.accepted,
            ))  # fmt: skip
    return moved


def arrived(segmentation: Segmentation | None, result: EditResult, number: int = 0) -> Segmentation | None:
    """The masks with that of what was painted into a result, so that it can be picked next; as they are without one.

    Args:
        segmentation: what remained of the masks, with no other result's thing among them.
        result: what came of an edit.
        number: which of its images.
    """
    if segmentation is None or not result.things:
        return segmentation
    thing = result.things[number]
    fresh = 1 + max((r.id for r in segmentation.regions), default=-1)
    region = Region.from_mask(
        decode_rle(thing), id=fresh, class_index=NO_CLASS, name="by hand", score=1.0, prompt=Prompt(),
        made_by="outline",
    )  # fmt: skip
    return regions_edit.rename(regions_edit.put(segmentation, region), fresh, thing["name"])


def gone(segmentation: Segmentation | None, result: EditResult, number: int) -> Segmentation | None:
    """The masks without that of what was painted into a result: another takes its place."""
    if segmentation is None or not result.things:
        return segmentation
    counts = result.things[number]["counts"]
    for region in segmentation.regions:
        if region.made_by == "outline" and encode_region(region)["counts"] == counts:
            return regions_edit.reject(segmentation, region.id)
    return segmentation


def _cropped(region: Region, left: np.ndarray) -> Region:
    """The region with another mask inside its box."""
    full = np.zeros(region.size, bool)
    x0, y0, x1, y1 = region.box
    full[y0:y1, x0:x1] = left
    return Region.from_mask(
        full, id=region.id, class_index=region.class_index, name=region.name, score=region.score,
        prompt=region.prompt, made_by=region.made_by, iou=region.iou, accepted=region.accepted,
    )  # fmt: skip
