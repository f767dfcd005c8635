"""The decoder that never writes image tokens out gives the library's own numbers."""

import pytest
import torch

from pipeline.refine import decoder, upscaling
from pipeline.refine.decoder import decode_masks, group_size

from .small_sam import small_sam


@pytest.mark.parametrize("multimask", [False, True])
@pytest.mark.parametrize("masks", [0, 1, 3])
@pytest.mark.parametrize("prompts", [1, 7])
@pytest.mark.parametrize("group", [1 << 30, 1])
def test_masks_and_ious_are_those_of_the_library(multimask, masks, prompts, group, monkeypatch):
    """Few prompts and many take different ways; with no mask, one for all, and different ones; in one group or alone,
    band by band."""
    sam = small_sam().sam
    monkeypatch.setattr(decoder, "GROUP_BYTES", group)
    monkeypatch.setattr(upscaling, "BAND_BYTES", group)
    rng = torch.Generator().manual_seed(4)
    image = torch.randn((1, 32, 8, 8), generator=rng)
    sparse = torch.randn((prompts, 3, 32), generator=rng)
    inner = torch.randn((max(masks, 1), 8, 8, 8), generator=rng)
    which = torch.tensor([0, 1, 2, 0, 2, 1, 0])[:prompts] % max(masks, 1)
    last, place = sam.prompt_encoder.mask_downscaling[-1], sam.prompt_encoder.get_dense_pe()
    with torch.no_grad():
        dense = last(inner)[which] if masks else torch.zeros_like(image)
        expected, predicted = sam.mask_decoder(image, place, sparse, dense, multimask)
    base, closing = (image + last.bias.view(1, -1, 1, 1), last.weight.flatten(1)) if masks else (image, None)
    logits, iou = decode_masks(sam.mask_decoder, base, place, sparse, inner, which, closing, multimask, 1 << 30)
    assert logits.shape == expected.shape and iou.shape == predicted.shape
    assert (logits - expected).abs().max() < 1e-4 * expected.abs().max().clamp(min=1)
    assert (iou - predicted).abs().max() < 1e-4
    part, _ = decode_masks(
        sam.mask_decoder, base, place, sparse, inner, which, closing, multimask, 1 << 30, valid=(5, 7)
    )
    assert (part[..., :20, :28] - logits[..., :20, :28]).abs().max() < 1e-4
    assert (part[..., 20:, :] == -32).all() and (part[..., 28:] == -32).all()


def test_groups_fill_a_cache_and_never_vanish(monkeypatch):
    tokens = torch.zeros(64, 32)
    assert group_size(tokens, 40, 1) == decoder.GROUP_BYTES // (4 * 64 * 40)
    monkeypatch.setattr(decoder, "GROUP_BYTES", 1)
    assert group_size(tokens, 40, 1 << 40) == 1
    assert group_size(torch.zeros(64, 32, device="meta"), 40, 1) == 1
    assert group_size(torch.zeros(64, 32, device="meta"), 40, 1 << 30) > 100
