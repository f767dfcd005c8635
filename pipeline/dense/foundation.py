"""Whose correlations are borrowed: a DINO that looks at CLIP's windows, or a SAM that has looked at the photo.

Any of them gives one feature map per window, float32 [W, C, vh, vw], from which methods take cosines only.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from ..models.records import ClipModel, DinoModel, SamModel
from .dino_features import dino_features
from .sam_features import SamFeatures
from .windows import Layout, normalised, padded_box, unnormalised

#: Windows are padded to whole patches of both models up to this multiple, the one ProxyCLIP and Trident publish (the
#: least of patches of 14 and 8). Where the least common multiple is larger, padding would fill half a window.
PAD_MOST = 56


def padding_multiple(clip_patch: int, foundation: DinoModel | SamModel | None) -> int:
    """To what multiple of pixels windows are padded."""
    if not isinstance(foundation, DinoModel):
        return clip_patch
    both = math.lcm(clip_patch, foundation.patch_size)
    return both if both <= max(PAD_MOST, clip_patch) else clip_patch


def dino_windows(dino: DinoModel, windows: Tensor, clip: ClipModel, facet: str = "tokens") -> Tensor:
    """Features of windows [B, 3, h, w] as CLIP sees them: float32 [B, C, h // p, w // p].

    CLIP's statistics are taken out again and DINO's own put in, padding included. Windows that are not whole patches
    of DINO are resized to the nearest that are.
    """
    colours = normalised(unnormalised(windows, clip.mean, clip.std), dino.mean, dino.std)
    patch = dino.patch_size
    whole = tuple(max(1, round(side / patch)) * patch for side in windows.shape[-2:])
    if whole != tuple(windows.shape[-2:]):
        colours = F.interpolate(colours, size=whole, mode="bilinear", align_corners=False, antialias=True)
    weight = next(dino.model.parameters())
    return dino_features(dino.model, colours.to(weight.device, weight.dtype), facet)


def sam_windows(run: SamFeatures, layout: Layout, clip_patch: int) -> Tensor:
    """SAM's image embedding inside every window of a layout: float32 [W, C, vh, vw].

    SAM's encoder runs once over the whole photo; each window takes its part by bilinear sampling, on a grid as dense
    as SAM's own there, but not coarser than CLIP's. What a window's padding covers repeats the photo's edge.
    """
    features = torch.from_numpy(run.embedding.features.copy())
    side, (in_h, in_w) = features.shape[-1], run.embedding.input_size
    cells = side * in_h / max(in_h, in_w), side * in_w / max(in_h, in_w)  # that hold the photo
    boxes = [padded_box(box, layout.multiple) for box in layout.boxes]
    x0, y0, x1, y1 = boxes[0]
    grid = [max(length // clip_patch, round(length / frame * inside))
            for length, frame, inside in zip((y1 - y0, x1 - x0), layout.frame, cells, strict=True)]
    parts = []
    for box in boxes:
        rows = _places(box[1], box[3], grid[0], layout.frame[0], cells[0])
        cols = _places(box[0], box[2], grid[1], layout.frame[1], cells[1])
        at = torch.stack(torch.meshgrid(rows, cols, indexing="ij")[::-1], dim=-1)
        at = 2 * at / side - 1
        parts.append(F.grid_sample(features, at[None], mode="bilinear", padding_mode="border", align_corners=False))
    return torch.cat(parts)


def _places(start: int, stop: int, count: int, frame: int, cells: float) -> Tensor:
    """Centres of `count` equal parts of start..stop, frame pixels, in SAM's cells; never outside the photo."""
    pixels = start + (torch.arange(count) + 0.5) * (stop - start) / count
    return (pixels / frame * cells).clamp(0.5, max(0.5, cells - 0.5))
