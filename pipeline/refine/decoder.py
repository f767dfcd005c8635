"""SAM's mask decoder for many prompts on one photo, from the library's own weights, with less arithmetic.

`segment_anything`'s `MaskDecoder` projects every image token for every prompt, copies the image for each and makes
four masks where one is wanted. There are thousands of image tokens and fewer than ten prompt tokens, so here the
projections are moved to the prompt tokens' side. With K = keys Wk' + bk, V = keys Wv' + bv and one head,

    softmax(q K') V  =  softmax((q Wk) keys') keys Wv' + bv          (q bk' is the same for every key and drops out)

which needs two products of keys with (heads * tokens) columns in place of two with the full width; the other direction
is folded alike. What prompts share (the image, their class's mask, positions) is never copied. Work goes in groups
small enough to stay in a processor's cache, or as large as the memory allows on a graphics card.

The numbers are those of the module up to the rounding of another order of sums.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

#: Bytes of image tokens that a group of prompts holds on a processor: what stays in its caches.
GROUP_BYTES = 4 << 20


@dataclass(frozen=True, eq=False)
class _Folded:
    """One attention of `segment_anything`, its projections moved to the prompt tokens' side."""

    attention: nn.Module

    def heads(self, linear: nn.Linear) -> Tensor:
        return linear.weight.unflatten(0, (self.attention.num_heads, -1))

    @property
    def scale(self) -> float:
        return (self.attention.internal_dim // self.attention.num_heads) ** -0.5

    def split(self, x: Tensor) -> Tensor:
        """[B, T, internal] to [B, heads, T, c]."""
        return x.unflatten(-1, (self.attention.num_heads, -1)).transpose(1, 2)

    def to_image(self, tokens: Tensor, keys: Tensor, placed: Tensor) -> Tensor:
        """Tokens [B, T, C] look at the image; `keys` [B or 1, N, C], `placed` the keys with positions. [B, T, C]."""
        a = self.attention
        asked = self.split(a.q_proj(tokens)) * self.scale @ self.heads(a.k_proj)
        seen = _times(_times(asked.flatten(1, 2), placed.mT).softmax(-1), keys).unflatten(1, (a.num_heads, -1))
        values = seen @ self.heads(a.v_proj).mT + a.v_proj.bias.unflatten(0, (a.num_heads, 1, -1))
        return a.out_proj(values.transpose(1, 2).flatten(2))

    def to_tokens(self, keys: Tensor, placed: Tensor, tokens: Tensor, values: Tensor) -> Tensor:
        """The image looks at the tokens: `keys` plus the attention branch, [B, N, C]."""
        a = self.attention
        offered = self.split(a.k_proj(tokens)) * self.scale
        bias = (offered * a.q_proj.bias.unflatten(0, (a.num_heads, 1, -1))).sum(-1)
        logits = _times((offered @ self.heads(a.q_proj)).flatten(1, 2), placed.mT).unflatten(1, (a.num_heads, -1))
        shares = logits.add_(bias[..., None]).softmax(2).flatten(1, 2)
        out = a.out_proj.weight.unflatten(1, (a.num_heads, -1)).transpose(0, 1)
        given = (self.split(a.v_proj(values)) @ out.mT).flatten(1, 2)
        return torch.baddbmm(keys.expand(len(shares), -1, -1), shares.mT, given).add_(a.out_proj.bias)


def _times(left: Tensor, right: Tensor) -> Tensor:
    """[B, R, K] times [B, K, N], or [1, K, N] that all share."""
    if len(right) == len(left):
        return left @ right
    return (left.flatten(0, 1) @ right[0]).unflatten(0, left.shape[:2])


def group_size(decoder: nn.Module, tokens: int, budget: int) -> int:
    """Prompts to decode together: within `budget` bytes on a graphics card, within the caches on a processor.

    Counted per prompt, in floats: the image tokens with their positions, branch and normalised copy, the attention of
    the heads, and the tokens upscaled to masks (the last step holds 16 per image token of an eighth of the width).
    """
    width = decoder.transformer_dim
    weight = next(decoder.parameters())
    if weight.device.type == "cpu":
        return max(1, GROUP_BYTES // (4 * tokens * width))
    return max(1, int(budget // (4 * tokens * (4 * width + 2 * 128 + 3 * 2 * width))))


@torch.no_grad()
def decode_masks(
    decoder: nn.Module,
    image: Tensor,
    positions: Tensor,
    sparse: Tensor,
    dense: Tensor,
    which: Tensor,
    multimask: bool,
    budget: int,
) -> tuple[Tensor, Tensor]:
    """Masks and predicted IoU of all prompts.

    Args:
        decoder: `segment_anything.modeling.MaskDecoder`.
        image: [1, C, g, g], the image embedding.
        positions: [1, C, g, g], the prompt encoder's dense positions.
        sparse: [B, P, C], the prompts' points and boxes.
        dense: [U, C, g, g], the different dense prompts.
        which: int64 [B], each prompt's dense one; prompts of one dense prompt share its work.
        multimask: three masks, else the one for unambiguous prompts.
        budget: bytes that may be taken on a graphics card.

    Returns:
        Logits [B, M, 4g, 4g] and IoU [B, M], M = 3 or 1.
    """
    grid = image.shape[-2:]
    place = positions.flatten(2).mT
    start = torch.cat([decoder.iou_token.weight, decoder.mask_tokens.weight])
    chosen = range(1, decoder.num_mask_tokens) if multimask else range(1)
    masks = image.new_empty((len(sparse), len(chosen), 4 * grid[0], 4 * grid[1]), dtype=torch.float32)
    iou = image.new_empty((len(sparse), len(chosen)), dtype=torch.float32)
    size = group_size(decoder, grid[0] * grid[1], budget)
    needed = [0, *(1 + i for i in chosen)]
    for members in which.argsort(stable=True).split(size):
        own = which[members]
        own = own[:1] if (own == own[0]).all() else own
        keys = (image + dense[own]).flatten(2).mT.contiguous()
        tokens = torch.cat([start.expand(len(members), -1, -1), sparse[members]], dim=1)
        answers, image_tokens = _two_way(decoder.transformer, keys, place, tokens, needed)
        wanted = [decoder.output_hypernetworks_mlps[i](answers[:, 1 + n]) for n, i in enumerate(chosen)]
        masks[members] = _upscaled(decoder.output_upscaling, image_tokens, torch.stack(wanted, dim=2), grid).float()
        iou[members] = decoder.iou_prediction_head(answers[:, 0])[:, list(chosen)].float()
    return masks, iou


def _two_way(transformer: nn.Module, keys: Tensor, place: Tensor, tokens: Tensor, needed: list[int]):
    """`TwoWayTransformer` with keys [B or 1, N, C]: the answers to the tokens `needed` and image tokens [B, N, C]."""
    queries, placed = tokens, keys + place
    for layer in transformer.layers:
        if layer.skip_first_layer_pe:
            queries = layer.self_attn(q=queries, k=queries, v=queries)
        else:
            asked = queries + tokens
            queries = queries + layer.self_attn(q=asked, k=asked, v=queries)
        queries = layer.norm1(queries)
        seen = _Folded(layer.cross_attn_token_to_image).to_image(queries + tokens, keys, placed)
        queries = layer.norm2(queries + seen)
        queries = layer.norm3(queries + layer.mlp(queries))
        keys = layer.norm4(
            _Folded(layer.cross_attn_image_to_token).to_tokens(keys, placed, queries + tokens, queries)
        )
        placed = keys + place
    queries, tokens = queries[:, needed], tokens[:, needed]
    last = _Folded(transformer.final_attn_token_to_image).to_image(queries + tokens, keys, placed)
    return transformer.norm_final_attn(queries + last), keys


def _upscaled(layers: nn.Sequential, tokens: Tensor, wanted: Tensor, grid: tuple[int, int]) -> Tensor:
    """Image tokens [B, N, C] to masks [B, M, 4 gh, 4 gw]: each token makes its own 4 x 4 cells.

    The two transposed convolutions have stride 2 and kernel 2, so nothing overlaps and both are products; only the
    finished masks are brought into rows and columns. `wanted` [B, C / 8, M] are the masks' own weights.
    """
    first, norm, act, second, last = layers
    x = _cells(tokens, first)
    x = act(F.layer_norm(x, x.shape[-1:], norm.weight, norm.bias, norm.eps))
    x = last(_cells(x, second))
    x = x.flatten(1, 3) @ wanted
    x = x.reshape(len(tokens), *grid, 2, 2, 2, 2, -1)  # place; row and column in its 2 x 2; row and column in theirs
    return x.permute(0, 7, 1, 3, 5, 2, 4, 6).reshape(len(tokens), -1, 4 * grid[0], 4 * grid[1])


def _cells(x: Tensor, layer: nn.ConvTranspose2d) -> Tensor:
    """A stride 2, kernel 2 transposed convolution of [..., C] as a product: [..., 4, C'], cells in raster order."""
    weight = layer.weight.permute(2, 3, 1, 0).flatten(0, 2)
    return F.linear(x, weight, layer.bias.repeat(4)).unflatten(-1, (4, -1))
