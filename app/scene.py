"""What the canvas in the browser is given: addresses of pictures and a small JSON of the regions.

The regions travel as one index picture whose pixels number *sets* of regions, so that masks which overlap stay whole,
and the list of those sets. With it the browser finds, outlines and colours regions without asking.

Pictures are files in Gradio's cache under names nobody can guess; each visitor is told only of their own.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from weakref import WeakKeyDictionary

import cv2
import numpy as np

from pipeline.draw import middle, region_color, region_titles
from pipeline.palette import hex_color
from pipeline.records import Photo, Region, Segmentation

from . import texts
from .examples import drawings_only
from .explain import score_maps, score_names
from .pictures import as_index, as_picture, file_of, written
from .session import Session

#: Long side of the index picture at most; beyond it masks are shown (not kept) at a coarser step.
INDEX_SIDE = 3072
MAX_SETS = 65_536
#: Long side of a result to choose from.
THUMB = 160
#: Number of the hatching of what is made by hand.
HAND_PATTERN = 5

# By identity and held weakly: written once per record, forgotten with it.
_thumbs: WeakKeyDictionary[Photo, str] = WeakKeyDictionary()
_photos: WeakKeyDictionary[Photo, str] = WeakKeyDictionary()
_indexes: WeakKeyDictionary[Segmentation, dict] = WeakKeyDictionary()
# By the scores' own identity: a mask that is corrected leaves them as they are.
_score_maps: dict[int, tuple[weakref.ref, dict]] = {}
_middles: WeakKeyDictionary[Region, tuple[float, float]] = WeakKeyDictionary()


def index_picture(
    regions: Sequence[Region], size: tuple[int, int], longest: int = INDEX_SIDE
) -> tuple[np.ndarray, list[list[int]]]:
    """Number the set of regions at every pixel.

    Args:
        regions: of one photo; they may overlap.
        size: height and width of the photo.
        longest: long side of the result at most; a smaller one takes the region at each of its pixels' centres.

    Returns:
        uint16 [h, w] of indices into the second part, and per index the ids of the regions there; index 0 is none.
    """
    factor = min(1.0, longest / max(size))
    shape = tuple(max(1, round(s * factor)) for s in size)
    rows, cols = (((np.arange(n) + 0.5) * s / n).astype(np.intp) for n, s in zip(shape, size, strict=True))
    index = np.zeros(shape, np.uint16)
    sets: list[list[int]] = [[]]
    known = {(): 0}
    for region in regions:
        x0, y0, x1, y1 = region.box
        top, bottom = np.searchsorted(rows, (y0, y1))
        left, right = np.searchsorted(cols, (x0, x1))
        crop = region.crop
        if shape != tuple(size):
            crop = crop[rows[top:bottom, None] - y0, cols[None, left:right] - x0]
        part = index[top:bottom, left:right]
        under = part[crop]
        table = np.arange(len(sets), dtype=np.uint16)
        for old in np.flatnonzero(np.bincount(under, minlength=len(sets))):
            ids = (*sets[old], region.id) if len(sets) < MAX_SETS else (region.id,)
            if ids not in known and len(sets) < MAX_SETS:
                known[ids] = len(sets)
                sets.append(list(ids))
            table[old] = known.get(ids, old)
        part[crop] = table[under]
    return index, sets


def _photo_file(photo: Photo, folder: str) -> dict:
    path = _photos.get(photo)
    if path is None or not Path(path).exists():
        pixels = photo.pixels if photo.alpha is None else np.dstack([photo.pixels, photo.alpha])
        ending, data = as_picture(pixels)
        path = _photos[photo] = written(data, f"photo{ending}", folder)
    return file_of(path)


def _index(segmentation: Segmentation, folder: str) -> dict:
    kept = _indexes.get(segmentation)
    if kept is None or not Path(kept["path"]).exists():
        index, sets = index_picture(segmentation.regions, segmentation.photo.size)
        path = written(as_index(index), "index.png", folder)
        kept = _indexes[segmentation] = {
            "path": path, "sets": sets, "height": index.shape[0], "width": index.shape[1],
        }  # fmt: skip
    return kept


def scored(region: Region) -> float | None:
    """A region's score for a person: how sure its name is. A mask by hand has no name to be sure of, and what its
    maker says of it (how settled grabCut was, what SAM expects) is no measure of how right it is."""
    return None if region.class_index < 0 else round(float(region.score), 4)


def _region(region: Region, title: str, colors, lang: str) -> dict:
    at = _middles.get(region)
    if at is None:
        at = _middles[region] = tuple(round(float(v), 1) for v in middle(region))
    prompt = region.prompt
    points = zip(prompt.points.round(1).tolist(), prompt.labels.tolist(), strict=True)
    return {
        "id": region.id, "name": region.name, "title": title, "color": hex_color(region_color(region, colors)),
        "pattern": region.class_index if region.class_index >= 0 else HAND_PATTERN,
        "score": scored(region), "made": texts.maker(region, lang), "area": region.area,
        "box": [int(v) for v in region.box], "at": at, "points": [[x, y, int(v)] for (x, y), v in points],
        "prompt_box": None if prompt.box is None else [round(float(v), 1) for v in prompt.box],
        "iou": None if region.iou is None else round(float(region.iou), 4), "accepted": region.accepted,
    }  # fmt: skip


def _classes(segmentation: Segmentation, colors, lang: str) -> list[dict]:
    """The names in their order with colour, share of the photo and synonyms; last, what was made by hand."""
    total = segmentation.photo.size[0] * segmentation.photo.size[1]
    named = segmentation.vocabulary.classes if segmentation.method != "by hand" else ()
    rows = [
        {"name": c.name, "synonyms": list(c.synonyms), "color": hex_color(color), "pattern": i, "by_hand": False}
        for i, (c, color) in enumerate(zip(named, colors, strict=False))
    ]
    if any(r.class_index < 0 for r in segmentation.regions):
        hand = hex_color(region_color(next(r for r in segmentation.regions if r.class_index < 0), colors))
        rows.append({"name": "by hand", "synonyms": [], "color": hand, "pattern": HAND_PATTERN, "by_hand": True})
    for row in rows:
        row["share"] = round(sum(r.area for r in segmentation.regions if r.name == row["name"]) / total, 5)
    return rows


def scene(session: Session, folder: str) -> dict:
    """The current step for the canvas; see the module. Runs no model.

    Args:
        session: with a step.
        folder: Gradio's cache, where the pictures are written.
    """
    step, segmentation = session.step, session.step.segmentation
    session.stamp += 1
    colors = session.colors()
    regions = step.regions
    titles = region_titles(regions)
    index = _index(segmentation, folder) if regions else None
    height, width = step.photo.size
    made = {
        "stamp": session.stamp,
        "photo": {
            "file": _photo_file(step.photo, folder), "width": width, "height": height,
            "alpha": step.photo.alpha is not None,
        },
        "before": _photo_file(step.edit.photo, folder) if _comparable(step) else None,
        "compare": session.comparing, "drawings_only": drawings_only(session),
        "index": None if index is None else {
            "file": file_of(index["path"]), "width": index["width"], "height": index["height"],
        },
        "sets": [[]] if index is None else index["sets"],
        "regions": [_region(r, titles[r.id], colors, session.lang) for r in regions],
        "classes": [] if segmentation is None else _classes(segmentation, colors, session.lang),
        "picked": list(session.picked),
        "candidates": _candidates(step, folder),
        "scores": None if segmentation is None else _scores(segmentation, colors, folder),
        "suggestions": [n for n in session.suggestions if n not in _typed(segmentation)],
        "token": session.token,
    }  # fmt: skip
    session.showing = frozenset(_paths(made))
    return made


def _paths(made) -> Iterator[str]:
    """The files that a scene names."""
    if isinstance(made, dict):
        if "meta" in made:
            yield made["path"]
        for value in made.values():
            yield from _paths(value)
    elif isinstance(made, list) and made and isinstance(made[0], dict):
        for value in made:
            yield from _paths(value)


def _scores(segmentation: Segmentation, colors, folder: str) -> dict | None:
    scores = segmentation.scores  # a view, made anew with every record; what lies below it stays
    scores = scores.base if isinstance(scores.base, np.ndarray) else scores
    known, kept = _score_maps.get(id(scores), (lambda: None, None))
    if known() is not scores or not Path(kept["file"]["path"]).exists():
        kept = score_maps(segmentation, colors, folder)
        if kept is not None:
            place = id(scores)
            _score_maps[place] = (weakref.ref(scores, lambda _: _score_maps.pop(place, None)), kept)
    # The picture may be another visitor's too, of an example; names and colours are always this one's own.
    return None if kept is None else {**kept, **score_names(segmentation, colors)}


def _candidates(step, folder: str) -> list[dict]:
    """The results of the change that led here, where there are several, small."""
    if step.edit is None or len(step.edit.images) < 2:
        return []
    rows = []
    for photo, seed in zip(step.edit.images, step.edit.seeds, strict=True):
        path = _thumbs.get(photo)
        if path is None or not Path(path).exists():
            height, width = photo.size
            factor = THUMB / max(height, width)
            size = max(1, round(width * factor)), max(1, round(height * factor))
            ending, data = as_picture(cv2.resize(photo.pixels, size, interpolation=cv2.INTER_AREA))
            path = _thumbs[photo] = written(data, f"result{ending}", folder)
        rows.append({"file": file_of(path), "now": photo is step.photo, "note": f"seed {seed}"})
    return rows


def _comparable(step) -> bool:
    """Before and after can lie over each other only where the photo kept its size."""
    return step.edit is not None and step.edit.photo.size == step.photo.size


def _typed(segmentation: Segmentation | None) -> set[str]:
    return set() if segmentation is None else {w for c in segmentation.vocabulary.classes for w in c.words}
