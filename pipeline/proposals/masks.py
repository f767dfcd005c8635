"""SAM's automatic masks: a grid of points, three masks each, the sure and stable ones kept, doubles dropped.

Source: the mask generator of Segment Anything (Kirillov et al., ICCV 2023) with the thesis's constants: 32 x 32
points, predicted IoU 0.88, stability 0.95, boxes that overlap more than 0.7 are the same mask.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torchvision.ops import nms

from ..models.records import Sam2, SamModel
from ..progress import Progress
from ..records import Prompt, SamEmbedding
from ..refine.sam import decode, low_side, low_size, upsample

#: Points asked at a time; between two such groups the work can be cancelled.
GROUP = 64
#: Boxes that overlap more than this belong to the same thing.
SAME = 0.7


@dataclass(frozen=True, eq=False)
class Masks:
    """Class-agnostic masks, the best expected IoU first.

    Attributes:
        prompts: the point that made each.
        logits: float32 [M, low, low] over SAM's square.
        iou: float32 [M], expected by SAM.
        area: int64 [M], positive cells of the low-resolution mask within the photo.
        cells: such cells in the whole photo.
    """

    prompts: list[Prompt]
    logits: np.ndarray
    iou: np.ndarray
    area: np.ndarray
    cells: int

    def __len__(self) -> int:
        return len(self.prompts)

    def full(self, embedding: SamEmbedding) -> Iterator[np.ndarray]:
        """The masks at the photo's size, bool [H, W], one at a time."""
        return (upsample(low[None], embedding)[0] > 0 for low in self.logits)


def automatic_masks(
    sam: SamModel | Sam2,
    embedding: SamEmbedding,
    grid: int = 32,
    iou: float = 0.88,
    stability: float = 0.95,
    least: float = 0.0,
    progress: Progress | None = None,
) -> Masks:
    """All masks that hold up.

    Args:
        sam, embedding: the model and its view of the photo.
        grid: points per side.
        iou: expected by SAM, at least.
        stability: area with the logits lowered by the model's `stability_offset` over that with them raised, at least.
        least: share of the photo below which masks are dropped.
        progress: told between groups of points.
    """
    progress, low, offset = progress or Progress(), low_side(sam), sam.stability_offset
    high, wide = low_size(embedding, low)
    height, width = embedding.original_size
    rows, cols = ((np.arange(grid) + 0.5) * length / grid for length in (height, width))
    points = [Prompt(np.array([[x, y]], np.float32), np.ones(1, np.int32)) for y in rows for x in cols]
    prompts, kept, quality, areas, boxes = [], [], [], [], []
    for start in range(0, len(points), GROUP):
        progress.step("SAM masks the whole photo", start / len(points))
        asked = points[start : start + GROUP]
        logits, expected = decode(sam, embedding, asked, multimask=True, best=False)
        inside = logits[..., :high, :wide]
        small, large = ((inside > moved).sum((2, 3)) for moved in (offset, -offset))
        area = (inside > 0).sum((2, 3))
        good = (expected >= iou) & (area > 0) & (area >= least * high * wide) & (small >= stability * large)
        for i, j in zip(*np.nonzero(good), strict=True):
            positive = inside[i, j] > 0
            ys, xs = np.flatnonzero(positive.any(1)), np.flatnonzero(positive.any(0))
            boxes.append((xs[0], ys[0], xs[-1] + 1, ys[-1] + 1))
            outside = np.full((low, low), np.float32(-32))
            outside[:high, :wide] = inside[i, j]
            prompts.append(asked[i])
            kept.append(outside)
            quality.append(expected[i, j])
            areas.append(area[i, j])
    if not kept:
        nothing = np.zeros(0, np.float32)
        return Masks([], np.zeros((0, low, low), np.float32), nothing, nothing.astype(np.int64), high * wide)
    chosen = nms(torch.tensor(np.array(boxes), dtype=torch.float32), torch.tensor(np.array(quality)), SAME).tolist()
    return Masks(
        [prompts[i] for i in chosen], np.stack([kept[i] for i in chosen]), np.array(quality, np.float32)[chosen],
        np.array(areas, np.int64)[chosen], high * wide,
    )  # fmt: skip
