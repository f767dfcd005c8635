"""Binary PGM and PPM with any largest value, which Pillow decodes sample by sample in Python."""

from __future__ import annotations

import re

import numpy as np

_GAP = rb"(?:\s+|#[^\r\n]*[\r\n])+"
_HEADER = re.compile(rb"P([56])" + _GAP + rb"(\d{1,6})" + _GAP + rb"(\d{1,6})" + _GAP + rb"(\d{1,5})\s")


class Pnm:
    """The header of such a file.

    Attributes:
        size: width and height in pixels.
    """

    def __init__(self, data: bytes, match: re.Match):
        kind, width, height, most = map(int, match.groups())
        self.size, self._channels, self._most = (width, height), 3 if kind == 6 else 1, most
        self._data, self._at = data, match.end()

    @classmethod
    def opened(cls, data: bytes) -> Pnm | None:
        """The header of a file that Pillow would decode in Python; None for any other."""
        match = _HEADER.match(data[:8192])
        if match is None or not 0 < int(match[4]) < 65536 or int(match[4]) == 255 or match[4] + match[1] == b"655355":
            return None
        return cls(data, match)

    def samples(self, notes: list[str]) -> np.ndarray | None:
        """uint8 [H, W, 1 or 3], the largest value scaled to 255; None where the file is cut off."""
        width, height = self.size
        count = width * height * self._channels
        kind = np.dtype("u1" if self._most < 256 else ">u2")
        if len(self._data) - self._at < count * kind.itemsize:
            return None
        values = np.frombuffer(self._data, kind, count, self._at)
        table = np.rint(np.minimum(np.arange(1 << 8 * kind.itemsize) / self._most, 1) * 255).astype(np.uint8)
        if kind.itemsize == 2:
            notes.append("The photo has 16 bits per channel; they were scaled to 8.")
            values = values.astype(np.uint16)
        return table[values].reshape(height, width, self._channels)
