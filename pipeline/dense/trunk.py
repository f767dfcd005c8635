"""CLIP's image tower, run beside the library's module from its own weights.

An `open_clip` `VisionTransformer` is read, never changed: its patch convolution, embeddings and blocks are called as
they are, so that any image size gives tokens before the last block, which each method then finishes in its own way.

Notation, here and in the other modules of this folder: B images, N = 1 + gh * gw tokens (class token first, then the
patches in raster order), `width` channels, D channels after the projection.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import NamebrushError

Grid = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Trunk:
    """Tokens of a batch of images up to the last block.

    Attributes:
        tokens: float [B, N, width], the input of the last block.
        grid: rows and columns of patches.
        inputs: the input [B, N, width] of every block asked for, by its index from 0.
    """

    tokens: Tensor
    grid: Grid
    inputs: Mapping[int, Tensor] = field(default_factory=dict)

    @property
    def nbytes(self) -> int:
        """Bytes held, for a bounded cache."""
        return sum(t.element_size() * t.nelement() for t in (self.tokens, *self.inputs.values()))


def check_tower(visual: nn.Module) -> None:
    """Refuse an image tower whose features the published methods cannot read.

    Raises:
        NamebrushError: the tower is not a plain vision transformer with a class token and a projection.
    """
    plain = hasattr(visual, "transformer") and hasattr(visual, "conv1") and getattr(visual, "attn_pool", None) is None
    if not plain or getattr(visual, "proj", None) is None:
        raise NamebrushError(
            "This CLIP's image tower is not a plain vision transformer, so its patches cannot be compared with words. "
            "Choose a ViT such as ViT-B-16."
        )


def resized_positions(table: Tensor, grid: Grid) -> Tensor:
    """Positional embedding of another grid: [1 + n * n, width] -> [1 + gh * gw, width].

    Bicubic, align_corners False, sampled by the factors ((gh + 0.1) / n, (gw + 0.1) / n) themselves, as the published
    code of DINO and of the CLIP methods does; a table with as many rows as there are tokens is used as it is.
    """
    if table.shape[0] == 1 + grid[0] * grid[1]:
        return table
    side = round((table.shape[0] - 1) ** 0.5)
    if side * side != table.shape[0] - 1:
        raise ValueError(f"a positional table of {table.shape[0]} rows is no class token and a square grid")
    square = table[1:].float().reshape(1, side, side, -1).permute(0, 3, 1, 2)
    factors = ((grid[0] + 0.1) / side, (grid[1] + 0.1) / side)
    resized = F.interpolate(square, scale_factor=factors, mode="bicubic", align_corners=False)
    if resized.shape[-2:] != grid:
        raise ValueError(f"a positional table of side {side} gave {tuple(resized.shape[-2:])}, wanted {grid}")
    return torch.cat([table[:1], resized.flatten(2)[0].T.to(table.dtype)])


def embed(visual: nn.Module, pixels: Tensor, positions: Tensor | None = None) -> tuple[Tensor, Grid]:
    """Tokens entering the first block.

    Args:
        pixels: float [B, 3, H, W], normalised; what exceeds whole patches at the right and bottom is not seen.
        positions: positional embedding [N, width]; None resizes the tower's own by `resized_positions`.

    Returns:
        Tokens [B, N, width] after `ln_pre`, and the grid of patches.
    """
    patches = visual.conv1(pixels)
    grid = (patches.shape[-2], patches.shape[-1])
    patches = patches.flatten(2).transpose(1, 2)
    if positions is None:
        positions = resized_positions(visual.positional_embedding, grid)
    first = visual.class_embedding.to(patches.dtype).expand(len(patches), 1, -1)
    return visual.ln_pre(torch.cat([first, patches], dim=1) + positions.to(patches.dtype)), grid


def blocks_of(visual: nn.Module) -> nn.ModuleList:
    """The transformer's blocks in order."""
    return visual.transformer.resblocks


def run_block(visual: nn.Module, index: int, tokens: Tensor) -> Tensor:
    """One block as the library computes it, [B, N, width] -> [B, N, width]."""
    block = blocks_of(visual)[index]
    if getattr(visual.transformer, "batch_first", True):
        return block(tokens)
    return block(tokens.transpose(0, 1)).transpose(0, 1)


def run_trunk(visual: nn.Module, pixels: Tensor, keep: Collection[int] = (), positions: Tensor | None = None) -> Trunk:
    """Run every block but the last.

    Args:
        pixels: float [B, 3, H, W], normalised.
        keep: indices from 0 of the blocks whose inputs are wanted.
        positions: see `embed`.
    """
    tokens, grid = embed(visual, pixels, positions)
    inputs = {}
    last = len(blocks_of(visual)) - 1
    for index in range(last):
        if index in keep:
            inputs[index] = tokens
        tokens = run_block(visual, index, tokens)
    if last in keep:
        inputs[last] = tokens
    return Trunk(tokens, grid, inputs)


def heads_of(visual: nn.Module, index: int = -1) -> int:
    """Number of attention heads of a block."""
    return blocks_of(visual)[index].attn.num_heads


def project_qkv(visual: nn.Module, index: int, normed: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values of a block from its own `in_proj`.

    Args:
        index: which block; -1 is the last.
        normed: [B, N, width], tokens after the block's `ln_1`.

    Returns:
        q, k, v, each [B, heads, N, d].

    Raises:
        NamebrushError: the block's attention is of a kind whose q, k and v mean something else.
    """
    attn = blocks_of(visual)[index].attn
    if getattr(attn, "logit_scale", None) is not None or getattr(attn, "head_scale", None) is not None:
        raise NamebrushError("This CLIP scales its attention in a way the methods here do not know. Choose another.")
    projected = F.linear(normed, attn.in_proj_weight, attn.in_proj_bias)
    q, k, v = (t.unflatten(-1, (attn.num_heads, -1)).transpose(1, 2) for t in projected.chunk(3, dim=-1))
    return getattr(attn, "ln_q", nn.Identity())(q), getattr(attn, "ln_k", nn.Identity())(k), v


def project_out(visual: nn.Module, index: int, values: Tensor) -> Tensor:
    """A block's attention branch after its weighted values: [B, heads, N, d] -> [B, N, width], with bias."""
    block = blocks_of(visual)[index]
    merged = values.transpose(1, 2).flatten(2)
    branch = block.attn.out_proj(getattr(block.attn, "ln_inner", nn.Identity())(merged))
    return block.ls_1(getattr(block, "ln_attn", nn.Identity())(branch))


def add_mlp(visual: nn.Module, index: int, tokens: Tensor) -> Tensor:
    """A block's second half, tokens plus the MLP of `ln_2` of them."""
    block = blocks_of(visual)[index]
    return tokens + block.ls_2(block.mlp(block.ln_2(tokens)))


def head(visual: nn.Module, tokens: Tensor) -> Tensor:
    """Final LayerNorm and projection into the space shared with text: [..., width] -> [..., D], not normalised."""
    return visual.ln_post(tokens) @ visual.proj
