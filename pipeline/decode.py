"""Any picture file to upright 8-bit sRGB: colour profiles, bit depths, transparency, orientation, hostile headers.

`photo.open_photo` is the door; this module is what happens behind it, in the same process or in one of `decoding`'s.
"""

from __future__ import annotations

import io
import re
import struct
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field

import cv2
import numpy as np
from PIL import Image, ImageCms, UnidentifiedImageError
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from .decoding.metadata import MAX_ICC, read_exif, write_exif
from .decoding.pnm import Pnm
from .decoding.samples import pixels_of, to_uint8
from .decoding.structure import check_structure, damaged, overloaded
from .errors import NamebrushError

#: Formats that may be opened. Pillow knows more, but some of those start other programs (EPS) or are no photos.
FORMATS = ("PNG", "JPEG", "MPO", "WEBP", "GIF", "TIFF", "BMP", "DIB", "ICO", "PPM", "AVIF", "JPEG2000")
READABLE = "PNG, JPEG, WebP, AVIF, GIF, TIFF, BMP or JPEG 2000"
MIN_SIDE, MAX_ASPECT = 8, 32

_IMAGE_WIDTH, _IMAGE_HEIGHT = 0x0100, 0x0101
#: Bytes of a file beyond which it is no picture of its size: of any, and for each pixel.
_FILE_BYTES, _FILE_BYTES_PER_PIXEL = 64 << 20, 32
#: OpenCV's number for "not enough memory".
_NO_MEMORY = -4
#: Called with width and height once they are known and allowed, before the pixels are decoded.
OnSize = Callable[[int, int], None]
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


def decode(data: bytes, limit: float, name: str, on_size: OnSize | None = None) -> Decoded:
    """Decode the bytes of a picture file.

    Args:
        data: the whole file.
        limit: megapixels allowed; judged by the file's header.
        name: for messages.
        on_size: called with width and height before the pixels are decoded.

    Raises:
        NamebrushError: empty, not a picture, damaged or cut off, too large, too small, too costly.
        MemoryError: there is not enough.
    """
    if not data:
        raise NamebrushError(f'"{name}" is empty: the file has no bytes.')
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what Pillow would warn of ends in a note or an error of ours
        frames = check_structure(data, limit, name)
        pnm = Pnm.opened(data)
        if pnm is not None:
            return _decode_pnm(pnm, limit, name, data, on_size)
        image = _open(data, FORMATS, limit, name)
        if image is None:
            return _decode_unknown(data, limit, name, on_size)
        with image:
            return decode_image(image, limit, name, data, on_size, frames)


def decode_png(data: bytes, limit: float, name: str, on_size: OnSize | None = None) -> np.ndarray:
    """The samples of a PNG as they are, [H, W, C], uint8 or uint16: no profile is applied, nothing is turned.

    Args:
        data: the whole file.
        limit: megapixels allowed; judged by the file's header.
        name: for messages.
        on_size: called with width and height before the pixels are decoded.

    Raises:
        NamebrushError: not a PNG of 8-bit grey, colour or colour with transparency or 16-bit grey; damaged; too large.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check_structure(data, limit, name)
        image = _open(data, ("PNG",), limit, name)
        if image is None or image.mode not in ("L", "RGB", "RGBA", "I;16"):
            raise damaged(name)
        with image:
            width, height = image.size
            if width * height > limit * 1e6:
                check_size(width, height, limit, name)
            if on_size is not None:
                on_size(width, height)
            try:
                samples = np.array(image)
            except MemoryError:
                raise
            except Exception as error:
                raise damaged(name) from error
    return samples[:, :, None] if samples.ndim == 2 else samples


def _decode_pnm(pnm: Pnm, limit: float, name: str, data: bytes, on_size: OnSize | None) -> Decoded:
    _check_cost(pnm.size, limit, name, data)
    if on_size is not None:
        on_size(*pnm.size)
    out = Decoded(pixels=np.empty(0))
    samples = pnm.samples(out.notes)
    if samples is None:
        raise damaged(name)
    out.pixels = np.ascontiguousarray(np.broadcast_to(samples, (*samples.shape[:2], 3)))
    return out


def _open(data: bytes, formats: tuple[str, ...], limit: float, name: str) -> Image.Image | None:
    """The opened image, its pixels not yet decoded; None where Pillow does not know the file."""
    try:
        Image.init()
        return Image.open(io.BytesIO(data), formats=[f for f in formats if f in Image.OPEN])
    except Image.DecompressionBombError as error:
        pixels = re.search(r"\((\d+) pixels\)", str(error))
        size = f"{int(pixels[1]) / 1e6:.1f} megapixels" if pixels else "far too many pixels"
        raise NamebrushError(f'"{name}" has {size}; the limit is {limit:g}. Make it smaller first.') from error
    except UnidentifiedImageError:
        return None
    except MemoryError:
        raise
    except Exception as error:  # decoders of foreign bytes raise anything: struct.error, SyntaxError, EOFError ...
        if "MAX_TEXT" in str(error):  # Pillow's bounds on what text and profiles of a PNG may unpack to
            raise overloaded(name) from error
        raise damaged(name) from error


def decode_image(
    image: Image.Image,
    limit: float,
    name: str,
    data: bytes | None = None,
    on_size: OnSize | None = None,
    frames: int | None = None,
) -> Decoded:
    """Decode an opened Pillow image; see `decode`.

    Args:
        image: the image.
        limit: megapixels allowed.
        name: for messages.
        data: the file's bytes, to get at all 16 bits of a colour; None for an image that was not opened by `decode`.
        on_size: called with width and height before the pixels are decoded.
        frames: how many it has, where that is known already.

    Raises:
        NamebrushError: as `decode`.
        MemoryError: there is not enough.
    """
    size = image.size
    _check_cost(size, limit, name, data)
    if on_size is not None:
        on_size(*size)
    out = Decoded(pixels=np.empty(0))
    try:
        if data is None or image.format == "MPO":
            frames = 1
        elif frames is None:
            frames = getattr(image, "n_frames", 1)
        image.load()
        if image.size != size:  # an icon's pictures may be larger than it says
            _check_cost(image.size, limit, name, data)
        color, alpha = _to_8bit(image, data, out.notes)
        exif, orientation = read_exif(image, out.notes)
        rgb, out.icc = _to_srgb(color, image.info.get("icc_profile"), out.notes)
        pixels = pixels_of(rgb)
    except (NamebrushError, MemoryError):
        raise
    except Exception as error:
        raise damaged(name) from error
    if frames > 1:
        out.notes.append(f"Only the first of {frames} {'pages' if image.format == 'TIFF' else 'frames'} is used.")
    if alpha is not None and alpha.min() == 255:  # opaque everywhere: nothing to keep
        alpha = None
    turn = _TO_UPRIGHT.get(orientation, lambda a: a)
    out.pixels = np.ascontiguousarray(turn(pixels))
    out.alpha = None if alpha is None else np.ascontiguousarray(turn(alpha))
    out.exif = write_exif(exif, out.pixels.shape[:2], image.format == "TIFF", out.notes)
    return out


def _check_cost(size: tuple[int, int], limit: float, name: str, data: bytes | None) -> None:
    """Refuse a size that cannot be worked on, and a file of far more bytes than a picture of its size needs."""
    check_size(*size, limit, name)
    if data is not None and len(data) > _FILE_BYTES + _FILE_BYTES_PER_PIXEL * size[0] * size[1]:
        raise overloaded(name)


def _decode_unknown(data: bytes, limit: float, name: str, on_size: OnSize | None) -> Decoded:
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
            raise damaged(name) from error
        _check_cost((width, height), limit, name, data)
        if on_size is not None:
            on_size(width, height)
        array = _decode_opencv(data)
        if array is not None and array.shape[:2] == (height, width) and array.ndim == 3 and array.shape[2] >= 3:
            out = Decoded(pixels=np.empty(0))
            out.pixels = np.ascontiguousarray(to_uint8(array[:, :, 2::-1], out.notes))
            return out
    raise NamebrushError(f'"{name}" is not a photo that can be read, or it is damaged. Use {READABLE}.')


def _decode_opencv(data: bytes) -> np.ndarray | None:
    """OpenCV's reading with the file's own depth and channels (BGR order), or None."""
    try:
        return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        if error.code == _NO_MEMORY:
            raise MemoryError from error
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
        return image.convert(image.mode[:-1]), pixels_of(image.getchannel("A"))
    if image.mode in ("L", "RGB", "CMYK"):
        return image, None
    return image.convert("L" if image.mode == "1" else "RGB"), None


def _to_srgb(color: Image.Image, profile: bytes | None, notes: list[str]) -> tuple[Image.Image, bytes | None]:
    """Colours to sRGB by the embedded profile: RGB, and the profile that now describes it (None: plain sRGB)."""
    if profile and len(profile) > MAX_ICC:
        notes.append("The embedded colour profile is too large; the photo's colours are taken as sRGB.")
        profile = None
    if not profile:
        return color if color.mode == "RGB" else color.convert("RGB"), None
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
            return (color, profile) if color.mode == "RGB" else (color.convert("RGB"), None)
        return ImageCms.applyTransform(color, transform), _undated(target.tobytes())
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        notes.append("The embedded colour profile does not fit the photo; its colours are taken as sRGB.")
        return color.convert("RGB"), None


def _undated(profile: bytes) -> bytes:
    """A profile just made, with 1 January 2000 as the time it was made: the same photo has the same profile always."""
    return profile[:24] + struct.pack(">6H", 2000, 1, 1, 0, 0, 0) + profile[36:]


def _is_identity(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    """True where a transform moves no colour of a probe by more than one step."""
    steps = np.linspace(0, 255, 9).astype(np.uint8)
    probe = np.stack(np.meshgrid(steps, steps, steps), -1).reshape(27, 27, 3)
    if mode == "L":
        probe = np.arange(256, dtype=np.uint8).reshape(16, 16)
    result = np.asarray(ImageCms.applyTransform(Image.fromarray(probe), transform)).astype(int)
    return int(np.abs(result - (probe if mode == "RGB" else probe[:, :, None])).max()) <= 1
