"""Records as JSON and files, and back: what a session file is made of.

Pixels become PNG (lossless), masks COCO run lengths, label maps 16-bit PNG, small float arrays compressed `npz`. A
photo is written once, under its hash, however many steps show it.
"""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable, Mapping
from typing import Any

import cv2
import numpy as np
from PIL import Image

from ..edit_records import EditRequest, EditResult
from ..errors import NamebrushError
from ..kept_logits import KeptLogits
from ..photo import pixel_hash
from ..records import ClassName, Photo, Prompt, Region, Segmentation, Vocabulary
from ..rle import decode_rle, encode_region, encode_rle

#: Writes a file into the session: name, and a function that makes its bytes where it is not there yet.
Put = Callable[[str, Callable[[], bytes]], None]
#: Reads a file of the session.
Get = Callable[[str], bytes]
#: Brings a packed photo, the same record each time.
Load = Callable[[Mapping], Photo]

#: Scores are kept at this longer side at most: they colour the page, masks come from the labels.
SCORES_SIDE = 256
_NO_LABEL = 65535
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


def unpack_photo(packed: Mapping, get: Get) -> Photo:
    """The photo again, with the same pixels; that they are the same is checked by the hash."""
    pixels = _image(get(packed["file"]))
    alpha = np.ascontiguousarray(pixels[..., 3]) if pixels.shape[2] == 4 else None
    pixels = np.ascontiguousarray(pixels[..., :3])
    if pixel_hash(pixels) != packed["hash"]:
        raise NamebrushError(f'The picture {packed["file"]} in this session file is damaged.')
    extra = {kind: get(packed[kind]) if packed.get(kind) else None for kind in ("exif", "icc")}
    return Photo(pixels, packed["hash"], alpha, extra["exif"], extra["icc"], str(packed["name"]),
                 tuple(packed["notes"]))  # fmt: skip


def pack_segmentation(found: Segmentation, name: str, put: Put) -> dict:
    """A segmentation but for its photo; `name` is the stem of its files."""
    labels = np.where(found.labels < 0, _NO_LABEL, found.labels).astype(np.uint16)
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


def unpack_segmentation(packed: Mapping, photo: Photo, get: Get) -> Segmentation:
    """The segmentation again; its scores are as large as they were kept."""
    name = packed["name"]
    labels = _image(get(f"{name}-labels.png"), np.uint16)[..., 0].astype(np.int32)
    labels[labels == _NO_LABEL] = -1
    arrays = _arrays(get(f"{name}-regions.npz")) if packed["arrays"] else {}
    classes = tuple(ClassName(str(one[0]), tuple(map(str, one[1:]))) for one in packed["classes"])
    groups = tuple((str(group[0]), tuple(map(int, group[1:]))) for group in packed.get("groups", ()))
    words = Vocabulary(
        classes, tuple(packed["background"]), float(packed["threshold"]), tuple(packed["word_notes"]), groups
    )
    return Segmentation(
        photo, words, labels, _arrays(get(f"{name}-scores.npz"))["scores"].astype(np.float32),
        tuple(_unpack_region(one, str(i), arrays) for i, one in enumerate(packed["regions"])),
        packed["preset"], packed["method"], packed["refine"], dict(packed["seconds"]), tuple(packed["notes"]),
    )  # fmt: skip


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


def _unpack_region(packed: Mapping, stem: str, arrays: Mapping[str, np.ndarray]) -> Region:
    prompt = Prompt(
        np.array(packed["points"], np.float32).reshape(-1, 2), np.array(packed["labels"], np.int32),
        None if packed["prompt_box"] is None else tuple(packed["prompt_box"]), arrays.get(f"mask{stem}"),
    )  # fmt: skip
    plain = {name: packed[name] for name in _PLAIN_REGION if name in packed}
    kept = {part: arrays.get(f"logits-{part}{stem}") for part in ("fine", "coarse", "place")}
    # Older files hold answers whole.
    logits = arrays.get(f"logits{stem}") if kept["place"] is None else KeptLogits.unpacked(kept)
    return Region.from_mask(decode_rle(packed["rle"]), prompt=prompt, logits=logits, **plain)


def pack_request(request: EditRequest, put: Put) -> dict:
    """A request: its mask as run lengths, its picture as a photo, all else as it is."""
    packed = {f.name: getattr(request, f.name) for f in dataclasses.fields(request)}
    packed["mask"] = encode_rle(request.mask)
    packed["picture"] = None if request.picture is None else pack_photo(request.picture, put)
    return packed


def unpack_request(packed: Mapping, load: Load) -> EditRequest:
    """The request again; fields of a newer edition are refused."""
    known = {f.name for f in dataclasses.fields(EditRequest)}
    strange = sorted(set(packed) - known)
    if strange:
        raise NamebrushError(f"This session file asks for {strange[0]}, which this edition does not know; update it.")
    picture = None if packed["picture"] is None else load(packed["picture"])
    return EditRequest(**{**packed, "mask": decode_rle(packed["mask"]), "picture": picture})


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


def unpack_result(packed: Mapping, photo: Photo, load: Load) -> EditResult:
    """The result again; `photo` is the one before it, `load` brings the others."""
    return EditResult(
        photo, tuple(map(load, packed["images"])), decode_rle(packed["mask"]),
        tuple(packed["seeds"]), packed["made_by"], int(packed["changed_outside"]), dict(packed["seconds"]),
        tuple(packed["origin"]), tuple(packed["notes"]), tuple(packed["ranks"]),
        None if packed["request"] is None else unpack_request(packed["request"], load), dict(packed["models"]),
        tuple(packed.get("things", ())),
    )  # fmt: skip


def _png(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _image(data: bytes, dtype: type = np.uint8) -> np.ndarray:
    """The samples of a PNG as they are, [H, W, C]: no profile is applied, nothing is turned."""
    with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
        image.load()
        pixels = np.array(image)
    pixels = pixels[..., None] if pixels.ndim == 2 else pixels
    if dtype is np.uint8 and (pixels.dtype != np.uint8 or pixels.shape[2] not in (3, 4)):
        raise NamebrushError("A picture in this session file is not 8-bit colour.")
    return pixels.astype(dtype)


def _npz(**arrays: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def _arrays(data: bytes) -> dict[str, np.ndarray]:
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def _small(scores: np.ndarray) -> np.ndarray:
    """Scores [C, h, w] at a longer side of at most SCORES_SIDE."""
    factor = SCORES_SIDE / max(scores.shape[1:])
    if factor >= 1:
        return scores
    size = tuple(max(1, round(side * factor)) for side in scores.shape[:0:-1])
    return np.stack([cv2.resize(one, size, interpolation=cv2.INTER_AREA) for one in scores])
