"""Refinement as a whole: against a plain reading of the method, and what a person gets of it."""

import dataclasses

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy import ndimage
from segment_anything import SamPredictor

from pipeline.errors import Cancelled
from pipeline.progress import Progress
from pipeline.records import ClassName, Photo, Vocabulary
from pipeline.refine.merge import merge
from pipeline.refine.refine import ask, refine
from pipeline.refine.sam import decode, low_side, upsample
from pipeline.refine.settings import RefineSettings

from .small_sam import blobs, counted, embed, small_sam

LOOSE = RefineSettings(minimal_area=4, scale_area=False, coarse_threshold=0.3, iou_threshold=0.0)


def plain_trident(pixels, labels, probs, sam, s: RefineSettings):
    """Section 4 step by step, with whole maps for every region and SAM's own predictor; labels and R [C, H, W]."""
    size, classes, square = labels.shape, len(probs), sam.sam.image_encoder.img_size
    low = low_side(sam)
    predictor = SamPredictor(sam.sam)
    predictor.set_image(pixels)
    half = (size[0] // 2, size[1] // 2)
    small = F.interpolate(torch.from_numpy(labels).float()[None, None], half, mode="nearest")[0, 0].long().numpy()
    maps = F.interpolate(torch.from_numpy(probs)[None], half, mode="bilinear")[0]
    if s.coarse_threshold > 0:
        small[maps.numpy().max(axis=0) < s.coarse_threshold] = -1
    shape = predictor.transform.get_preprocess_shape(*half, square)
    factor = torch.tensor([shape[1] / half[1], shape[0] / half[0]])
    scores, failed, any_kept = torch.zeros(classes, *size), torch.zeros(size, dtype=torch.bool), False
    for c in range(classes):
        if maps[c].max() < s.coarse_threshold:
            continue
        hint = torch.zeros(low, low)
        h, w = predictor.transform.get_preprocess_shape(*size, low)
        inner = F.interpolate(maps[c][None, None], (h, w), mode="bilinear")[0, 0]
        hint[:h, :w] = torch.where(inner > s.coarse_threshold, s.alpha * inner, 0)
        marked, count = ndimage.label(small == c, np.ones((3, 3)))
        for number in range(1, count + 1):
            mask = marked == number
            if mask.sum() < s.minimal_area:
                continue
            ys, xs = np.nonzero(mask)
            row, col = divmod(int((maps[c].numpy() * mask).argmax()), half[1])
            _, iou, logits = predictor.predict_torch(
                torch.tensor([[[col, row]]]) * factor, torch.ones(1, 1),
                (torch.tensor([[[xs.min(), ys.min()], [xs.max(), ys.max()]]]) * factor).reshape(1, 4),
                hint[None] if s.rowwise_masks else hint[None, None], multimask_output=False,
            )  # fmt: skip
            if iou.item() <= s.iou_threshold:
                failed |= F.interpolate(torch.from_numpy(mask).float()[None, None], size, mode="nearest")[0, 0] > 0
                continue
            any_kept = True
            full = predictor.model.postprocess_masks(logits, predictor.input_size, size)[0, 0]
            scores[c] = torch.maximum(scores[c], full.sigmoid() * torch.from_numpy(probs[c]) * (full > 0))
    if not any_kept:
        return labels, probs
    refined = torch.where(scores.sum(0) == 0, torch.from_numpy(labels), scores.argmax(0).int()).numpy()
    return refined, torch.where(failed, torch.maximum(scores, torch.from_numpy(probs)), scores).numpy()


@pytest.mark.parametrize(
    ("size", "changes"),
    [
        ((97, 131), {"iou_threshold": 0.3}),
        ((120, 80), {"iou_threshold": 0.4}),
        ((97, 131), {"iou_threshold": 0.3, "coarse_threshold": 0.0, "rowwise_masks": False}),
        ((90, 90), {"iou_threshold": 1.0}),
    ],
)
def test_refinement_equals_a_plain_reading_of_trident(size, changes):
    sam, settings = small_sam(), dataclasses.replace(LOOSE, **changes)
    pixels, probs, labels = blobs(*size, 4, seed=11)
    embedding = embed(sam, pixels)
    expected, expected_scores = plain_trident(pixels, labels, probs, sam, settings)
    questions = ask(labels, probs, embedding, low_side(sam), settings)
    logits, iou = decode(sam, embedding, questions.prompts, rowwise_masks=settings.rowwise_masks)
    kept, scores = iou > settings.iou_threshold, np.zeros_like(probs)
    got, _ = merge(labels, probs, questions.components, logits, kept, embedding, questions.grid, refined_scores=scores)
    assert len(questions.prompts) > 8
    assert (got != expected).mean() < 0.002 and (got == labels).all() == (not kept.any())
    assert kept.any() == (settings.iou_threshold < 1) and not kept.all()
    if kept.any():
        assert np.abs(scores - expected_scores).max() < 1e-3


@pytest.fixture(scope="module")
def refined():
    """A refinement of four classes with a background channel and pixels of no class."""
    sam = small_sam()
    pixels, probs, labels = blobs(96, 128, 5, seed=21)
    labels[labels == 4] = -1  # the fifth channel is the background's
    vocab = Vocabulary(tuple(ClassName(n) for n in "abcd"), background=("else",))
    settings = dataclasses.replace(LOOSE, iou_threshold=0.3)
    embedding = embed(sam, pixels)
    with counted(sam) as calls:
        new, regions = refine(Photo(pixels, "x"), labels, probs, vocab, embedding, sam, settings)
    return {"labels": labels, "new": new, "regions": regions, "calls": calls, "probs": probs, "sam": sam,
            "embedding": embedding, "pixels": pixels, "vocab": vocab, "settings": settings}  # fmt: skip


def test_all_regions_of_all_classes_share_one_decoder_call(refined):
    assert refined["calls"] == {"image_encoder": 0, "prompt_encoder": 1}


def test_regions_are_connected_areas_of_the_final_labels(refined):
    new, seen = refined["new"], np.zeros(refined["new"].shape, int)
    assert new.dtype == np.int32 and (new != refined["labels"]).any()
    for i, region in enumerate(refined["regions"]):
        assert region.id == i and region.name == "abcd"[region.class_index]
        assert (new[region.mask] == region.class_index).all()
        assert ndimage.label(region.mask, np.ones((3, 3)))[1] == 1
        ring = ndimage.binary_dilation(region.mask, np.ones((3, 3))) & ~region.mask
        assert not (new[ring] == region.class_index).any(), "nothing of its class touches it"
        seen += region.mask
        mean = refined["probs"][region.class_index][region.mask].mean()
        assert region.score == pytest.approx(mean, abs=1e-5)
    assert seen.max() == 1
    for c in range(4):
        missed = ndimage.label((seen == 0) & (new == c), np.ones((3, 3)))[0]
        # A quarter of the smallest region asked about: 4 half-size pixels are 16 pixels of the photo.
        assert np.bincount(missed.ravel())[1:].max(initial=0) < 4 + 1e-9, "only specks are not listed"
    assert [r.area for r in refined["regions"]] == sorted((r.area for r in refined["regions"]), reverse=True)


def test_every_region_carries_the_prompt_that_made_it(refined):
    makers = {r.made_by for r in refined["regions"]}
    assert makers == {"sam", "coarse"}
    for region in refined["regions"]:
        prompt = region.prompt
        assert len(prompt.points) >= 1 and (prompt.labels == 1).all()
        assert prompt.box is not None and prompt.mask.shape == (32, 32)
        if region.made_by == "sam":
            assert region.iou > refined["settings"].iou_threshold and region.logits.side == 32
        else:
            assert region.logits is None


def test_no_class_is_only_filled_by_a_refined_mask(refined):
    questions = ask(refined["labels"], refined["probs"][:4], refined["embedding"], 32, refined["settings"])
    assert all(c.class_index < 4 for c in questions.components)
    logits, iou = decode(refined["sam"], refined["embedding"], questions.prompts, rowwise_masks=True)
    covered = np.zeros(refined["labels"].shape, bool)
    for low in logits[iou > refined["settings"].iou_threshold]:
        covered |= upsample(low[None], refined["embedding"])[0] > 0
    empty = refined["labels"] == -1
    assert (refined["new"][empty & ~covered] == -1).all() and (refined["new"][empty & covered] >= 0).all()


def test_nothing_kept_leaves_the_labels_and_names_the_coarse_regions(refined):
    settings = dataclasses.replace(refined["settings"], iou_threshold=1.0)
    photo = Photo(refined["pixels"], "x")
    embedding, sam = refined["embedding"], refined["sam"]
    new, regions = refine(photo, refined["labels"], refined["probs"], refined["vocab"], embedding, sam, settings)
    iou = decode(sam, embedding, ask(refined["labels"], refined["probs"][:4], embedding, 32, settings).prompts,
                 rowwise_masks=True)[1]  # fmt: skip
    assert iou.max() <= 1
    assert (new == refined["labels"]).all() and {r.made_by for r in regions} == {"coarse"}
    assert any(r.iou is not None for r in regions), "the rejected answer's IoU is told"


def test_without_refinement_regions_are_those_of_the_labels(refined):
    photo = Photo(refined["pixels"], "x")
    args = (photo, refined["labels"], refined["probs"], refined["vocab"], None, None, refined["settings"])
    new, regions = refine(*args, method="none")
    assert (new == refined["labels"]).all() and {r.made_by for r in regions} == {"coarse"}
    for region in regions:
        x, y = region.prompt.points[0].astype(int)
        inside = np.where(region.mask, refined["probs"][region.class_index], -1)
        assert inside[y, x] == inside.max() and region.prompt.box == tuple(map(float, region.box))
        assert region.prompt.mask is None and region.iou is None
    with pytest.raises(ValueError, match="needs the model"):
        refine(*args, method="sam")


def test_scores_smaller_than_the_photo_are_enough(refined):
    small = F.interpolate(torch.from_numpy(refined["probs"])[None], (48, 64), mode="bilinear")[0].numpy()
    photo = Photo(refined["pixels"], "x")
    new, regions = refine(
        photo, refined["labels"], small, refined["vocab"], refined["embedding"], refined["sam"], refined["settings"]
    )
    assert (new != refined["new"]).mean() < 0.05 and regions


def test_a_cancelled_refinement_stops_between_steps(refined):
    def stop(message, share):
        if share and share > 0.1:
            raise Cancelled

    photo = Photo(refined["pixels"], "x")
    with counted(refined["sam"]) as calls, pytest.raises(Cancelled):
        refine(photo, refined["labels"], refined["probs"], refined["vocab"], refined["embedding"], refined["sam"],
               refined["settings"], Progress(stop))  # fmt: skip
    assert calls["prompt_encoder"] == 0


def test_protecting_failed_regions_keeps_their_label_against_lower_scores():
    sam = small_sam()
    pixels, probs, labels = blobs(97, 131, 4, seed=11)
    embedding = embed(sam, pixels)
    questions = ask(labels, probs, embedding, 32, LOOSE)
    logits, iou = decode(sam, embedding, questions.prompts, rowwise_masks=True)
    kept = iou > np.median(iou)
    args = (labels, probs, questions.components, logits, kept, embedding, questions.grid)
    plain, _ = merge(*args)
    guarded, source = merge(*args, protect_failed=True)
    changed = plain != guarded
    assert changed.any() and (guarded[changed] == labels[changed]).all()
    assert (source[changed] >= len(kept)).all()


@pytest.mark.parametrize("off", ["use_points", "use_boxes", "use_masks"])
def test_parts_of_a_prompt_can_be_left_out(refined, off):
    settings = dataclasses.replace(refined["settings"], **{off: False})
    prompt = ask(refined["labels"], refined["probs"][:4], refined["embedding"], 32, settings).prompts[0]
    present = {"use_points": len(prompt.points) > 0, "use_boxes": prompt.box is not None,
               "use_masks": prompt.mask is not None}  # fmt: skip
    assert [name for name, there in present.items() if not there] == [off]
