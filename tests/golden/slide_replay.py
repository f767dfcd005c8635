"""Replays sliding windows end to end, from the resized frame to labels: `slide_*` and `trident_e2e`."""

from __future__ import annotations

import numpy as np
import torch

from pipeline.dense.cosines import cosine_maps, frame_cosines, resize_bilinear
from pipeline.dense.families import spliced_map, window_maps
from pipeline.dense.recipes import Recipe, get_recipe
from pipeline.dense.trunk import run_trunk
from pipeline.dense.windows import (
    Layout,
    cut_all,
    normalised,
    patch_frame,
    unnormalised,
    window_boxes,
)
from pipeline.models.records import IMAGENET_MEAN, IMAGENET_STD, OPENAI_MEAN, OPENAI_STD
from pipeline.records import NO_CLASS, ClassName, Encoded, Vocabulary
from pipeline.refine.pamr import pamr
from pipeline.segment import class_probabilities, labels_of

from .dense_replay import CLEARCLIP_MODELS
from .registry import Check, Golden, replays
from .trident_replay import BLOCK_BYTES, recorded_sam
from .weights import build_clip


def vocabulary_of(golden: Golden) -> Vocabulary:
    """The recorded classes; which word belongs to which class is all that matters, so words are numbers."""
    owners = golden.hyper["query_idx"]
    words = {c: [f"{c}.{i}" for i, owner in enumerate(owners) if owner == c] for c in sorted(set(owners))}
    if [c for c in words for _ in words[c]] != list(owners) or list(words) != list(range(len(words))):
        raise ValueError("the recorded queries are not sorted by class")
    classes = tuple(ClassName(names[0], tuple(names[1:])) for names in words.values())
    return Vocabulary(classes, threshold=golden.hyper.get("prob_thd") or 0.0)


def compare_labels(golden: Golden, check: Check, cosines: list[torch.Tensor]) -> None:
    """Probabilities and labels through the product's own functions; its "no class" is the published class 0."""
    vocabulary, scale = vocabulary_of(golden), golden.hyper["logit_scale"]
    size = tuple(golden.hyper["ori_shape"])
    probabilities = class_probabilities(cosines, vocabulary, scale, size)
    check.probabilities("probs", probabilities)
    labels = labels_of(probabilities, vocabulary)
    check.labels("pred", np.where(labels == NO_CLASS, 0, labels)[None])


def check_unsupported(golden: Golden) -> None:
    """Refuse recorded settings that the functions replayed here do not have, rather than ignore them."""
    for name in ("area_thd", "pamr"):
        if golden.hyper.get(name):
            raise NotImplementedError(f"{name} = {golden.hyper[name]}")


def encode_windows(golden: Golden, recipe: Recipe, multiple: int) -> tuple[Encoded, torch.Tensor]:
    """The recorded frame in windows, each compared with the words on its own; and the windows [W, 3, h, w]."""
    visual, hyper = build_clip(golden), golden.hyper
    image = torch.from_numpy(golden.input("pixel"))[0]
    frame = tuple(image.shape[-2:])
    layout = Layout(frame, window_boxes(frame, hyper["crop"] or max(frame), hyper["stride"]), multiple)
    windows = cut_all(image, layout, 0, len(layout.boxes))
    foundation = torch.from_numpy(golden.input("vfm_feats")) if recipe.foundation else None
    maps = window_maps(visual, run_trunk(visual, windows), layout, recipe, foundation)
    return Encoded(tuple(maps), frame, "", "", recipe.name), windows


def check_foundation_input(golden: Golden, check: Check, window: torch.Tensor) -> None:
    """The first window as the foundation model sees it."""
    colours = unnormalised(window, OPENAI_MEAN, OPENAI_STD)
    check.values("vfm_input0", normalised(colours, IMAGENET_MEAN, IMAGENET_STD))


@replays("slide_clearclip", "slide_sclip")
@torch.no_grad()
def slide_block(golden: Golden, check: Check) -> None:
    """A variant of the last block per window; ClearCLIP pads windows to whole patches, SCLIP does not."""
    check_unsupported(golden)
    hyper = golden.hyper
    if "model_type" in hyper:
        recipe = get_recipe(
            "clearclip", attention=CLEARCLIP_MODELS[hyper["model_type"]], residual=not hyper["ignore_residual"])
        multiple = golden.weights()[1]["patch_size"]
    else:
        recipe, multiple = get_recipe("sclip"), 1
    encoded, _ = encode_windows(golden, recipe, multiple)
    check.values("logits", cosine_maps(encoded, golden.input("text"), tuple(hyper["ori_shape"])))
    compare_labels(golden, check, frame_cosines(encoded, golden.input("text")))


@replays("slide_naclip")
@torch.no_grad()
def slide_naclip(golden: Golden, check: Check) -> None:
    """NACLIP's windows without padding, then PAMR at the photo's size."""
    hyper = golden.hyper
    encoded, _ = encode_windows(golden, get_recipe("naclip"), 1)
    (cosines,) = frame_cosines(encoded, golden.input("text"))
    if golden.has("slide_logits"):
        check.values("slide_logits", cosines)
    size = tuple(hyper["ori_shape"])
    cosines = resize_bilinear(cosines, size)
    if hyper.get("pamr_steps"):
        image = torch.from_numpy(golden.arrays["pixel"])
        image = torch.nn.functional.interpolate(image, size=size, mode="bilinear", align_corners=False)[0]
        cosines = pamr(image, cosines, hyper["pamr_steps"], hyper["pamr_stride"])
    for name in ("pamr_logits", "logits"):
        if golden.has(name):
            check.values(name, cosines)
    compare_labels(golden, check, [cosines])


@replays("slide_proxyclip")
@torch.no_grad()
def slide_proxy(golden: Golden, check: Check) -> None:
    """Proxy attention per padded window, with the recorded foundation features."""
    hyper = golden.hyper
    recipe = get_recipe("proxyclip", beta=hyper["beta"], gamma=hyper["gamma"])
    encoded, windows = encode_windows(golden, recipe, hyper["pad_multiple"])
    check_foundation_input(golden, check, windows[:1])
    check.values("logits", cosine_maps(encoded, golden.input("text"), tuple(hyper["ori_shape"])))
    compare_labels(golden, check, frame_cosines(encoded, golden.input("text")))


@replays("trident_e2e")
@torch.no_grad()
def trident_e2e(golden: Golden, check: Check) -> None:
    """Resize to whole patches, windows, splice, aggregation by recorded SAM features, labels."""
    visual, hyper = build_clip(golden), golden.hyper
    image = torch.from_numpy(golden.input("pixel"))
    patch = hyper["clip_patch"]
    frame = patch_frame(tuple(image.shape[-2:]), patch, hyper["crop"])
    if frame != tuple(image.shape[-2:]):
        image = torch.nn.functional.interpolate(image, size=frame, mode="bilinear", align_corners=False)
    layout = Layout(frame, window_boxes(frame, hyper["crop"], hyper["stride"]))
    windows = cut_all(image[0], layout, 0, len(layout.boxes))
    check.values("window_batch", windows)
    grid = (frame[0] // patch, frame[1] // patch)
    check.equal("dst_tokens", np.array(grid))
    check.equal("dst_coords", np.array([[y0, x0, y1, x1] for x0, y0, x1, y1 in layout.boxes]) // patch)
    rows = len({box[1] for box in layout.boxes})
    check.equal("win_sizes", np.array([rows, len(layout.boxes) // rows]))
    check_foundation_input(golden, check, windows[:1])
    foundation = torch.from_numpy(golden.input("vfm_feats"))
    recipe = get_recipe("trident", **{n: hyper[n] for n in ("beta", "gamma", "cos_fac", "refine_neg_cos")})
    trunk = run_trunk(visual, windows)
    one = spliced_map(visual, trunk, layout, recipe, foundation, recorded_sam(golden), patch, BLOCK_BYTES)
    encoded = Encoded((one,), one.features.shape[1:], "", "", "trident")
    check.values("logits", cosine_maps(encoded, golden.input("text"), tuple(hyper["ori_shape"])))
    compare_labels(golden, check, frame_cosines(encoded, golden.input("text")))
