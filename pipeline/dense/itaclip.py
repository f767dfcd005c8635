"""ITACLIP (CVPR workshops 2025), image side: attention shared with inner blocks, and several views of the image."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.transforms.v2.functional import gaussian_blur, rgb_to_grayscale

from .attention import attention_weights
from .trunk import Grid, blocks_of, head, project_out, project_qkv, run_trunk

#: Inner blocks whose attention is averaged, from 1, of a tower of twelve.
INNER = (7, 8, 10)
OWN_SHARE = 0.75


def itaclip_tokens(
    visual: nn.Module, pixels: Tensor, inner: Sequence[int] | None = None, variant: str = "qq+kk",
    residual: bool = True,
) -> tuple[Tensor, Grid]:
    """Tokens before the final LayerNorm.

    A = half the last block's softmax(s q q^T) + softmax(s k k^T), half the mean of the same in inner blocks; residual
    kept, MLP dropped.

    Args:
        pixels: float [B, 3, H, W], normalised.
        inner: blocks counted from 1; None: `INNER`, in proportion to the tower's depth.
        variant: of `attention.VARIANTS`, in all of these blocks; "qk" is the published code without self attention.
        residual: the last block's input is added, as published.

    Returns:
        [B, N, width] and the grid of patches.
    """
    layers = len(blocks_of(visual))
    inner = [max(1, round(i * layers / 12)) for i in INNER] if inner is None else inner
    trunk = run_trunk(visual, pixels, keep=[i - 1 for i in inner])

    def both(index: int, tokens: Tensor) -> tuple[Tensor, Tensor]:
        q, k, v = project_qkv(visual, index, blocks_of(visual)[index].ln_1(tokens))
        return attention_weights(variant, q, k, v, trunk.grid), v

    own, values = both(-1, trunk.tokens)
    weights = own / 2 + sum(both(i - 1, trunk.inputs[i - 1])[0] for i in inner) / (2 * len(inner))
    branch = project_out(visual, -1, weights @ values)
    return trunk.tokens + branch if residual else branch, trunk.grid


def engineered_map(
    visual: nn.Module, pixels: Tensor, own_share: float = OWN_SHARE, inner: Sequence[int] | None = None,
    variant: str = "qq+kk", residual: bool = True,
) -> Tensor:
    """Features of several views of an image, in one map.

    The unit features of the image, of its grey version (0.2989, 0.587, 0.114 of the normalised channels) and of a
    blurred one (Gaussian, 11 pixels, sigma 5) are averaged; those of a vertical and a horizontal flip are flipped back
    and averaged; the two means are mixed. Everything after it is linear, so this is the published mix of cosines.

    Args:
        pixels: float [1, 3, H, W], normalised; whole patches, else flips would not fall onto the patches again.
        own_share: of the first mean.
        inner, variant, residual: of `itaclip_tokens`.

    Returns:
        float [D, h, w]; its vectors are means of unit vectors, so shorter than 1.
    """
    grey = rgb_to_grayscale(pixels, num_output_channels=3)
    blurred = gaussian_blur(pixels, [11, 11], [5.0, 5.0])
    own = sum(_unit_map(visual, view, inner, variant, residual) for view in (pixels, grey, blurred)) / 3
    flips = [_unit_map(visual, pixels.flip(axis), inner, variant, residual).flip(axis - 1) for axis in (2, 3)]
    flipped = sum(flips) / 2
    return own_share * own + (1 - own_share) * flipped


def _unit_map(visual: nn.Module, pixels: Tensor, inner: Sequence[int] | None, variant: str, residual: bool) -> Tensor:
    tokens, grid = itaclip_tokens(visual, pixels, inner, variant, residual)
    return F.normalize(head(visual, tokens[0, 1:]), dim=-1).T.unflatten(-1, grid)
