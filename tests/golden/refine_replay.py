"""Replays Trident's regions and its refinement with SAM through `pipeline.refine`."""

from __future__ import annotations

import numpy as np

from pipeline.models.records import SamModel
from pipeline.records import SamEmbedding
from pipeline.refine.merge import merge
from pipeline.refine.refine import ask
from pipeline.refine.regions import find_components, ignore_weak, to_grid
from pipeline.refine.sam import decode, input_size, low_side, side, to_sam
from pipeline.refine.settings import RefineSettings

from .registry import Check, Golden, replays
from .weights import build_sam


def _labels(golden: Golden) -> np.ndarray:
    return golden.input("pred").reshape(golden.arrays["probs"].shape[1:]).astype(np.int32)


@replays("trident_regions")
def trident_regions(golden: Golden, check: Check) -> None:
    """Connected regions with class, mask, box, point and score."""
    hyper, labels, probs = golden.hyper, _labels(golden), golden.input("probs")
    ratio = hyper.get("down_ratio", 2)
    size = (labels.shape[0] // ratio, labels.shape[1] // ratio)
    raw, maps = to_grid(labels, probs, size)
    coarse = hyper["coarse_thresh"]
    small = ignore_weak(raw, maps, coarse)
    found = find_components(small, maps, hyper["minimal_area"], coarse)
    if hyper.get("split_last") is False and coarse <= 0:  # then the published code leaves the last class out
        found = [c for c in found if c.class_index != len(maps) - 1]
    masks = np.zeros((len(found), *size), np.uint8)
    for mask, component in zip(masks, found, strict=True):
        mask[component.slices] = component.crop
    check.equal("pred_down", raw)
    check.probabilities("probs_down", maps)
    check.equal("label_down", np.where(small < 0, hyper["num_classes"], small))
    check.equal("region_class", np.array([c.class_index for c in found]))
    check.equal("region_masks", masks)
    # The published boxes end with their last pixel.
    boxes = [(c.box[0], c.box[1], c.box[2] - 1, c.box[3] - 1) for c in found]
    check.equal("region_boxes", np.array(boxes, np.float32))
    check.equal("region_points", np.array([c.point for c in found]))
    check.probabilities("region_scores", np.array([c.score for c in found], np.float32))


@replays("trident_samrefine")
def trident_samrefine(golden: Golden, check: Check) -> None:
    """The complete refinement: prompts, one decoder call, gate, merge."""
    hyper, labels, probs = golden.hyper, _labels(golden), golden.input("probs")
    sam = SamModel(build_sam(golden), golden.meta["weights"])
    shown, image = golden.input("image_set"), golden.input("image")
    if image.shape[:2] != labels.shape:
        raise ValueError(f"the labels are {labels.shape}, the image {image.shape[:2]}")
    embedding = SamEmbedding(_features(golden, check, sam, shown), input_size(shown.shape[:2], side(sam)),
                             shown.shape[:2])  # fmt: skip
    settings = RefineSettings(
        alpha=hyper["sam_mask_coff"],
        coarse_threshold=hyper["coarse_thresh"],
        minimal_area=hyper["minimal_area"],
        scale_area=False,
    )
    questions = ask(labels, probs, embedding, low_side(sam), settings)
    prompts, classes = questions.prompts, [c.class_index for c in questions.components]
    check.values("prompt_points", np.stack([to_sam(p.points, embedding) for p in prompts]))
    boxes = np.array([(*p.box[:2], p.box[2] - 1, p.box[3] - 1) for p in prompts]).reshape(-1, 2, 2)
    check.values("prompt_boxes", to_sam(boxes, embedding).reshape(-1, 4))
    per_class = np.bincount(classes, minlength=hyper["num_classes"])
    check.equal("prompts_per_class", per_class)
    first = np.flatnonzero(np.diff(classes, prepend=-1))
    check.values("mask_prompts", np.stack([prompts[i].mask for i in first]), 1e-6)
    logits, iou = decode(sam, embedding, prompts, rowwise_masks=True, precise=True)
    check.values("low_res_logits", logits)
    check.values("iou", iou.reshape(golden.arrays["iou"].shape))
    kept = iou > np.float32(hyper["sam_iou_thresh"])
    scores = np.zeros_like(probs)
    refined, _ = merge(labels, probs, questions.components, logits, kept, embedding, questions.grid,
                       refined_scores=scores)  # fmt: skip
    check.labels("refined_pred", refined)
    check.values("refined_logits", scores if kept.any() else probs)
    if golden.has("kept_boxes"):
        grid_boxes = np.array([c.box for c in questions.components]) - [0, 0, 1, 1]
        kept_boxes = hyper.get("down_ratio", 2) * grid_boxes[kept]
        check.equal("kept_boxes", kept_boxes.reshape(golden.arrays["kept_boxes"].shape))
    if golden.has("kept_scores"):
        check.values("kept_scores", iou[kept].reshape(golden.arrays["kept_scores"].shape))


def _features(golden: Golden, check: Check, sam: SamModel, shown: np.ndarray) -> np.ndarray:
    """The recorded embedding, or where only a thinned one is recorded, SAM's own, compared with it."""
    if "sam_features" in golden.arrays:
        return golden.input("sam_features")
    import torch
    from segment_anything.utils.transforms import ResizeLongestSide

    resized = ResizeLongestSide(side(sam)).apply_image(shown)
    with torch.no_grad():
        pixels = torch.from_numpy(np.array(resized)).permute(2, 0, 1).float()[None]
        features = sam.sam.image_encoder(sam.sam.preprocess(pixels)).numpy()
    check.values("sam_features", features)
    return features
