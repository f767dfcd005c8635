"""SAM 2 in SAM's place, on small random weights in the library's own classes."""

import numpy as np
import pytest
import torch

from pipeline import NamebrushError, Pipeline
from pipeline.models.official import load_sam
from pipeline.models.records import Sam2
from pipeline.records import Prompt
from pipeline.refine.sam import decode, low_side, mask_to_logits, side, upsample
from pipeline.refine.sam2 import encode_sam2
from tests.small_models import SMALL, picture, small_pipeline
from tests.small_sam2 import sam2_folder


@pytest.fixture(scope="module")
def sam(tmp_path_factory):
    return load_sam(sam2_folder(tmp_path_factory.mktemp("sam2")))


@pytest.fixture(scope="module")
def pipe(sam):
    plain = small_pipeline()
    return Pipeline.load("tiny", clip=plain.models.clip, dino=plain.models.dino, sam=sam, device="cpu")


def test_a_folder_of_the_library_is_loaded_and_knows_its_sizes(sam):
    assert isinstance(sam, Sam2) and sam.name.startswith("sam2-")
    assert (side(sam), low_side(sam)) == (128, 32)


def test_prompts_in_photo_pixels_are_the_processors(sam):
    """The same answers as the library gives to its own processor's pixels and coordinates."""
    from transformers import Sam2Processor
    from transformers.models.sam2.image_processing_sam2 import Sam2ImageProcessor

    pixels = picture(1, 90, 120)
    processor = Sam2Processor(Sam2ImageProcessor(size={"height": 128, "width": 128},
                                                 mask_size={"height": 32, "width": 32}))  # fmt: skip
    inputs = processor(images=pixels, input_points=[[[[30.0, 40.0], [60.0, 20.0]]]], input_labels=[[[1, 0]]],
                       return_tensors="pt")  # fmt: skip
    with torch.no_grad():
        out = sam.model(
            pixel_values=inputs["pixel_values"], input_points=torch.tensor([[[[30 * 128 / 120, 40 * 128 / 90],
                                                                              [60 * 128 / 120, 20 * 128 / 90]]]]),
            input_labels=torch.tensor([[[1, 0]]]), multimask_output=True,
        )  # fmt: skip
    embedding = encode_sam2(sam, pixels)
    prompt = Prompt(np.array([[30, 40], [60, 20]], np.float32), np.array([1, 0], np.int32))
    logits, iou = decode(sam, embedding, [prompt], multimask=True, best=False)
    assert np.abs(logits[0] - out.pred_masks[0, 0].numpy()).max() < 0.02 * np.abs(logits).max()
    assert np.abs(iou[0] - out.iou_scores[0, 0].numpy()).max() < 0.02


def test_prompts_do_not_disturb_each_other(sam):
    embedding = encode_sam2(sam, picture(1, 90, 120))
    assert embedding.stretched and len(embedding.fine) == 2 and embedding.original_size == (90, 120)
    mask = mask_to_logits(np.arange(120)[None] + np.zeros((90, 1)) < 60, embedding, 32)
    assert mask.shape == (32, 32) and (mask[:, :14] > 0).all() and (mask[:, 18:] < 0).all(), "stretched, not padded"
    point = {"points": np.array([[30.0, 20.0]], np.float32), "labels": np.ones(1, np.int32)}
    xy = np.array([[70.0, 50.0], [12.0, 40.0]], np.float32)
    pair = {"points": xy, "labels": np.array([1, 0], np.int32)}
    prompts = [Prompt(**point), Prompt(**pair), Prompt(**point, box=(5, 4, 60, 50)), Prompt(box=(9, 9, 90, 80)),
               Prompt(**point, mask=mask), Prompt(**pair, mask=mask), Prompt(mask=mask),
               Prompt(mask=mask)]  # fmt: skip
    logits, iou = decode(sam, embedding, prompts)
    assert logits.shape == (8, 32, 32) and np.isfinite(logits).all() and (logits[6] == logits[7]).all()
    for i, prompt in enumerate(prompts):
        alone, alone_iou = decode(sam, embedding, [prompt])
        assert np.abs(alone[0] - logits[i]).max() < 1e-4 and alone_iou[0] == pytest.approx(iou[i], abs=1e-4), i
    assert upsample(logits[:1], embedding).shape == (1, 90, 120)


@pytest.mark.parametrize("refine", ["sam", "vote", "vote-auto"])
def test_refinements_run_with_it(pipe, refine):
    found = pipe.segment(
        picture(2), "dog, grass, sky", method="sclip", refine=refine, background="none", iou_threshold=0.0,
        coarse_threshold=0.0, minimal_area=4, vote_grid=3, **SMALL,
    )  # fmt: skip
    for region in found.regions:
        assert (found.labels[region.mask] == region.class_index).all()
    assert pipe.select(picture(2), points=[(40, 40)], gate="sam").mask.any()


def test_methods_that_read_sams_attention_say_that_it_has_none(pipe):
    with pytest.raises(NamebrushError, match="SAM 2 does not have"):
        pipe.segment(picture(2), "dog, grass", method="trident", **SMALL)
