"""A selection cut into pieces that lie far apart, each shaped in a window of its own.

What an edit costs follows the pieces, not the photo: only their windows are looked at, and a mask of the photo's size
is made of pages that are touched nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..edit_records import EditRequest
from ..errors import NamebrushError
from ..records import Box
from .crop import CONTEXT, LEAST_CONTEXT, bounds, moved, split, widened, window
from .masks import (
    LEAST_GROWTH,
    automatic_growth,
    check_mask,
    drop_specks,
    feather_alpha,
    fill_holes,
    grow,
    growth_by_share,
    roomy,
    slip_area,
)
from .shadow import propose_shadow

#: How far below a thing its shadow is looked for, as a share of the thing's longer side.
_SHADOW_REACH = 1.0


@dataclass(frozen=True, eq=False)
class Piece:
    """One piece of a selection, shaped.

    Attributes:
        box: a window of the photo that holds `used` and a pixel around it.
        core, used: bool [h, w] in the window: what was selected, tidied, and what may change; the first in the second.
        alpha: float32 [h, w], share of the new pixels: 1 in `core`, falling towards the border of `used`, 0 outside.
    """

    box: Box
    core: np.ndarray
    used: np.ndarray
    alpha: np.ndarray

    @property
    def slices(self) -> tuple[slice, slice]:
        """The window as an index into the photo's rows and columns."""
        return window(self.box)


def shape_pieces(
    request: EditRequest, pixels: np.ndarray, growth: int | None, shape: str = "region", share: float | None = None
) -> list[Piece]:  # fmt: skip
    """Everything a selection goes through before an edit, piece by piece.

    In this order: turned round where the rest is to be changed, small holes filled and specks dropped, the shadow
    taken along, each piece widened to its hull or box where that is asked for, grown or shrunk, feathered.

    Args:
        request: the mask and how to shape it.
        pixels: uint8 [H, W, 3], the photo; read only where a shadow is looked for.
        growth: pixels where the request says nothing; None chooses by the mask's size.
        shape: what "auto" stands for: "region", "hull" or "box".
        share: growth of a widened piece as a share of its size, where the request says nothing; None: as `growth`.

    Raises:
        NamebrushError: the mask has another size, is empty, or nothing is left after shrinking it.
    """
    size = pixels.shape[:2]
    check_mask(request.mask, size)
    mask = ~request.mask if request.invert else request.mask
    if not mask.any():
        raise NamebrushError("The selection is the whole photo, so there is no rest to change; select less.")
    area = int(np.count_nonzero(mask))
    shape = shape if request.shape == "auto" else request.shape
    amount = _growth(request, mask, growth, None if shape == "region" else share)
    reach = max(LEAST_CONTEXT, max(amount, 0) + 2)
    parts = split(mask, CONTEXT, reach)
    largest = max(range(len(parts)), key=lambda i: np.count_nonzero(parts[i][1]))
    pieces = [
        piece for i, part in enumerate(parts)
        if (piece := _shape(request, pixels, part, area, amount, i == largest, shape)) is not None
    ]  # fmt: skip
    if not pieces:
        raise NamebrushError(f"Nothing is left of the mask when it shrinks by {-amount} pixels; shrink it less.")
    return pieces


def _growth(request: EditRequest, mask: np.ndarray, growth: int | None, share: float | None) -> int:
    if request.grow_share is not None:
        return growth_by_share(mask, request.grow_share)
    if request.grow is not None:
        return int(request.grow)
    if share is not None:
        return max(LEAST_GROWTH, growth_by_share(mask, share))
    return automatic_growth(mask) if growth is None else growth


def _shape(request, pixels, part: tuple[Box, np.ndarray], area: int, amount: int, keep: bool, shape: str):
    size, (tight, inside) = pixels.shape[:2], part
    side = max(tight[2] - tight[0], tight[3] - tight[1])
    margin = max(amount, 0) + request.feather + 2 + (int(_SHADOW_REACH * side) if request.shadow else 0)
    box = widened(tight, margin, size)
    core = np.zeros((box[3] - box[1], box[2] - box[0]), bool)
    core[tight[1] - box[1] : tight[3] - box[1], tight[0] - box[0] : tight[2] - box[0]] = inside
    asked = core
    if request.holes:
        core = fill_holes(core, slip_area(area))
    if request.specks:
        core = drop_specks(core, slip_area(area), keep)
    if core.all() and not asked.all():
        core = asked  # the little that is left of the photo is all there is to go by
    if request.shadow and core.any() and not request.invert:
        core = core | propose_shadow(pixels[window(box)], core, request.shadow)
    if core.any():
        core = roomy(core, shape)
    if amount < 0:
        core = grow(core, amount)
    if not core.any():
        return None
    used = grow(core, max(amount, 0))
    if used.all() and not core.all() and used.shape == size:
        used = core.copy()  # growing would leave nothing of the photo to go by
    tight = widened(bounds(used), 1, used.shape)
    at, box = window(tight), moved(tight, box)
    return Piece(box, core[at], used[at], feather_alpha(core[at], used[at], request.feather))


def joined(pieces: list[Piece], size: tuple[int, int]) -> np.ndarray:
    """The pixels that may change, of all pieces together: bool [H, W]."""
    used = np.zeros(size, bool)
    for piece in pieces:
        used[piece.slices] |= piece.used
    return used
