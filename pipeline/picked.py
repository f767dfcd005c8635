"""What is picked, as one mask and one name."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from .edit.masks import Stroke, difference, draw_strokes
from .errors import NamebrushError
from .records import Region


def mask_of(what: Region | Iterable[Region] | np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """One mask bool [H, W] of a region, of several regions together, or of a mask.

    Raises:
        NamebrushError: nothing is selected, or what is selected belongs to a photo of another size.
    """
    masks = [what] if isinstance(what, (Region, np.ndarray)) else list(what)
    joined = np.zeros(size, bool)  # memory that is touched only where something is selected
    for one in masks:
        shape = one.size if isinstance(one, Region) else np.shape(one)
        if tuple(shape) != tuple(size):
            given = " x ".join(map(str, shape[1::-1]))
            raise NamebrushError(f"The mask is {given} pixels but the photo is {size[1]} x {size[0]}.")
        if isinstance(one, Region):
            x0, y0, x1, y1 = one.box
            joined[y0:y1, x0:x1] |= one.crop
        elif len(masks) == 1:
            joined = np.asarray(one).astype(bool, copy=False)
        else:
            joined |= np.asarray(one).astype(bool, copy=False)
    if not joined.any():
        raise NamebrushError("Nothing is selected: point at the thing, or name it.")
    return joined


def selection(
    what: Region | Iterable[Region] | np.ndarray, size: tuple[int, int],
    minus: Region | Iterable[Region] | np.ndarray | None = None, strokes: Iterable[Stroke] = (), needed: bool = True,
) -> np.ndarray:  # fmt: skip
    """What is to be edited, bool [H, W]: regions or a mask, less others, and then what the brush drew.

    Raises:
        NamebrushError: as `mask_of`; `needed` False allows nothing to be selected.
    """
    strokes = tuple(strokes)
    nothing = not isinstance(what, (Region, np.ndarray)) and not what
    mask = np.zeros(size, bool) if nothing and (strokes or not needed) else mask_of(what, size)
    if minus is not None and not (isinstance(minus, (tuple, list)) and not minus):
        mask = difference(mask, mask_of(minus, size))
    if strokes:
        mask = draw_strokes(mask, strokes)
    if needed and not mask.any():
        raise NamebrushError("Nothing is left of the selection; take less of it away.")
    return mask


def name_of(what: Region | Iterable[Region] | np.ndarray) -> str:
    """The classes of the regions, each once; nothing for masks and what was selected by hand."""
    regions = [what] if isinstance(what, (Region, np.ndarray)) else what
    return ", ".join(dict.fromkeys(r.name for r in regions if isinstance(r, Region) and r.class_index >= 0))
