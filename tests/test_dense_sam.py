"""Trident's affinity and SAM's last block against the formulas and the library's own functions."""

import numpy as np
import pytest
import torch
from segment_anything.modeling.image_encoder import add_decomposed_rel_pos, window_partition

from pipeline.dense import sam_blocks
from pipeline.dense.affinity import (
    LIVE_ARRAYS,
    affinity_blocks,
    aggregate,
    row_thresholds,
    rows_per_block,
    unit_values,
)
from pipeline.dense.sam_features import encode_sam, prepare
from pipeline.errors import Cancelled
from pipeline.models.builtin import build_sam
from pipeline.progress import running

SAM = {
    "image_size": 128, "embed_dim": 16, "depth": 2, "num_heads": 2, "window_size": 6, "global_attn_indexes": [1],
    "prompt_dim": 16, "mask_in_chans": 8, "decoder_heads": 2, "decoder_mlp_dim": 16, "iou_head_hidden_dim": 16,
}


def sam_of(**changes):
    torch.manual_seed(3)
    sam = build_sam({**SAM, **changes}).eval().requires_grad_(False)
    for name, weight in sam.image_encoder.named_parameters():
        if "rel_pos" in name:
            weight.normal_(std=0.5)
    return sam


# affinity ---------------------------------------------------------------------------------------------------------


class Rows:
    """Attention given row by row, remembering how many rows were asked for at a time."""

    def __init__(self, weights):
        self.weights, self.asked = weights, []
        self.heads, self.columns = weights.shape[0], weights.shape[-1]

    def rows(self, start, stop):
        self.asked.append(stop - start)
        return self.weights[:, start:stop].clone()


def full_affinity(values, attention, cos_fac, refine_neg_cos):
    """The formulas of the paper with whole matrices."""
    unit = torch.nn.functional.normalize(values, dim=-1)
    cosine = unit @ unit.mT
    threshold = cos_fac * cosine.mean((0, 2))
    if not refine_neg_cos:
        threshold[threshold < 0] = 0.6
    kept = torch.where(cosine > threshold.clamp(max=0.9)[:, None], attention, 0).mean(0)
    return kept / kept.sum(-1, keepdim=True)


@pytest.mark.parametrize("refine_neg_cos", [True, False])
@pytest.mark.parametrize("rows", [1, 4, 23])
def test_row_blocks_equal_the_whole(rows, refine_neg_cos):
    generator = torch.Generator().manual_seed(5)
    values = torch.randn(3, 23, 6, generator=generator)
    attention = torch.randn(3, 23, 23, generator=generator).softmax(-1)
    assert (row_thresholds(unit_values(values)) < 0).any()  # so that the two rules differ
    given = Rows(attention)
    blocks = list(affinity_blocks(values, given, 1.2, refine_neg_cos, budget=LIVE_ARRAYS * 4 * 3 * 23 * rows))
    assert [b[:2] for b in blocks] == [(s, min(s + rows, 23)) for s in range(0, 23, rows)]
    whole = full_affinity(values, attention, 1.2, refine_neg_cos)
    torch.testing.assert_close(torch.cat([b[2] for b in blocks]), whole, atol=1e-6, rtol=1e-5)
    canvas = torch.randn(23, 4, generator=generator)
    mixed = aggregate(canvas, values, Rows(attention), refine_neg_cos=refine_neg_cos, budget=1)
    torch.testing.assert_close(mixed, whole @ canvas, atol=1e-5, rtol=1e-5)


def test_variants_of_the_affinity():
    values = torch.tensor([[[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]])
    attention = Rows(torch.tensor([[[0.2, 0.2, 0.2], [0.1, 0.1, 0.2], [0.0, 0.0, 0.5]]]))
    rows = torch.cat([b for *_, b in affinity_blocks(values, attention, kind="attention")])
    torch.testing.assert_close(rows, torch.tensor([[1 / 3] * 3, [0.25, 0.25, 0.5], [0, 0, 1]]))
    rows = torch.cat([b for *_, b in affinity_blocks(values, attention, kind="cosine", epsilon=0.5)])
    torch.testing.assert_close(rows, torch.tensor([[0.5, 0.5, 0], [0.5, 0.5, 0], [0, 0, 1.0]]))
    with pytest.raises(ValueError, match="no affinity"):
        next(affinity_blocks(values, attention, kind="sim"))


@pytest.mark.parametrize(("heads", "places"), [(12, 4096), (16, 4096), (4, 1024)])
def test_a_block_stays_within_its_budget(heads, places):
    budget = 64 * 2**20
    rows = rows_per_block(heads, places, budget)
    assert 1 <= rows < places or places == 1024
    assert LIVE_ARRAYS * 4 * heads * rows * places <= budget
    assert LIVE_ARRAYS * 4 * heads * (rows + 1) * places > budget
    assert rows_per_block(heads, places, 1) == 1


def test_never_more_rows_asked_for_than_fit():
    values, given = torch.randn(2, 40, 3), Rows(torch.rand(2, 40, 40))
    aggregate(torch.randn(40, 5), values, given, budget=LIVE_ARRAYS * 4 * 2 * 40 * 7)
    assert max(given.asked) == 7 and sum(given.asked) == 40


# SAM --------------------------------------------------------------------------------------------------------------

SAMS = {
    "global": {},
    "global with relative positions": {"use_rel_pos": True},
    "windowed": {"global_attn_indexes": [0]},
    "windowed with relative positions": {"global_attn_indexes": [0], "use_rel_pos": True},
}


def reference_attention(sam, image):
    """Softmaxed attention [heads, g, g, g, g] of the last block with the library's own functions, and its values."""
    encoder = sam.image_encoder
    tokens = encoder.patch_embed(image) + encoder.pos_embed
    for block in encoder.blocks[:-1]:
        tokens = block(tokens)
    block, g = encoder.blocks[-1], tokens.shape[1]
    normed, side = block.norm1(tokens), block.window_size or g
    parts = window_partition(normed, side)[0]
    qkv = block.attn.qkv(parts).reshape(len(parts), side * side, 3, block.attn.num_heads, -1).permute(2, 0, 3, 1, 4)
    q, k, v = qkv.flatten(1, 2).unbind(0)
    logits = (q * block.attn.scale) @ k.mT
    if block.attn.use_rel_pos:
        logits = add_decomposed_rel_pos(
            logits, q, block.attn.rel_pos_h, block.attn.rel_pos_w, (side, side), (side, side))
    weights = logits.softmax(-1).reshape(len(parts), -1, side, side, side, side)
    v = v.reshape(len(parts), -1, side, side, v.shape[-1])
    count = -(-g // side)
    full = torch.zeros(v.shape[1], g, g, g, g)
    values = torch.zeros(v.shape[1], g, g, v.shape[-1])
    for part in range(len(parts)):
        top, left = part // count * side, part % count * side
        high, wide = min(side, g - top), min(side, g - left)
        area = slice(top, top + high), slice(left, left + wide)
        full[(slice(None), *area, *area)] = weights[part][:, :high, :wide, :high, :wide]
        values[(slice(None), *area)] = v[part][:, :high, :wide]
    return full, values


@pytest.mark.parametrize("config", SAMS.values(), ids=SAMS)
@pytest.mark.parametrize("size", [(90, 64), (50, 120)])
@torch.no_grad()
def test_one_run_gives_embedding_values_and_attention(config, size):
    sam = sam_of(**config)
    pixels = np.random.default_rng(2).integers(0, 256, (*size, 3), np.uint8)
    features = encode_sam(sam, pixels)
    image, input_size = prepare(sam, pixels)
    torch.testing.assert_close(
        torch.tensor(features.embedding.features), sam.image_encoder(image), atol=2e-5, rtol=1e-4)
    assert features.embedding.input_size == input_size and features.embedding.original_size == size
    h, w = features.grid
    assert (h, w) == (input_size[0] // 8, input_size[1] // 8)
    full, values = reference_attention(sam, image)
    expected = full[:, :h, :w, :h, :w].flatten(1, 2).flatten(2, 3)
    torch.testing.assert_close(features.attention.rows(0, h * w), expected, atol=2e-6, rtol=1e-4)
    torch.testing.assert_close(features.attention.rows(3, 11), expected[:, 3:11], atol=2e-6, rtol=1e-4)
    torch.testing.assert_close(features.values, values[:, :h, :w].flatten(1, 2), atol=2e-6, rtol=1e-4)


@pytest.mark.parametrize("budget", [64 * 2**20, 4 * 36**2, 1], ids=["all at once", "one head of a window", "least"])
@pytest.mark.parametrize("config", SAMS.values(), ids=SAMS)
@torch.no_grad()
def test_every_block_equals_the_librarys_for_several_images_and_any_memory(config, budget, monkeypatch):
    encoder = sam_of(**config).image_encoder
    monkeypatch.setattr(sam_blocks, "BIAS_BYTES", budget)
    monkeypatch.setattr(sam_blocks, "MLP_TOKENS", 100)
    biases, original = [], sam_blocks.relative_bias

    def watched(*given):
        bias = original(*given)
        biases.append(0 if bias is None else 4 * bias.numel())
        return bias

    monkeypatch.setattr(sam_blocks, "relative_bias", watched)
    images = torch.randn(2, 3, 128, 128, generator=torch.Generator().manual_seed(4))
    tokens = sam_blocks.embed(encoder, images)
    before = tokens.clone()
    for block in encoder.blocks:
        ours, theirs = sam_blocks.run_block(block, tokens), block(tokens)
        torch.testing.assert_close(ours, theirs, atol=2e-5, rtol=1e-5)
        assert torch.equal(tokens, before), "a block's input is not its own to change"
        tokens = theirs
        before = tokens.clone()
    torch.testing.assert_close(sam_blocks.encode_images(encoder, images), encoder(images), atol=5e-5, rtol=1e-4)
    assert bool(max(biases)) == bool(config.get("use_rel_pos"))
    assert max(biases) <= max(budget, 4 * 16 * 256), "no more than fits, or one row of places"


@torch.no_grad()
def test_an_encoder_at_work_can_be_stopped_inside_a_block():
    """The blocks are not called as modules, so what their hooks would ask is asked here."""
    encoder, asked = sam_of(use_rel_pos=True).image_encoder, []

    def look():
        asked.append(1)
        if len(asked) == 3:
            raise Cancelled

    images = torch.randn(1, 3, 128, 128)
    with pytest.raises(Cancelled), running(look):
        sam_blocks.encode_images(encoder, images)
    assert len(asked) == 3
