"""GEM (CVPR 2024) and CLIP Surgery (Pattern Recognition 2025): a second stream beside CLIP's own.

y is CLIP's own stream. g starts as the input of the first of the last `depth` blocks and only collects attention
branches computed from y; no MLP touches it. GEM lets values, keys and queries each gather themselves first; CLIP
Surgery attends value to value.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .trunk import Grid, blocks_of, embed, project_out, project_qkv, run_block

DEPTH = 6


def resized_to_size(table: Tensor, grid: Grid, mode: str) -> Tensor:
    """Positional embedding [1 + n * n, width] to another grid by its size: GEM "bicubic" with antialias, others
    "bilinear" without; the class row is kept, the trained grid itself untouched."""
    side = round((table.shape[0] - 1) ** 0.5)
    if tuple(grid) == (side, side):
        return table
    square = table[1:].float().T.reshape(1, -1, side, side)
    resized = F.interpolate(square, size=grid, mode=mode, align_corners=False, antialias=mode == "bicubic")
    return torch.cat([table[:1], resized.flatten(2)[0].T.to(table.dtype)])


def published_depth(visual: nn.Module) -> int:
    """The last six blocks, or the upper half of a tower of fewer than twelve."""
    return min(DEPTH, max(1, len(blocks_of(visual)) // 2))


def patch_grid(visual: nn.Module, pixels: Tensor) -> Grid:
    """Rows and columns of patches of a batch [B, 3, H, W]."""
    return pixels.shape[-2] // visual.patch_size[0], pixels.shape[-1] // visual.patch_size[1]


def gem_attention(
    q: Tensor, k: Tensor, v: Tensor, normed: Tensor, iterations: int = 1, temperature: float | None = None
) -> Tensor:
    """GEM's mean of three self-self attentions.

    Args:
        q, k, v: [B, heads, N, d] of `normed`.
        normed: [B, N, width]; the temperature is d ** -0.5 times the mean norm of its tokens.
        iterations: how often each of v, k, q gathers itself before it gathers the values.
        temperature: factor on the cosines in place of the one taken from the tokens.

    Returns:
        [B, heads, N, d].
    """
    if temperature is None:
        temperature = (q.shape[-1] ** -0.5 * normed.norm(dim=-1).mean(-1))[:, None, None, None]
    gathered = []
    for own in (v, k, q):
        for _ in range(iterations):
            unit = F.normalize(own, dim=-1)
            own = (temperature * unit @ unit.mT).softmax(-1) @ unit
        unit = F.normalize(own, dim=-1)
        gathered.append((temperature * unit @ unit.mT).softmax(-1) @ v)
    return torch.stack(gathered).mean(0)


def surgery_attention(q: Tensor, k: Tensor, v: Tensor, normed: Tensor) -> Tensor:
    """CLIP Surgery's value-value attention, [B, heads, N, d]."""
    return (v.shape[-1] ** -0.5 * v @ v.mT).softmax(-1) @ v


def two_streams(
    visual: nn.Module, tokens: Tensor, attention, depth: int | None = None, residual: bool = True
) -> tuple[Tensor, Tensor]:
    """Run both streams.

    Args:
        tokens: [B, N, width] entering the first block.
        attention: `gem_attention` or `surgery_attention`, called with q, k, v and the normed tokens.
        depth: how many of the last blocks feed the second stream; None: `published_depth`.
        residual: g starts as published; else at 0, for towers whose patches are named better without.

    Returns:
        g and y after the last block, [B, N, width] each.
    """
    own, second = tokens, tokens
    count, depth = len(blocks_of(visual)), depth or published_depth(visual)
    for index in range(count):
        if index == count - depth:
            second = own if residual else torch.zeros_like(own)
        if index >= count - depth:
            normed = blocks_of(visual)[index].ln_1(own)
            second = second + project_out(visual, index, attention(*project_qkv(visual, index, normed), normed))
        own = run_block(visual, index, own)
    return second, own


def gem_tokens(
    visual: nn.Module, pixels: Tensor, depth: int | None = None, iterations: int = 1,
    temperature: float | None = None, residual: bool = True,
) -> tuple[Tensor, Tensor, Grid]:
    """GEM's and CLIP's own tokens [B, N, width] before the final LayerNorm, and the grid of patches."""
    grid = patch_grid(visual, pixels)
    tokens, _ = embed(visual, pixels, resized_to_size(visual.positional_embedding, grid, "bicubic"))
    second, own = two_streams(
        visual, tokens, lambda *parts: gem_attention(*parts, iterations, temperature), depth, residual)
    return second, own, grid


def surgery_tokens(
    visual: nn.Module, pixels: Tensor, depth: int | None = None, residual: bool = True
) -> tuple[Tensor, Tensor, Grid]:
    """CLIP Surgery's and CLIP's own tokens; the former's class token is the latter's."""
    grid = patch_grid(visual, pixels)
    tokens, _ = embed(visual, pixels, resized_to_size(visual.positional_embedding, grid, "bilinear"))
    second, own = two_streams(visual, tokens, surgery_attention, depth, residual)
    return torch.cat([own[:, :1], second[:, 1:]], dim=1), own, grid
