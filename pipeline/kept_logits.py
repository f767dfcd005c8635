"""SAM's low-resolution answers, kept small: a correction starts from them, and a photo may have hundreds of regions.

A whole answer of the official models is 256 x 256 numbers, a quarter of a megabyte. Near the region every cell is kept
at half precision, elsewhere the mean of eight by eight. Regions share the photo, so the more there are the smaller
they are, and what is kept for all of them hardly grows with their number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from .arrays import frozen

#: Cells of an answer that become one where the region is not.
COARSE = 8
#: Rows and columns of an answer at most; those of models are 256 to 288.
MAX_SIDE = 4096
#: Cells kept around the region, at least, and as a share of its longer side.
MARGIN, MARGIN_SHARE = 4, 0.25


@dataclass(frozen=True, eq=False)
class KeptLogits:
    """One answer.

    Attributes:
        side: rows and columns of the whole answer.
        box: x0, y0, x1, y1, the cells kept as they are.
        fine: float16 [y1 - y0, x1 - x0].
        coarse: float16 [ceil(side / 8), ceil(side / 8)], means over the cells outside the box.

    Raises:
        ValueError: the box does not lie in the answer, or an array has another type or shape.
    """

    side: int
    box: tuple[int, int, int, int]
    fine: np.ndarray
    coarse: np.ndarray

    def __post_init__(self):
        x0, y0, x1, y1 = self.box
        if not (0 < self.side <= MAX_SIDE and 0 <= x0 <= x1 <= self.side and 0 <= y0 <= y1 <= self.side):
            raise ValueError(f"KeptLogits.box {self.box} does not lie in an answer of side {self.side}")
        small = -(-self.side // COARSE)
        object.__setattr__(self, "fine", frozen(self.fine, np.float16, "KeptLogits.fine", y1 - y0, x1 - x0))
        object.__setattr__(self, "coarse", frozen(self.coarse, np.float16, "KeptLogits.coarse", small, small))

    @classmethod
    def of(cls, logits: np.ndarray, around: Sequence[float] | None = None) -> KeptLogits:
        """Keep an answer.

        Args:
            logits: float [side, side].
            around: x0, y0, x1, y1 in cells, what must be fine; None: where the answer is above zero.
        """
        side = logits.shape[0]
        if around is None:
            around = cv2.boundingRect((logits > 0).view(np.uint8))
            around = (around[0], around[1], around[0] + around[2], around[1] + around[3])
        x0, y0, x1, y1 = around
        margin = max(MARGIN, MARGIN_SHARE * max(x1 - x0, y1 - y0))
        low = [int(np.clip(np.floor(v - margin), 0, side)) for v in (x0, y0)]
        high = [int(np.clip(np.ceil(v + margin), least, side)) for v, least in zip((x1, y1), low, strict=True)]
        small = -(-side // COARSE)
        fine = logits[low[1] : high[1], low[0] : high[0]]
        outside = np.ones((small * COARSE,) * 2, np.float32)
        outside[side:] = outside[:, side:] = 0
        outside[low[1] : high[1], low[0] : high[0]] = 0
        padded = np.pad(np.asarray(logits, np.float32), (0, small * COARSE - side))
        total, cells = (v.reshape(small, COARSE, small, COARSE).sum(axis=(1, 3)) for v in (padded * outside, outside))
        coarse = total / np.maximum(cells, 1)
        return cls(side, (*low, *high), _half(fine), _half(coarse))

    def whole(self) -> np.ndarray:
        """float32 [side, side], anew at each call."""
        full = np.repeat(np.repeat(self.coarse.astype(np.float32), COARSE, 0), COARSE, 1)[: self.side, : self.side]
        x0, y0, x1, y1 = self.box
        full[y0:y1, x0:x1] = self.fine
        return np.ascontiguousarray(full)

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self.fine.nbytes + self.coarse.nbytes

    def packed(self) -> dict[str, np.ndarray]:
        """As arrays for a file; `unpacked` reads them."""
        return {"fine": self.fine, "coarse": self.coarse, "place": np.array([self.side, *self.box])}

    @classmethod
    def unpacked(cls, arrays: Mapping[str, np.ndarray]) -> KeptLogits:
        """The answer from its arrays.

        Raises:
            ValueError: as `KeptLogits`, or the place is not five whole numbers.
        """
        place = arrays["place"]
        if place.shape != (5,) or place.dtype.kind != "i":
            raise ValueError(f"KeptLogits.place must be 5 whole numbers, got {place.dtype} {list(place.shape)}")
        side, *box = place.tolist()
        return cls(side, tuple(box), arrays["fine"], arrays["coarse"])


def _half(values: np.ndarray) -> np.ndarray:
    """float16 without overflow: what lies beyond is as sure."""
    return np.clip(values, -60000, 60000).astype(np.float16)
