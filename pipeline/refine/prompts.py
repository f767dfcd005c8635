"""Regions to prompts: the point, the box and the faint mask that SAM is shown (Trident, section 4 of its code).

Trident hands points and boxes to SAM's transforms as if the half-size map were the photo. Here every prompt is kept
in photo pixels, placed so that the photo's own transform brings it to exactly the same SAM coordinates.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F

from ..records import Prompt, SamEmbedding
from .regions import Component
from .sam import grid_size, low_size, to_photo
from .settings import RefineSettings


def mask_prompt(
    probabilities: np.ndarray, size: tuple[int, int], low: int, alpha: float, coarse: float
) -> np.ndarray:
    """A class's probabilities as a mask prompt.

    Args:
        probabilities: float32 [gh, gw] of one class on the working grid.
        size: height and width of the photo within the low-resolution mask, `sam.low_size`.
        low: side of SAM's low-resolution masks.
        alpha: factor of the probabilities.
        coarse: probabilities not above it become 0.

    Returns:
        float32 [low, low]: bilinear to the photo's shape within the square, zero beyond.
    """
    height, width = size
    maps = torch.from_numpy(np.ascontiguousarray(probabilities, np.float32))[None, None]
    small = F.interpolate(maps, (max(height, 1), max(width, 1)), mode="bilinear", align_corners=False)[0, 0].numpy()
    mask = np.zeros((low, low), np.float32)
    mask[: small.shape[0], : small.shape[1]] = np.where(small > np.float32(coarse), np.float32(alpha) * small, 0)
    return mask


def region_prompts(
    components: Sequence[Component],
    scores: np.ndarray,
    embedding: SamEmbedding,
    low: int | None,
    settings: RefineSettings,
) -> list[Prompt]:
    """One prompt per region; the regions of a class share one mask.

    Args:
        components: regions on the working grid.
        scores: float32 [C, gh, gw] on the same grid.
        embedding: of the photo; only its sizes matter here.
        low: side of SAM's low-resolution masks; None: no masks.
        settings: which parts a prompt has, and the mask's constants.
    """
    masks: dict[int, np.ndarray] = {}
    if settings.use_masks is not False and low is not None:
        for c in {component.class_index for component in components}:
            masks[c] = mask_prompt(scores[c], low_size(embedding, low), low, settings.alpha, settings.coarse_threshold)
            masks[c].flags.writeable = False
    return [_prompt(component, scores.shape[1:], masks, embedding, settings) for component in components]


def _prompt(component, grid, masks, embedding, settings) -> Prompt:
    x0, y0, x1, y1 = component.box
    corners = np.array([component.point, (x0, y0), (x1 - 1, y1 - 1)], np.float64)
    point, first, last = grid_to_photo(corners, grid, embedding)
    parts = {}
    if settings.use_points:
        parts = {"points": point[None].astype(np.float32), "labels": np.ones(1, np.int32)}
    if settings.use_boxes:
        # The last pixel becomes an exclusive end, as everywhere in photo pixels.
        parts["box"] = (float(first[0]), float(first[1]), float(last[0]) + 1, float(last[1]) + 1)
    return Prompt(**parts, mask=masks.get(component.class_index))


def grid_to_photo(xy: np.ndarray, grid: tuple[int, int], embedding: SamEmbedding) -> np.ndarray:
    """Pixel indices of the working grid to photo pixels, through the SAM coordinates Trident gives them.

    Args:
        xy: float [..., 2], x and y.
        grid: height and width of the grid.
        embedding: its sizes tell SAM's square and the photo.
    """
    height, width = grid_size(grid, embedding)
    return to_photo(np.asarray(xy, np.float64) * [width / grid[1], height / grid[0]], embedding)
