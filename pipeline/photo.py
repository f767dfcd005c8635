"""The one place that opens and saves photos."""

from __future__ import annotations

import hashlib
import io
import os
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np
from PIL import Image

from .decode import Decoded, check_size, decode, decode_image
from .decoding.samples import to_uint8
from .errors import NamebrushError
from .files import shown, write_atomic
from .records import Photo

MAX_MEGAPIXELS = 50.0
MAX_BYTES = 1 << 30
PhotoSource = str | os.PathLike | bytes | BinaryIO | np.ndarray | Image.Image | Photo

#: Endings `save_photo` writes, and their formats.
SAVE_ENDINGS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
_MAX_SIDE = {"PNG": 2**31 - 1, "JPEG": 65500, "WEBP": 16383}
_MAX_JPEG_EXIF = 65533


class PhotoDecoder(Protocol):
    """Decodes picture files: `decoding.client.Client` in another process, this module's own in this one."""

    def decode(self, source: bytes | BinaryIO, limit: float, name: str) -> Decoded:
        """Decode a file's bytes or an open file; see `decode.decode`."""


def open_photo(
    source: PhotoSource, max_megapixels: float = MAX_MEGAPIXELS, decoder: PhotoDecoder | None = None
) -> Photo:
    """Open a photo from nearly anything: upright, 8 bits, sRGB.

    EXIF orientation is applied, an embedded colour profile is converted to sRGB, 16-bit and floating point samples are
    scaled to 8 bits, of several frames the first is used; `Photo.notes` says what was done. The size is judged by the
    file's header, before decoding.

    Args:
        source: a path, the bytes of a file, an open binary file, a Pillow image, an array or a `Photo` (returned as it
            is). Arrays are [H, W], [H, W, 1], [H, W, 3] RGB or [H, W, 4] RGBA; bool, uint8, uint16 or float 0..1.
        max_megapixels: width times height allowed, in millions; above 178 Pillow itself refuses.
        decoder: what decodes files; None decodes in this process, which is for files one trusts: what a file can make
            its libraries do, they do here. For strangers' files see `decoding.client`.

    Raises:
        NamebrushError: missing, not a photo, damaged, too large, below 8 pixels a side or thinner than 1 to 32.
        TypeError: a source of another type.
    """
    if isinstance(source, Photo):
        return source
    if isinstance(source, np.ndarray):
        return _from_array(source, max_megapixels)
    if isinstance(source, Image.Image):
        name = shown(Path(getattr(source, "filename", "") or "photo").name)
        try:
            return _as_photo(decode_image(source, max_megapixels, name), name)
        except MemoryError as error:
            raise NamebrushError(f'There is not enough memory to open "{name}". Make it smaller first.') from error
    if isinstance(source, (bytes, bytearray, memoryview)):
        return _from_file(bytes(source), "photo", max_megapixels, decoder)
    if isinstance(source, (str, os.PathLike)):
        with _opened(source) as file:
            return _from_file(file, shown(Path(file.name).name), max_megapixels, decoder)
    if hasattr(source, "read"):
        data = source.read(MAX_BYTES + 1)
        if not isinstance(data, bytes):
            raise TypeError("A photo's file must be opened in binary mode.")
        name = shown(Path(source.name).name) if isinstance(getattr(source, "name", None), str) else "photo"
        return _from_file(data, name, max_megapixels, decoder)
    raise TypeError(f"A photo is a path, bytes, a file, an array or an image, not {type(source).__name__}.")


def photo_from_pixels(pixels: np.ndarray, like: Photo | None = None) -> Photo:
    """A photo of new pixels that keeps what belongs to another: its alpha, EXIF, colour profile and name.

    Args:
        pixels: uint8 [H, W, 3] sRGB; copied.
        like: where the rest comes from; its alpha is kept where the size is the same.
    """
    pixels = np.array(pixels, order="C")
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise ValueError(f"pixels must be uint8 [H, W, 3], got {pixels.dtype} {list(pixels.shape)}")
    if like is None:
        return Photo(pixels=pixels, hash=pixel_hash(pixels))
    alpha = like.alpha if like.size == pixels.shape[:2] else None
    return replace(like, pixels=pixels, hash=pixel_hash(pixels), alpha=alpha, notes=())


def pixel_hash(pixels: np.ndarray) -> str:
    """Hexadecimal BLAKE2b of size and pixels, 128 bits: equal for equal pictures, whatever file they came from."""
    digest = hashlib.blake2b(digest_size=16)
    digest.update(np.array(pixels.shape, "<i8").tobytes())
    digest.update(np.ascontiguousarray(pixels))
    return digest.hexdigest()


def encode_photo(photo: Photo, format: str = "PNG", quality: int = 95) -> tuple[bytes, tuple[str, ...]]:
    """The bytes of a picture file, and sentences on what the format could not hold.

    PNG is lossless, bit for bit, alpha included. WebP keeps alpha; quality 100 makes it lossless too. JPEG has no
    transparency: the photo is laid on white, as viewers show it. EXIF and colour profile are written in all three.

    Args:
        photo: what to encode.
        format: "PNG", "JPEG" or "WEBP".
        quality: 1..100, of JPEG and WebP.

    Raises:
        NamebrushError: the photo has more pixels a side than the format can hold, or the quality is out of range.
    """
    if not 1 <= quality <= 100:
        raise NamebrushError(f"The quality must lie between 1 and 100, got {quality}.")
    if max(photo.size) > _MAX_SIDE[format]:
        raise NamebrushError(f"{format} holds at most {_MAX_SIDE[format]} pixels a side; save as PNG instead.")
    notes, pixels, exif = [], photo.pixels, photo.exif
    if photo.alpha is not None and format == "JPEG":
        cover = photo.alpha[:, :, None].astype(np.uint16)
        pixels = ((pixels * cover + 255 * (255 - cover) + 127) // 255).astype(np.uint8)
        notes.append("JPEG has no transparency: the photo was laid on white. Save as PNG to keep it.")
    elif photo.alpha is not None:
        pixels = np.dstack([pixels, photo.alpha])
    if format == "JPEG" and exif is not None and len(exif) > _MAX_JPEG_EXIF:
        exif = None
        notes.append("The photo's EXIF data are too long for JPEG and were left out.")
    options: dict = {"icc_profile": photo.icc} if photo.icc else {}
    if exif:
        options["exif"] = exif
    if format == "JPEG":
        options |= {"quality": quality, "subsampling": 0 if quality >= 90 else 2}
    elif format == "WEBP":
        # exact: colours under full transparency stay too
        options |= {"lossless": quality == 100, "quality": quality, "exact": True}
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format, **options)
    return buffer.getvalue(), tuple(notes)


def save_photo(photo: Photo, path: str | os.PathLike, quality: int = 95) -> tuple[str, ...]:
    """Write a photo by its ending (.png, .jpg, .jpeg, .webp), whole or not at all; see `encode_photo`.

    Returns:
        Sentences a person should read, such as that JPEG has no transparency.

    Raises:
        NamebrushError: another ending, a folder that is missing or not writable, a full disk.
    """
    format = SAVE_ENDINGS.get(Path(path).suffix.lower())
    if format is None:
        raise NamebrushError(f'"{shown(Path(path).name)}" must end in .png, .jpg, .jpeg or .webp.')
    data, notes = encode_photo(photo, format, quality)
    write_atomic(path, data)
    return notes


def _opened(path: str | os.PathLike) -> BinaryIO:
    """The open file of a photo."""
    try:
        file = Path(path).expanduser()
        if file.is_dir():
            raise NamebrushError(f'"{shown(path)}" is a folder; give the name of a photo in it.')
        if not file.exists():
            raise NamebrushError(f'There is no file "{shown(path)}".')
        if not file.is_file():
            raise NamebrushError(f'"{shown(path)}" is not an ordinary file.')
        if file.stat().st_size > MAX_BYTES:
            raise NamebrushError(f'"{shown(path)}" is larger than {MAX_BYTES >> 30} GiB, more than a photo needs.')
        return open(file, "rb")
    except NamebrushError:
        raise
    except (OSError, ValueError, RuntimeError) as error:  # RuntimeError: no home folder for "~"
        reason = getattr(error, "strerror", None) or "not a usable name"
        raise NamebrushError(f'Could not read "{shown(path)}": {reason}.') from error


def _from_file(source: bytes | BinaryIO, name: str, limit: float, decoder: PhotoDecoder | None) -> Photo:
    if decoder is not None:
        return _as_photo(decoder.decode(source, limit, name), name)
    try:
        data = source if isinstance(source, bytes) else source.read()
    except OSError as error:
        raise NamebrushError(f'Could not read "{name}": {error.strerror or "no reason given"}.') from error
    if len(data) > MAX_BYTES:
        raise NamebrushError(f'"{name}" is larger than {MAX_BYTES >> 30} GiB, more than a photo needs.')
    try:
        return _as_photo(decode(data, limit, name), name)
    except MemoryError as error:
        raise NamebrushError(f'There is not enough memory to open "{name}". Make it smaller first.') from error


def _from_array(array: np.ndarray, limit: float) -> Photo:
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4):
        raise NamebrushError(f"An array photo must be [H, W], [H, W, 3] or [H, W, 4], got {list(array.shape)}.")
    check_size(array.shape[1], array.shape[0], limit, "photo")
    if array.dtype.kind == "f" and not (np.isfinite(array).all() and array.min() >= 0 and array.max() <= 1):
        raise NamebrushError("An array photo of floats must lie between 0 and 1.")
    if array.dtype.kind not in "f" and array.dtype not in (np.bool_, np.uint8, np.uint16):
        raise NamebrushError(f"An array photo must be bool, uint8, uint16 or float, not {array.dtype}.")
    out = Decoded(pixels=np.empty(0))
    values = to_uint8(array, out.notes)
    out.pixels = np.repeat(values, 3, axis=2) if values.shape[2] == 1 else np.array(values[:, :, :3], order="C")
    if values.shape[2] == 4 and values[:, :, 3].min() < 255:
        out.alpha = np.array(values[:, :, 3], order="C")
    return _as_photo(out, "photo")


def _as_photo(out: Decoded, name: str) -> Photo:
    return Photo(
        pixels=out.pixels,
        hash=pixel_hash(out.pixels),
        alpha=out.alpha,
        exif=out.exif,
        icc=out.icc,
        name=name,
        notes=tuple(dict.fromkeys(out.notes)),
    )
