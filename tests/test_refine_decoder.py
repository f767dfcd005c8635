"""The folded decoder gives the library's own numbers, whatever is shared."""

import numpy as np
import pytest
import torch

from pipeline.refine.decoder import decode_masks, group_size

from .small_sam import small_sam


@pytest.mark.parametrize("multimask", [False, True])
@pytest.mark.parametrize("different", [1, 3])
def test_masks_and_ious_are_those_of_the_library(multimask, different):
    sam = small_sam().sam
    rng = torch.Generator().manual_seed(4)
    image = torch.randn((1, 32, 8, 8), generator=rng)
    sparse = torch.randn((7, 3, 32), generator=rng)
    dense = torch.randn((different, 32, 8, 8), generator=rng)
    which = torch.tensor([0, 1, 2, 0, 2, 1, 0]) % different
    place = sam.prompt_encoder.get_dense_pe()
    logits, iou = decode_masks(sam.mask_decoder, image, place, sparse, dense, which, multimask, 1 << 30)
    with torch.no_grad():
        expected, predicted = sam.mask_decoder(image, place, sparse, dense[which], multimask)
    assert logits.shape == expected.shape and iou.shape == predicted.shape
    assert (logits - expected).abs().max() < 1e-4 * expected.abs().max().clamp(min=1)
    assert (iou - predicted).abs().max() < 1e-4


def test_groups_fill_a_cache_and_never_vanish():
    sam = small_sam().sam
    assert group_size(sam.mask_decoder, 64, 1) == (4 << 20) // (4 * 64 * 32)
    assert group_size(sam.mask_decoder, 1 << 30, 1) == 1
    assert np.isfinite(group_size(sam.mask_decoder, 4096, 1 << 30))
