"""The files inside a session file, read within bounds: a small zip can claim and unpack to anything.

What a header says is judged before anything of that size is allocated, and then held to: names, ways of packing,
sizes, shapes and types. Everything that stays in memory is taken from one `Budget`.
"""

from __future__ import annotations

import hashlib
import io
import math
import re
import struct
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ..decode import MIN_SIDE, decode_png
from ..errors import NamebrushError
from .manifest import MOST_TEXT
from .session import MANIFEST

#: All files of a session together have no more bytes, packed or unpacked.
MOST_BYTES = 4 << 30
#: Bytes of a zip's list of files, which is read in one go.
_MOST_LIST = 8 << 20
#: Bytes of a file that are read at once.
_PIECE = 1 << 20
#: What zip may gain on what is packed already, with room for small files; and for a session as a whole.
_GAIN, _SMALL, _GAIN_ALL, _SMALL_ALL = 100, 1 << 20, 10, 256 << 20
_MOST_EXTRA = 32 << 20
_MAX_ASPECT, _MAX_SIDE = 1000, 65_500  # JPEG, as which the page shows large ones, has no longer side
_NAMES = re.compile(
    r"session\.json|photos/[0-9a-f]{32}(-[0-9a-f]{12})?\.png|(exif|icc)/[0-9a-f]{32}\.bin"
    r"|steps/[0-9]{1,10}-(labels\.png|scores\.npz|regions\.npz)|(photos|exif|icc|steps)/"
)
_SAMPLES = {(np.dtype(np.uint8), 3), (np.dtype(np.uint8), 4), (np.dtype(np.uint16), 1)}
_ARRAY_NAMES = re.compile(r"(scores|(mask|logits|logits-fine|logits-coarse|logits-place)[0-9]{1,6})\.npy")
_ARRAY_TYPES = tuple(map(np.dtype, (np.float32, np.float16, np.int64, np.int32)))

#: Decodes a PNG: its bytes, megapixels allowed, its name for messages; see `pipeline.decode.decode_png`.
DecodePng = Callable[[bytes, float, str], np.ndarray]


class Budget:
    """Bytes that what a session holds may take in memory."""

    def __init__(self, most: int):
        self.most = self.left = most

    def take(self, nbytes: int) -> None:
        """Count bytes before they are allocated.

        Raises:
            NamebrushError: that is more than is left.
        """
        if nbytes > self.left:
            raise NamebrushError(f"This session needs more than {self.most >> 20} MB of memory to open.")
        self.left -= nbytes


class _Guarded(io.BufferedReader):
    """A file that is not read in larger pieces than a zip's list of files may be."""

    def read(self, size: int | None = -1) -> bytes:
        if size is not None and size > _MOST_LIST:
            raise zipfile.BadZipFile("a list of files beyond all measure")
        return super().read(size)


class Archive:
    """A session file opened for reading.

    Attributes:
        budget: what `picture` and `arrays` take from.
        most_pixels: of one picture.

    Pictures are decoded by `decode`, which may do so in a process that may die.
    """

    def __init__(self, archive: zipfile.ZipFile, budget: Budget, most_pixels: int, decode: DecodePng = decode_png):
        self._archive, self.budget, self.most_pixels, self._decode_png = archive, budget, most_pixels, decode
        self._pictures: dict[bytes, np.ndarray] = {}
        self._arrays: dict[bytes, np.ndarray] = {}

    def manifest(self) -> bytes:
        """The text that tells the steps."""
        return self._read(MANIFEST, MOST_TEXT)

    def extra(self, name: str) -> bytes:
        """A photo's EXIF or colour profile."""
        data = self._read(name, _MOST_EXTRA)
        self.budget.take(len(data))
        return data

    def picture(self, name: str) -> np.ndarray:
        """The samples of a PNG as they are: no profile is applied, nothing is turned; read-only.

        Returns:
            uint8 [H, W, 3] or [H, W, 4], or uint16 [H, W]. Files of the same bytes give the same array.

        Raises:
            NamebrushError: more pixels than a photo may have, too small or thin, or other samples.
        """
        data = self._read(name, 5 * self.most_pixels + _SMALL)
        key = _digest(data)
        if key not in self._pictures:
            self._pictures[key] = self._decoded(data, name)
            self._pictures[key].flags.writeable = False
        return self._pictures[key]

    def _decoded(self, data: bytes, name: str) -> np.ndarray:
        width, height, bits = _header(data)
        self._check_size(width, height)
        self.budget.take(width * height * bits // 8)
        array = self._decode_png(data, self.most_pixels / 1e6, name)
        if array.shape[:2] != (height, width) or (array.dtype, array.shape[2]) not in _SAMPLES:
            raise NamebrushError("A picture in this session file is not 8-bit colour.")
        return array[..., 0] if array.dtype == np.uint16 else array

    def _check_size(self, width: int, height: int) -> None:
        if width * height > self.most_pixels:
            raise NamebrushError(
                f"A picture in this session file is {width} x {height} pixels; "
                f"the limit is {self.most_pixels / 1e6:g} megapixels."
            )
        if min(width, height) < MIN_SIDE or max(width, height) > min(_MAX_ASPECT * min(width, height), _MAX_SIDE):
            raise NamebrushError(
                f"A picture in this session file is {width} x {height} pixels, too few or too many a side."
            )

    def arrays(self, name: str) -> dict[str, np.ndarray]:
        """The arrays of an `npz`, by name; read-only and all finite. The same bytes give the same array."""
        data = self._read(name, MOST_BYTES)
        with zipfile.ZipFile(_Guarded(io.BytesIO(data))) as inner:
            entries = _checked(inner, len(data), _ARRAY_NAMES)
            return {entry.filename.removesuffix(".npy"): self._array(_bytes_of(inner, entry)) for entry in entries}

    def _array(self, data: bytes) -> np.ndarray:
        key = _digest(data)
        if key not in self._arrays:
            self._arrays[key] = self._parsed(data)
        return self._arrays[key]

    def _parsed(self, data: bytes) -> np.ndarray:
        file = io.BytesIO(data)
        if np.lib.format.read_magic(file) != (1, 0):
            raise ValueError("an array of another version")
        shape, columns_first, dtype = np.lib.format.read_array_header_1_0(file)
        if dtype not in _ARRAY_TYPES or len(shape) > 3 or min(shape, default=0) < 0:
            raise ValueError(f"an array of {dtype} {shape}")
        if math.prod(shape) * dtype.itemsize != len(data) - file.tell():
            raise ValueError("an array that does not fill its shape")
        self.budget.take(len(data))
        array = np.frombuffer(data, dtype, offset=file.tell()).reshape(shape, order="F" if columns_first else "C")
        if not np.isfinite(array).all():
            raise ValueError("an array with infinite numbers")
        return array

    def _read(self, name: str, most: int) -> bytes:
        entry = self._archive.getinfo(name)
        if entry.file_size > most:
            raise NamebrushError("A part of this session file is larger than it can be.")
        return _bytes_of(self._archive, entry)


@contextmanager
def reading(
    path: Path, most_bytes: int, most_pixels: int, decode: DecodePng = decode_png
) -> Iterator[Archive]:
    """A session file, with its list of files checked.

    Args:
        path: the file.
        most_bytes: of memory for what it holds; a small file gets less, since it cannot hold so much honestly.
        most_pixels: of one picture.
        decode: decodes them.

    Raises:
        NamebrushError, OSError, zipfile.BadZipFile, ValueError: missing, no zip, or no session's files.
    """
    size = path.stat().st_size
    with _Guarded(io.FileIO(path)) as file, zipfile.ZipFile(file) as archive:
        _checked(archive, size, _NAMES)
        yield Archive(archive, Budget(min(most_bytes, _SMALL_ALL + 1000 * size)), most_pixels, decode)


def _checked(archive: zipfile.ZipFile, size: int, names: re.Pattern) -> list[zipfile.ZipInfo]:
    """The entries of a zip of `size` bytes, none of which has a name, a packing or a size that cannot be."""
    entries = archive.infolist()
    if len({entry.filename for entry in entries}) != len(entries):
        raise zipfile.BadZipFile("a name twice")
    for entry in entries:
        if not names.fullmatch(entry.filename):
            raise zipfile.BadZipFile("a file that belongs to no session")
        if entry.flag_bits & 1:
            raise NamebrushError("This session file is encrypted. Unpack it with its password and zip it again.")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise zipfile.BadZipFile("packed in a way no session is")
        if entry.compress_size > size or entry.file_size > _SMALL + _GAIN * entry.compress_size:
            raise NamebrushError("This session file unpacks to more than a session needs.")
    total = sum(entry.file_size for entry in entries)
    if total > min(MOST_BYTES, _SMALL_ALL + _GAIN_ALL * size):
        raise NamebrushError("This session file unpacks to more than a session needs.")
    return entries


def _header(data: bytes) -> tuple[int, int, int]:
    """Width, height and bits of a pixel of a PNG, as its first chunk tells them."""
    if data[:8] != b"\x89PNG\r\n\x1a\n" or data[12:16] != b"IHDR" or len(data) < 26:
        raise ValueError("no PNG")
    width, height, depth, color = struct.unpack_from(">IIBB", data, 16)
    return width, height, depth * {0: 1, 2: 3, 6: 4}.get(color, 4)


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=32).digest()


def _bytes_of(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    parts, left = [], entry.file_size + 1  # one more, so that the end is reached and the checksum compared
    with archive.open(entry) as file:
        while left > 0 and (part := file.read(min(left, _PIECE))):  # a reader of a zip asks for as much as it is asked
            parts.append(part)
            left -= len(part)
    data = b"".join(parts)
    if len(data) != entry.file_size:
        raise zipfile.BadZipFile("a file of another size than is told")
    return data
