"""Masks by hand without a model: OpenCV's grabCut, seeded from a box, points or a mask to correct.

It knows colours only, but its edges lie on the photo's edges. Work is done on a part of the photo around the prompts,
brought to at most 400 pixels, so that a click takes a fraction of a second on a photo of any size.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .errors import NamebrushError
from .records import Box

LONG_SIDE = 400
#: Where a mask's edges are only sharpened, which a person waits for at every click.
SHARPENED_SIDE = 320
ROUNDS = 3
SEEN = (cv2.GC_FGD, cv2.GC_PR_FGD)
#: How far a mask may grow, as a share of its side: one to correct, and one guessed from a point.
CORRECTED, GUESSED = 0.06, 0.4
#: A mask below this share of its box means that the object was lost.
LOST = 0.1
#: Islands and holes below this share of the mask are removed.
SPECK = 0.02


@dataclass(frozen=True, eq=False)
class Cut:
    """A mask made by grabCut.

    Attributes:
        mask: bool [H, W].
        stability: IoU between the last two rounds, 0..1: how settled the cut is, not how right.
    """

    mask: np.ndarray
    stability: float


def cut(
    pixels: np.ndarray,
    points: np.ndarray,
    labels: np.ndarray,
    box: tuple[float, float, float, float] | None = None,
    start: np.ndarray | None = None,
    reach: float | None = None,
) -> Cut:
    """Cut out what the prompts mean.

    Args:
        pixels: uint8 [H, W, 3].
        points: float [N, 2], x and y in photo pixels; their surroundings of like colour count as seen.
        labels: int [N], 1 belongs, 0 does not.
        box: everything outside it is background.
        start: bool [H, W], a mask to correct or to sharpen.
        reach: sharpen only: how far the start may grow, as a share of its side; points then count for themselves
            alone, since the start already knows them. None: points change the start with their surroundings.

    Raises:
        NamebrushError: nothing is left inside.
    """
    spread = reach is None
    reach = CORRECTED if reach is None else reach
    if box is None and start is None:
        start, reach = from_points(pixels, points, labels), GUESSED
    best = None
    # Where object and surroundings share their colours the first start can lose the object; a start from the middle
    # of the box with more surroundings then often finds it.
    for padding, rounded in ((0.35, False), (0.6, True)):
        view = _View.around(pixels, points, box, start, padding, LONG_SIDE if spread else SHARPENED_SIDE)
        seeds = view.seeds(points, labels, box, start, rounded, reach, spread)
        if not np.isin(seeds, SEEN).any() or np.isin(seeds, SEEN).all():
            continue
        small, stability = _grabcut(view.image, seeds)
        small = tidy(small, view.to_view(points[labels == 1]))
        if best is None or small.sum() / small.size > best[0].sum() / best[0].size:
            best = small, stability, view.box
        if box is None or start is not None or small.sum() >= LOST * np.isin(seeds, SEEN).sum():
            break
    if best is None or not best[0].any():
        raise NamebrushError("Nothing is left of that mask. Point at the thing itself, or draw the box around it.")
    small, stability, (x0, y0, x1, y1) = best
    mask = np.zeros(pixels.shape[:2], bool)
    mask[y0:y1, x0:x1] = enlarge(small, pixels[y0:y1, x0:x1])
    return Cut(mask, stability)


def from_points(pixels: np.ndarray, points: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The areas of like colour around the points that belong, bool [H, W]: a start for `cut`."""
    height, width = pixels.shape[:2]
    whole = _View.around(pixels, points, (0, 0, width, height), None, 0, LONG_SIDE)
    near = color_areas(whole.image, whole.to_view(points), labels) == 1
    return cv2.resize(near.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST).astype(bool)


def _grabcut(image: np.ndarray, seeds: np.ndarray) -> tuple[np.ndarray, float]:
    """Mask bool [h, w] after `ROUNDS` rounds, and its IoU with the round before."""
    cv2.setRNGSeed(0)  # grabCut draws its first clusters from OpenCV's generator
    image, seeds = np.ascontiguousarray(image[..., ::-1]), seeds.copy()
    background, foreground = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(image, seeds, None, background, foreground, ROUNDS - 1, cv2.GC_INIT_WITH_MASK)
    before = np.isin(seeds, SEEN)
    cv2.grabCut(image, seeds, None, background, foreground, 1, cv2.GC_EVAL)
    after = np.isin(seeds, SEEN)
    return after, float((before & after).sum() / max((before | after).sum(), 1))


@dataclass(frozen=True, eq=False)
class _View:
    """The part of the photo that is worked on, and its reduced image uint8 [h, w, 3]."""

    box: Box
    image: np.ndarray

    @classmethod
    def around(cls, pixels, points, box, start, padding, long_side: int) -> _View:
        """Box and mask with `padding` times their longer side around, where the background's colours are learnt."""
        height, width = pixels.shape[:2]
        corners = []
        if box is not None:
            corners += [box[:2], box[2:]]
        if start is not None and start.any():
            rows, cols = np.flatnonzero(start.any(axis=1)), np.flatnonzero(start.any(axis=0))
            corners += [(cols[0], rows[0]), (cols[-1] + 1, rows[-1] + 1)]
        corners = np.array([*corners, *points], np.float64)
        low, high = corners.min(axis=0), corners.max(axis=0)
        pad = max(8.0, padding * float((high - low).max()))
        x0, y0 = np.maximum(np.floor(low - pad), 0).astype(int)
        x1, y1 = np.minimum(np.ceil(high + pad), (width, height)).astype(int)
        part = pixels[y0:y1, x0:x1]
        scale = min(1.0, long_side / max(part.shape[:2]))
        size = (max(2, round(part.shape[1] * scale)), max(2, round(part.shape[0] * scale)))
        return cls((int(x0), int(y0), int(x1), int(y1)), cv2.resize(part, size, interpolation=cv2.INTER_AREA))

    @property
    def scale(self) -> np.ndarray:
        """Reduced pixels per photo pixel, x and y."""
        x0, y0, x1, y1 = self.box
        return np.array([self.image.shape[1] / (x1 - x0), self.image.shape[0] / (y1 - y0)])

    def to_view(self, xy: np.ndarray) -> np.ndarray:
        """Photo pixels to indices of the reduced image, int [N, 2]."""
        inside = np.floor((np.asarray(xy, np.float64).reshape(-1, 2) - self.box[:2] + 0.5) * self.scale)
        return np.clip(inside, 0, np.array(self.image.shape[1::-1]) - 1).astype(int)

    def seeds(self, points, labels, box, start, rounded: bool, reach: float, spread: bool) -> np.ndarray:
        """What is sure and what is likely, uint8 [h, w] of OpenCV's GC_ values.

        `rounded` takes the box's corners for background; beyond `reach` times the start's size all is background;
        `spread` counts the like-coloured surroundings of points as seen.
        """
        height, width = self.image.shape[:2]
        seeds = np.full((height, width), cv2.GC_PR_BGD, np.uint8)
        shown = slice(None) if spread else slice(0)
        near = color_areas(self.image, self.to_view(points[shown]), labels[shown])
        if start is not None:
            x0, y0, x1, y1 = self.box
            part = start[y0:y1, x0:x1].astype(np.float32)
            mask = cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA) > 0.5
            side = float(np.sqrt(max(mask.sum(), 1)))
            seeds[~_grow(mask | (near == 1), max(3, round(reach * side)))] = cv2.GC_BGD
            seeds[mask] = cv2.GC_PR_FGD
            seeds[_shrink(mask, max(6, round(2 * CORRECTED * side))) & (near != 0)] = cv2.GC_FGD
        else:
            seeds[:] = cv2.GC_PR_FGD
        seeds[near == 1] = cv2.GC_PR_FGD
        seeds[near == 0] = cv2.GC_BGD
        if box is not None:
            self._outside(seeds, box, rounded)
        for (x, y), label in zip(self.to_view(points), labels, strict=True):
            cv2.circle(seeds, (int(x), int(y)), 2, int(cv2.GC_FGD if label else cv2.GC_BGD), -1)
        return seeds

    def _outside(self, seeds: np.ndarray, box, rounded: bool) -> None:
        """Mark all outside the box as background; a box as large as the photo leaves its rim as likely background."""
        height, width = seeds.shape
        corners = (np.array(box).reshape(2, 2) - self.box[:2]) * self.scale
        (x0, y0), (x1, y1) = np.round(corners).astype(int)
        x1, y1 = max(x1, x0 + 1), max(y1, y0 + 1)
        inside = np.zeros(seeds.shape, bool)
        inside[max(y0, 0) : y1, max(x0, 0) : x1] = True
        if rounded:
            rows, cols = np.mgrid[: seeds.shape[0], : seeds.shape[1]]
            across, down = (cols + 0.5 - (x0 + x1) / 2) / (x1 - x0), (rows + 0.5 - (y0 + y1) / 2) / (y1 - y0)
            seeds[(4 * (across**2 + down**2) > 1.15) & (seeds == cv2.GC_PR_FGD)] = cv2.GC_PR_BGD
        if inside.mean() > 0.98:
            rim = max(1, round(0.02 * min(height, width)))
            core = np.zeros(seeds.shape, bool)
            core[rim:-rim, rim:-rim] = True
            seeds[~core] = cv2.GC_PR_BGD
        seeds[~inside] = cv2.GC_BGD


def color_areas(image: np.ndarray, xy: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The surroundings of like colour of every point; where two reach the same pixel the nearer point has it.

    Args:
        image: uint8 [h, w, 3].
        xy: int [N, 2] positions in it.
        labels: int [N], 1 or 0.

    Returns:
        int8 [h, w]: 1 and 0 as the labels, -1 where no point reaches.
    """
    height, width = image.shape[:2]
    result, nearest = np.full((height, width), -1, np.int8), np.full((height, width), np.inf, np.float32)
    if not len(xy):
        return result
    lab = cv2.medianBlur(cv2.cvtColor(image, cv2.COLOR_RGB2LAB), 5).astype(np.float32)
    rows, cols = np.mgrid[:height, :width].astype(np.float32)
    for (x, y), label in zip(xy, labels, strict=True):
        distance = np.hypot(rows - y, cols - x)
        mine = stable_area(lab, int(x), int(y)) & (distance < nearest)
        # A point's reach is what it may claim of the other kind's ground, too.
        nearest = np.where(mine, distance, nearest)
        result[mine] = label
    for (x, y), label in zip(xy, labels, strict=True):
        result[y, x] = label
    return result


def stable_area(lab: np.ndarray, x: int, y: int) -> np.ndarray:
    """The connected area of like colour around a pixel, at the tolerance at which it grows least.

    As in maximally stable regions: the area is taken for many tolerances; where a step of tolerance adds the smallest
    share, its border is a real one.

    Args:
        lab: float32 [h, w, 3].
        x, y: the pixel.

    Returns:
        bool [h, w].
    """
    height, width = lab.shape[:2]
    seed = np.median(lab[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2].reshape(-1, 3), axis=0)
    distance = np.minimum(np.linalg.norm(lab - seed, axis=2), 255).astype(np.uint8)
    distance[y, x] = 0
    steps = np.arange(4, 64, 3)
    sizes, masks = [], []
    for tolerance in steps:
        filled = np.zeros((height + 2, width + 2), np.uint8)
        flags = 4 | (1 << 8) | cv2.FLOODFILL_FIXED_RANGE | cv2.FLOODFILL_MASK_ONLY
        cv2.floodFill(distance, filled, (x, y), 0, 0, int(tolerance), flags)
        masks.append(filled[1:-1, 1:-1].astype(bool))
        sizes.append(int(masks[-1].sum()))
    sizes = np.array(sizes, float)
    growth = (sizes[2:] - sizes[:-2]) / sizes[1:-1]
    growth[(sizes[1:-1] < 0.0005 * height * width) | (sizes[1:-1] > 0.6 * height * width)] = np.inf
    if not np.isfinite(growth).any():
        return masks[1]
    return masks[1 + int(growth.argmin())]


def tidy(mask: np.ndarray, keep: np.ndarray | None = None, share: float = SPECK) -> np.ndarray:
    """Remove islands and holes below a share of the mask's area; islands under the points `keep` [N, 2] stay."""
    if not mask.any():
        return mask
    part = _surroundings(mask)
    limit, result = share * mask.sum(), mask.copy()
    inside = result[part]  # all that may change, and a line of background on every side that has one
    beyond = mask.size - inside.size
    corner = None if keep is None else np.array([part[1].start, part[0].start])
    for value in (True, False):
        _, marked, stats, _ = cv2.connectedComponentsWithStats((inside == value).astype(np.uint8), connectivity=4)
        areas = stats[:, cv2.CC_STAT_AREA].astype(np.int64)
        if not value and beyond:
            areas[np.unique(np.concatenate([marked[k][~inside[k]] for k in _rims(part, mask.shape)]))] += beyond
        small = areas < limit
        small[0] = False  # number 0 is what is not of this value
        if value and corner is not None and len(keep):
            near = keep - corner
            near = near[((near >= 0) & (near < inside.shape[::-1])).all(1)]
            small[np.unique(marked[near[:, 1], near[:, 0]])] = False
        inside[small[marked]] = not value
    return result


def _surroundings(mask: np.ndarray) -> tuple[slice, slice]:
    """The box of a mask and one pixel around it, as far as the photo goes."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return tuple(slice(max(int(at[0]) - 1, 0), int(at[-1]) + 2) for at in (rows, columns))


def _rims(part: tuple[slice, slice], size: tuple[int, int]) -> list[tuple]:
    """Where a part's sides go on beyond it, as indices into the part."""
    everything, (rows, columns) = slice(None), part
    rims = [(0, everything)] * (rows.start > 0) + [(-1, everything)] * (rows.stop < size[0])
    return rims + [(everything, 0)] * (columns.start > 0) + [(everything, -1)] * (columns.stop < size[1])


def enlarge(small: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """A reduced mask at the size of its pixels, its edge drawn to theirs by a guided filter.

    The guided filter (He, Sun, Tang 2010) fits the mask by a local linear function of the photo's lightness, which
    carries the reduced mask's edge over to the photo's own.

    Args:
        small: bool [h, w].
        pixels: uint8 [H, W, 3].

    Returns:
        bool [H, W].
    """
    height, width = pixels.shape[:2]
    if small.shape == (height, width):
        return small
    radius = int(np.ceil(2 * max(height / small.shape[0], width / small.shape[1])))
    soft = cv2.resize(small.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    grey = cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2GRAY).astype(np.float32) / 255

    def mean(values: np.ndarray) -> np.ndarray:
        return cv2.blur(values, (2 * radius + 1, 2 * radius + 1))

    mean_grey, mean_soft = mean(grey), mean(soft)
    slope = (mean(grey * soft) - mean_grey * mean_soft) / (mean(grey * grey) - mean_grey**2 + 1e-3)
    offset = mean_soft - slope * mean_grey
    return mean(slope) * grey + mean(offset) > 0.5


def _grow(mask: np.ndarray, pixels: int) -> np.ndarray:
    return cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 3) <= pixels if mask.any() else mask


def _shrink(mask: np.ndarray, pixels: int) -> np.ndarray:
    return cv2.distanceTransform(np.pad(mask, 1).astype(np.uint8), cv2.DIST_L2, 3)[1:-1, 1:-1] > pixels
