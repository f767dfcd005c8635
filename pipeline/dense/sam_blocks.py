"""SAM's image encoder block by block, as `segment_anything` computes it, with fused attention.

The library adds its decomposed relative positions to whole attention matrices [heads, n, n], which for SAM's 64x64
grid are 805 MB and go through memory several times. Here a bias of a few heads at a time goes into
`scaled_dot_product_attention`, whose logits never leave the caches. Windows are cut after the projection to queries,
keys and values, not before: the places that pad them all have the same three vectors, the projection's bias, and
nothing is computed for them. The modules are read, never changed: their weights are used where they lie.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from segment_anything.modeling.image_encoder import get_rel_pos
from torch import Tensor, nn

from ..progress import checkpoint
from .trunk import Grid

#: Bytes of relative positions held at a time: a quarter of one head of SAM's 64x64 grid, which fits the caches.
BIAS_BYTES = 16 * 2**20
#: Tokens that go through a block's MLP at a time on a processor, so that its wide middle stays in the caches.
MLP_TOKENS = 1024


def encode_images(encoder: nn.Module, images: Tensor) -> Tensor:
    """An `ImageEncoderViT`'s embedding of images [B, 3, side, side] in its statistics: [B, C, g, g]."""
    tokens = embed(encoder, images)
    for block in encoder.blocks:
        tokens = run_block(block, tokens)
    return encoder.neck(tokens.permute(0, 3, 1, 2))


def embed(encoder: nn.Module, images: Tensor) -> Tensor:
    """Tokens [B, g, g, width] entering the first block."""
    tokens = encoder.patch_embed(images)
    return tokens if encoder.pos_embed is None else tokens + encoder.pos_embed


def run_block(block: nn.Module, tokens: Tensor) -> Tensor:
    """One block of the encoder, windowed or global: [B, g, g, width] to the same shape."""
    return finish(block, tokens, attend(block.attn, *window_qkv(block, tokens)))


def attend(attention: nn.Module, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Values weighted by attention inside every window; all [W, heads, h, w, c]."""
    side = (q.shape[-3], q.shape[-2])
    mixed, scratch = torch.empty_like(q), None
    for windows, heads, rows in _groups(q):
        checkpoint()
        asked = q[windows, heads, rows]
        bias = scratch = relative_bias(attention, asked, rows.start, side, scratch)
        if bias is not None:
            bias = bias.flatten(4, 5).flatten(2, 3)
        parts = (t[windows, heads].flatten(2, 3) for t in (k, v))
        out = F.scaled_dot_product_attention(asked.flatten(2, 3), *parts, attn_mask=bias, scale=attention.scale)
        mixed[windows, heads, rows] = out.unflatten(2, asked.shape[2:4])
    return mixed


def _groups(q: Tensor) -> Iterator[tuple[slice, slice, slice]]:
    """Windows, heads and rows of places whose bias fits `BIAS_BYTES`, at least a row of one head of one window."""
    windows, heads, high, wide = q.shape[:4]
    most = max(1, BIAS_BYTES // (4 * wide * high * wide))  # rows
    rows, some, many = min(high, most), min(heads, max(1, most // high)), max(1, most // (high * heads))
    for first in range(0, windows, many):
        for head in range(0, heads, some):
            for row in range(0, high, rows):
                yield slice(first, first + many), slice(head, head + some), slice(row, row + rows)


def relative_bias(attention: nn.Module, q: Tensor, row: int, side: Grid, scratch: Tensor | None) -> Tensor | None:
    """What decomposed relative positions add to the logits.

    Args:
        q: queries [W, heads, r, w, c] of r whole rows of places, the first of them `row`.
        side: rows and columns of the window.
        scratch: memory of an earlier result, used again where it fits: fresh memory costs more than the sum itself.

    Returns:
        [W, heads, r, w, h, w], or None for an attention without relative positions.
    """
    if not attention.use_rel_pos:
        return None
    tables = get_rel_pos(side[0], side[0], attention.rel_pos_h)[row : row + q.shape[2]]
    down = torch.einsum("bhyxc,ykc->bhyxk", q, tables)[..., :, None]
    across = torch.einsum("bhyxc,xkc->bhyxk", q, get_rel_pos(side[1], side[1], attention.rel_pos_w))[..., None, :]
    shape = (*q.shape[:4], *side)
    fits = scratch is not None and scratch.shape == shape
    return torch.add(down, across, out=scratch) if fits else down + across


def window_qkv(block: nn.Module, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values of a block's windows, each [W, heads, h, w, c].

    The windows of the first image come first, row by row; global attention is one window over the whole grid. Where
    the grid is no whole number of windows, those at its right and lower edge are filled up as the library fills them:
    with zeros before the projection, which are its bias after it.
    """
    batch, rows, columns, width = tokens.shape
    attention, side = block.attn, window_side(block, (rows, columns))
    heads = attention.num_heads
    projected = attention.qkv(block.norm1(tokens)).unflatten(-1, (3, heads, -1))
    down, across = -(-rows // side[0]), -(-columns // side[1])
    windows = projected.new_empty(3, batch, down * across, heads, *side, width // heads)
    if (down * side[0], across * side[1]) != (rows, columns):
        bias = attention.qkv.bias
        filling = projected.new_zeros(()) if bias is None else bias.view(3, 1, 1, heads, 1, 1, -1)
        windows.copy_(filling.expand_as(windows))
    for index, y, x in _places(side, (rows, columns)):
        part = projected[:, y, x].permute(3, 0, 4, 1, 2, 5)
        windows[:, :, index, :, : part.shape[3], : part.shape[4]] = part
    q, k, v = windows.flatten(1, 2).unbind(0)
    return q, k, v


def window_side(block: nn.Module, grid: Grid) -> Grid:
    """Rows and columns of a block's windows; the whole grid for global attention."""
    return (block.window_size, block.window_size) if block.window_size > 0 else grid


def join_windows(windows: Tensor, grid: Grid, batch: int = 1) -> Tensor:
    """Windows [W, heads, h, w, c] of `batch` images laid out again, without what filled them up: [B, *grid, width]."""
    heads, high, wide, channels = windows.shape[1:]
    windows = windows.unflatten(0, (batch, -1))
    joined = windows.new_empty(batch, *grid, heads, channels)
    for index, y, x in _places((high, wide), grid):
        area = joined[:, y, x]
        area.copy_(windows[:, index, :, : area.shape[1], : area.shape[2]].permute(0, 2, 3, 1, 4))
    return joined.flatten(3)


def _places(side: Grid, grid: Grid) -> Iterator[tuple[int, slice, slice]]:
    """Number, rows and columns of every window in a grid, row by row, cut off at its edge."""
    across = -(-grid[1] // side[1])
    for top in range(0, grid[0], side[0]):
        for left in range(0, grid[1], side[1]):
            index = top // side[0] * across + left // side[1]
            yield index, slice(top, min(top + side[0], grid[0])), slice(left, min(left + side[1], grid[1]))


def finish(block: nn.Module, tokens: Tensor, mixed: Tensor) -> Tensor:
    """A block from its attention's weighted values [W, heads, h, w, c] to its output [B, g, g, width]."""
    batch, rows, columns, _ = tokens.shape
    # Added to the projection, whose memory is fresh and in one piece, and in the residual's own precision.
    tokens = block.attn.proj(join_windows(mixed, (rows, columns), batch)).to(tokens.dtype).add_(tokens)
    if tokens.device.type != "cpu":
        return tokens + block.mlp(block.norm2(tokens))
    for part in tokens.flatten(0, 2).split(MLP_TOKENS):
        checkpoint()
        part += block.mlp(block.norm2(part))
    return tokens
