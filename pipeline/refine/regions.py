"""Labels to connected regions: area, box, the point SAM is asked about, and the score.

Components are 8-connected and come in raster order of their first pixel, class by class, as Trident finds them
(its `split_connected_regions`); what differs is the cost: one labelling pass per class that can have regions at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from ..records import Box


@dataclass(frozen=True, eq=False)
class Component:
    """One connected area of one class on the working grid.

    Attributes:
        class_index: its class.
        area: grid pixels.
        box: x0, y0, x1, y1 in grid pixels, exclusive ends.
        crop: bool [y1 - y0, x1 - x0], the area inside its box.
        point: x and y of the first maximum of the class probability inside, in grid pixels.
        score: mean class probability inside, 0..1.
    """

    class_index: int
    area: int
    box: Box
    crop: np.ndarray
    point: tuple[int, int]
    score: float

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns of the box, for indexing a map of the grid's size."""
        x0, y0, x1, y1 = self.box
        return slice(y0, y1), slice(x0, x1)


def working_size(photo_size: tuple[int, int], score_size: tuple[int, int], half: bool = True) -> tuple[int, int]:
    """Height and width of the grid on which regions are found.

    Half the photo's size (rounded down) as in Trident, or the photo's size with `half` off; never more pixels than
    the scores have, since between them there is nothing to find.
    """
    height, width = photo_size
    if half:
        height, width = max(height // 2, 1), max(width // 2, 1)
    return (height, width) if height * width <= score_size[0] * score_size[1] else score_size


def to_grid(labels: np.ndarray, scores: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Bring labels (nearest) and scores (bilinear, half-pixel centres, no antialias) to the working grid.

    Args:
        labels: int32 [H, W].
        scores: float32 [C, h, w].
        size: gh, gw from `working_size`.

    Returns:
        int32 [gh, gw] and float32 [C, gh, gw].
    """
    rows, cols = nearest_index(size[0], labels.shape[0]), nearest_index(size[1], labels.shape[1])
    small = labels[rows[:, None], cols[None, :]].astype(np.int32, copy=False)
    if scores.shape[1:] == tuple(size):
        return small, scores
    maps = torch.from_numpy(np.ascontiguousarray(scores, np.float32))[None]
    return small, F.interpolate(maps, tuple(size), mode="bilinear", align_corners=False)[0].numpy()


def nearest_index(target: int, source: int) -> np.ndarray:
    """For each of `target` positions the position of `source` it takes by torch's `nearest`; int64 [target]."""
    positions = torch.arange(source, dtype=torch.float64)[None, None]
    return F.interpolate(positions, target, mode="nearest")[0, 0].numpy().astype(np.int64)


def ignore_weak(labels: np.ndarray, scores: np.ndarray, coarse: float) -> np.ndarray:
    """Labels with -1 where no class reaches `coarse` (0: unchanged), int32 [gh, gw]; the input stays as it is."""
    if coarse <= 0:
        return labels
    return np.where(scores.max(axis=0) < np.float32(coarse), np.int32(-1), labels)


def areas(
    labels: np.ndarray, class_index: int, minimal_area: float = 0, connected: bool = True, within: Box | None = None
) -> Iterator[tuple[int, Box, np.ndarray]]:
    """The 8-connected areas of one class in raster order of their first pixels.

    Args:
        labels: int32 [H, W].
        class_index: which label.
        minimal_area: smaller areas are left out.
        connected: False: all pixels of the class are one area.
        within: the class's box where it is known, exclusive ends.

    Yields:
        Area in pixels, box with exclusive ends, and the mask inside the box (bool).
    """
    if within is None:
        left, top, width, height = cv2.boundingRect((labels == class_index).view(np.uint8))
    else:
        left, top, width, height = within[0], within[1], within[2] - within[0], within[3] - within[1]
    if not width:
        return
    mask = (labels[top : top + height, left : left + width] == class_index).view(np.uint8)
    if not connected:
        crop = mask.astype(bool)
        if crop.sum() >= minimal_area:
            yield int(crop.sum()), (left, top, left + width, top + height), crop
        return
    count, marked, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8, ltype=cv2.CV_32S)
    found = []
    for i in range(1, count):
        x, y, w, h, area = (int(v) for v in stats[i])
        if area >= minimal_area:
            crop = marked[y : y + h, x : x + w] == i
            # OpenCV numbers areas by 2x2 blocks; the first pixel decides the raster order.
            found.append((y, x + int(crop[0].argmax()), area, (x + left, y + top, x + w + left, y + h + top), crop))
    for _, _, area, box, crop in sorted(found, key=lambda f: f[:2]):
        yield area, box, crop


def class_boxes(labels: np.ndarray, classes: int, minimal_area: float = 0) -> list[tuple[int, Box]]:
    """The box of every class 0..classes - 1 that has at least `minimal_area` pixels, in one pass over the map."""
    height, width = labels.shape
    named = np.where((labels >= 0) & (labels < classes), labels, classes).astype(np.intp)
    rows = np.bincount((named * height + np.arange(height)[:, None]).ravel(), minlength=(classes + 1) * height)
    columns = np.bincount((named * width + np.arange(width)).ravel(), minlength=(classes + 1) * width)
    rows, columns = rows.reshape(classes + 1, height)[:classes], columns.reshape(classes + 1, width)[:classes]
    found = []
    for c in np.flatnonzero(rows.sum(axis=1) >= max(minimal_area, 1)):
        ys, xs = np.flatnonzero(rows[c]), np.flatnonzero(columns[c])
        found.append((int(c), (int(xs[0]), int(ys[0]), int(xs[-1]) + 1, int(ys[-1]) + 1)))
    return found


def find_components(
    labels: np.ndarray, scores: np.ndarray, minimal_area: float, coarse: float, connected: bool = True
) -> list[Component]:
    """All regions SAM may be asked about, class by class.

    Classes no pixel has are never looked at, and a class's whole map is only searched for its largest probability
    where its own pixels do not reach `coarse`.

    Args:
        labels: int32 [gh, gw]; what lies outside 0..C-1 has no region.
        scores: float32 [C, gh, gw].
        minimal_area: grid pixels; smaller areas are left out.
        coarse: a class whose largest probability is below it is skipped.
        connected: one region per connected area; False: one per class.
    """
    least, components = np.float32(coarse), []
    for c, box in class_boxes(labels, len(scores), minimal_area):
        made = [_component(c, scores[c], *area) for area in areas(labels, c, minimal_area, connected, box)]
        if any(scores[c, m.point[1], m.point[0]] >= least for m in made) or scores[c].max() >= least:
            components.extend(made)
    return components


def _component(class_index: int, scores: np.ndarray, area: int, box: Box, crop: np.ndarray) -> Component:
    inside = scores[box[1] : box[3], box[0] : box[2]]
    row, col = divmod(int(np.where(crop, inside, -np.inf).argmax()), crop.shape[1])
    score = float(inside[crop].mean(dtype=np.float64))
    return Component(class_index, area, box, crop, (box[0] + col, box[1] + row), score)
