"""Outlines of things a small inpainting model can be asked for: the form is given, the model fills it.

A model with few weights learns which form a word stands for only roughly, but fills a form that is given well: the
hole itself tells it. So it brings outlines of its things along (`Painting.outlines`), and one of them takes the place
of the thing that is replaced.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from ..errors import NamebrushError
from ..models.painting import Painting
from ..records import Box, EditRequest
from ..rle import decode_rle
from .crop import bounds, moved, widened, window
from .masks import feather_alpha, grow
from .pieces import Piece

#: An outline may be so many times as wide or as high as the box of what it takes the place of.
STRETCH = 1.5
#: Growth in use, as a share of an outline's longer side: so a hole lay around its thing in training.
GROWTH = 0.02


def outlined(prompt: str, outlines: Mapping[str, Sequence[Mapping]] | None) -> str | None:
    """The word of a prompt that there are outlines for, the longest of several; None where there is none."""
    said = [word for word in outlines or () if re.search(rf"(?<!\w){re.escape(word)}(?!\w)", prompt, re.IGNORECASE)]
    return max(said, key=len, default=None)


def shape_of(request: EditRequest, painting: Painting) -> str:
    """What a selection is widened to, a name of `SHAPES` but "auto": for replacing, what the painter needs.

    A change of all but the selection has no place for an outline.
    """
    if request.shape != "auto":
        return request.shape
    if request.kind != "replace" or request.invert:
        return "region"
    return "outline" if outlined(request.prompt, painting.outlines) else painting.shape


def outlines_for(request: EditRequest, painting: Painting) -> tuple[str, Sequence[Mapping]]:
    """What a request asks for, and the outlines of it.

    Raises:
        NamebrushError: there are none, and what to choose.
    """
    word = outlined(request.prompt, painting.outlines)
    if word is None or request.invert:
        raise NamebrushError(
            "There is no outline for this: only for replacing a selection by a thing that the inpainting model brings "
            "outlines of; choose another room, such as auto or hull."
        )
    return word, painting.outlines[word]


def outline_of(seed: int, outlines: Sequence[Mapping]) -> np.ndarray:
    """One of several outlines (COCO run lengths), bool [h, w] and tight; a seed means the same one, either way round.

    Neighbouring seeds take turns, so that several candidates differ in form.
    """
    order = np.random.default_rng(seed // len(outlines)).permutation(len(outlines))
    mask = decode_rle(outlines[order[seed % len(outlines)]])
    return mask[:, ::-1] if np.random.default_rng([seed, 1]).random() < 0.5 else mask


def laid(outline: np.ndarray, box: Box, size: tuple[int, int], feather: int) -> Piece:
    """An outline in the place of what was replaced: as large as its box, standing where it stood, inside the photo.

    Args:
        outline: bool [h, w], tight.
        box: of what was there, in photo pixels.
        size: height and width of the photo.
        feather: width of the soft seam in pixels; it lies in the outline's growth.
    """
    height, width = size
    x0, y0, x1, y1 = box
    high, wide = outline.shape
    scale = np.sqrt((x1 - x0) * (y1 - y0) / (high * wide))
    scale = min(scale, STRETCH * (x1 - x0) / wide, STRETCH * (y1 - y0) / high, 0.9 * width / wide, 0.9 * height / high)
    wide, high = (max(1, round(scale * side)) for side in (wide, high))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    form = cv2.resize(outline.astype(np.float32), (wide, high), interpolation=way) >= 0.5
    if not form.any():  # a few pixels have no form
        form[:] = True
    growth = max(2, round(GROWTH * max(wide, high)))
    left = int(np.clip(round((x0 + x1 - wide) / 2), 0, width - wide))
    top = int(np.clip(y1 - high, 0, height - high))
    window_box = widened((left, top, left + wide, top + high), growth + 1, size)
    core = np.zeros((window_box[3] - window_box[1], window_box[2] - window_box[0]), bool)
    at = left - window_box[0], top - window_box[1]
    core[at[1] : at[1] + high, at[0] : at[0] + wide] = form
    used = grow(core, growth)
    tight = widened(bounds(used), 1, used.shape)
    part = window(tight)
    return Piece(moved(tight, window_box), core[part], used[part], feather_alpha(core[part], used[part], feather))
