"""TIFF directories, of TIFF files and of EXIF blocks, read just far enough to see what a library would load.

A directory of a few kilobytes can name the same bytes thousands of times, and every reader copies them for each tag.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

#: Tags of one directory, and pages of one file.
MAX_TAGS, MAX_PAGES = 1000, 2000
#: Bytes that values may take together beyond the length of what they lie in: they overlap only in broken files.
_SLACK = 1 << 20
_NESTED = (0x8769, 0x8825, 0xA005)  # EXIF, GPS, interoperability
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
#: tag, type, number of values, and the entry's last bytes: the value itself or where it lies.
Entry = tuple[int, int, int, bytes]


class Directories:
    """The directories of a TIFF structure. `data` starts with the TIFF header.

    Raises:
        ValueError: it has no TIFF header.
    """

    def __init__(self, data: bytes | memoryview):
        self._data = data
        head = bytes(data[:16])
        if head[:2] not in (b"II", b"MM") or len(head) < 8:
            raise ValueError("no TIFF header")
        self.order = "<" if head[:2] == b"II" else ">"
        self._big = struct.unpack(self.order + "H", head[2:4])[0] == 43
        self._pointer = 8 if self._big else 4
        self.first = self._at(head[8:16] if self._big else head[4:8])

    def _at(self, where: bytes) -> int:
        return struct.unpack(self.order + ("Q" if self._big else "L"), where)[0]

    def read(self, offset: int) -> tuple[list[Entry], int]:
        """The entries of the directory at `offset`, and where the next one lies (0: nowhere).

        What lies outside the data is left out, as readers do. At most `MAX_TAGS` + 1 entries are returned.
        """
        count_size, entry_size = (8, 20) if self._big else (2, 12)
        kind = self.order + ("Q" if self._big else "H")
        count = bytes(self._data[offset : offset + count_size])
        if len(count) < count_size:
            return [], 0
        count, start = struct.unpack(kind, count)[0], offset + count_size
        shown = min(count, MAX_TAGS + 1)
        block = bytes(self._data[start : start + shown * entry_size])
        entry = struct.Struct(self.order + ("HHQ8s" if self._big else "HHL4s"))
        entries = list(entry.iter_unpack(block[: len(block) // entry_size * entry_size]))
        if count != shown:
            return entries, 0
        after = bytes(self._data[start + count * entry_size : start + count * entry_size + self._pointer])
        return entries, self._at(after) if len(after) == self._pointer else 0

    def size_of(self, entry: Entry) -> int:
        """Bytes a reader loads for an entry; 0 for values that lie outside the data, which readers skip."""
        _, kind, count, where = entry
        size = _SIZES.get(kind, 0) * count
        if size <= len(where):
            return size
        return size if self._at(where) + size <= len(self._data) else 0

    def number(self, entry: Entry) -> int | None:
        """The first value of an entry of whole numbers; None where it has none."""
        _, kind, count, where = entry
        code = {1: "B", 3: "H", 4: "L", 13: "L", 16: "Q", 18: "Q"}.get(kind)
        if code is None or not count:
            return None
        size = _SIZES[kind]
        if size * count > len(where):
            where = bytes(self._data[self._at(where) : self._at(where) + size])
        return struct.unpack(self.order + code, where[:size])[0] if len(where) >= size else None

    def pages(self) -> Iterator[list[Entry]]:
        """The directories one after the other; ends at a loop."""
        offset, seen = self.first, set()
        while offset and offset not in seen:
            seen.add(offset)
            entries, offset = self.read(offset)
            yield entries


def bloated(block: bytes) -> bool:
    """Whether reading an EXIF block would load far more than the block holds, or endlessly many tags."""
    while block.startswith(b"Exif\0\0"):
        block = block[6:]
    try:
        directories = Directories(block)
    except (ValueError, struct.error):
        return False  # no reader makes anything of it
    waiting, seen, total = [directories.first], set(), 0
    while waiting:
        offset = waiting.pop()
        if offset in seen or not offset:
            continue
        seen.add(offset)
        entries, following = directories.read(offset)
        total += sum(map(directories.size_of, entries))
        if len(entries) > MAX_TAGS or len(seen) > 16 or total > 2 * len(block) + _SLACK // 16:
            return True
        nested = [directories.number(e) or 0 for e in entries if e[0] in _NESTED]
        waiting += [*nested, following]
    return False
