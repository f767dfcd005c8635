"""Replays CLIPtrase: `cliptrase_*`."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from pipeline.dense.cliptrase import cliptrase_tokens, cluster_map, dbscan, denoised, vote
from pipeline.dense.cosines import patch_cosines, resize_bilinear
from pipeline.dense.trunk import head

from .registry import Check, Golden, replays
from .weights import build_clip


@replays("cliptrase")
@torch.no_grad()
def cliptrase(golden: Golden, check: Check) -> None:
    """Correlation, clusters, and labels before and after the vote; background names share the label after the last."""
    visual, hyper = build_clip(golden), golden.hyper
    pixels, text = (torch.from_numpy(golden.input(n)) for n in ("pixel", "text"))
    size = tuple(pixels.shape[-2:])
    tokens, correlation, grid = cliptrase_tokens(visual, pixels)
    features = head(visual, tokens)[0]
    if golden.has("pre_ln_post"):
        check.values("pre_ln_post", tokens[0])
    check.values("feat", features)
    check.values("corr", correlation[0])
    affinity = denoised(correlation[0])
    check.values("denoised", affinity)
    logits = hyper["logit_scale"] * patch_cosines(features[1:], text, grid)
    check.values("patch_logits", logits)
    logits = resize_bilinear(logits, size)
    if hyper["dataset_mode"] == "VOC20":
        logits = logits * (hyper["logit_scale"] * F.normalize(features[0], dim=-1) @ text.T)[:, None, None]
    labels = logits.argmax(0).clamp(max=hyper["num_fg"]).numpy()
    check.labels("pred_before_vote", labels)
    clusters = dbscan(affinity.numpy(), hyper["dbscan_eps"], hyper["dbscan_min_samples"])
    check.equal("dbscan_labels", clusters)
    if clusters.max() >= 0:
        smooth, median = hyper["smooth_ratio"], hyper["median_size"]
        labels = vote(labels, cluster_map(affinity, clusters, grid, size, smooth, median))
    check.labels("pred", np.asarray(labels))
