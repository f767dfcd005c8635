"""Any picture file to upright 8-bit sRGB: colour profiles, bit depths, transparency, orientation, hostile headers.

`photo.open_photo` is the door; this module is what happens behind it.
"""

from __future__ import annotations

import io
import re
import warnings
from dataclasses import dataclass, field

import cv2
import numpy as np
from PIL import Image, ImageCms, UnidentifiedImageError
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from .errors import NamebrushError

#: Formats that may be opened. Pillow knows more, but some of those start other programs (EPS) or are no photos.
FORMATS = ("PNG", "JPEG", "MPO", "WEBP", "GIF", "TIFF", "BMP", "DIB", "ICO", "PPM", "AVIF", "JPEG2000")
READABLE = "PNG, JPEG, WebP, AVIF, GIF, TIFF, BMP or JPEG 2000"
MIN_SIDE, MAX_ASPECT = 8, 32

_ORIENTATION, _EXIF_IFD, _COLOR_SPACE, _PIXEL_X, _PIXEL_Y = 0x0112, 0x8769, 0xA001, 0xA002, 0xA003
_IMAGE_WIDTH, _IMAGE_HEIGHT = 0x0100, 0x0101
# A TIFF keeps its own structure (strips, compression, ...) among its tags; only these describe the photo itself.
_TIFF_DESCRIPTIVE = {270, 271, 272, 282, 283, 296, 305, 306, 315, 33432, _EXIF_IFD, 34853}
_TO_UPRIGHT = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: np.rot90(a, 1),
}


@dataclass
class Decoded:
    """What came out of a file: uint8 `pixels` [H, W, 3] in sRGB, `alpha` [H, W] or None, metadata, sentences."""

    pixels: np.ndarray
    alpha: np.ndarray | None = None
    exif: bytes | None = None
    icc: bytes | None = None
    notes: list[str] = field(default_factory=list)


def check_size(width: int, height: int, limit: float, name: str) -> None:
    """Refuse sizes that cannot be worked on, before anything is decoded.

    Raises:
        NamebrushError: more than `limit` megapixels, a side below 8 pixels, or one side over 32 times the other.
    """
    if width * height > limit * 1e6:
        raise NamebrushError(
            f'"{name}" is {width} x {height} = {width * height / 1e6:.1f} megapixels; the limit is {limit:g}. '
            "Make it smaller first, or raise the limit."
        )
    if min(width, height) < MIN_SIDE:
        raise NamebrushError(f'"{name}" is {width} x {height} pixels; each side must have at least {MIN_SIDE}.')
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise NamebrushError(
            f'"{name}" is {width} x {height} pixels, too thin: one side may be at most {MAX_ASPECT} times the other.'
        )


def decode(data: bytes, limit: float, name: str) -> Decoded:
    """Decode the bytes of a picture file.

    Args:
        data: the whole file.
        limit: megapixels allowed; judged by the file's header.
        name: for messages.

    Raises:
        NamebrushError: empty, not a picture, damaged or cut off, too large, too small.
    """
    if not data:
        raise NamebrushError(f'"{name}" is empty: the file has no bytes.')
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what Pillow would warn of ends in a note or an error of ours
        return _decode(data, limit, name)


def _decode(data: bytes, limit: float, name: str) -> Decoded:
    try:
        Image.init()
        image = Image.open(io.BytesIO(data), formats=[f for f in FORMATS if f in Image.OPEN])
    except Image.DecompressionBombError as error:
        pixels = re.search(r"\((\d+) pixels\)", str(error))
        size = f"{int(pixels[1]) / 1e6:.1f} megapixels" if pixels else "far too many pixels"
        raise NamebrushError(f'"{name}" has {size}; the limit is {limit:g}. Make it smaller first.') from error
    except UnidentifiedImageError:
        return _decode_unknown(data, limit, name)
    except Exception as error:  # decoders of foreign bytes raise anything: struct.error, SyntaxError, EOFError ...
        raise _damaged(name) from error
    with image:
        return decode_image(image, limit, name, data)


def decode_image(image: Image.Image, limit: float, name: str, data: bytes | None = None) -> Decoded:
    """Decode an opened Pillow image; see `decode`. `data` are the file's bytes, to get at all 16 bits of a colour."""
    check_size(*image.size, limit, name)
    out = Decoded(pixels=np.empty(0))
    try:
        frames = getattr(image, "n_frames", 1) if data is not None and image.format != "MPO" else 1
        image.load()
        color, alpha = _to_8bit(image, data, out.notes)
        exif, orientation = _read_exif(image, out.notes)
        rgb, out.icc = _to_srgb(color, image.info.get("icc_profile"), out.notes)
        pixels = np.asarray(rgb)
    except NamebrushError:
        raise
    except MemoryError as error:
        raise NamebrushError(f'There is not enough memory to open "{name}". Make it smaller first.') from error
    except Exception as error:
        raise _damaged(name) from error
    if frames > 1:
        out.notes.append(f"Only the first of {frames} {'pages' if image.format == 'TIFF' else 'frames'} is used.")
    if alpha is not None and alpha.min() == 255:  # opaque everywhere: nothing to keep
        alpha = None
    turn = _TO_UPRIGHT.get(orientation, lambda a: a)
    out.pixels = np.ascontiguousarray(turn(pixels))
    out.alpha = None if alpha is None else np.ascontiguousarray(turn(alpha))
    out.exif = _write_exif(exif, out, image.format == "TIFF")
    return out


def to_uint8(values: np.ndarray, notes: list[str]) -> np.ndarray:
    """Scale samples of any numeric type to 0..255.

    Unsigned 16-bit divides by 257, so that 65535 is 255. Wider integers count as 16-bit where they fit. Floats count
    as 0..1 where they fit, as 0..255 where they fit; whatever is left is stretched from its least to its greatest
    value, and NaN is 0.
    """
    values = values.astype(values.dtype.newbyteorder("="), copy=False)
    if values.dtype == np.uint8:
        return values
    if values.dtype == np.bool_:
        return values.astype(np.uint8) * np.uint8(255)
    if values.dtype == np.uint16:
        notes.append("The photo has 16 bits per channel; they were scaled to 8.")
        return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)
    known = np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(known.min(initial=0.0)), float(known.max(initial=0.0))
    if values.dtype.kind in "iu" and low >= 0 and high <= 65535:
        top, how = 65535.0, "scaled"
    elif values.dtype.kind == "f" and low >= 0 and high <= 255:
        top, how = (1.0 if high <= 1 else 255.0), "scaled"
    else:
        low, top, how = float(known.min()), high, "stretched from darkest to lightest"
    notes.append(f"The photo's samples are {values.dtype}; they were {how} to 8 bits.")
    return np.rint((known - low) * (255.0 / max(top - low, 1e-30))).clip(0, 255).astype(np.uint8)


def _damaged(name: str) -> NamebrushError:
    return NamebrushError(f'"{name}" is damaged or cut off and cannot be read to its end. Get a fresh copy of it.')


def _decode_unknown(data: bytes, limit: float, name: str) -> Decoded:
    """What Pillow cannot open: OpenCV reads floating point colour TIFFs; everything else gets a clear refusal."""
    if data[4:8] == b"ftyp" and data[8:12] in (b"heic", b"heix", b"hevc", b"mif1", b"msf1"):
        raise NamebrushError(f'"{name}" is a HEIC photo, which cannot be read here. Save it as JPEG or PNG first.')
    if data[:4] in (b"II*\0", b"MM\0*"):
        try:
            tags = ImageFileDirectory_v2(data[:8])
            file = io.BytesIO(data)
            file.seek(tags.next)
            tags.load(file)
            width, height = int(tags[_IMAGE_WIDTH]), int(tags[_IMAGE_HEIGHT])
        except Exception as error:
            raise _damaged(name) from error
        check_size(width, height, limit, name)
        array = _decode_opencv(data)
        if array is not None and array.ndim == 3 and array.shape[2] >= 3:
            out = Decoded(pixels=np.empty(0))
            out.pixels = np.ascontiguousarray(to_uint8(array[:, :, 2::-1], out.notes))
            return out
    raise NamebrushError(f'"{name}" is not a photo that can be read, or it is damaged. Use {READABLE}.')


def _decode_opencv(data: bytes) -> np.ndarray | None:
    """OpenCV's reading with the file's own depth and channels (BGR order), or None."""
    try:
        return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None


def _is_16bit_color(image: Image.Image, data: bytes | None) -> bool:
    if data is None or image.mode not in ("RGB", "RGBA", "LA", "RGBX"):
        return False
    if image.format == "PNG":
        return data[24] == 16  # the bit depth in IHDR, always the first chunk
    if image.format == "TIFF":
        bits = image.tag_v2.get(258, (8,))
        return max(bits if isinstance(bits, tuple) else (bits,)) == 16
    return False


def _to_8bit(image: Image.Image, data: bytes | None, notes: list[str]) -> tuple[Image.Image, np.ndarray | None]:
    """The image's colours as 8-bit L, RGB or CMYK, still in its own colour space, and its alpha."""
    if _is_16bit_color(image, data):
        array = _decode_opencv(data)
        # Pillow keeps the high byte of such files; only where OpenCV cannot read one is that what is used.
        if array is not None and array.dtype == np.uint16 and array.ndim == 3 and array.shape[:2] == image.size[::-1]:
            array = to_uint8(array, notes)
            alpha = array[:, :, 3] if array.shape[2] == 4 and image.mode in ("RGBA", "LA") else None
            color = Image.fromarray(np.ascontiguousarray(array[:, :, 2::-1]))
            return (color.convert("L") if image.mode == "LA" else color), alpha
        notes.append("The photo has 16 bits per channel; they were scaled to 8.")
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        return Image.fromarray(to_uint8(np.asarray(image), notes)), None
    if image.mode in ("P", "PA") or ("transparency" in image.info and image.mode in ("1", "L", "RGB")):
        image = image.convert("RGBA")
    elif image.mode in ("RGBa", "La"):
        image = image.convert("RGBA")
    if image.mode in ("RGBA", "LA"):
        return image.convert(image.mode[:-1]), np.array(image.getchannel("A"))
    if image.mode in ("L", "RGB", "CMYK"):
        return image, None
    return image.convert("L" if image.mode == "1" else "RGB"), None


def _to_srgb(color: Image.Image, profile: bytes | None, notes: list[str]) -> tuple[Image.Image, bytes | None]:
    """Colours to sRGB by the embedded profile: RGB, and the profile that now describes it (None: plain sRGB)."""
    if not profile:
        return color.convert("RGB"), None
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        space = source.profile.xcolor_space.strip()
        if space == "RGB" and color.mode == "L":
            color = color.convert("RGB")
        if {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}.get(space) != color.mode:
            raise ImageCms.PyCMSError(f"a {space} profile in a {color.mode} photo")
        target = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
        transform = ImageCms.buildTransform(
            source,
            target,
            color.mode,
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
        if color.mode != "CMYK" and _is_identity(transform, color.mode):
            # sRGB under one of its many names: rounding through a transform would only cost exactness.
            return color.convert("RGB"), profile if color.mode == "RGB" else None
        return ImageCms.applyTransform(color, transform), target.tobytes()
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        notes.append("The embedded colour profile does not fit the photo; its colours are taken as sRGB.")
        return color.convert("RGB"), None


def _is_identity(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    """True where a transform moves no colour of a probe by more than one step."""
    steps = np.linspace(0, 255, 9).astype(np.uint8)
    probe = np.stack(np.meshgrid(steps, steps, steps), -1).reshape(27, 27, 3)
    if mode == "L":
        probe = np.arange(256, dtype=np.uint8).reshape(16, 16)
    result = np.asarray(ImageCms.applyTransform(Image.fromarray(probe), transform)).astype(int)
    return int(np.abs(result - (probe if mode == "RGB" else probe[:, :, None])).max()) <= 1


def _read_exif(image: Image.Image, notes: list[str]) -> tuple[Image.Exif | None, int]:
    """The EXIF block and the orientation it asks for, 1..8."""
    try:
        own = image.getexif()
        orientation = int(own.get(_ORIENTATION, 1))
        exif = Image.Exif()  # a copy: the image may belong to the caller
        exif.load(own.tobytes())
        return exif, orientation
    except Exception:  # EXIF blocks are often broken; the photo itself is not
        notes.append("The photo's EXIF data are damaged and were left out.")
        return None, 1


def _write_exif(exif: Image.Exif | None, out: Decoded, from_tiff: bool) -> bytes | None:
    """The EXIF block for the upright photo: orientation 1, true size, sRGB, no preview of what the photo once was."""
    if not exif:
        return None
    try:
        height, width = out.pixels.shape[:2]
        for tag in list(exif):
            if tag in (_IMAGE_WIDTH, _IMAGE_HEIGHT) or (from_tiff and tag not in _TIFF_DESCRIPTIVE):
                del exif[tag]
        if _EXIF_IFD in exif:
            inner = exif.get_ifd(_EXIF_IFD)
            for tag, value in ((_PIXEL_X, width), (_PIXEL_Y, height), (_COLOR_SPACE, 1)):
                if tag in inner:
                    inner[tag] = value
        if not exif:
            return None
        exif[_ORIENTATION] = 1
        return exif.tobytes()  # Pillow writes no second directory (the thumbnail) unless it was asked to read it
    except Exception:
        out.notes.append("The photo's EXIF data are damaged and were left out.")
        return None
