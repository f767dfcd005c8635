"""Replays CLIPer before its diffusion step: `cliper_*`."""

from __future__ import annotations

import torch

from pipeline.dense.cliper import (
    ATTENTIONS,
    cliper_features,
    cliper_logits,
    cliper_maps,
    window_probabilities,
    with_mean,
)
from pipeline.dense.windows import window_boxes

from .registry import Check, Golden, replays
from .weights import build_clip


@replays("cliper")
@torch.no_grad()
def cliper(golden: Golden, check: Check) -> None:
    """Fused attention, features of every reading, and maps, from the whole image and from sliding windows too."""
    visual, hyper = build_clip(golden), golden.hyper
    every, select = hyper.get("fuse_feature", True), hyper.get("select_layer", -1)
    options = {"attention": ATTENTIONS.get(hyper.get("attn_type", "fused-attn"), "identity"), "every": every,
               "select": select}
    wanted, others = (torch.from_numpy(golden.input(n)) for n in ("fg_text", "bg_text"))
    pixels = torch.from_numpy(golden.input("pixel"))
    result = cliper_features(visual, pixels, **options)
    check.values("fused_attn_first", result.first)
    check.values("fused_attn_last", result.last)
    check.values("img_features", result.features)
    check.values("attn_map", result.spread)
    scale = hyper["logit_scale"]
    logits = cliper_logits(result.features, wanted, others, scale)
    check.values("logits", logits)
    windows, crop = None, hyper.get("sliding_crop_size") or 0
    if crop > 0:
        boxes = window_boxes(tuple(pixels.shape[-2:]), crop, hyper.get("slide_stride", 112))
        windows = window_probabilities(visual, pixels, boxes, with_mean(wanted, others), scale, **options)
    maps = cliper_maps(result, logits, len(wanted), hyper["attention_thr"], every, select, windows)
    check.probabilities("seg", maps)
