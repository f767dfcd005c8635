"""Replays CLIPer before its diffusion step: `cliper_*`."""

from __future__ import annotations

import torch

from pipeline.dense.cliper import cliper_features, cliper_logits, cliper_maps

from .registry import Check, Golden, replays
from .weights import build_clip


@replays("cliper")
@torch.no_grad()
def cliper(golden: Golden, check: Check) -> None:
    """Fused attention, features of every reading, and maps."""
    visual, hyper = build_clip(golden), golden.hyper
    if hyper["attn_type"] != "fused-attn" or not hyper["fuse_feature"] or hyper["sliding_crop_size"]:
        raise NotImplementedError("only the fused attention of a whole image")
    wanted, others = (torch.from_numpy(golden.input(n)) for n in ("fg_text", "bg_text"))
    result = cliper_features(visual, torch.from_numpy(golden.input("pixel")))
    check.values("fused_attn_first", result.first)
    check.values("fused_attn_last", result.last)
    check.values("img_features", result.features)
    check.values("attn_map", result.spread)
    logits = cliper_logits(result.features, wanted, others, hyper["logit_scale"])
    check.values("logits", logits)
    check.probabilities("seg", cliper_maps(result, logits, len(wanted), hyper["attention_thr"]))
