"""Small good inputs, from which damaged ones are made."""

from __future__ import annotations

import io
from functools import cache

import cv2
import numpy as np
from PIL import Image, ImageCms

from pipeline.edit import edit
from pipeline.history import History, edited, opened, segmented
from pipeline.history.session import session_bytes
from pipeline.photo import open_photo
from pipeline.records import ClassName, EditRequest, Prompt, Region, Segmentation, Vocabulary


def _saved(image: Image.Image, format: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


@cache
def pictures() -> dict[str, bytes]:
    """A picture of 48 x 40 pixels in every format and variant that can be opened."""
    rng = np.random.default_rng(0)
    small = Image.fromarray(rng.integers(0, 256, (5, 6, 4), np.uint8))
    image = small.resize((48, 40), Image.Resampling.BICUBIC)
    rgb, grey = image.convert("RGB"), image.convert("L")
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a photo"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    profile = profile[:24] + bytes(12) + profile[36:]  # the time it was made: the same seed shall make the same cases
    told = {"exif": exif.tobytes(), "icc_profile": profile}
    deep = (np.asarray(rgb).astype(np.uint16) * 257)[..., ::-1]
    made = {
        "png": _saved(rgb, "PNG", **told), "png-alpha": _saved(image, "PNG"), "png-grey": _saved(grey, "PNG"),
        "png-palette": _saved(rgb.quantize(16), "PNG", transparency=3), "png-bits": _saved(grey.convert("1"), "PNG"),
        "png-16": cv2.imencode(".png", deep)[1].tobytes(),
        "apng": _saved(rgb, "PNG", save_all=True, append_images=[rgb.rotate(90), rgb]),
        "jpeg": _saved(rgb, "JPEG", **told), "jpeg-progressive": _saved(rgb, "JPEG", progressive=True),
        "jpeg-grey": _saved(grey, "JPEG"), "jpeg-cmyk": _saved(rgb.convert("CMYK"), "JPEG"),
        "mpo": _saved(rgb, "MPO", save_all=True, append_images=[rgb]),
        "webp": _saved(rgb, "WEBP", **told), "webp-lossless": _saved(image, "WEBP", lossless=True),
        "webp-moving": _saved(rgb, "WEBP", save_all=True, append_images=[rgb.rotate(90)]),
        "gif": _saved(rgb.quantize(64), "GIF"),
        "gif-moving": _saved(rgb.quantize(8), "GIF", save_all=True, append_images=[grey.quantize(4)]),
        "tiff": _saved(rgb, "TIFF"), "tiff-16": cv2.imencode(".tiff", deep)[1].tobytes(),
        "tiff-pages": _saved(rgb, "TIFF", save_all=True, append_images=[rgb.rotate(90)]),
        "bmp": _saved(rgb, "BMP"), "bmp-palette": _saved(rgb.quantize(16), "BMP"), "dib": _saved(rgb, "DIB"),
        "ico": _saved(image, "ICO", sizes=[(48, 40)]), "ppm": _saved(rgb, "PPM"), "pgm": _saved(grey, "PPM"),
        "ppm-plain": b"P3\n8 8\n255\n" + b"1 2 3\n" * 64, "pfm": _saved(grey.convert("F"), "PPM"),
        "jp2": _saved(rgb, "JPEG2000"), "avif": _saved(rgb, "AVIF"),
        "exr-tiff": cv2.imencode(".tiff", np.float32(np.asarray(rgb)) / 255)[1].tobytes(),
    }  # fmt: skip
    for compression in ("tiff_lzw", "tiff_adobe_deflate", "jpeg", "packbits"):
        made[f"tiff-{compression}"] = _saved(rgb, "TIFF", compression=compression)
    made["tiff-group4"] = _saved(grey.convert("1"), "TIFF", compression="group4")
    return made


def good_history(width: int = 48) -> History:
    """A photo, two names found in it, a thing removed with two results to choose from; one stands before that."""
    photo = open_photo(np.random.default_rng(0).integers(0, 256, (40, width, 3), np.uint8))
    labels = np.full(photo.size, -1, np.int32)
    labels[4:20, 6:30] = 1
    prompt = Prompt(np.array([[10.5, 8]], np.float32), np.array([1], np.int32), (6.0, 4.0, 30.0, 20.0),
                    np.ones((8, 8), np.float32))  # fmt: skip
    region = Region.from_mask(
        labels == 1, id=0, class_index=1, name="grass", score=0.75, prompt=prompt, made_by="sam", iou=0.5,
        logits=np.linspace(-1, 1, 64, dtype=np.float32).reshape(8, 8),
    )  # fmt: skip
    words = Vocabulary((ClassName("dog", ("puppy",)), ClassName("grass")), ("sky",), 0.25, (), (("all", (0, 1)),))
    scores = np.random.default_rng(0).random((3, 10, 12), np.float32)
    found = Segmentation(photo, words, labels, scores, (region,), "tiny", "sclip", "sam", {"encode": 0.5})
    request = EditRequest("remove", region.mask, candidates=2, seed=3)
    result = edit(photo, request, None)
    history = History().add(opened(photo)).add(segmented(found, "dog; puppy, grass", {"method": "sclip"}))
    return history.add(edited(result)).undo()


def session_of(history: History) -> bytes:
    """A history as a session file."""
    buffer = io.BytesIO()
    session_bytes(history, buffer)
    return buffer.getvalue()


@cache
def sessions() -> dict[str, bytes]:
    """Two session files: with everything, and with a photo alone."""
    history = good_history()
    return {"whole": session_of(history), "photo": session_of(History().add(history.steps[0]))}
