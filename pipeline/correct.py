"""A region's prompts as editable data: change them, and only that region's mask is decoded again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from .errors import NamebrushError
from .models.records import SamModel
from .progress import Progress
from .records import Photo, Region, SamEmbedding, Segmentation
from .refine.merge import photo_probability
from .regions_edit import edit_prompt, put
from .select import select


def redraw(
    photo: Photo,
    region: Region,
    sam: SamModel | None,
    embedding: SamEmbedding | Callable[[], SamEmbedding] | None,
    add: Sequence[Sequence[float]] = (),
    remove: Sequence[int | Sequence[float]] = (),
    box: Sequence[float] | None | bool = None,
    gate: str = "auto",
    progress: Progress | None = None,
) -> Region:
    """A region's mask anew from its own low-resolution logits and its changed prompt; id, name and class stay.

    Args:
        photo, sam, embedding, gate, progress: as in `select.select`.
        region: what to correct.
        add, remove, box: as in `regions_edit.edit_prompt`.

    Raises:
        NamebrushError: nothing was changed, or no point that belongs and no box are left.
    """
    if not len(add) and not len(remove) and box is None:
        raise NamebrushError("Say what to change about the mask: add or take away a point, or move the box.")
    prompt = edit_prompt(region.prompt, add, remove, box)
    if not (prompt.labels == 1).any() and prompt.box is None:
        raise NamebrushError("Nothing would be left to say where the thing is. Keep a point that belongs, or the box.")
    start = replace(region, prompt=prompt)
    # New points go in as such, so that one outside a box that was there lifts it; a box moved by hand holds.
    points, frame = list(add), prompt.box if box or not len(add) else None
    if not points and frame is None:
        points = [(float(x), float(y), int(v)) for (x, y), v in zip(prompt.points, prompt.labels, strict=True)]
    made = select(photo, sam, embedding, points, _within(frame, photo.size), start, gate, progress)
    return replace(made, id=region.id, name=region.name, class_index=region.class_index)


def correct(
    segmentation: Segmentation,
    region: int | Region,
    sam: SamModel | None,
    embedding: SamEmbedding | Callable[[], SamEmbedding] | None,
    add: Sequence[Sequence[float]] = (),
    remove: Sequence[int | Sequence[float]] = (),
    box: Sequence[float] | None | bool = None,
    gate: str = "auto",
    progress: Progress | None = None,
) -> Segmentation:
    """`redraw` a region of a segmentation and put it in place; arguments as there, `region` by its id or itself."""
    old = segmentation.region(region if isinstance(region, (int, np.integer)) else region.id)
    made = redraw(segmentation.photo, old, sam, embedding, add, remove, box, gate, progress)
    if made.class_index >= 0:
        probability = photo_probability(segmentation.scores, made.class_index, segmentation.photo.size)
        x0, y0, x1, y1 = made.box
        score = float(np.clip(probability[y0:y1, x0:x1][made.crop].mean(dtype=np.float64), 0, 1))
        made = replace(made, score=score)
    return put(segmentation, made)


def _within(box, size: tuple[int, int]):
    """A box within the photo; prompts of regions may reach over its edge by a fraction of a pixel."""
    if box is None:
        return None
    x0, y0, x1, y1 = box
    return (min(max(x0, 0), size[1]), min(max(y0, 0), size[0]), min(max(x1, 0), size[1]), min(max(y1, 0), size[0]))
