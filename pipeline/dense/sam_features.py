"""One run of SAM's image encoder gives both what prompts need and what Trident's affinity needs.

The blocks are computed beside the module from its own weights (`sam_blocks`); of the last one its values and, row by
row, its attention can be read without a second run and without ever holding the attention of all heads. Works
for every `ImageEncoderViT`: any grid, any stride, with or without relative positions, the last block windowed or
global.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from segment_anything.modeling.image_encoder import get_rel_pos
from segment_anything.utils.transforms import ResizeLongestSide
from torch import Tensor, nn

from ..progress import Progress
from ..records import SamEmbedding
from .precision import half_precision
from .sam_blocks import attend, embed, finish, join_windows, run_block, window_qkv, window_side
from .trunk import Grid


@dataclass(frozen=True, eq=False)
class SamAttention:
    """Attention of SAM's last block, on demand: an `affinity.AttentionRows`.

    Attributes:
        queries, keys: float [parts, heads, side * side, c]; one part over the whole padded grid for global attention,
            else one per window.
        side: rows and columns of a part.
        parts: rows and columns of parts; (1, 1) for global attention.
        valid: rows and columns of the grid that hold the photo.
        tables: relative positions of rows and columns, each [side, side, c], or None.
    """

    queries: Tensor
    keys: Tensor
    side: Grid
    parts: Grid
    valid: Grid
    tables: tuple[Tensor, Tensor] | None

    @property
    def heads(self) -> int:
        """Number of heads."""
        return self.queries.shape[1]

    @property
    def columns(self) -> int:
        """Places one softmax runs over, or the valid places where those are more."""
        return max(self.side[0] * self.side[1], self.valid[0] * self.valid[1])

    def place(self, start: int, stop: int) -> tuple[Tensor, Tensor]:
        """Rows and columns in the grid of valid places start..stop in raster order, int64 each."""
        index = torch.arange(start, stop, device=self.queries.device)
        return index // self.valid[1], index % self.valid[1]

    def rows(self, start: int, stop: int) -> Tensor:
        """Softmaxed attention of valid places start..stop, float32 [heads, stop - start, n] over the valid places.

        The softmax runs over all places of a part, padding included, and is not renormalised after cropping. Places
        outside a window get 0.
        """
        y, x = self.place(start, stop)
        part = (y // self.side[0]) * self.parts[1] + x // self.side[1]
        result = self.queries.new_zeros((self.heads, stop - start, *self.valid), dtype=torch.float32)
        for one in part.unique().tolist():
            chosen = (part == one).nonzero()[:, 0]
            weights = self._part_rows(one, y[chosen] % self.side[0], x[chosen] % self.side[1])
            top, left = one // self.parts[1] * self.side[0], one % self.parts[1] * self.side[1]
            high, wide = min(self.side[0], self.valid[0] - top), min(self.side[1], self.valid[1] - left)
            result[:, chosen, top : top + high, left : left + wide] = weights[..., :high, :wide].float()
        return result.flatten(2)

    def _part_rows(self, part: int, y: Tensor, x: Tensor) -> Tensor:
        """Softmaxed rows [heads, R, side, side] of places (y, x) inside one part."""
        q = self.queries[part][:, y * self.side[1] + x].float()
        logits = (q * q.shape[-1] ** -0.5) @ self.keys[part].float().mT
        if self.tables is not None:
            down = torch.einsum("hrc,rkc->hrk", q, self.tables[0][y].float())
            across = torch.einsum("hrc,rkc->hrk", q, self.tables[1][x].float())
            logits.unflatten(-1, self.side).add_(down[..., None]).add_(across[..., None, :])
        return logits.softmax(-1).unflatten(-1, self.side)


@dataclass(frozen=True, eq=False)
class SamFeatures:
    """What one run of SAM's encoder gives.

    Attributes:
        embedding: all that prompts need.
        values: float [heads, n, c], the last block's values at the n = h * w valid places in raster order.
        attention: the last block's attention between them, row by row.
        grid: (h, w), the part of SAM's grid that holds the photo: input size // stride.
    """

    embedding: SamEmbedding
    values: Tensor
    attention: SamAttention
    grid: Grid

    @property
    def nbytes(self) -> int:
        """Bytes held, for a bounded cache."""
        tensors = (self.values, self.attention.queries, self.attention.keys, *(self.attention.tables or ()))
        return self.embedding.features.nbytes + sum(t.element_size() * t.nelement() for t in tensors)


def prepare(sam: nn.Module, pixels: np.ndarray) -> tuple[Tensor, tuple[int, int]]:
    """A photo uint8 [H, W, 3] as SAM's input [1, 3, side, side], and its size before padding.

    SAM's own rule: the long side resized to `img_size` (antialiased), SAM's pixel statistics, zeros right and below.
    """
    side = sam.image_encoder.img_size
    image = torch.tensor(ResizeLongestSide(side).apply_image(pixels), device=sam.device).permute(2, 0, 1)[None]
    dtype = next(sam.image_encoder.parameters()).dtype
    return sam.preprocess(image).to(dtype), (image.shape[-2], image.shape[-1])


@torch.no_grad()
def encode_sam(sam: nn.Module, pixels: np.ndarray, progress: Progress | None = None) -> SamFeatures:
    """Run SAM's image encoder once.

    Trident's code first brings the photo's sides up to whole CLIP patches; here the photo goes into SAM as SAM itself
    prepares it, so that the same run serves prompts in photo pixels.

    Args:
        sam: `segment_anything.modeling.Sam` in evaluation mode.
        pixels: uint8 [H, W, 3] sRGB.
    """
    with half_precision(torch.device(sam.device)):
        return _encode(sam, pixels, progress or Progress())


def _encode(sam: nn.Module, pixels: np.ndarray, progress: Progress) -> SamFeatures:
    image, input_size = prepare(sam, pixels)
    encoder = sam.image_encoder
    tokens = embed(encoder, image)
    for index, block in enumerate(encoder.blocks[:-1]):
        progress.step("Finding edges in the photo", index / len(encoder.blocks))
        tokens = run_block(block, tokens)
    progress.step("Finding edges in the photo", (len(encoder.blocks) - 1) / len(encoder.blocks))
    tokens, values, attention = _last_block(encoder.blocks[-1], tokens, _valid(encoder, tokens, input_size))
    features = encoder.neck(tokens.permute(0, 3, 1, 2))
    embedding = SamEmbedding(features.float().cpu().numpy(), input_size, (pixels.shape[0], pixels.shape[1]))
    return SamFeatures(embedding, values, attention, attention.valid)


def _valid(encoder: nn.Module, tokens: Tensor, input_size: tuple[int, int]) -> Grid:
    stride = encoder.img_size // tokens.shape[1]
    return max(1, input_size[0] // stride), max(1, input_size[1] // stride)


def _last_block(block: nn.Module, tokens: Tensor, valid: Grid) -> tuple[Tensor, Tensor, SamAttention]:
    """Output [1, g, g, width] of the last block, its values at the valid places, and its attention."""
    grid = (tokens.shape[1], tokens.shape[2])
    side = window_side(block, grid)
    q, k, v = window_qkv(block, tokens)
    tables = None
    if block.attn.use_rel_pos:
        down, across = block.attn.rel_pos_h, block.attn.rel_pos_w
        tables = (get_rel_pos(side[0], side[0], down), get_rel_pos(side[1], side[1], across))
    parts = (-(-grid[0] // side[0]), -(-grid[1] // side[1]))
    attention = SamAttention(q.flatten(2, 3), k.flatten(2, 3), side, parts, valid, tables)
    values = join_windows(v, grid)[0, : valid[0], : valid[1]]
    values = values.unflatten(-1, (block.attn.num_heads, -1)).flatten(0, 1).transpose(0, 1)
    return finish(block, tokens, attend(block.attn, q, k, v)), values.contiguous(), attention
