"""Trident's splice: features of overlapping windows become one canvas over the whole frame.

Each window's features, on the foundation grid (vh, vw), count r cells per CLIP patch; they are added to a canvas of
(image patches * r) cells and divided by how many windows covered each cell.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from .trunk import Grid


def cells_per_patch(foundation: Grid, tokens: Grid) -> int:
    """r: vw // tw where the foundation grid divides by the window's CLIP tokens, else vh / th rounded half to even."""
    if foundation[1] % tokens[1]:
        return max(1, round(foundation[0] / tokens[0]))
    return foundation[1] // tokens[1]


def splice_windows(windows: Tensor, foundation: Grid, places: Sequence[Sequence[int]], image: Grid) -> Tensor:
    """Lay windows onto the canvas.

    Args:
        windows: float [W, vh * vw, width].
        foundation: (vh, vw), the grid of every window.
        places: for each window y1, x1, y2, x2 in CLIP patches of the frame; all of one size.
        image: rows and columns of CLIP patches in the frame; the windows must cover it.

    Returns:
        float [rows * r, columns * r, width].
    """
    y1, x1, y2, x2 = (int(n) for n in places[0])
    tokens = (y2 - y1, x2 - x1)
    r = cells_per_patch(foundation, tokens)
    size = (tokens[0] * r, tokens[1] * r)
    canvas = windows.new_zeros(image[0] * r, image[1] * r, windows.shape[-1])
    count = windows.new_zeros(image[0] * r, image[1] * r, 1)
    for window, (y1, x1, y2, x2) in zip(windows, places, strict=True):
        cells = window.unflatten(0, foundation)
        if foundation != size:
            maps = F.interpolate(cells.permute(2, 0, 1)[None], size=size, mode="bilinear", align_corners=False)
            cells = maps[0].permute(1, 2, 0)
        area = slice(int(y1) * r, int(y2) * r), slice(int(x1) * r, int(x2) * r)
        canvas[area] += cells
        count[area] += 1
    if not bool((count > 0).all()):
        raise ValueError("the windows leave part of the frame uncovered")
    return canvas.div_(count)


def resize_canvas(canvas: Tensor, grid: Grid) -> Tensor:
    """A canvas [rows, columns, width] bilinearly to another grid, as tokens [h * w, width]."""
    if canvas.shape[:2] != tuple(grid):
        maps = F.interpolate(canvas.permute(2, 0, 1)[None], size=tuple(grid), mode="bilinear", align_corners=False)
        canvas = maps[0].permute(1, 2, 0)
    return canvas.flatten(0, 1)


def halves(canvas: Tensor) -> tuple[Tensor, Tensor]:
    """A canvas cut into its left and right half along the columns (wide street scenes); the left is the smaller."""
    middle = canvas.shape[1] // 2
    return canvas[:, :middle], canvas[:, middle:]


def join_columns(left: Tensor, right: Tensor, rows: int) -> Tensor:
    """Tokens of two halves [h * w, width], joined row by row along the columns."""
    return torch.cat([left.unflatten(0, (rows, -1)), right.unflatten(0, (rows, -1))], dim=1).flatten(0, 1)
