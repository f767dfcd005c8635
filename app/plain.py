"""The plain surface, for browsers whose canvas cannot be read back: one picture with its layers, clicks mapped back.

Layers are drawn on the scaled photo rather than scaled with it, so that outlines and glyphs keep their size and stay
sharp on a thumbnail and on a 50-megapixel photo alike. What is shown here is for looking at; what is data (results,
masks, labels) is written at the photo's own size in `files`.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from weakref import WeakKeyDictionary

import cv2
import numpy as np

from pipeline.draw import Layers, overlay
from pipeline.errors import NamebrushError
from pipeline.records import Photo, Prompt, Region, Segmentation

from .actions import need_photo, pick_at
from .masks import hand_made
from .pictures import written
from .session import LAYERS, Session
from .texts import Told

LONG_SIDE = 1600
MAX_ENLARGED = 4.0
JPEG_QUALITY = 94

# A click redraws everything; what was scaled once is kept beside its record, by identity, and dies with it.
_photos: WeakKeyDictionary[Photo, Photo] = WeakKeyDictionary()
_regions: WeakKeyDictionary[Region, Region] = WeakKeyDictionary()


def shown_size(size: tuple[int, int]) -> tuple[int, int]:
    """Height and width at which a photo of `size` is shown: its long side brought to `LONG_SIDE`, small ones at most
    `MAX_ENLARGED` times; never below one pixel."""
    factor = min(LONG_SIDE / max(size), MAX_ENLARGED)
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def to_photo(x: float, y: float, size: tuple[int, int]) -> tuple[int, int]:
    """A clicked pixel of the shown picture, as a pixel x, y of the photo of `size`."""
    height, width = size
    shown_height, shown_width = shown_size(size)
    px, py = int((x + 0.5) * width / shown_width), int((y + 0.5) * height / shown_height)
    return min(max(px, 0), width - 1), min(max(py, 0), height - 1)


def scaled(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Pixels uint8 [H, W, 3] resampled to height and width `size`."""
    if pixels.shape[:2] == size:
        return np.ascontiguousarray(pixels)
    shrink = size[0] < pixels.shape[0]
    return cv2.resize(pixels, (size[1], size[0]), interpolation=cv2.INTER_AREA if shrink else cv2.INTER_CUBIC)


def _scaled_region(region: Region, size: tuple[int, int]) -> Region:
    """The region on the shown picture, its prompt moved along."""
    fy, fx = size[0] / region.size[0], size[1] / region.size[1]
    x0, y0, x1, y1 = region.box
    # A margin keeps the resampled edge where the original is, whatever the box's fraction of a shown pixel.
    pad = int(np.ceil(2 / min(fx, fy, 1.0)))
    left, top = max(x0 - pad, 0), max(y0 - pad, 0)
    right, bottom = min(x1 + pad, region.size[1]), min(y1 + pad, region.size[0])
    window = np.zeros((bottom - top, right - left), np.float32)
    window[y0 - top : y1 - top, x0 - left : x1 - left] = region.crop
    sx0, sy0 = int(np.floor(left * fx)), int(np.floor(top * fy))
    sx1, sy1 = int(np.ceil(right * fx)), int(np.ceil(bottom * fy))
    shift = np.array([[fx, 0, left * fx - sx0 + 0.5 * fx - 0.5], [0, fy, top * fy - sy0 + 0.5 * fy - 0.5]], np.float32)
    if fx < 1:
        window = cv2.blur(window, (max(1, int(round(1 / fx))), max(1, int(round(1 / fy)))))
    shown = cv2.warpAffine(window, shift, (sx1 - sx0, sy1 - sy0), flags=cv2.INTER_LINEAR) >= 0.5
    mask = np.zeros(size, bool)
    inside = shown[: size[0] - sy0, : size[1] - sx0]
    mask[sy0 : sy0 + inside.shape[0], sx0 : sx0 + inside.shape[1]] = inside
    if not mask.any():  # thinner than a shown pixel: one pixel stands for it
        mask[min(int((y0 + y1) / 2 * fy), size[0] - 1), min(int((x0 + x1) / 2 * fx), size[1] - 1)] = True
    prompt = Prompt(
        points=(region.prompt.points * np.float32([fx, fy])).astype(np.float32),
        labels=region.prompt.labels,
        box=None
        if region.prompt.box is None
        else tuple(v * f for v, f in zip(region.prompt.box, (fx, fy) * 2, strict=True)),
    )
    return Region.from_mask(
        mask, id=region.id, class_index=region.class_index, name=region.name, score=region.score, prompt=prompt,
        made_by=region.made_by, iou=region.iou,
    )  # fmt: skip


def _remembered(store: WeakKeyDictionary, record, make):
    """`make()` once per record, remembered as long as the record itself lives and no longer."""
    if record not in store:
        store[record] = make()
    return store[record]


def shown_segmentation(photo: Photo, segmentation: Segmentation | None) -> Segmentation:
    """The segmentation as it is on the shown picture; one without masks where there is none yet."""
    size = shown_size(photo.size)
    small = _remembered(
        _photos, photo, lambda: Photo(pixels=scaled(photo.pixels, size), hash=f"{photo.hash}@shown", name=photo.name)
    )
    if segmentation is None:
        return hand_made(small)
    labels = cv2.resize(segmentation.labels, (size[1], size[0]), interpolation=cv2.INTER_NEAREST)
    regions = tuple(_remembered(_regions, r, lambda r=r: _scaled_region(r, size)) for r in segmentation.regions)
    return replace(segmentation, photo=small, labels=labels, regions=regions)


def click(session: Session, x: float, y: float) -> tuple[Told, dict | None]:
    """A click on the shown picture with the session's tool. Runs no model.

    Returns:
        The line to show, and what `masks.asked` is to be given, or None.
    """
    step = need_photo(session)
    px, py = to_photo(x, y, step.photo.size)
    if session.tool == "pick":
        return pick_at(session, px, py), None
    ids = list(session.picked)
    if session.tool == "box":
        if session.corner is None:
            session.corner = (px, py)
            return Told(session.say("opposite"), "hint"), None
        ax, ay = session.corner
        session.corner = None
        box = (min(ax, px), min(ay, py), max(ax, px) + 1, max(ay, py) + 1)
        if box[2] - box[0] < 3 or box[3] - box[1] < 3:
            raise NamebrushError(session.say("thin_box"))
        return Told(session.say("drawing_box"), "hint"), {"box": box, "ids": ids}
    point = [px, py, int(session.tool == "add")]
    return Told(session.say("drawing_point"), "hint"), {"points": [point], "ids": ids}


def write_shown(pixels: np.ndarray, folder: str | Path, lossless: bool = False) -> str:
    """Write a picture for the screen into a folder of its own below `folder`, under a name nobody can guess.

    JPEG without chroma subsampling keeps thin coloured outlines clean at a tenth of the bytes of a PNG; `lossless`
    writes a PNG for views whose pixels are compared.
    """
    name = "view.png" if lossless else "view.jpg"
    if lossless:
        options = [cv2.IMWRITE_PNG_COMPRESSION, 2]
    else:
        options = [
            cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY,
            cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
        ]  # fmt: skip
    ok, data = cv2.imencode(name[-4:], cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), options)
    if not ok:
        raise OSError(f"The picture could not be encoded as {name[-4:]}.")
    return written(data.tobytes(), name, folder)


def compose(session: Session) -> np.ndarray:
    """The shown picture of the current step: photo, layers, picked outlines, a box's first corner. Runs no model.

    Returns:
        uint8 [h, w, 3] at `shown_size`.
    """
    step = session.step
    shown = shown_segmentation(step.photo, step.segmentation)
    layers = Layers(**{name: name in session.layers for name in LAYERS})
    picture = overlay(shown.photo, shown, layers, colors=session.colors(), selected=session.picked)
    if session.corner is not None:
        fy, fx = (s / p for s, p in zip(shown.photo.size, step.photo.size, strict=True))
        _corner(picture, round(session.corner[0] * fx), round(session.corner[1] * fy))
    return picture


def _corner(picture: np.ndarray, x: int, y: int) -> None:
    """Mark the first corner of a box: an angle with a dark edge around a light line."""
    arm = max(12, max(picture.shape) // 50)
    for color, width in (((20, 20, 20), 6), ((255, 255, 255), 2)):
        cv2.line(picture, (x, y), (x + arm, y), color, width, cv2.LINE_AA)
        cv2.line(picture, (x, y), (x, y + arm), color, width, cv2.LINE_AA)
