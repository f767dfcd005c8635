"""Replays ProxyCLIP on one window: `proxyclip_*`."""

from __future__ import annotations

import torch

from pipeline.dense.cosines import patch_cosines
from pipeline.dense.proxy import proxy_attend, proxy_weights
from pipeline.dense.trunk import head, run_trunk

from .registry import Check, Golden, replays
from .weights import build_clip


@replays("proxyclip")
@torch.no_grad()
def proxyclip(golden: Golden, check: Check) -> None:
    """One window, square or not, with recorded foundation features; of two recordings `fixed.*` is the right one."""
    visual = build_clip(golden)
    foundation = torch.from_numpy(golden.input("vfm_feats"))
    trunk = run_trunk(visual, torch.from_numpy(golden.input("pixel")))
    weights = proxy_weights(foundation, golden.hyper["beta"], golden.hyper["gamma"])
    onto = tuple(foundation.shape[-2:])
    tokens = proxy_attend(visual, trunk.tokens, trunk.grid, weights, onto)
    features = head(visual, tokens)[0]
    prefix = "fixed." if golden.has("fixed.feat") else ""
    golden.used |= {name for name in golden.arrays if name.startswith("as_is.")}  # rows and columns mixed up
    check.values(prefix + "pre_ln_post", tokens[0])
    check.values(prefix + "feat", features)
    check.values(prefix + "cos", patch_cosines(features, torch.from_numpy(golden.input("text")), onto))
