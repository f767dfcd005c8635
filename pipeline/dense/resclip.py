"""ResCLIP (CVPR 2025): inner blocks' attention in the last block (RCS), and feedback from a first labelling (SFR).

RCS needs no words; SFR does, so it belongs after them: `patch_labels` and `feedback_attention` make it from the class
probabilities of a first pass, and `resclip_tokens` then runs the last block again. Published per data set:
RCS (2.0, 0.2 to 0.6), SFR (1.8 to 2.2, 0.6 to 0.7) as (tau, lambda), patch threshold 0.10 to 0.50.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .attention import attention_weights
from .trunk import Grid, add_mlp, blocks_of, project_out, project_qkv, run_trunk

#: Blocks of RCS counted from 0, of a tower of twelve.
RCS_BLOCKS = (5, 6, 7, 8)
RCS, SFR = (2.0, 0.3), (2.1, 0.7)


def inner_attention(
    visual: nn.Module, pixels: Tensor, blocks: Sequence[int] | None = None
) -> tuple[Tensor, Tensor, Grid]:
    """The mean of inner blocks' softmaxed attention, heads kept apart.

    Args:
        pixels: float [B, 3, H, W], normalised.
        blocks: counted from 0; None: `RCS_BLOCKS`, in proportion to the tower's depth.

    Returns:
        Attention [B, heads, N, N], the tokens [B, N, width] entering the last block, and the grid.
    """
    layers = len(blocks_of(visual))
    blocks = [min(layers - 2, round(i * layers / 12)) for i in RCS_BLOCKS] if blocks is None else list(blocks)
    trunk = run_trunk(visual, pixels, keep=blocks)
    total = 0
    for index in blocks:
        normed = blocks_of(visual)[index].ln_1(trunk.inputs[index])
        total = total + attention_weights("qk", *project_qkv(visual, index, normed), trunk.grid)
    return total / len(blocks), trunk.tokens, trunk.grid


def resclip_tokens(
    visual: nn.Module, tokens: Tensor, grid: Grid, variant: str = "kk+near", residual: bool = False,
    inner: Tensor | None = None, rcs: tuple[float, float] = RCS,
    feedback: Tensor | None = None, sfr: tuple[float, float] = SFR, sigma: float = 5.0,
) -> Tensor:
    """The last block with RCS, SFR, or both, up to the final LayerNorm.

    Logits become tau ((1 - lambda) logits + lambda feedback / max feedback) before any neighbourhood bias; attention
    becomes tau ((1 - lambda) attention + lambda inner), not renormalised.

    Args:
        tokens: [B, N, width] entering the last block.
        variant: of `attention.VARIANTS`; the published strategies are "kk+near", "qq", "qq+kk" and "qk".
        residual: keep residual and MLP (for "qq+kk" and "qk").
        inner: attention of `inner_attention`, or None for no RCS; rcs: its tau and lambda.
        feedback: [N, N] of `feedback_attention`, or None for no SFR; sfr: its tau and lambda.
    """

    def adjust(logits: Tensor) -> Tensor:
        return sfr[0] * ((1 - sfr[1]) * logits + sfr[1] * feedback / feedback.max())

    q, k, v = project_qkv(visual, -1, blocks_of(visual)[-1].ln_1(tokens))
    weights = attention_weights(variant, q, k, v, grid, sigma, adjust if feedback is not None else None)
    if inner is not None:
        weights = rcs[0] * ((1 - rcs[1]) * weights + rcs[1] * inner)
    branch = project_out(visual, -1, weights @ v)
    return add_mlp(visual, -1, tokens + branch) if residual else branch


def patch_labels(probabilities: Tensor, grid: Grid, threshold: float) -> Tensor:
    """One label per patch: the most frequent of its pixels' (the smallest on a tie), unsure pixels counting as 0.

    Args:
        probabilities: float [Q, H, W] over all words; what exceeds whole patches is not seen.
        grid: rows and columns of patches.
        threshold: a pixel whose largest probability is below it gets label 0.

    Returns:
        int64 [h, w].
    """
    best, labels = probabilities.max(0)
    labels = labels.masked_fill(best < threshold, 0)
    rows, cols = labels.shape[0] // grid[0], labels.shape[1] // grid[1]
    patches = labels[: grid[0] * rows, : grid[1] * cols].unflatten(0, (grid[0], rows)).unflatten(2, (grid[1], cols))
    return patches.transpose(1, 2).flatten(2).mode(-1).values


def feedback_attention(labels: Tensor, sigma: float = 5.0, apart: bool = True) -> Tensor:
    """Attention between patches of one label.

    1 for equal labels; with `apart` a pair whose straight path leaves the label counts exp(-steps / most steps)
    (Chebyshev). Rows are smoothed by a one-dimensional Gaussian along the flattened column index (zero padding),
    clamped at 0 and divided by their sums plus 1e-8.

    Args:
        labels: int64 [h, w].

    Returns:
        float32 [1 + h * w, 1 + h * w]; the class token's row and column are 0.
    """
    flat = labels.flatten()
    same = (flat[:, None] == flat[None]).float()
    if apart:
        leaves, steps = _path_leaves(labels)
        same = torch.where(leaves, same * torch.exp(-steps / steps.max()), same)
    size = min(len(flat), int(6 * sigma + 1))
    size += size % 2 == 0
    offsets = torch.arange(size, device=labels.device) - size // 2
    kernel = torch.exp(-(offsets**2) / (2 * sigma**2))
    smooth = F.conv1d(same[:, None], (kernel / kernel.sum())[None, None], padding=size // 2)[:, 0].clamp(min=0)
    return F.pad(smooth / (smooth.sum(-1, keepdim=True) + 1e-8), (1, 0, 1, 0))


def _path_leaves(labels: Tensor) -> tuple[Tensor, Tensor]:
    """For every pair of patches whether the straight path leaves the first one's label, and its Chebyshev length.

    As published, the path is sampled at as many points as the longest path of the grid has, rounded half to even, and
    only the first of them, as many as this path has steps, are looked at.
    """
    h, w = labels.shape
    index = torch.arange(h * w, device=labels.device)
    place = torch.stack([index // w, index % w])
    start, end = place[:, :, None].float(), place[:, None, :].float()
    steps = (end - start).abs().amax(0)
    longest = int(steps.max())
    leaves = torch.zeros(h * w, h * w, dtype=torch.bool, device=labels.device)
    for k, t in enumerate(torch.linspace(0, 1, longest + 1, device=labels.device)):
        row, col = (start * (1 - t) + end * t).round().long()
        leaves |= (labels[row, col] != labels.flatten()[:, None]) & (k <= steps)
    return leaves, steps
