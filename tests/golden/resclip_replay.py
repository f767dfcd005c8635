"""Replays ResCLIP: `resclip_*`."""

from __future__ import annotations

import torch

from pipeline.dense.cosines import patch_cosines, resize_bilinear
from pipeline.dense.resclip import feedback_attention, inner_attention, patch_labels, resclip_tokens
from pipeline.dense.trunk import head
from pipeline.refine.pamr import pamr

from .dense_replay import compare
from .registry import Check, Golden, replays
from .slide_replay import pamr_settings
from .weights import build_clip

#: The published strategies as our attention variants.
STRATEGIES = {"resclip": "kk+near", "naclip": "kk+near", "clearclip": "qq", "sclip": "qq+kk", "csa": "qq+kk",
              "vanilla": "qk", "kk": "kk", "nonly": "near"}


@replays("resclip")
@torch.no_grad()
def resclip(golden: Golden, check: Check) -> None:
    """Every recorded strategy with RCS, SFR or both; SFR's labels come from the same last block without SFR."""
    visual, hyper = build_clip(golden), golden.hyper
    pixels, text = torch.from_numpy(golden.input("pixel")), torch.from_numpy(golden.input("text"))
    inner, tokens, grid = inner_attention(visual, pixels, hyper["rcs_layers_0based"])
    for prefix in sorted({tuple(n.split(".")[:2]) for n in golden.arrays if n.count(".") >= 2}):
        strategy, parts = prefix
        options = {
            "variant": STRATEGIES[strategy],
            "residual": hyper["archs"][strategy] == "w_resi",
            "inner": inner if "rcs" in parts else None,
            "rcs": hyper["attn_rcs_weights"],
            "sigma": hyper["gaussian_std"],
        }
        name, feedback = f"{strategy}.{parts}.", None
        if "sfr" in parts:
            first = head(visual, resclip_tokens(visual, tokens, grid, **options))[0, 1:]
            pixel_cosines = resize_bilinear(patch_cosines(first, text, grid), tuple(pixels.shape[-2:]))
            smooth = pamr(pixels[0], pixel_cosines, *pamr_settings({"pamr": "10 steps", **hyper}))
            probabilities = (hyper["logit_scale"] * smooth).softmax(0)
            labels = patch_labels(probabilities, grid, hyper["temp_thd"])
            feedback = feedback_attention(labels, hyper["gaussian_std"], hyper["delete_same_entity"])
            recorded = {
                "stage1_probs": (probabilities, check.probabilities),
                "patch_labels": (labels, check.equal),
                "sfr_attn": (feedback, check.values),
            }
            for key, (value, compare_one) in recorded.items():
                if golden.has(name + key):
                    compare_one(name + key, value)
        result = resclip_tokens(visual, tokens, grid, **options, feedback=feedback, sfr=hyper["attn_sfr_weights"])
        compare(golden, check, name, visual, result, grid)
