"""SAM's mask decoder for many prompts on one photo, from the library's own weights, with much less arithmetic.

`segment_anything`'s `MaskDecoder` copies and projects thousands of image tokens for every prompt. But prompts change
the image tokens only through attention to fewer than ten prompt tokens, that is by few rows: with one row per head and
token, the tokens X of a prompt are at all times

    X[n] = scale[n] * base[n] + sum over k of rows[k, n] * sides[k] + rest

where `base` [N, C] and `rest` [C] are the same for every prompt. Attention adds rows; a layer norm centres base and
sides once for all places, and divides by a length that follows from products of sides, not of tokens. So image tokens
are never written out, what is shared is projected once for all prompts, and per prompt only products of rows remain.
A mask prompt adds as many rows as SAM's own encoder has channels before its last convolution.

The numbers are those of the module up to the rounding of another order of sums.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .upscaling import Upscaling

#: Bytes of rows that a group of prompts holds on a processor: what stays in its caches.
GROUP_BYTES = 6 << 20


@dataclass(frozen=True, eq=False)
class _Seen:
    """What heads see of tokens [N, C] that all prompts share, through weights [heads, c, C].

    For many questions the tokens are projected once; for few the questions are brought to the tokens' side.
    """

    weight: Tensor
    tokens: Tensor
    projected: Tensor | None

    @classmethod
    def of(cls, weight: Tensor, tokens: Tensor, questions: int) -> _Seen:
        """`questions`: prompts times their tokens."""
        heads, c, width = weight.shape
        many = questions * (width - c) > c * width
        return cls(weight, tokens, weight @ tokens.mT if many else None)

    def by(self, asked: Tensor) -> Tensor:
        """[B, heads, T, c] to products with every place, [B, heads, T, N], not always contiguous."""
        if self.projected is None:
            return (asked @ self.weight) @ self.tokens.mT
        heads, _, places = self.projected.shape
        made = asked.transpose(0, 1).flatten(1, 2) @ self.projected
        return made.view(heads, len(asked), -1, places).transpose(0, 1)

    def summed(self, shares: Tensor) -> Tensor:
        """[B, heads, T, N] to the sums over places [B, heads, T, c]."""
        if self.projected is None:
            return (shares.flatten(0, 2) @ self.tokens).view(*shares.shape[:3], -1) @ self.weight.mT
        made = shares.transpose(0, 1).flatten(1, 2) @ self.projected.mT
        return made.view(len(self.weight), len(shares), -1, made.shape[-1]).transpose(0, 1)


@dataclass(frozen=True, eq=False)
class _Term:
    """Rows that one attention (or the mask prompts) added: per prompt `own` [B, heads, T, c] times shared `sides`
    [heads, c, C] are the sides."""

    own: Tensor
    start: int

    def sides(self, shared: Tensor) -> Tensor:
        """[B, heads * T, C]"""
        return (self.own @ shared).flatten(1, 2)


@dataclass(eq=False)
class _Image:
    """The image tokens of a group of prompts, as the module's docstring has them.

    Attributes:
        rows: [B, R, N], of which the first `used` hold; terms: which rows came from where.
        scale: [B, N], or None for ones.
        sides: [B, used, C].
    """

    rows: Tensor
    used: int
    terms: list[_Term]
    scale: Tensor | None
    sides: Tensor

    @property
    def held(self) -> Tensor:
        return self.rows[:, : self.used]


class _Looking:
    """One attention of `segment_anything` between prompt tokens and the image.

    Args:
        attention: the module; of_image: its projection of the image where places are compared.
        base, place: [N, C], shared by all prompts; rest: [C].
        plain: the scale is one everywhere, so that base and place are one map.
        questions: prompts times tokens.
    """

    def __init__(self, attention: nn.Module, of_image: nn.Linear, base, place, rest, plain: bool, questions: int):
        self.attention, self.plain = attention, plain
        self.weight = self.by_heads(of_image.weight)
        self.constant = F.linear(rest, of_image.weight, of_image.bias).unflatten(0, (attention.num_heads, 1, -1))
        self.base = _Seen.of(self.weight, base + place if plain else base, questions)
        self.place = None if plain else _Seen.of(self.weight, place, questions)

    def by_heads(self, weight: Tensor) -> Tensor:
        """[internal, C] to [heads, c, C]."""
        return weight.unflatten(0, (self.attention.num_heads, -1))

    def split(self, x: Tensor) -> Tensor:
        """[B, T, internal] to [B, heads, T, c]."""
        return x.unflatten(-1, (self.attention.num_heads, -1)).transpose(1, 2)

    def logits(self, asked: Tensor, image: _Image) -> Tensor:
        """Tokens [B, heads, T, c] against every place, [B, heads, T, N]."""
        asked = asked * asked.shape[-1] ** -0.5
        made, constant = self.base.by(asked), (asked * self.constant).sum(-1, keepdim=True)
        out = torch.empty_like(made, memory_format=torch.contiguous_format)
        if self.plain:
            made = torch.add(made, constant, out=out)
        else:
            made = torch.addcmul(constant, made, image.scale[:, None, None], out=out).add_(self.place.by(asked))
        if image.used:
            inner = (asked @ self.weight).flatten(1, 2) @ image.sides.mT
            made.flatten(1, 2).baddbmm_(inner, image.held)
        return made


class _ToImage(_Looking):
    """Prompt tokens look at the image."""

    def __init__(self, attention: nn.Module, base, place, rest, plain: bool, questions: int):
        super().__init__(attention, attention.k_proj, base, place, rest, plain, questions)
        self.values = self.by_heads(attention.v_proj.weight)
        self.value = F.linear(rest, attention.v_proj.weight, attention.v_proj.bias).unflatten(
            0, (attention.num_heads, 1, -1)
        )
        self.seen = _Seen.of(self.values, base, questions)

    def __call__(self, tokens: Tensor, image: _Image) -> Tensor:
        """[B, T, C] to the attention's output of the same shape."""
        shares = self.logits(self.split(self.attention.q_proj(tokens)), image).softmax(-1)
        inner = self.value
        if image.used:
            inner = (shares.flatten(1, 2) @ image.held.mT @ image.sides).view(*shares.shape[:3], -1)
            inner = inner @ self.values.mT + self.value
        if image.scale is not None:
            shares = shares * image.scale[:, None, None]
        return self.attention.out_proj((self.seen.summed(shares) + inner).transpose(1, 2).flatten(2))


class _ToTokens(_Looking):
    """The image looks at the prompt tokens, is changed by them and normalised.

    Args:
        parts: the shared sides of the terms so far, each [heads, c, C].
    """

    def __init__(self, attention, norm: nn.LayerNorm, base, place, rest, parts: Sequence[Tensor], plain, questions):
        super().__init__(attention, attention.q_proj, base, place, rest, plain, questions)
        heads = attention.num_heads
        out = attention.out_proj.weight.mT.unflatten(0, (heads, -1))
        # Shares of a head sum to one, so what is added everywhere can be dealt out to the heads.
        always = ((rest + attention.out_proj.bias) / heads).expand(heads, 1, -1)
        parts = [_centred(part) for part in (*parts, torch.cat([out, always], dim=1))]
        self.norm, self.middle, base = norm, parts, _centred(base)
        self.crossed = [_Seen.of(part, base, questions * len(part) // heads) for part in parts]
        self.lengths = base.square().sum(-1)
        self.base, self.base_after = self.base, base * norm.weight
        self.parts_after = [part * norm.weight for part in parts]

    def __call__(self, offered: Tensor, values: Tensor, image: _Image) -> None:
        """Tokens as keys and as values, [B, T, C]; the image is changed in place."""
        a, old = self.attention, image.used
        shares = self.logits(self.split(a.k_proj(offered)), image).softmax(2)
        given = self.split(a.v_proj(values))
        image.terms.append(_Term(F.pad(given, (0, 1), value=1.0), old))
        count = given.shape[1] * given.shape[2]
        image.used = old + count
        image.rows[:, old : image.used] = shares.flatten(1, 2)
        sides = torch.cat([t.sides(p) for t, p in zip(image.terms, self.middle, strict=True)], dim=1)
        # |scale base + rows sides|^2, the longer sum first: half of the symmetric product of rows is enough.
        crossed = [seen.by(t.own).flatten(1, 2) for t, seen in zip(image.terms, self.crossed, strict=True)]
        energy = self.lengths if image.scale is None else image.scale.square() * self.lengths
        for rows, inner in ((slice(0, old), slice(0, old)), (slice(old, image.used), slice(0, image.used))):
            if rows.start == rows.stop:
                continue
            cross = torch.cat(crossed[:-1], dim=1) if rows.start == 0 and old else crossed[-1]
            gram = sides[:, rows] @ sides[:, inner].mT
            if rows.start:
                gram[:, :, :old] *= 2
            cross = cross * (2.0 if image.scale is None else 2 * image.scale[:, None])
            energy = energy + cross.baddbmm_(gram, image.rows[:, inner]).mul_(image.rows[:, rows]).sum(1)
        shrink = (energy / sides.shape[-1] + self.norm.eps).rsqrt()
        image.held.mul_(shrink[:, None])
        image.scale = shrink if image.scale is None else image.scale * shrink
        image.sides = sides * self.norm.weight


def _centred(x: Tensor) -> Tensor:
    return x - x.mean(-1, keepdim=True)


@torch.no_grad()
def decode_masks(
    decoder: nn.Module,
    image: Tensor,
    positions: Tensor,
    sparse: Tensor,
    dense: Tensor,
    which: Tensor,
    closing: Tensor | None,
    multimask: bool,
    budget: int,
    valid: tuple[int, int] | None = None,
    mixed: bool = False,
) -> tuple[Tensor, Tensor]:
    """Masks and predicted IoU of all prompts.

    Args:
        decoder: `segment_anything.modeling.MaskDecoder`.
        image: [1, C, g, g], the image embedding, with what every dense prompt adds alike.
        positions: [1, C, g, g], the prompt encoder's dense positions.
        sparse: [B, P, C], the prompts' points and boxes.
        dense: [U, M, g, g], the different mask prompts before the prompt encoder's last convolution.
        which: int64 [B], each prompt's dense one.
        closing: [C, M], that convolution; None: no prompt has a mask, and `dense` and `which` are not read.
        multimask: three masks, else the one for unambiguous prompts.
        budget: bytes that may be taken on a graphics card.
        valid: rows and columns of the grid that hold the photo; beyond them masks are not made but "far outside".
        mixed: half precision for making masks from tokens, on a graphics card.

    Returns:
        Logits [B, M, 4g, 4g] and IoU [B, M], M = 3 or 1.
    """
    grid, count = image.shape[-2:], len(sparse)
    place, base, transformer = positions[0].flatten(1).mT, image[0].flatten(1).mT, decoder.transformer
    start = torch.cat([decoder.iou_token.weight, decoder.mask_tokens.weight])
    questions = count * (len(start) + sparse.shape[1])
    chosen = list(range(1, decoder.num_mask_tokens) if multimask else range(1))

    rest, plain, parts, layers = torch.zeros_like(base[0]), True, [], []
    if closing is not None:
        parts = [closing.mT[None]]
    for layer in transformer.layers:
        ahead = _ToImage(layer.cross_attn_token_to_image, base, place, rest, plain, questions)
        back = _ToTokens(layer.cross_attn_image_to_token, layer.norm4, base, place, rest, parts, plain, questions)
        layers.append((layer, ahead, back))
        base, parts, rest, plain = back.base_after, back.parts_after, layer.norm4.bias, False
    needed = [0, *(1 + i for i in chosen)]
    last = _ToImage(transformer.final_attn_token_to_image, base, place, rest, plain, count * len(needed))
    upscaling = Upscaling(decoder.output_upscaling, base, rest, grid, valid)

    masks = image.new_full((count, len(chosen), 4 * grid[0], 4 * grid[1]), -32.0, dtype=torch.float32)
    iou = image.new_empty((count, len(chosen)), dtype=torch.float32)
    heads = transformer.layers[0].cross_attn_image_to_token.num_heads
    most = (0 if closing is None else closing.shape[1]) + len(layers) * heads * questions // count
    for members in torch.arange(count, device=image.device).split(group_size(base, most, budget)):
        state = _Image(base.new_empty((len(members), most, len(base))), 0, [], None, base.new_empty(0))
        if closing is not None:
            _show_masks(state, dense[which[members]].flatten(2), closing)
        tokens = torch.cat([start.expand(len(members), -1, -1), sparse[members]], dim=1)
        queries = _two_way(layers, tokens, state)[:, needed]
        queries = transformer.norm_final_attn(queries + last(queries + tokens[:, needed], state))
        wanted = [decoder.output_hypernetworks_mlps[i](queries[:, 1 + n]) for n, i in enumerate(chosen)]
        with torch.autocast("cuda", torch.float16) if mixed and image.is_cuda else nullcontext():
            upscaling(state.scale, state.rows, state.sides, torch.stack(wanted, dim=2), masks, members)
        iou[members] = decoder.iou_prediction_head(queries[:, 0])[:, chosen].float()
    return masks, iou


def _show_masks(state: _Image, maps: Tensor, closing: Tensor) -> None:
    """Mask prompts [B, M, N] as the first rows."""
    channels = maps.shape[1]
    state.rows[:, :channels] = maps
    own = torch.eye(channels, dtype=maps.dtype, device=maps.device).expand(len(maps), 1, -1, -1)
    state.terms.append(_Term(own, 0))
    state.used, state.sides = channels, closing.mT.expand(len(maps), -1, -1)


def _two_way(layers: Sequence[tuple], tokens: Tensor, state: _Image) -> Tensor:
    """The blocks of `TwoWayTransformer`: prompt tokens [B, T, C] afterwards; the image in `state` is changed."""
    queries = tokens
    for layer, ahead, back in layers:
        if layer.skip_first_layer_pe:
            queries = layer.self_attn(q=queries, k=queries, v=queries)
        else:
            asked = queries + tokens
            queries = queries + layer.self_attn(q=asked, k=asked, v=queries)
        queries = layer.norm1(queries)
        queries = layer.norm2(queries + ahead(queries + tokens, state))
        queries = layer.norm3(queries + layer.mlp(queries))
        back(queries + tokens, queries, state)
    return queries


def group_size(tokens: Tensor, rows: int, budget: int) -> int:
    """Prompts to decode together: within `budget` bytes on a graphics card, within the caches on a processor.

    Counted per prompt, in floats: the rows of every place and a few products of their size; on a graphics card also
    the tokens upscaled to masks, 16 cells per token of an eighth of the width, three times.
    """
    places, width = tokens.shape
    if tokens.device.type == "cpu":
        return max(1, GROUP_BYTES // (4 * places * rows))
    return max(1, budget // (4 * places * (6 * rows + 6 * width)))
