"""Trident's two halves put together: CLIP per window with proxy attention, then SAM's affinity over the frame."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..records import Box
from .affinity import AttentionRows, aggregate
from .proxy import BETA, GAMMA, mean_similarity, proxy_attend, proxy_weights
from .splice import halves, join_columns, resize_canvas, splice_windows
from .trunk import Grid, Trunk

#: Values [heads, n, c], attention rows and grid (h, w) of a SAM run; two of them for the halves of a wide photo.
SamRun = tuple[Tensor, AttentionRows, Grid]


def joint_mean(foundation: Tensor) -> Tensor:
    """Mean of S over all windows [W, C, vh, vw] together, one number."""
    return mean_similarity(foundation).mean()


def window_pass(
    visual: nn.Module, trunk: Trunk, foundation: Tensor, beta: float = BETA, gamma: float = GAMMA, batch: int = 8
) -> Tensor:
    """The last block of every window with proxy attention whose mean S is taken over all windows jointly.

    Args:
        trunk: tokens of the W windows before the last block.
        foundation: float [W, C, vh, vw].
        batch: windows at a time; it does not change the result.

    Returns:
        [W, vh * vw, width] after out_proj, before any LayerNorm.
    """
    mean, outputs, onto = joint_mean(foundation), [], (foundation.shape[-2], foundation.shape[-1])
    for start in range(0, len(foundation), batch):
        weights = proxy_weights(foundation[start : start + batch], beta, gamma, mean)
        tokens = trunk.tokens[start : start + batch]
        outputs.append(proxy_attend(visual, tokens, trunk.grid, weights, onto))
    return torch.cat(outputs)


def splice_canvas(outputs: Tensor, foundation: Grid, boxes: Sequence[Box], patch: int, image: Grid) -> Tensor:
    """Window outputs [W, vh * vw, width] laid onto one canvas [rows, columns, width]; see `splice.splice_windows`."""
    places = [(y0 // patch, x0 // patch, y1 // patch, x1 // patch) for x0, y0, x1, y1 in boxes]
    return splice_windows(outputs, foundation, places, image)


def aggregate_canvas(
    outputs: Tensor, foundation: Grid, boxes: Sequence[Box], patch: int, image: Grid, sams: Sequence[SamRun], **options
) -> tuple[Tensor, Grid]:
    """Splice window outputs and mix them by SAM's affinity.

    Args:
        outputs: [W, vh * vw, width] of `window_pass`.
        foundation: (vh, vw).
        boxes: the windows in frame pixels, on whole patches.
        patch: side of a CLIP patch.
        image: rows and columns of CLIP patches in the frame.
        sams: one SAM run over the photo, or two over its left and right half, which are then mixed separately and
            joined along the width.
        options: of `affinity.affinity_blocks`.

    Returns:
        float32 [h * w, width], input of `trunk.head`, and its grid (h, w).
    """
    canvas = splice_canvas(outputs, foundation, boxes, patch, image)
    if len(sams) == 1:
        values, attention, grid = sams[0]
        return aggregate(resize_canvas(canvas, grid), values, attention, **options), grid
    parts = [
        aggregate(resize_canvas(half, grid), values, attention, **options)
        for half, (values, attention, grid) in zip(halves(canvas), sams, strict=True)
    ]
    grid = sams[0][2]
    return join_columns(*parts, rows=grid[0]), (grid[0], grid[1] + sams[1][2][1])
