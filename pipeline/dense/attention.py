"""The last block in the variants that make CLIP's patches comparable with words.

Every variant is a sum of attentions over the same values (`VARIANTS`); after it the block's residual and MLP are kept
or dropped. With s = d ** -0.5:

    qk       softmax(s q k^T)                                    CLIP
    vv       softmax(s v v^T)                                    CLIP Surgery
    identity the values themselves                               MaskCLIP (ECCV 2022)
    qq+kk    softmax(s q q^T) + softmax(s k k^T), rows sum to 2  SCLIP (ECCV 2024)
    (qq+kk)  softmax(s (q q^T + k k^T))                          SCLIP as two theses write it
    qq       softmax(s q q^T)                                    ClearCLIP (ECCV 2024)
    kk       softmax(s k k^T)                                    NACLIP without its neighbourhood
    kk+near  softmax(s k k^T + w)                                NACLIP (WACV 2025)
    near     softmax(s m w), m the mean of |q_i| |k_j|           NACLIP, neighbourhood only
    qq+kk+vv three softmaxes, rows sum to 3                      CLIPtrase (ECCV 2024)

w is `neighbourhood`. A name with "+" of plain pairs is a sum of softmaxes.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from .trunk import Grid, add_mlp, blocks_of, project_out, project_qkv

VARIANTS = ("qk", "vv", "identity", "qq+kk", "(qq+kk)", "qq", "kk", "kk+near", "near", "qq+kk+vv")


def neighbourhood(grid: Grid, sigma: float = 5.0, like: Tensor | None = None) -> Tensor:
    """NACLIP's additive bias: exp(-|p_i - p_j|^2 / (2 sigma^2)) between patches, in patch units, peak 1.

    Returns:
        float [N, N]; the class token's row and column are 0.
    """
    rows, cols = (torch.arange(n, dtype=torch.float64) for n in grid)
    near_rows, near_cols = (torch.exp(-((a[:, None] - a[None]) ** 2) / (2 * sigma**2)) for a in (rows, cols))
    between = (near_rows[:, None, :, None] * near_cols[None, :, None, :]).flatten(2).flatten(0, 1)
    bias = torch.zeros(len(between) + 1, len(between) + 1, dtype=torch.float64)
    bias[1:, 1:] = between
    return bias.to(like) if like is not None else bias.float()


def attention_weights(
    variant: str, q: Tensor, k: Tensor, v: Tensor, grid: Grid, sigma: float = 5.0,
    adjust: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """Attention of one variant.

    Args:
        variant: one of `VARIANTS` except "identity", which needs no weights.
        q, k, v: [B, heads, N, d] with the class token first.
        grid: rows and columns of patches, N = 1 + rows * columns.
        sigma: width of the neighbourhood in patches.
        adjust: changes every s a b^T before a bias is added and the softmax taken; "near" has none to change.

    Returns:
        [B, heads, N, N]; "qq+kk" rows sum to 2, "qq+kk+vv" to 3, all others to 1.
    """
    s, adjust = q.shape[-1] ** -0.5, adjust or (lambda logits: logits)
    if variant == "kk+near":
        return (adjust(s * k @ k.mT) + neighbourhood(grid, sigma, k)).softmax(-1)
    if variant == "near":
        logits = neighbourhood(grid, sigma, k) * s * _mean_norm_product(q, k)[:, None, None, None]
        return logits.softmax(-1).expand(-1, q.shape[1], -1, -1)
    if variant == "(qq+kk)":
        return adjust(s * (q @ q.mT + k @ k.mT)).softmax(-1)
    if variant not in VARIANTS or variant == "identity":
        raise ValueError(f"no attention variant {variant!r}; known: {', '.join(VARIANTS)}")
    sides = {"q": q, "k": k, "v": v}
    return sum(adjust(s * sides[a] @ sides[b].mT).softmax(-1) for a, b in variant.split("+"))


def _mean_norm_product(q: Tensor, k: Tensor) -> Tensor:
    """Mean over heads and pairs (i, j) of |q_i| |k_j|, per image: [B]."""
    return (q.norm(dim=-1).mean(-1) * k.norm(dim=-1).mean(-1)).mean(-1)


def attend(visual: nn.Module, index: int, tokens: Tensor, grid: Grid, variant: str, sigma: float = 5.0) -> Tensor:
    """The attention branch of a block under a variant, [B, N, width] -> [B, N, width], no residual."""
    q, k, v = project_qkv(visual, index, blocks_of(visual)[index].ln_1(tokens))
    mixed = v if variant == "identity" else attention_weights(variant, q, k, v, grid, sigma) @ v
    return project_out(visual, index, mixed)


def last_block(
    visual: nn.Module, tokens: Tensor, grid: Grid, variant: str, residual: bool, mlp: bool | None = None,
    sigma: float = 5.0, index: int = -1,
) -> Tensor:
    """The last block under a variant, up to the final LayerNorm.

    Args:
        tokens: [B, N, width], input of the last block with its class token.
        residual: add the block's input to the attention branch.
        mlp: add the block's MLP after it; None: as `residual`.
        index: another block in its place, with its own input.

    Returns:
        [B, N, width] tokens for `trunk.head`.
    """
    branch = attend(visual, index, tokens, grid, variant, sigma)
    if residual:
        branch = tokens + branch
    return add_mlp(visual, index, branch) if (residual if mlp is None else mlp) else branch
