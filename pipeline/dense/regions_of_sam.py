"""SAM's automatic masks as one map of regions: a grid of points, good masks only, small ones on top of large ones."""

from __future__ import annotations

import numpy as np
import torch

from ..models.records import SamModel
from ..records import Prompt, SamEmbedding
from ..refine.sam import decode, upsample

#: By how much the logits are raised and lowered for the stability score, as SAM's own mask generator does.
STABILITY_OFFSET = 1.0
#: Masks that overlap more than this with a better one are dropped.
SAME = 0.7


def automatic_masks(
    sam: SamModel, embedding: SamEmbedding, points: int = 8, iou: float = 0.4, stability: float = 0.4
) -> np.ndarray:
    """Low-resolution logits [M, low, low] of the masks that a grid of points gives, best first.

    Every point's best of SAM's three masks is kept where SAM expects at least `iou` of it, and where raising and
    lowering its logits by 1 changes it by less than `stability` allows (the smaller over the larger area). Of masks
    that are nearly the same the one of higher expected IoU stays.

    Args:
        points: points per side of the grid.
    """
    height, width = embedding.original_size
    rows, cols = ((np.arange(points) + 0.5) * length / points for length in (height, width))
    prompts = [Prompt(np.array([[x, y]], np.float32), np.ones(1, np.int32)) for y in rows for x in cols]
    with torch.autocast(sam.sam.device.type, enabled=False):  # masks are decoded exactly, as refinement does
        logits, quality = decode(sam, embedding, prompts, multimask=True)
    inside = _valid(embedding, logits.shape[-1])
    logits = np.where(inside, logits, -np.inf)
    large, small = ((logits > offset).sum((1, 2)) for offset in (-STABILITY_OFFSET, STABILITY_OFFSET))
    good = (quality >= iou) & (large > 0) & (small >= stability * large) & ((logits > 0).sum((1, 2)) > 0)
    order = [i for i in np.argsort(-quality, kind="stable") if good[i]]
    kept: list[int] = []
    masks = (logits > 0).reshape(len(logits), -1)
    for i in order:
        if all((masks[i] & masks[j]).sum() <= SAME * (masks[i] | masks[j]).sum() for j in kept):
            kept.append(i)
    return np.where(inside, logits[kept], np.float32(-32))


def region_map(
    sam: SamModel, embedding: SamEmbedding, size: tuple[int, int], points: int = 8, iou: float = 0.4,
    stability: float = 0.4,
) -> np.ndarray:
    """Which region every pixel belongs to.

    Args:
        size: height and width of the map; it shows the whole photo.
        points, iou, stability: of `automatic_masks`; CorrCLIP's own values.

    Returns:
        int64 [H, W], regions numbered from the largest, -1 where no mask is. Where masks overlap the smaller one
        wins; a region that others cover wholly leaves a gap in the numbers.
    """
    found = np.full(size, -1, np.int64)
    logits = automatic_masks(sam, embedding, points, iou, stability)
    for number, i in enumerate(np.argsort(-(logits > 0).sum((1, 2)), kind="stable")):
        found[upsample(logits[i : i + 1], embedding, size=size)[0] > 0] = number
    return found


def _valid(embedding: SamEmbedding, low: int) -> np.ndarray:
    """bool [low, low], the cells that hold the photo."""
    side = max(embedding.input_size)
    height, width = (max(1, round(low * length / side)) for length in embedding.input_size)
    inside = np.zeros((low, low), bool)
    inside[:height, :width] = True
    return inside
