"""CLIPtrase (ECCV 2024): patches clustered by self-correlation of the last block but one, labels voted per cluster."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.lib.stride_tricks import sliding_window_view
from torch import Tensor, nn

from .attention import last_block
from .trunk import Grid, Trunk, blocks_of, project_qkv, run_trunk

#: Published radius and least neighbours of the clustering by the side of the image.
PUBLISHED = {224: (0.7, 3), 336: (1.1, 7)}
SMOOTH, MEDIAN = 4, 7


def cliptrase_tokens(visual: nn.Module, pixels: Tensor, residual: bool = True) -> tuple[Tensor, Tensor, Grid]:
    """Tokens before the final LayerNorm, and the self-correlation.

    Args:
        pixels: float [B, 3, H, W], normalised.
        residual: residual and MLP are kept, as published.

    Returns:
        Tokens [B, N, width] of three self attentions with residual and MLP; the last block but one's mean over heads
        of (cos qq + cos kk + cos vv) / 3, [B, N, N]; the grid of patches.
    """
    index = len(blocks_of(visual)) - 2
    trunk: Trunk = run_trunk(visual, pixels, keep=(index,))
    parts = project_qkv(visual, index, blocks_of(visual)[index].ln_1(trunk.inputs[index]))
    units = [F.normalize(part, dim=-1) for part in parts]
    correlation = sum(unit @ unit.mT for unit in units).mean(1) / 3
    return last_block(visual, trunk.tokens, trunk.grid, "qq+kk+vv", residual), correlation, trunk.grid


def denoised(correlation: Tensor) -> Tensor:
    """max(correlation of patches - correlation of the class token with the patch, 0): [N, N] -> [N - 1, N - 1]."""
    return (correlation[1:, 1:] - correlation[:1, 1:]).clamp(min=0)


def dbscan(rows: np.ndarray, radius: float, least: int) -> np.ndarray:
    """Density clusters of rows [n, C] (Ester et al., KDD 1996), Euclidean.

    A core has at least `least` rows, itself included, within `radius`. Clusters are numbered by their first core; a
    row within reach of several clusters belongs to the first.

    Returns:
        int64 [n], -1 for noise.
    """
    rows = rows.astype(np.float64)
    squares = (rows**2).sum(1)
    distances = np.sqrt(np.maximum(squares[:, None] + squares[None] - 2 * rows @ rows.T, 0))
    np.fill_diagonal(distances, 0)
    return dbscan_of(distances, radius, least)


def dbscan_of(distances: np.ndarray, radius: float, least: int) -> np.ndarray:
    """As `dbscan`, from the distances [n, n] themselves."""
    near = distances <= radius
    core = near.sum(1) >= least
    labels = np.full(len(distances), -1, np.int64)
    cluster = 0
    for first in np.flatnonzero(core):
        if labels[first] >= 0:
            continue
        waiting = [first]
        labels[first] = cluster
        while waiting:
            reached = np.flatnonzero(near[waiting.pop()] & (labels < 0))
            labels[reached] = cluster
            waiting.extend(reached[core[reached]])
        cluster += 1
    return labels


def cluster_map(affinity: Tensor, labels: np.ndarray, grid: Grid, size: Sequence[int], smooth: int = SMOOTH,
                median: int = MEDIAN) -> np.ndarray:
    """Which cluster every pixel belongs to.

    The mean row of a cluster's members is brought bilinearly to `smooth` times the grid, median-filtered (borders
    mirrored, the edge itself repeated), and brought bilinearly to the image; the largest wins.

    Args:
        affinity: float [n, n] from `denoised`.
        labels: int64 [n] with at least one cluster.
        size: height and width of the image.

    Returns:
        int64 [H, W].
    """
    maps = torch.stack([affinity[torch.from_numpy(labels == c)].mean(0) for c in range(labels.max() + 1)])
    maps = maps.unflatten(-1, grid)[None]
    fine = F.interpolate(maps, size=(smooth * grid[0], smooth * grid[1]), mode="bilinear", align_corners=False)[0]
    reach = median // 2
    padded = np.pad(fine.cpu().numpy(), ((0, 0), (reach, reach), (reach, reach)), mode="symmetric")
    fine = torch.from_numpy(np.median(sliding_window_view(padded, (median, median), (1, 2)), axis=(-1, -2)))
    large = F.interpolate(fine[None], size=tuple(size), mode="bilinear", align_corners=False)[0]
    return large.argmax(0).numpy()


def vote(labels: np.ndarray, clusters: np.ndarray) -> np.ndarray:
    """Every cluster [H, W] takes the label most of its pixels have, the smallest on a tie."""
    voted = labels.copy()
    for cluster in np.unique(clusters):
        inside = clusters == cluster
        values, counts = np.unique(labels[inside], return_counts=True)
        voted[inside] = values[counts.argmax()]
    return voted
