"""Every visitor's own photos, and how another's content would be noticed in an answer.

A photo is a drawn scene of a size that no other visitor's photo has, with a mark in each corner and a name that tell
whose it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

CELL, CELLS = 5, 4
MARK = CELL * CELLS
#: How far a channel may lie from the mark's own: a large photo reaches the browser as JPEG.
NEAR = 25
_OWNER = re.compile(r"visitor-(\d{3})")


def size_of(visitor: int) -> tuple[int, int]:
    """Height and width of a visitor's photos; no other visitor's are the same."""
    return 600 + 4 * (visitor % 11), 900 + 4 * (visitor // 11)


@lru_cache(maxsize=4096)
def mark_of(visitor: int) -> np.ndarray:
    """The mark uint8 [20, 20, 3]: cells of full or no colour, one arrangement per visitor."""
    bits = np.random.default_rng(7_000 + visitor).integers(0, 2, (CELLS, CELLS, 3), dtype=np.uint8) * 255
    return bits.repeat(CELL, 0).repeat(CELL, 1)


@dataclass(frozen=True)
class Drawn:
    """A visitor's photo.

    Attributes:
        visitor, number: whose it is, and which.
        png: the file.
        size: height and width.
        nouns: what it shows.
        boxes: of its objects, x0, y0, x1, y1.
    """

    visitor: int
    number: int
    png: bytes
    size: tuple[int, int]
    nouns: tuple[str, ...]
    boxes: tuple[tuple[int, int, int, int], ...]

    @property
    def name(self) -> str:
        """Its file's name."""
        return f"visitor-{self.visitor:03d}-{self.number}.png"


def corners(pixels: np.ndarray) -> list[np.ndarray]:
    """The four places where marks are."""
    ends = (slice(None, MARK), slice(-MARK, None))
    return [pixels[y, x] for y in ends for x in ends]


def draw(visitor: int, number: int, seed: int) -> Drawn:
    """The photo of a visitor; the same arguments give the same file."""
    from training.scenes import make_scene

    height, width = size_of(visitor)
    scene = make_scene(900_000 + seed * 10_000 + visitor * 10 + number, height, width)
    pixels, mark = scene.image.copy(), mark_of(visitor)
    for corner in corners(pixels):
        corner[:] = mark
    ok, data = cv2.imencode(".png", pixels[..., ::-1])
    assert ok
    nouns = tuple(dict.fromkeys(o.noun for o in scene.objects))
    clear_ones = (o.box for o in scene.objects if clear(o.box, height, width))
    boxes = [b for b in clear_ones if b[2] - b[0] > 8 and b[3] - b[1] > 8]
    return Drawn(visitor, number, data.tobytes(), (height, width), nouns, tuple(boxes))


def clear(box, height: int, width: int) -> bool:
    """Whether a box leaves at least two marks alone."""
    touched = sum(
        box[0] < x + MARK and box[2] > x and box[1] < y + MARK and box[3] > y
        for x in (0, width - MARK) for y in (0, height - MARK)
    )  # fmt: skip
    return touched <= 2


class Mixed(Exception):
    """An answer holds another visitor's content."""


def check_text(text: str, visitor: int) -> None:
    """No answer names another visitor's file.

    Raises:
        Mixed: one does.
    """
    others = {int(n) for n in _OWNER.findall(text)} - {visitor}
    if others:
        raise Mixed(f"visitor {visitor} was told of {sorted(others)}")


def check_size(size: tuple[int, int], visitor: int, what: str) -> None:
    """A picture has the size of the visitor's photos.

    Raises:
        Mixed: it has another.
    """
    if tuple(size) != size_of(visitor):
        raise Mixed(f"{what} of visitor {visitor} has the size {tuple(size)}, not {size_of(visitor)}")


def check_picture(data: bytes, visitor: int, visitors: int, what: str, marked: bool = True) -> None:
    """A picture is the visitor's own by size and, where nothing is drawn over it, by its marks.

    Raises:
        Mixed: it is another's, or no mark of this visitor is left.
    """
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR if marked else cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise Mixed(f"{what} of visitor {visitor} is no picture")
    check_size(pixels.shape[:2], visitor, what)
    if not marked:
        return
    found = [c[..., ::-1].astype(np.int16) for c in corners(pixels)]
    if sum(np.abs(c - mark_of(visitor)).mean() < NEAR for c in found) == 0:
        raise Mixed(f"{what} of visitor {visitor} has none of its marks")
    for other in range(visitors):
        if other != visitor and any(np.abs(c - mark_of(other)).mean() < NEAR for c in found):
            raise Mixed(f"{what} of visitor {visitor} has the mark of {other}")
