"""ProxyCLIP (ECCV 2024): a foundation model's correlations take the place of CLIP's last attention.

z = ln_1(x) of the last block, its values only, class token dropped. S is the cosine Gram matrix of the foundation
model's features; S <- (S - beta * mean S) * gamma, entries below 0 leave, softmax per row, the same for all heads.
Values go bilinearly to the foundation grid; out_proj follows with its bias, no residual, no MLP. Rows and columns are
kept apart throughout, where the published code mixes them up for windows that are not square.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .trunk import Grid, blocks_of, project_out, project_qkv

BETA, GAMMA = 1.2, 3.0


def mean_similarity(features: Tensor) -> Tensor:
    """Mean of each window's cosine Gram matrix, float32 [B], from foundation features [B, C, h, w].

    The mean over all pairs is the squared length of the mean unit vector, so no matrix is needed; summed in float64.
    """
    unit = F.normalize(features.float(), dim=1).flatten(2)
    return unit.double().mean(-1).square().sum(-1).float()


def proxy_weights(features: Tensor, beta: float = BETA, gamma: float = GAMMA, mean: Tensor | None = None) -> Tensor:
    """Attention from foundation features.

    Args:
        features: float [B, C, h, w].
        mean: the mean of S to use, one number for all windows (Trident) or [B]; None takes each window's own.

    Returns:
        float32 [B, h * w, h * w], rows sum to 1.
    """
    unit = F.normalize(features.float(), dim=1).flatten(2)
    similarity = unit.mT @ unit
    mean = mean_similarity(features) if mean is None else mean
    return masked_softmax((similarity - beta * mean.reshape(-1, 1, 1)) * gamma)


def masked_softmax(logits: Tensor, keep: Tensor | None = None) -> Tensor:
    """Softmax of each row [..., n, n] over what is not negative, or over `keep`; a place never leaves itself out.

    A place's similarity with itself is the largest of its row, so this changes nothing unless the whole row is
    negative, where the published code gives no number at all.
    """
    keep = logits >= 0 if keep is None else keep
    own = torch.eye(logits.shape[-1], dtype=torch.bool, device=logits.device)
    return logits.masked_fill(~(keep | own), -torch.inf).softmax(-1)


def proxy_attend(visual: nn.Module, tokens: Tensor, grid: Grid, weights: Tensor, onto: Grid) -> Tensor:
    """The last block with foundation attention, after out_proj.

    Args:
        tokens: [B, 1 + gh * gw, width], input of the last block with its class token.
        weights: [B, h * w, h * w] from `proxy_weights`.
        onto: the foundation grid (h, w).

    Returns:
        [B, h * w, width] on the foundation grid, without class token: input of `trunk.head`.
    """
    values = project_qkv(visual, -1, blocks_of(visual)[-1].ln_1(tokens[:, 1:]))[2]
    if onto != grid:
        heads = values.shape[1]
        maps = values.transpose(2, 3).flatten(1, 2).unflatten(-1, grid)
        maps = F.interpolate(maps, size=onto, mode="bilinear", align_corners=False)
        values = maps.flatten(2).unflatten(1, (heads, -1)).transpose(2, 3)
    return project_out(visual, -1, weights[:, None].to(values.dtype) @ values)
