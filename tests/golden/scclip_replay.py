"""Replays SC-CLIP: `scclip_*`."""

from __future__ import annotations

import torch

from pipeline.dense.cosines import patch_cosines
from pipeline.dense.scclip import ScSettings, scclip_tokens
from pipeline.dense.trunk import head

from .registry import Check, Golden, replays
from .weights import build_clip


@replays("scclip")
@torch.no_grad()
def scclip(golden: Golden, check: Check) -> None:
    """Outliers, similarities, tokens and features."""
    visual, h = build_clip(golden), golden.hyper
    settings = ScSettings(
        beta=h["beta"], neighbours=h["lof_neighbors"], contamination=h["lof_contamination"],
        before=h["pre_adjust_idx"], after=h["post_adjust_idx"], multi_start=h["multi_start_idx"],
        multi_end=h["multi_end_idx"], class_share=h["res_cls"], gamma=h.get("gamma", ScSettings.gamma),
    )
    result = scclip_tokens(visual, torch.from_numpy(golden.input("pixel")), settings)
    check.values("lof_scores", result.factors)
    check.equal("outlier_indices", result.outliers)
    check.values("mid_simi", result.middle)
    check.values("after_simi", result.late)
    check.values("pre_ln_post", result.tokens)
    features = head(visual, result.tokens)
    check.values("feat", features)
    check.values("cos", patch_cosines(features, torch.from_numpy(golden.input("text")), result.grid))
