"""What is picked, as one mask and one name."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from .errors import NamebrushError
from .records import Region


def mask_of(what: Region | Iterable[Region] | np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """One mask bool [H, W] of a region, of several regions together, or of a mask.

    Raises:
        NamebrushError: nothing is selected, or what is selected belongs to a photo of another size.
    """
    masks = [what] if isinstance(what, (Region, np.ndarray)) else list(what)
    joined = np.zeros(size, bool)
    for one in masks:
        mask = one.mask if isinstance(one, Region) else np.asarray(one)
        if mask.shape != tuple(size):
            given = " x ".join(map(str, mask.shape[1::-1]))
            raise NamebrushError(f"The mask is {given} pixels but the photo is {size[1]} x {size[0]}.")
        joined |= mask.astype(bool)
    if not joined.any():
        raise NamebrushError("Nothing is selected: point at the thing, or name it.")
    return joined


def name_of(what: Region | Iterable[Region] | np.ndarray) -> str:
    """The classes of the regions, each once; nothing for masks and what was selected by hand."""
    regions = [what] if isinstance(what, (Region, np.ndarray)) else what
    return ", ".join(dict.fromkeys(r.name for r in regions if isinstance(r, Region) and r.class_index >= 0))
