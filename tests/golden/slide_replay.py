"""Replays sliding windows end to end, from the resized frame to labels: `slide_*` and `trident_e2e`."""

from __future__ import annotations

import re

import numpy as np
import torch

from pipeline.dense.cosines import cosine_maps, frame_cosines, resize_bilinear
from pipeline.dense.families import spliced_map, unit_map, window_maps
from pipeline.dense.itaclip import engineered_map, itaclip_tokens
from pipeline.dense.recipes import Recipe, get_recipe
from pipeline.dense.trunk import head, run_trunk
from pipeline.dense.windows import (
    Layout,
    cut_all,
    normalised,
    patch_frame,
    unnormalised,
    window_boxes,
)
from pipeline.models.records import IMAGENET_MEAN, IMAGENET_STD, OPENAI_MEAN, OPENAI_STD
from pipeline.records import NO_CLASS, ClassName, Encoded, FeatureMap, Vocabulary
from pipeline.refine.labelmaps import close_labels, drop_small_classes
from pipeline.refine.pamr import DILATIONS, pamr
from pipeline.segment import class_probabilities, labels_of

from .dense_replay import CLEARCLIP_MODELS, NACLIP_STRATEGIES, compare
from .registry import Check, Golden, replays
from .trident_replay import BLOCK_BYTES, recorded_sam
from .weights import build_clip

#: To what multiple of pixels Trident pads windows.
PUBLISHED_PADDING = 56


def vocabulary_of(golden: Golden) -> Vocabulary:
    """The recorded classes; which word belongs to which class is all that matters, so words are numbers."""
    owners = golden.hyper["query_idx"]
    words = {c: [f"{c}.{i}" for i, owner in enumerate(owners) if owner == c] for c in sorted(set(owners))}
    if [c for c in words for _ in words[c]] != list(owners) or list(words) != list(range(len(words))):
        raise ValueError("the recorded queries are not sorted by class")
    classes = tuple(ClassName(names[0], tuple(names[1:])) for names in words.values())
    return Vocabulary(classes, threshold=golden.hyper.get("prob_thd") or 0.0)


def compare_labels(golden: Golden, check: Check, cosines: list[torch.Tensor], close: bool = False) -> None:
    """Probabilities and labels through the product's own functions; its "no class" is the published class 0."""
    vocabulary, scale = vocabulary_of(golden), golden.hyper["logit_scale"]
    probabilities = class_probabilities(cosines, vocabulary, scale, tuple(golden.hyper["ori_shape"]))
    if golden.hyper.get("area_thd") is not None:
        probabilities = drop_small_classes(probabilities, golden.hyper["area_thd"], background=0)
    check.probabilities("probs", probabilities)
    labels = labels_of(probabilities, vocabulary)
    labels = np.where(labels == NO_CLASS, 0, labels)
    check.labels("pred", (close_labels(labels) if close else labels)[None])


def photo_cosines(golden: Golden, cosines: list[torch.Tensor]) -> torch.Tensor:
    """Cosines of the one frame at the photo's size, after PAMR where it was recorded."""
    (maps,), hyper = cosines, golden.hyper
    size = tuple(hyper["ori_shape"])
    maps = resize_bilinear(maps, size)
    steps, dilations = pamr_settings(hyper)
    if steps:
        image = torch.from_numpy(golden.arrays["pixel"])
        image = torch.nn.functional.interpolate(image, size=size, mode="bilinear", align_corners=False)[0]
        maps = pamr(image, maps, steps, dilations)
    return maps


def pamr_settings(hyper: dict) -> tuple[int, tuple[int, ...]]:
    """Steps (0: none) and dilations."""
    given = hyper.get("pamr")
    if isinstance(given, str):  # "10 steps, dilations 8,16"
        steps, *dilations = (int(n) for n in re.findall(r"\d+", given)) if re.search(r"\d", given) else (0,)
        return steps, tuple(dilations) or DILATIONS
    if isinstance(given, bool):
        return 10 * given, DILATIONS
    if isinstance(given, (list, tuple)):
        return int(given[0]), tuple(given[1])
    if isinstance(given, dict):
        return given["steps"], tuple(given.get("dilations") or given.get("stride") or DILATIONS)
    dilations = hyper.get("pamr_stride") or hyper.get("pamr_dilations") or DILATIONS
    return hyper.get("pamr_steps") or given or 0, tuple(dilations)


def encode_windows(golden: Golden, recipe: Recipe, multiple: int) -> tuple[Encoded, torch.Tensor]:
    """The recorded frame in windows, each compared with the words on its own; and the windows [W, 3, h, w]."""
    visual, hyper = build_clip(golden), golden.hyper
    image = torch.from_numpy(golden.input("pixel"))[0]
    frame = tuple(image.shape[-2:])
    layout = Layout(frame, window_boxes(frame, hyper["crop"] or max(frame), hyper["stride"] or 1), multiple)
    windows = cut_all(image, layout, 0, len(layout.boxes))
    foundation = torch.from_numpy(golden.input("vfm_feats")) if recipe.foundation else None
    maps = window_maps(visual, run_trunk(visual, windows), layout, recipe, foundation)
    return whole_or_windows(hyper, maps, frame), windows


def whole_or_windows(hyper: dict, maps: list[FeatureMap], frame: tuple[int, int]) -> Encoded:
    """Without sliding (crop 0) the published code brings the patches' cosines straight to the photo's size."""
    if hyper["crop"]:
        return Encoded(tuple(maps), frame, "", "", "")
    grid = maps[0].features.shape[1:]
    return Encoded((FeatureMap(maps[0].features, (0, 0, grid[1], grid[0])),), grid, "", "", "")


def check_foundation_input(golden: Golden, check: Check, window: torch.Tensor) -> None:
    """The first window as the foundation model sees it."""
    colours = unnormalised(window, OPENAI_MEAN, OPENAI_STD)
    check.values("vfm_input0", normalised(colours, IMAGENET_MEAN, IMAGENET_STD))


@replays("slide_clearclip", "slide_sclip", "slide_naclip")
@torch.no_grad()
def slide_block(golden: Golden, check: Check) -> None:
    """A variant of the last block per window; ClearCLIP pads windows to whole patches, SCLIP and NACLIP do not."""
    hyper, multiple = golden.hyper, 1
    if "model_type" in hyper:
        recipe = get_recipe(
            "clearclip", attention=CLEARCLIP_MODELS[hyper["model_type"]], residual=not hyper["ignore_residual"])
        multiple = golden.weights()[1]["patch_size"]
    elif "naclip" in golden.stem:
        strategy = NACLIP_STRATEGIES[hyper.get("attn_strategy") or hyper.get("strategy") or "naclip"]
        residual = (hyper.get("arch") or "reduced") == "vanilla"
        recipe = get_recipe("naclip", attention=strategy, residual=residual, sigma=hyper.get("gaussian_std") or 5.0)
    else:
        recipe = get_recipe("sclip", attention="qq+kk" if hyper.get("csa", True) else "qk")
    encoded, _ = encode_windows(golden, recipe, multiple)
    compare_slide(golden, check, encoded)


def compare_slide(golden: Golden, check: Check, encoded: Encoded, close: bool = False) -> None:
    """Everything after the windows' features, under the names recordings use."""
    cosines = frame_cosines(encoded, golden.input("text"))
    if golden.has("slide_logits"):
        check.values("slide_logits", cosines[0])
    logits = photo_cosines(golden, cosines)
    for name in ("pamr_logits", "logits"):
        if golden.has(name):
            check.values(name, logits)
    compare_labels(golden, check, [logits], close)


@replays("slide_proxyclip")
@torch.no_grad()
def slide_proxy(golden: Golden, check: Check) -> None:
    """Proxy attention per padded window, with the recorded foundation features."""
    hyper = golden.hyper
    recipe = get_recipe("proxyclip", beta=hyper["beta"], gamma=hyper["gamma"])
    encoded, windows = encode_windows(golden, recipe, hyper["pad_multiple"])
    check_foundation_input(golden, check, windows[:1])
    compare_slide(golden, check, encoded)


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
    if golden.arrays["window_batch"].shape[-2:] != windows.shape[-2:]:  # windows of broken sides are padded
        padded = Layout(frame, layout.boxes, hyper.get("pad_multiple") or PUBLISHED_PADDING)
        windows = cut_all(image[0], padded, 0, len(layout.boxes))
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
    compare_slide(golden, check, encoded)


@replays("itaclip")
@torch.no_grad()
def itaclip(golden: Golden, check: Check) -> None:
    """ITACLIP's tokens, then the engineered views per window, thresholds and closing."""
    visual, hyper = build_clip(golden), golden.hyper
    variant = "qq+kk" if hyper.get("attn_self", True) else "qk"
    pixels, text = torch.from_numpy(golden.input("pixel")), golden.input("text")
    inner = hyper["intermediate_layers_1based"]
    tokens, grid = itaclip_tokens(visual, pixels, inner, variant)
    compare(golden, check, "", visual, tokens, grid)
    size = tuple(pixels.shape[-2:])
    plain = FeatureMap(unit_map(head(visual, tokens[0, 1:]), grid), (0, 0, size[1], size[0]))
    check.values("logits_px_plain", cosine_maps(Encoded((plain,), size, "", "", ""), text, size))
    share = hyper["img_eng_coefficient"]
    whole = FeatureMap(engineered_map(visual, pixels, share, inner, variant).numpy(), (0, 0, size[1], size[0]))
    check.values("logits_px_engineered", cosine_maps(Encoded((whole,), size, "", "", ""), text, size))
    maps = []
    for box in window_boxes(size, hyper["crop"] or max(size), hyper["stride"] or 1):
        x0, y0, x1, y1 = box
        maps.append(FeatureMap(engineered_map(visual, pixels[..., y0:y1, x0:x1], share, inner, variant).numpy(), box))
    compare_slide(golden, check, whole_or_windows(hyper, maps, size), close=True)
