"""Replays methods with a second stream: `gem_*` and `clip_surgery_*`."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from pipeline.dense.cosines import patch_cosines, resize_bilinear
from pipeline.dense.gem import gem_tokens, patch_grid, resized_to_size, surgery_tokens
from pipeline.dense.surgery import feature_surgery, min_max, similarity_points, without_redundant
from pipeline.dense.trunk import head

from .registry import Check, Golden, replays
from .weights import build_clip


@replays("gem")
@torch.no_grad()
def gem(golden: Golden, check: Check) -> None:
    """GEM's stream, its features and heat maps."""
    visual, hyper = build_clip(golden), golden.hyper
    pixels = torch.from_numpy(golden.input("pixel"))
    constants = hyper["blocks_modified"], hyper["ss_attn_iter"], hyper.get("ss_attn_temp")
    tokens, own, grid = gem_tokens(visual, pixels, *constants)
    check.values("pre_ln_post", tokens[0])
    check.values("feat", head(visual, tokens)[0])
    check.values("feat_ori", head(visual, own)[0])
    cosines = patch_cosines(head(visual, tokens)[0, 1:], torch.from_numpy(golden.input("text")), grid)
    check.values("cos", cosines)
    heat = resize_bilinear(cosines, tuple(pixels.shape[-2:]))
    check.values("heat_raw", heat)
    check.probabilities("heat_minmax", min_max(heat.flatten(1).T).T.reshape(heat.shape))


@replays("clip_surgery")
@torch.no_grad()
def clip_surgery(golden: Golden, check: Check) -> None:
    """Architecture surgery, feature surgery, similarity maps and points."""
    visual, hyper = build_clip(golden), golden.hyper
    pixels = torch.from_numpy(golden.input("pixel"))
    text, redundant = (torch.from_numpy(golden.input(n)) for n in ("text", "redundant_text"))
    tokens, _, grid = surgery_tokens(visual, pixels, hyper["surgery_blocks"])
    check.values("pre_ln_post", tokens[0])
    check.values("feat", head(visual, tokens)[0])
    positions = resized_to_size(visual.positional_embedding, patch_grid(visual, pixels), "bilinear")
    check.values("pos_embed_resized", positions)
    unit = F.normalize(head(visual, tokens)[0], dim=-1)
    check.values("cos", patch_cosines(unit[1:], text, grid))
    similarity = feature_surgery(unit, text)
    check.values("similarity", similarity)
    single = without_redundant(unit, text[: golden.arrays["similarity_redundant"].shape[-1]], redundant)
    check.values("similarity_redundant", single)
    size = tuple(hyper["out_shape"])
    maps = resize_bilinear(min_max(similarity[1:]).T.unflatten(-1, grid), size)
    check.probabilities("similarity_map", maps.permute(1, 2, 0))
    threshold, halve = hyper["points_t"], hyper["points_down_sample"]
    points, labels = similarity_points(similarity[1:, 0], grid, size, threshold, halve)
    check.equal("points", points)
    check.equal("point_labels", labels)
