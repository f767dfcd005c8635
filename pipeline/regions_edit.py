"""What a person decides about regions: accept, reject, merge, split, rename, and put a corrected mask in place.

Pure functions from one `Segmentation` to the next; the one given stays as it is, so a history is a list of them. Ids
stay: whoever holds a picked id still means the same region. The list of regions leads and the labels follow it: a
pixel that leaves a region has no class (-1) until another region takes it, and instances of one class stay separate
regions even where they touch. What a person accepted is not taken from them: a corrected mask leaves its pixels alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import cv2
import numpy as np

from .errors import NamebrushError
from .records import NO_CLASS, ClassName, Prompt, Region, Segmentation
from .vocabulary import clean_name

#: Pieces below this share of a region are specks: splitting into islands gives them to the nearest larger piece.
SPECK = 0.02


def accept(segmentation: Segmentation, region_id: int, accepted: bool = True) -> Segmentation:
    """Mark a region as right, or take the mark back; an accepted region keeps its pixels against later corrections."""
    found = segmentation.region(region_id)
    return _with(segmentation, {found.id: (replace(found, accepted=accepted),)}, segmentation.labels)


def reject(segmentation: Segmentation, region_id: int) -> Segmentation:
    """Take a region out; its pixels have no class."""
    found = segmentation.region(region_id)
    return _with(segmentation, {found.id: ()}, _painted(segmentation.labels, found, NO_CLASS))


def put(segmentation: Segmentation, region: Region) -> Segmentation:
    """Put a region in place of the one with its id, or add it as a new one.

    It takes its pixels from the regions it overlaps, but for accepted ones; a region that loses all is gone. A region
    of class -1 (made by hand) is listed but gives no pixel a class, and takes none from anyone.

    Raises:
        NamebrushError: accepted regions cover all of it.
    """
    old = next((r for r in segmentation.regions if r.id == region.id), None)
    labels = segmentation.labels if old is None else _painted(segmentation.labels, old, NO_CLASS)
    changed: dict[int, tuple[Region, ...]] = {}
    if region.class_index != NO_CLASS:
        others = [r for r in segmentation.regions if r.id != region.id and r.class_index != NO_CLASS]
        kept = [r for r in others if r.accepted]
        region = _minus(region, kept)
        if region is None:
            raise NamebrushError("Accepted regions cover all of this mask. Take one of them back first.")
        for other in others:
            if not other.accepted and _touch(other, region):
                left = _minus(other, [region])
                changed[other.id] = () if left is None else (left,)
        labels = _painted(labels, region, region.class_index)
    changed[region.id] = (region,)
    return _with(segmentation, changed, labels)


def merge(segmentation: Segmentation, region_ids: Sequence[int]) -> Segmentation:
    """Join regions into the first of them, whose id, name and class the whole takes.

    Their points and boxes join too, so the whole can be corrected as one.

    Raises:
        NamebrushError: fewer than two regions.
    """
    ids = list(dict.fromkeys(region_ids))
    if len(ids) < 2:
        raise NamebrushError("Pick at least two regions to merge.")
    parts = [segmentation.region(i) for i in ids]
    first = parts[0]
    mask = np.any([r.mask for r in parts], axis=0)
    logits = [r.logits for r in parts if r.logits is not None]
    known = len(logits) == len(parts) and len({x.side for x in logits}) == 1
    whole = Region.from_mask(
        mask, id=first.id, class_index=first.class_index, name=first.name, prompt=joined([r.prompt for r in parts]),
        score=float(np.average([r.score for r in parts], weights=[r.area for r in parts])), made_by=first.made_by,
        logits=np.max([x.whole() for x in logits], axis=0) if known else None, accepted=all(r.accepted for r in parts),
    )  # fmt: skip
    changed: dict[int, tuple[Region, ...]] = {r.id: () for r in parts}
    changed[first.id] = (whole,)
    return _with(segmentation, changed, _painted(segmentation.labels, whole, whole.class_index))


def split(
    segmentation: Segmentation, region_id: int, seeds: Sequence[Sequence[float]] = ()
) -> tuple[Segmentation, tuple[int, ...]]:
    """Cut a region apart.

    Args:
        segmentation: where it is.
        region_id: which.
        seeds: (x, y) in photo pixels, one inside each part wanted: pixels go to the seed from which the photo's
            colours change least on the way (OpenCV's watershed). None: the unconnected islands become regions.

    Returns:
        The next segmentation, and the ids of the parts, the largest first; it keeps the region's id.

    Raises:
        NamebrushError: one island only, fewer than two seeds, or a seed outside the region.
    """
    found = segmentation.region(region_id)
    parts = _by_seeds(segmentation, found, seeds) if len(seeds) else _islands(found.crop)
    if len(parts) < 2:
        raise NamebrushError("This region is one piece. Set a point inside each part you want.")
    parts.sort(key=lambda crop: -int(crop.sum()))
    fresh = max(r.id for r in segmentation.regions) + 1
    ids = (found.id, *range(fresh, fresh + len(parts) - 1))
    made = tuple(_part(found, crop, i) for i, crop in zip(ids, parts, strict=True))
    return _with(segmentation, {found.id: made}, segmentation.labels), ids


def pieces(segmentation: Segmentation, region_id: int) -> int:
    """Into how many regions `split` without seeds cuts a region: its unconnected islands but for specks."""
    return len(_islands(segmentation.region(region_id).crop))


def rename(segmentation: Segmentation, region_id: int, name: str) -> Segmentation:
    """Give a region another name: that of a class of the vocabulary, or a new one, which joins the vocabulary.

    Raises:
        NamebrushError: nothing was typed.
    """
    found, name = segmentation.region(region_id), clean_name(name)
    if not name:
        raise NamebrushError("Type the new name.")
    classes, wanted = segmentation.vocabulary.classes, name.casefold()
    index = next((i for i, c in enumerate(classes) if wanted in (w.casefold() for w in c.words)), None)
    if index is None:
        index = len(classes)
        vocabulary = replace(segmentation.vocabulary, classes=(*classes, ClassName(name)))
        # The new class was not compared with the photo: its probabilities are 0, before the background's channel.
        scores = np.insert(segmentation.scores, index, np.float32(0), axis=0)
        segmentation = replace(segmentation, vocabulary=vocabulary, scores=scores)
        classes = vocabulary.classes
    renamed = replace(found, class_index=index, name=classes[index].name)
    labels = _painted(segmentation.labels, found, index)
    return _with(segmentation, {found.id: (renamed,)}, labels)


def edit_prompt(
    prompt: Prompt,
    add: Sequence[Sequence[float]] = (),
    remove: Sequence[int | Sequence[float]] = (),
    box: Sequence[float] | None | bool = None,
) -> Prompt:
    """A prompt with points added or removed and its box moved.

    Args:
        prompt: what there is.
        add: (x, y) or (x, y, label) in photo pixels; label 1 (also if left out) belongs, 0 does not. At the place of
            an old point it replaces it.
        remove: points to take away, by index into `prompt.points` or by place: the nearest to (x, y).
        box: the new box; None keeps the old, False takes it away.

    Raises:
        NamebrushError: a point to remove is not there.
    """
    points = [(float(x), float(y), int(v)) for (x, y), v in zip(prompt.points, prompt.labels, strict=True)]
    gone = set()
    for which in remove:
        if not points:
            raise NamebrushError("There is no point to take away.")
        if isinstance(which, (int, np.integer)):
            if not 0 <= which < len(points):
                raise NamebrushError(f"There is no point {which}; the region has {len(points)}.")
            gone.add(int(which))
        else:
            gone.add(int(np.argmin([(p[0] - which[0]) ** 2 + (p[1] - which[1]) ** 2 for p in points])))
    kept = {(p[0], p[1]): p[2] for i, p in enumerate(points) if i not in gone}
    for p in add:
        xy = np.float32(p[:2]).tolist()
        kept[(xy[0], xy[1])] = int(p[2]) if len(p) > 2 else 1
    frame = prompt.box if box is None else None if box is False else tuple(float(v) for v in box)
    xy = np.array(list(kept), np.float32).reshape(-1, 2)
    return Prompt(xy, np.array(list(kept.values()), np.int32), frame, prompt.mask)


def joined(prompts: Sequence[Prompt]) -> Prompt:
    """One prompt of several of the same thing: all points, the box around all boxes, the first one's mask."""
    boxes = np.array([p.box for p in prompts if p.box is not None])
    box = (*boxes[:, :2].min(axis=0).tolist(), *boxes[:, 2:].max(axis=0).tolist()) if len(boxes) else None
    return Prompt(
        points=np.concatenate([p.points for p in prompts]),
        labels=np.concatenate([p.labels for p in prompts]),
        box=box,
        mask=prompts[0].mask,
    )


def _with(segmentation: Segmentation, changed: dict[int, tuple[Region, ...]], labels: np.ndarray) -> Segmentation:
    """The segmentation with regions replaced where they stood; ids that are new come last."""
    known = {r.id for r in segmentation.regions}
    regions = [r for old in segmentation.regions for r in changed.get(old.id, (old,))]
    regions += [r for i, made in changed.items() if i not in known for r in made]
    return replace(segmentation, regions=tuple(regions), labels=labels)


def _painted(labels: np.ndarray, region: Region, class_index: int) -> np.ndarray:
    """Labels with a region's pixels set. A region by hand never gave its pixels a class and takes none."""
    if region.class_index == NO_CLASS and class_index == NO_CLASS:
        return labels
    x0, y0, x1, y1 = region.box
    painted = labels.copy()
    painted[y0:y1, x0:x1][region.crop] = class_index
    return painted


def _touch(a: Region, b: Region) -> bool:
    return a.box[0] < b.box[2] and b.box[0] < a.box[2] and a.box[1] < b.box[3] and b.box[1] < a.box[3]


def _minus(region: Region, others: Sequence[Region]) -> Region | None:
    """A region without the pixels of others; itself where none are shared, None where nothing is left."""
    near = [r for r in others if _touch(region, r)]
    mask = region.mask if near else None
    for other in near:
        x0, y0, x1, y1 = other.box
        mask[y0:y1, x0:x1] &= ~other.crop
    if mask is None or mask.sum() == region.area:
        return region
    return _recut(region, mask) if mask.any() else None


def _recut(region: Region, mask: np.ndarray) -> Region:
    tight = Region.from_mask(mask, id=0, class_index=0, name="", score=0.0, prompt=region.prompt, made_by="")
    return replace(region, box=tight.box, crop=tight.crop)


def _islands(crop: np.ndarray) -> list[np.ndarray]:
    """The 8-connected pieces of a mask; specks go with the nearest larger piece."""
    count, marked, stats, _ = cv2.connectedComponentsWithStats(crop.astype(np.uint8), connectivity=8)
    least = SPECK * crop.sum()
    large = [i for i in range(1, count) if stats[i, cv2.CC_STAT_AREA] >= least]
    if len(large) < 2:
        return [crop]
    return _nearest([marked == i for i in large], crop)


def _nearest(parts: Sequence[np.ndarray], crop: np.ndarray) -> list[np.ndarray]:
    """Every pixel of `crop` to the nearest of `parts`."""
    away = np.stack([cv2.distanceTransform((~p).astype(np.uint8), cv2.DIST_L2, 3) for p in parts])
    owner = away.argmin(axis=0)
    return [crop & (owner == i) for i in range(len(parts))]


def _by_seeds(segmentation: Segmentation, region: Region, seeds) -> list[np.ndarray]:
    if len(seeds) < 2:
        raise NamebrushError("Set a point inside each part you want, at least two.")
    x0, y0, x1, y1 = region.box
    pixels = np.ascontiguousarray(segmentation.photo.pixels[y0:y1, x0:x1])
    markers = np.where(region.crop, np.int32(0), np.int32(len(seeds) + 1))
    for i, (x, y) in enumerate(seeds, 1):
        column, row = int(x) - x0, int(y) - y0
        inside = 0 <= row < y1 - y0 and 0 <= column < x1 - x0
        if not inside or not region.crop[row, column]:
            raise NamebrushError(f"The point at {x:g},{y:g} is not inside this region.")
        markers[row, column] = i
    # A rim outside, since the watershed leaves the picture's own rim unassigned.
    pixels, markers = (cv2.copyMakeBorder(a, 1, 1, 1, 1, cv2.BORDER_REPLICATE) for a in (pixels, markers))
    markers = cv2.watershed(pixels, markers)[1:-1, 1:-1]
    parts = [(markers == i) & region.crop for i in range(1, len(seeds) + 1)]
    for i, (x, y) in enumerate(seeds):
        parts[i][int(y) - y0, int(x) - x0] = True
    return [part for part in _nearest(parts, region.crop) if part.any()]


def _part(region: Region, crop: np.ndarray, new_id: int) -> Region:
    """One part of a region: its own mask, and of the prompt the points that lie in it and the box around it."""
    rows, cols = np.flatnonzero(crop.any(axis=1)), np.flatnonzero(crop.any(axis=0))
    top, bottom, left, right = int(rows[0]), int(rows[-1]) + 1, int(cols[0]), int(cols[-1]) + 1
    x0, y0 = region.box[:2]
    box = (x0 + left, y0 + top, x0 + right, y0 + bottom)
    inside = _holder(crop, (x0, y0))
    keep = [i for i, p in enumerate(region.prompt.points) if region.prompt.labels[i] == 0 or inside(p)]
    points, labels = region.prompt.points[keep], region.prompt.labels[keep]
    if not (labels == 1).any():
        x, y = _deepest(crop)
        points = np.concatenate([points, np.array([[x0 + x, y0 + y]], np.float32)])
        labels = np.concatenate([labels, np.ones(1, np.int32)])
    prompt = Prompt(points, labels, tuple(float(v) for v in box))
    # Its answer was about the whole, so a correction starts from the part's own mask.
    cut = np.ascontiguousarray(crop[top:bottom, left:right])
    return replace(region, id=new_id, box=box, crop=cut, prompt=prompt, logits=None)


def _holder(crop: np.ndarray, origin: tuple[int, int]) -> Callable[[np.ndarray], bool]:
    def inside(point: np.ndarray) -> bool:
        column, row = int(point[0]) - origin[0], int(point[1]) - origin[1]
        return bool(0 <= row < crop.shape[0] and 0 <= column < crop.shape[1] and crop[row, column])

    return inside


def _deepest(crop: np.ndarray) -> tuple[int, int]:
    """The pixel of a mask farthest from its edge, x and y."""
    depth = cv2.distanceTransform(np.pad(crop, 1).astype(np.uint8), cv2.DIST_L2, 3)[1:-1, 1:-1]
    row, column = divmod(int(depth.argmax()), crop.shape[1])
    return column, row
