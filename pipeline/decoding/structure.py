"""A picture file's outer structure, checked before any library decodes it.

Every check reads the file as the libraries do, costs little beside decoding it, and refuses what no program writes
and what costs far more than its bytes: thousands of scans, chunks, tags or frames, sizes that contradict each other.
"""

from __future__ import annotations

import re
import struct

from ..errors import NamebrushError
from .directories import MAX_PAGES, MAX_TAGS, Directories, Entry, bloated

#: Scans of a JPEG (an ordinary progressive one has ten), frames of an animation.
MAX_SCANS, MAX_FRAMES = 100, 5000
#: Pieces of a file that hold no samples: segments, chunks, boxes.
MAX_PIECES = 2000
#: Tiles and components of a JPEG 2000 picture.
MAX_TILES, MAX_COMPONENTS = 4096, 5
#: Bytes of what Python decodes sample by sample: numbers written as text, run lengths of BMP.
MAX_SLOW = 2 << 20
#: Frames of JPEG whose every block of 64 pixels takes at least a bit: a byte holds 512 pixels at most; with a margin.
_HUFFMAN_FRAMES, _PIXELS_PER_BYTE = (0xC0, 0xC1, 0xC2), 1024
_MAX_JUNK, _MAX_COMMENTS, _MAX_COMMENT_BLOCKS = 4096, 1 << 20, 8000
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_PNG = b"\x89PNG\r\n\x1a\n"


def check_structure(data: bytes, limit: float, name: str) -> int | None:
    """Refuse a file whose structure would cost far more than its bytes.

    Args:
        data: the whole file.
        limit: megapixels allowed, for pictures inside pictures.
        name: for messages.

    Returns:
        How many frames or pages it has, where this format tells that by its structure alone; else None.

    Raises:
        NamebrushError: too many scans, frames, pages, tags or pieces, or sizes that contradict each other.
    """
    head = data[:16]
    for start, check in _CHECKS:
        if head.startswith(start):
            try:
                return check(data, limit, name)
            except NamebrushError:
                raise
            except (struct.error, IndexError, ValueError):
                return None  # cut off: the decoder says so
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return _webp(data, limit, name)
    return None


def damaged(name: str) -> NamebrushError:
    """What is said of a file that cannot be read to its end."""
    return NamebrushError(f'"{name}" is damaged or cut off and cannot be read to its end. Get a fresh copy of it.')


def overloaded(name: str) -> NamebrushError:
    """What is said of a file that carries far more than its picture."""
    return NamebrushError(
        f'"{name}" carries more text, colour profiles or other data than a picture needs. Save it again without them.'
    )


def _pieces(name: str) -> NamebrushError:
    return NamebrushError(f'"{name}" is made of more pieces than a picture needs. Save it again as JPEG or PNG.')


def _frames(name: str, most: int) -> NamebrushError:
    return NamebrushError(f'"{name}" has more than {most} frames or pages. Save the one you want by itself.')


def _slow(name: str) -> NamebrushError:
    return NamebrushError(f'"{name}" is stored in a form that takes too long to read at this size. Save it as PNG.')


def _jpeg(data: bytes, limit: float, name: str) -> None:
    """Segments before the first scan, the EXIF block they make up, and the number of scans."""
    at, pieces, exif, junk, pixels = 2, 0, bytearray(), 0, 0
    while at < len(data) - 3:
        if data[at] != 0xFF:
            following = data.find(b"\xff", at)
            junk += (len(data) if following < 0 else following) - at
            if following < 0 or junk > _MAX_JUNK:
                raise damaged(name)
            at = following
            continue
        marker = data[at + 1]
        if marker == 0xFF or marker in (0x00, 0x01) or 0xD0 <= marker <= 0xD8:
            at += 1 if marker == 0xFF else 2
            junk += 1
            if junk > _MAX_JUNK:
                raise damaged(name)
            continue
        if marker in (0xDA, 0xD9):
            break
        length = struct.unpack_from(">H", data, at + 2)[0]
        if marker == 0xE1 and data[at + 4 : at + 10] == b"Exif\0\0":
            exif += data[at + 10 if exif else at + 4 : at + 2 + length]
        elif marker in _HUFFMAN_FRAMES:
            height, width = struct.unpack_from(">HH", data, at + 5)
            pixels = max(pixels, height * width)
        pieces += 1
        if pieces > MAX_PIECES:
            raise _pieces(name)
        at += 2 + length
    if _PIXELS_PER_BYTE * len(data) < pixels <= limit * 1e6:
        raise damaged(name)  # libjpeg would fill in grey what is not there
    if bloated(bytes(exif)):
        raise overloaded(name)
    # Fast first: the two bytes also stand in previews inside EXIF and in pictures behind the first.
    if data.count(b"\xff\xda", at) > MAX_SCANS and _scans(data, at) > MAX_SCANS:
        raise NamebrushError(f'"{name}" has more than {MAX_SCANS} scans, which no camera writes. Save it again.')


def _scans(data: bytes, at: int) -> int:
    """Scans of the JPEG picture whose first scan stands at `at`, counted up to one more than allowed."""
    count, marker = 0, re.compile(rb"\xff[\x02-\xcf\xd9-\xfe]")
    while count <= MAX_SCANS and (found := marker.search(data, at)) is not None:
        kind, at = data[found.start() + 1], found.start()
        if kind == 0xD9 or at + 4 > len(data):
            break
        count += kind == 0xDA
        at += 2 + struct.unpack_from(">H", data, at + 2)[0]
    return count


def _png(data: bytes, limit: float, name: str) -> None:
    """The order and number of chunks."""
    at, pieces, samples, frames = len(_PNG), 0, 0, 0
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">L4s", data, at)
        if (kind == b"IHDR") != (at == len(_PNG)) or (kind == b"IHDR" and length != 13):
            raise damaged(name)  # libraries disagree on which of several headers counts
        if kind in (b"IDAT", b"fdAT"):
            samples += 1
        else:
            frames += kind == b"fcTL"
            pieces += kind != b"fcTL"
        if pieces > MAX_PIECES or samples > 20_000 + len(data) // 4096:
            raise _pieces(name)
        if frames > MAX_FRAMES:
            raise _frames(name, MAX_FRAMES)
        if kind == b"IEND":
            return
        at += 12 + length


def _gif(data: bytes, limit: float, name: str) -> int:
    """The number of frames, and how much stands between them."""
    at = 13 + (3 << (data[10] & 7) + 1 if data[10] & 0x80 else 0)
    frames, blocks, comments, comment_blocks, most = 0, 0, 0, 0, 10_000 + len(data) // 32
    while at < len(data) and data[at] != 0x3B:
        frame = data[at] == 0x2C
        control = data[at : at + 2] == b"\x21\xf9"
        if frame:
            frames += 1
            if frames > MAX_FRAMES:
                raise _frames(name, MAX_FRAMES)
            at += 11 + (3 << (data[at + 9] & 7) + 1 if data[at + 9] & 0x80 else 0)
        elif data[at] == 0x21:
            at += 2
        else:
            at += 1
            blocks += 1
            if blocks > most:
                raise _pieces(name)
            continue
        while at < len(data) and data[at]:
            if not (frame or control):
                comments, comment_blocks = comments + data[at], comment_blocks + 1
            at += 1 + data[at]
            blocks += 1
        at += 1
        if blocks > most:
            raise _pieces(name)
        if comments > _MAX_COMMENTS or comment_blocks > _MAX_COMMENT_BLOCKS:
            raise overloaded(name)
    return frames


def _tiff(data: bytes, limit: float, name: str) -> int:
    """The pages, and the first one's tags: how many, how large, and whether they contradict each other."""
    directories = Directories(data)
    pages = 0
    for entries in directories.pages():
        pages += 1
        if pages > MAX_PAGES:
            raise _frames(name, MAX_PAGES)
        if pages == 1:
            _tiff_page(directories, entries, len(data), limit, name)
    return pages


def _tiff_page(directories: Directories, entries: list[Entry], size: int, limit: float, name: str) -> None:
    if len(entries) > MAX_TAGS:
        raise _pieces(name)
    if sum(map(directories.size_of, entries)) > size + (1 << 20):
        raise overloaded(name)
    tags = [entry[0] for entry in entries]
    if len(set(tags)) < len(tags):
        raise damaged(name)  # libraries disagree on which of two sizes counts
    values = {e[0]: directories.number(e) for e in entries if e[0] in (322, 323)}
    tile = [values.get(tag) or 0 for tag in (322, 323)]
    if tile[0] * tile[1] > limit * 1e6 or max(tile) > 1 << 16:
        raise damaged(name)


def _ico(data: bytes, limit: float, name: str) -> None:
    """The pictures inside, whose own headers may claim more than the icon's."""
    (count,) = struct.unpack_from("<H", data, 4)
    if count > 256:
        raise _pieces(name)
    for entry in range(count):
        (at,) = struct.unpack_from("<L", data, 6 + 16 * entry + 12)
        inner = data[at : at + 24]
        if inner[:8] == _PNG:
            width, height = struct.unpack_from(">LL", inner, 16)
        else:
            width, height = struct.unpack_from("<ll", inner, 4)
        if abs(width * height) > 2 * limit * 1e6:
            raise NamebrushError(f'"{name}" holds a picture of {width} x {abs(height)} pixels; the limit is {limit:g} '
                                 "megapixels. Make it smaller first, or raise the limit.")  # fmt: skip


def _bmp(data: bytes, limit: float, name: str) -> None:
    header, compression = struct.unpack_from("<L", data, 14)[0], struct.unpack_from("<L", data, 30)[0]
    if header >= 40 and compression in (1, 2) and len(data) > MAX_SLOW:
        raise _slow(name)


def _plain_pnm(data: bytes, limit: float, name: str) -> None:
    if len(data) > MAX_SLOW:
        raise _slow(name)


def _pnm(data: bytes, limit: float, name: str) -> None:
    """The header: comments of any length may stand in it, and are read byte by byte."""
    if not re.match(rb"P\w{1,5}(\s+|#[^\r\n]*[\r\n])+[\d.+-]", data[:_MAX_JUNK]):
        raise damaged(name)


def _jpeg2000(data: bytes, limit: float, name: str) -> None:
    """The boxes, and the codestream's own header: tiles, components, and a size that fits the box before it."""
    at, pieces, size = 0, 0, None
    if data[:4] != b"\xff\x4f\xff\x51":
        while at + 8 <= len(data):
            length, kind = struct.unpack_from(">L4s", data, at)
            head = 8
            if length == 1:
                length, head = struct.unpack_from(">Q", data, at + 8)[0], 16
            pieces += 1
            if pieces > MAX_PIECES:
                raise _pieces(name)
            if kind == b"jp2h":
                at += head  # its boxes follow one another inside it
                continue
            if kind == b"ihdr":
                size = struct.unpack_from(">LL", data, at + head)[::-1]
            if kind == b"jp2c":
                at += head
                break
            if length < head:
                raise damaged(name)
            at += length
    left, top, tile_left, tile_top = (struct.unpack_from(">L", data, at + offset)[0] for offset in (16, 20, 32, 36))
    right, bottom, width, height = (struct.unpack_from(">L", data, at + offset)[0] for offset in (8, 12, 24, 28))
    (components,) = struct.unpack_from(">H", data, at + 40)
    if not width or not height or (size is not None and size != (right - left, bottom - top)):
        raise damaged(name)
    tiles = -(-(right - tile_left) // width) * -(-(bottom - tile_top) // height)
    if tiles > MAX_TILES or components > MAX_COMPONENTS:
        raise _pieces(name)


def _webp(data: bytes, limit: float, name: str) -> None:
    at, pieces, frames = 12, 0, 0
    while at + 8 <= len(data):
        kind, length = struct.unpack_from("<4sL", data, at)
        frames += kind == b"ANMF"
        pieces += kind != b"ANMF"
        if frames > MAX_FRAMES:
            raise _frames(name, MAX_FRAMES)
        if pieces > MAX_PIECES:
            raise _pieces(name)
        at += 8 + length + length % 2


_CHECKS = (
    (b"\xff\xd8\xff", _jpeg), (_PNG, _png), (b"GIF8", _gif), *((start, _tiff) for start in _TIFF),
    (b"\0\0\1\0", _ico), (b"BM", _bmp), (b"P1", _plain_pnm), (b"P2", _plain_pnm), (b"P3", _plain_pnm),
    (b"P", _pnm), (b"\xff\x4f\xff\x51", _jpeg2000), (b"\0\0\0\x0cjP  \r\n\x87\n", _jpeg2000),
)  # fmt: skip
