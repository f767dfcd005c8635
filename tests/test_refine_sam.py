"""SAM as a function of embedding and prompts: it must answer as its own predictor does."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy import ndimage
from segment_anything import SamPredictor

from pipeline.records import Prompt
from pipeline.refine import decoder
from pipeline.refine.refine import empty_embedding
from pipeline.refine.sam import decode, low_side, low_size, positive_box, to_photo, to_sam, upsample

from .small_sam import blobs, counted, embed, small_sam

POINT = {"points": np.array([[30.0, 20.0]], np.float32), "labels": np.ones(1, np.int32)}
PAIR = {"points": np.array([[70.0, 50.0], [12.0, 40.0]], np.float32), "labels": np.array([1, 0], np.int32)}


@pytest.mark.parametrize("size", [(60, 91), (100, 64)])
@pytest.mark.parametrize("parts", [{**POINT}, {**PAIR, "box": (5, 4, 60, 50)}, {"box": (5, 4, 60, 50)}, {**PAIR}])
@pytest.mark.parametrize("masked", [False, True])
def test_decode_asks_as_the_official_predictor_does(size, parts, masked):
    sam = small_sam()
    pixels = blobs(*size, 2, seed=3)[0]
    predictor = SamPredictor(sam.sam)
    predictor.set_image(pixels)
    mask = np.random.default_rng(2).normal(0, 3, (low_side(sam),) * 2).astype(np.float32) if masked else None
    box = np.array(parts["box"], float) - [0, 0, 1, 1] if "box" in parts else None
    _, iou, low = predictor.predict(
        parts.get("points"), parts.get("labels"), box, None if mask is None else mask[None], multimask_output=True
    )
    embedding, prompt = embed(sam, pixels), Prompt(**parts, mask=mask)
    logits, predicted = decode(sam, embedding, [prompt], multimask=True)
    assert predicted[0] == pytest.approx(iou.max(), abs=1e-4)
    best = low[iou.argmax()]
    whole, _ = decode(sam, embedding, [prompt], multimask=True, precise=True)
    assert np.abs(whole[0] - best).max() < 1e-4, "in double, SAM's padding too"
    height, width = low_size(embedding, low_side(sam))
    assert np.abs(logits[0, :height, :width] - best[:height, :width]).max() < 1e-4
    official = sam.sam.postprocess_masks(torch.from_numpy(best)[None, None], embedding.input_size, size)[0, 0].numpy()
    assert np.abs(upsample(logits, embedding)[0] - official).max() < 1e-4, "no pixel reads what was not made"
    assert (logits[0, height + 4 :] == -32).all() and (logits[0, :, width + 4 :] == -32).all()


def test_all_prompts_of_one_form_share_one_call_and_do_not_disturb_each_other(monkeypatch):
    sam = small_sam()
    embedding = embed(sam, blobs(60, 90, 2, seed=3)[0])
    rng = np.random.default_rng(0)
    masks = [rng.normal(0, 1, (low_side(sam),) * 2).astype(np.float32), None]
    prompts = [Prompt(**POINT, box=(i, 2, 40 + i, 50), mask=masks[i % 2]) for i in range(7)]
    with counted(sam) as calls:
        logits, iou = decode(sam, embedding, prompts)
    assert calls == {"image_encoder": 0, "prompt_encoder": 2}, "with and without a mask"
    assert logits.shape == (7, low_side(sam), low_side(sam)) and iou.shape == (7,)
    for i, prompt in enumerate(prompts):
        alone, _ = decode(sam, embedding, [prompt])
        assert np.abs(logits[i] - alone[0]).max() < 1e-4
    groups = []
    monkeypatch.setattr(decoder, "GROUP_BYTES", 1)
    hook = sam.sam.mask_decoder.iou_prediction_head.register_forward_hook(lambda m, a, out: groups.append(len(out)))
    alone, _ = decode(sam, embedding, prompts)
    hook.remove()
    assert groups == [1] * 7 and np.abs(alone - logits).max() < 1e-4
    assert decode(sam, embedding, [])[0].shape == (0, low_side(sam), low_side(sam))


def test_fewer_points_are_filled_up_with_not_a_point():
    sam = small_sam()
    embedding = embed(sam, blobs(60, 90, 2, seed=3)[0])
    with counted(sam) as calls:
        logits, _ = decode(sam, embedding, [Prompt(**PAIR), Prompt(**POINT)])
    assert calls["prompt_encoder"] == 1
    filled = Prompt(np.array([[30, 20], [0, 0]], np.float32), np.array([1, -1], np.int32))
    assert np.abs(logits[1] - decode(sam, embedding, [filled])[0][0]).max() < 1e-4


@pytest.mark.parametrize("size", [(60, 91), (300, 200)])
def test_upsample_equals_the_official_postprocessing_whole_and_in_part(size):
    sam = small_sam()
    embedding = empty_embedding(size, 64)
    logits = np.random.default_rng(4).normal(0, 2, (3, 32, 32)).astype(np.float32)
    expected = sam.sam.postprocess_masks(torch.from_numpy(logits)[None], embedding.input_size, size)[0].numpy()
    assert np.abs(upsample(logits, embedding) - expected).max() < 1e-4
    part = upsample(logits, embedding, (10, 7, 55, 31))
    assert np.abs(part - expected[:, 7:31, 10:55]).max() < 1e-4
    resized = F.interpolate(torch.from_numpy(expected)[None], (77, 50), mode="bilinear")[0].numpy()
    assert np.abs(upsample(logits, embedding, size=(77, 50)) - resized).max() < 1e-4


def test_the_positive_box_holds_everything_positive():
    rng = np.random.default_rng(5)
    for size in ((60, 91), (300, 200), (64, 64)):
        embedding = empty_embedding(size, 64)
        for _ in range(30):
            logits = np.full((32, 32), -0.5, np.float32)
            logits[tuple(rng.integers(0, 32, 2))] = 9
            positive = upsample(logits[None], embedding)[0] > 0
            box = positive_box(logits, embedding, size)
            if box:
                positive[box[1] : box[3], box[0] : box[2]] = False
            assert not positive.any()
    assert positive_box(np.full((32, 32), -1.0, np.float32), embedding, size) is None


def test_photo_and_sam_coordinates_are_inverse():
    embedding = empty_embedding((97, 61), 1024)
    xy = np.random.default_rng(0).random((9, 2)) * 60
    assert np.abs(to_photo(to_sam(xy, embedding), embedding) - xy).max() < 1e-9
    assert to_sam(np.array([61, 97]), embedding).tolist() == [644, 1024]


def test_thin_structures_survive_because_logits_are_upsampled_before_the_threshold():
    """A diagonal line one low-resolution cell wide stays one piece, smooth and thinner than enlarged cells."""
    low, size = 64, (480, 480)
    embedding = empty_embedding(size, 256)
    ys, xs = np.mgrid[:low, :low].astype(np.float32)
    logits = (0.6 - np.abs(xs - 0.7 * ys - 5) / np.hypot(1, 0.7)) * 10
    mask = upsample(logits[None], embedding)[0] > 0
    blocky = np.kron(logits > 0, np.ones((8, 8)))[:480, :480] > 0
    assert ndimage.label(mask, np.ones((3, 3)))[1] == 1
    edge = [(m ^ ndimage.binary_erosion(m)).sum() for m in (mask, blocky)]
    assert mask[: 8 * 60].any(1).all() and edge[0] < edge[1]
