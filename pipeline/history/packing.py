"""Records as JSON and files: what a session file is made of; `unpacking` is the way back.

Pixels become PNG (lossless), masks COCO run lengths, label maps 16-bit PNG, small float arrays compressed `npz`. A
photo is written once, under its hash, however many steps show it.
"""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from PIL import Image

from ..edit_records import EditRequest, EditResult
from ..photo import pixel_hash
from ..records import Photo, Region, Segmentation
from ..rle import encode_region, encode_rle

#: Writes a file into the session: name, and a function that makes its bytes where it is not there yet.
Put = Callable[[str, Callable[[], bytes]], None]

#: Scores are kept at this longer side at most: they colour the page, masks come from the labels.
SCORES_SIDE = 256
#: What a 16-bit label map holds where there is no class.
NO_LABEL = 65535
_PLAIN_REGION = ("id", "class_index", "name", "score", "made_by", "iou", "accepted")


def pack_photo(photo: Photo, put: Put) -> dict:
    """A photo: its pixels and transparency as PNG, its EXIF and colour profile as they are."""
    name = f"photos/{photo.hash}"
    if photo.alpha is None:
        put(f"{name}.png", lambda: _png(photo.pixels))
    else:
        # colours below full transparency stay: Pillow writes all four channels as they are
        name = f"{name}-{pixel_hash(photo.alpha)[:12]}"
        put(f"{name}.png", lambda: _png(np.dstack([photo.pixels, photo.alpha])))
    packed: dict[str, Any] = {"file": f"{name}.png", "hash": photo.hash, "name": photo.name}
    packed["notes"] = list(photo.notes)
    for kind, data in (("exif", photo.exif), ("icc", photo.icc)):
        if data is not None:
            packed[kind] = f"{kind}/{pixel_hash(np.frombuffer(data, np.uint8))}.bin"
            put(packed[kind], lambda data=data: data)
    return packed


def pack_segmentation(found: Segmentation, name: str, put: Put) -> dict:
    """A segmentation but for its photo; `name` is the stem of its files."""
    labels = np.where(found.labels < 0, NO_LABEL, found.labels).astype(np.uint16)
    put(f"{name}-labels.png", lambda: _png(labels))
    put(f"{name}-scores.npz", lambda: _npz(scores=_small(found.scores).astype(np.float16)))
    arrays: dict[str, np.ndarray] = {}
    regions = [_pack_region(region, str(index), arrays) for index, region in enumerate(found.regions)]
    if arrays:
        put(f"{name}-regions.npz", lambda: _npz(**arrays))
    words = found.vocabulary
    return {
        "name": name,
        "classes": [[one.name, *one.synonyms] for one in words.classes],
        "background": list(words.background), "threshold": words.threshold, "word_notes": list(words.notes),
        "groups": [[group, *members] for group, members in words.groups],
        "regions": regions, "arrays": bool(arrays), "preset": found.preset, "method": found.method,
        "refine": found.refine, "seconds": dict(found.seconds), "notes": list(found.notes),
    }  # fmt: skip


def _pack_region(region: Region, stem: str, arrays: dict[str, np.ndarray]) -> dict:
    prompt = region.prompt
    if prompt.mask is not None:
        arrays[f"mask{stem}"] = prompt.mask
    if region.logits is not None:
        arrays.update({f"logits-{part}{stem}": array for part, array in region.logits.packed().items()})
    return {
        **{name: getattr(region, name) for name in _PLAIN_REGION},
        "rle": encode_region(region), "points": prompt.points.tolist(), "labels": prompt.labels.tolist(),
        "prompt_box": None if prompt.box is None else list(map(float, prompt.box)),
    }  # fmt: skip


def pack_request(request: EditRequest, put: Put) -> dict:
    """A request: its mask as run lengths, its picture as a photo, all else as it is."""
    packed = {f.name: getattr(request, f.name) for f in dataclasses.fields(request)}
    packed["mask"] = encode_rle(request.mask)
    packed["picture"] = None if request.picture is None else pack_photo(request.picture, put)
    return packed


def pack_result(result: EditResult, put: Put) -> dict:
    """What came of an edit but for the photo before it."""
    return {
        "request": None if result.request is None else pack_request(result.request, put),
        "images": [pack_photo(image, put) for image in result.images], "mask": encode_rle(result.mask),
        "seeds": list(result.seeds), "made_by": result.made_by, "changed_outside": result.changed_outside,
        "seconds": dict(result.seconds), "origin": list(result.origin), "notes": list(result.notes),
        "ranks": [dict(rank) for rank in result.ranks], "models": dict(result.models),
        "things": [dict(thing) for thing in result.things],
    }  # fmt: skip


def _png(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _npz(**arrays: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def _small(scores: np.ndarray) -> np.ndarray:
    """Scores [C, h, w] at a longer side of at most SCORES_SIDE."""
    factor = SCORES_SIDE / max(scores.shape[1:])
    if factor >= 1:
        return scores
    size = tuple(max(1, round(side * factor)) for side in scores.shape[:0:-1])
    return np.stack([cv2.resize(one, size, interpolation=cv2.INTER_AREA) for one in scores])
