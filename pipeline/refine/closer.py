"""A second look: SAM asked again on a cut-out around the thing, where a small model on a large photo sees too little.

SAM sees every photo at one size, 1024 pixels for the official models and 256 for the built-in one; a thing a tenth as
wide covers three of the built-in model's tokens. Cut out with as much room around it, it covers sixteen. The first
look's mask says where to cut; both looks' logits are averaged, since the first knows the surroundings better. Hand
selection looks twice with a model whose weights gain from it (`SamModel.zoom`), refinement when asked to.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from ..dense.sam_blocks import encode_images
from ..dense.sam_features import prepare
from ..device import on_device
from ..models.records import SamModel
from ..progress import Progress
from ..records import Box, Prompt, SamEmbedding
from .sam import decode, device_of, low_side, mask_to_logits, positive_box, upsample

#: Cut-outs that go through the image encoder at once.
BATCH = 8
#: Things wider than this share of the photo's longer side are seen well enough the first time.
WIDEST = 0.6
#: Sides of a cut-out in pixels below which there is nothing more to see.
LEAST = 48
#: For models that say nothing.
ZOOM = 2.0


def cut_around(box: Sequence[float], zoom: float, size: tuple[int, int]) -> Box:
    """The square `zoom` times as wide as the longer side of a box, moved into a photo of `size` and clipped to it."""
    x0, y0, x1, y1 = box
    side = max(zoom * max(x1 - x0, y1 - y0), LEAST)
    ends = []
    for low, high, whole in ((x0, x1, size[1]), (y0, y1, size[0])):
        length = min(int(round(side)), whole)
        start = int(np.clip(round((low + high - length) / 2), 0, whole - length))
        ends.append((start, start + length))
    (left, right), (top, bottom) = ends
    return left, top, right, bottom


@torch.no_grad()
def encode_cuts(sam: SamModel, pixels: np.ndarray, cuts: Sequence[Box]) -> list[SamEmbedding]:
    """SAM's embeddings of parts of a photo, uint8 [H, W, 3]."""
    made = []
    for start in range(0, len(cuts), BATCH):
        parts = [pixels[y0:y1, x0:x1] for x0, y0, x1, y1 in cuts[start : start + BATCH]]
        inputs = [prepare(sam.sam, np.ascontiguousarray(part)) for part in parts]
        images = torch.cat([image for image, _ in inputs])
        with on_device(device_of(sam), Progress()):
            features = encode_images(sam.sam.image_encoder, images).float().cpu().numpy()
        made += [
            SamEmbedding(features[i : i + 1], inputs[i][1], part.shape[:2]) for i, part in enumerate(parts)
        ]
    return made


def look_closer(
    sam: SamModel,
    pixels: np.ndarray,
    embedding: SamEmbedding,
    prompts: Sequence[Prompt],
    boxes: Sequence[Sequence[float]],
    logits: np.ndarray,
    masks: Sequence[np.ndarray | None] | None = None,
) -> list[tuple[Box, np.ndarray]]:
    """Ask every prompt again on a cut-out around its box.

    Args:
        sam: the model; `sam.zoom` says how wide the cut-outs are, in widths of the box.
        pixels: the photo, uint8 [H, W, 3].
        embedding: of the whole photo.
        prompts: as asked the first time.
        boxes: where to look, one for each prompt: the prompt's own, or that of the first look's mask.
        logits: the first look's answers, float32 [N, low, low].
        masks: masks bool [H, W] that points correct, or None.

    Returns:
        For each prompt the cut-out and the mean of both looks' logits there, float32 [h, w]; outside the cut-out the
        mask is empty.
    """
    size = (pixels.shape[0], pixels.shape[1])
    cuts = [cut_around(box, sam.zoom or ZOOM, size) for box in boxes]
    seen = []
    for i, (cut, inner) in enumerate(zip(cuts, encode_cuts(sam, pixels, cuts), strict=True)):
        mask = None if masks is None or masks[i] is None else masks[i]
        again, _ = decode(sam, inner, [_moved(prompts[i], boxes[i], cut, mask, inner, low_side(sam))])
        first = upsample(logits[i : i + 1], embedding, crop=cut)[0]
        seen.append((cut, (first + upsample(again, inner)[0]) / 2))
    return seen


def _moved(prompt: Prompt, box, cut: Box, mask: np.ndarray | None, inner: SamEmbedding, low: int) -> Prompt:
    """A prompt in the cut-out's pixels; points outside it are left out."""
    x0, y0, x1, y1 = cut
    inside = (prompt.points >= (x0, y0)).all(1) & (prompt.points < (x1, y1)).all(1)
    start = None if mask is None else mask_to_logits(mask[y0:y1, x0:x1], inner, low)
    moved = (box[0] - x0, box[1] - y0, box[2] - x0, box[3] - y0)
    return Prompt(prompt.points[inside] - np.float32([x0, y0]), prompt.labels[inside], moved, start)


def look_closer_at_regions(
    sam: SamModel,
    pixels: np.ndarray,
    embedding: SamEmbedding,
    prompts: Sequence[Prompt],
    logits: np.ndarray,
    kept: np.ndarray,
    step: Callable[[int, int], None] = lambda done, count: None,
) -> dict[int, tuple[Box, np.ndarray]]:
    """A second look at every region whose first mask is smaller than `WIDEST` of the photo; without rough masks.

    Args:
        kept: bool [N], which answers count; the others are not looked at again.
        step: called with the cut-outs done and their count, between batches.

    Returns:
        By index of the prompt what `merge.merge` takes as `closer`.
    """
    size = (pixels.shape[0], pixels.shape[1])
    boxes = {}
    for i in np.flatnonzero(kept):
        reach = positive_box(logits[i], embedding, size)
        if reach is None:
            continue
        mask = upsample(logits[i : i + 1], embedding, reach)[0] > 0
        if not mask.any():
            continue
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        box = (reach[0] + columns[0], reach[1] + rows[0], reach[0] + columns[-1] + 1, reach[1] + rows[-1] + 1)
        if max(box[2] - box[0], box[3] - box[1]) <= WIDEST * max(size):
            boxes[int(i)] = tuple(map(int, box))
    seen, wanted = {}, list(boxes)
    for start in range(0, len(wanted), BATCH):
        step(start, len(wanted))
        chosen = wanted[start : start + BATCH]
        asked = [Prompt(prompts[i].points, prompts[i].labels, prompts[i].box) for i in chosen]
        looks = look_closer(sam, pixels, embedding, asked, [boxes[i] for i in chosen], logits[chosen])
        seen.update(zip(chosen, looks, strict=True))
    return seen
