"""Label files as data sets distribute them, to class indices: int32 [H, W], -1 where a pixel is not counted."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from ..errors import NamebrushError
from ..files import replacing, shown
from ..rle import decode_rle

IGNORED = 255
#: Label pictures are no larger than this, so that a damaged header cannot ask for all memory.
MAX_PIXELS = 100_000_000

#: COCO-Stuff's raw ids (0..181) that stand for no class: ids of things never labelled, and 90.
COCO_UNUSED = (11, 25, 28, 29, 44, 65, 67, 68, 70, 82, 90)
COCO_THINGS, COCO_CLASSES = 80, 171
#: Context's 59 classes among its 459 (or the JSON's 520) ids, in the order of the class list; all else is background.
CONTEXT_IDS = (
    2, 9, 18, 19, 22, 23, 25, 31, 33, 34, 44, 45, 46, 59, 65, 68, 72, 80, 85, 98, 104, 105, 113, 115, 144, 158, 159,
    162, 187, 189, 207, 220, 232, 258, 259, 260, 284, 295, 296, 308, 324, 326, 347, 349, 354, 355, 360, 366, 368, 397,
    415, 416, 420, 424, 427, 440, 445, 454, 458,
)  # fmt: skip
#: Cityscapes' ids and colours of the 19 classes that are evaluated, in their order.
CITYSCAPES_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
CITYSCAPES_COLORS = (
    (128, 64, 128), (244, 35, 232), (70, 70, 70), (102, 102, 156), (190, 153, 153), (153, 153, 153), (250, 170, 30),
    (220, 220, 0), (107, 142, 35), (152, 251, 152), (70, 130, 180), (220, 20, 60), (255, 0, 0), (0, 0, 142),
    (0, 0, 70), (0, 60, 100), (0, 80, 100), (0, 0, 230), (119, 11, 32),
)  # fmt: skip


def table(ids: Sequence[int], other: int = -1, length: int = 65536) -> np.ndarray:
    """A look-up table, int32 [length]: `ids[i]` becomes i, everything else `other`."""
    lookup = np.full(length, other, np.int32)
    lookup[np.asarray(ids)] = np.arange(len(ids))
    return lookup


def _coco(objects: bool) -> np.ndarray:
    """Raw COCO-Stuff ids to the 171 classes, or to background and the 80 things."""
    used = [i for i in range(COCO_CLASSES + len(COCO_UNUSED)) if i not in COCO_UNUSED]
    lookup = table(used)
    if objects:
        lookup = np.where((lookup >= 0) & (lookup < COCO_THINGS), lookup + 1, 0).astype(np.int32)
    return lookup


_COCO_STUFF, _COCO_OBJECT = _coco(objects=False), _coco(objects=True)
_CONTEXT = table((0, *CONTEXT_IDS), other=0)
_CITYSCAPES = table(CITYSCAPES_IDS)


def read_indices(path: Path) -> np.ndarray:
    """The values of a grey or palette picture, int32 [H, W]: a palette's indices, not its colours.

    Raises:
        NamebrushError: no picture, one of colours, or too large.
    """
    values = _samples(path)
    if values.ndim != 2 or values.dtype.kind not in "ui" or values.min() < 0 or values.max() > 65535:
        raise NamebrushError(f'"{shown(path)}" holds colours, not one class number a pixel.')
    return values.astype(np.int32)


def _samples(path: Path, mode: str | None = None) -> np.ndarray:
    """A picture's samples as they are, or in another of Pillow's modes; its size is judged before it is decoded."""
    try:
        with Image.open(path, formats=("PNG", "TIFF")) as image:
            if image.width * image.height > MAX_PIXELS:
                raise NamebrushError(f'"{shown(path)}" has more pixels than a label picture needs.')
            return np.asarray(image.convert(mode) if mode else image)
    except NamebrushError:
        raise
    except Exception as error:
        raise NamebrushError(f'"{shown(path)}" could not be read as a label picture.') from error


def read_kept(path: Path) -> np.ndarray:
    """Numbers are classes, 255 is not counted."""
    values = read_indices(path)
    return np.where(values == IGNORED, -1, values)


def read_reduced(path: Path) -> np.ndarray:
    """0 is not counted, n is class n - 1, 255 is not counted ("reduced zero label")."""
    values = read_indices(path)
    return np.where(values == IGNORED, -1, values - 1)


def read_coco_stuff(path: Path) -> np.ndarray:
    """COCO-Stuff's maps, raw (ids up to 181) or made contiguous (`*_labelTrainIds.png`), to its 171 classes."""
    return read_kept(path) if _is_contiguous(path) else _COCO_STUFF[read_indices(path)]


def read_coco_object(path: Path) -> np.ndarray:
    """The same maps to background (0) and the 80 things; what is unlabelled counts as background, as published."""
    if not _is_contiguous(path):
        return _COCO_OBJECT[read_indices(path)]
    values = read_indices(path)
    return np.where(values < COCO_THINGS, values + 1, 0)


def _is_contiguous(path: Path) -> bool:
    return path.stem.endswith("_labelTrainIds")


def read_cityscapes(path: Path) -> np.ndarray:
    """`_labelTrainIds`, `_labelIds` or `_color` pictures to the 19 classes."""
    if path.stem.endswith("_labelTrainIds"):
        return read_kept(path)
    if path.stem.endswith("_labelIds"):
        return _CITYSCAPES[read_indices(path)]
    colors = _samples(path, "RGB").astype(np.int32)
    packed = (colors[..., 0] << 16) | (colors[..., 1] << 8) | colors[..., 2]
    labels = np.full(packed.shape, -1, np.int32)
    for index, (r, g, b) in enumerate(CITYSCAPES_COLORS):
        labels[packed == (r << 16 | g << 8 | b)] = index
    return labels


def read_context(path: Path) -> np.ndarray:
    """Context's labels to background (0) and 59 classes: converted PNGs, or the 459 ids of its MAT files."""
    return read_indices(path) if path.suffix == ".png" else _CONTEXT[read_mat(path)]


def read_context_reduced(path: Path) -> np.ndarray:
    """The same without background: 0 is not counted."""
    return read_context(path) - 1


def read_context459(path: Path) -> np.ndarray:
    """The 459 ids of Context's MAT files as classes 0 to 458; 0 is not counted."""
    return read_mat(path) - 1


def read_mat(path: Path) -> np.ndarray:
    """`LabelMap` of a MAT file, int32 [H, W].

    Raises:
        NamebrushError: SciPy is not installed, or it is no such file.
    """
    try:
        from scipy.io import loadmat
    except ModuleNotFoundError as error:
        raise NamebrushError("Context's MAT files are read by SciPy: pip install scipy.") from error
    try:
        values = np.asarray(loadmat(path, variable_names=["LabelMap"])["LabelMap"])
    except Exception as error:
        raise NamebrushError(f'"{shown(path)}" is no MAT file with a LabelMap.') from error
    if values.ndim != 2 or values.dtype.kind not in "ui" or values.max(initial=0) > 65535:
        raise NamebrushError(f'"{shown(path)}" is no MAT file with a LabelMap.')
    return values.astype(np.int32)


def convert_context_json(source: Path, target: Path, phase: str = "val") -> list[str]:
    """Write the 60-class labels of Context's JSON as PNGs, once; returns the names of the pictures, sorted.

    Args:
        source: `trainval_merged.json`: `images` (image_id, file_name, height, width, phase) and `annos_segmentation`
            (image_id, category_id, segmentation as COCO run lengths).
        target: folder for the PNGs; a file `done` in it tells from which source they were made.
        phase: of the pictures.

    Raises:
        NamebrushError: it is no such file, or the folder cannot be written.
    """
    stamp = f"{source.stat().st_size} {source.stat().st_mtime_ns} {phase}"
    done = target / "done"
    if done.is_file() and done.read_text() == stamp:
        return sorted(p.stem for p in target.glob("*.png"))
    try:
        data = json.loads(source.read_text(encoding="utf-8"))
        images = {one["image_id"]: one for one in data["images"] if one["phase"] == phase}
        areas: dict = {}
        for one in data["annos_segmentation"]:
            areas.setdefault(one["image_id"], []).append(one)
        target.mkdir(parents=True, exist_ok=True)
        for number, image in images.items():
            size = int(image["height"]), int(image["width"])
            if min(size) < 1 or size[0] * size[1] > MAX_PIXELS:
                raise ValueError("a picture of an impossible size")
            labels = np.zeros(size, np.uint8)
            for area in areas.get(number, ()):
                mask = decode_rle(area["segmentation"], labels.shape)
                labels[mask] = _CONTEXT[int(area["category_id"])]
            with replacing(target / f"{Path(image['file_name']).stem}.png") as file:
                Image.fromarray(labels).save(file, "PNG")
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        if isinstance(error, NamebrushError):
            raise
        raise NamebrushError(f'"{shown(source)}" could not be converted: {type(error).__name__}.') from error
    with replacing(done) as file:
        file.write(stamp.encode())
    return sorted(Path(image["file_name"]).stem for image in images.values())
