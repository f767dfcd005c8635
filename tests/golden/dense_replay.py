"""Replays single images through the last-block family: `dense_*`."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from pipeline.dense.attention import attention_weights, last_block, neighbourhood
from pipeline.dense.cosines import cosine_maps, patch_cosines
from pipeline.dense.trunk import blocks_of, head, project_qkv, run_trunk
from pipeline.records import Encoded, FeatureMap

from .registry import Check, Golden, replays
from .weights import build_clip

#: What ClearCLIP's code base calls a model, as our attention variant.
CLEARCLIP_MODELS = {"vanilla": "qk", "MaskCLIP": "identity", "SCLIP": "qq+kk", "ClearCLIP": "qq"}
#: NACLIP's strategies.
NACLIP_STRATEGIES = {"naclip": "kk+near", "nonly": "near", "kk": "kk", "csa": "qq+kk", "vanilla": "qk"}


def compare(golden: Golden, check: Check, prefix: str, visual, tokens, grid) -> None:
    """Check tokens [1, N, width] entering the final LayerNorm, and all that follows from them."""
    features = head(visual, tokens)[0]
    check.values(prefix + "pre_ln_post", tokens[0])
    feat = golden.arrays[golden.stored(prefix + "feat")]
    check.values(prefix + "feat", features if len(feat) == len(features) else features[1:])
    cosines = patch_cosines(features[-grid[0] * grid[1] :], torch.from_numpy(golden.input("text")), grid)
    check.values(prefix + "cos", cosines)
    if golden.has(prefix + "logits_px"):
        size = golden.arrays["pixel"].shape[-2:]
        unit = F.normalize(features[-grid[0] * grid[1] :], dim=-1).T.unflatten(-1, grid).numpy()
        encoded = Encoded((FeatureMap(unit, (0, 0, size[1], size[0])),), size, "", "", "")
        check.values(prefix + "logits_px", cosine_maps(encoded, golden.input("text"), size))


@replays("dense_vanilla_clip", "dense_maskclip", "dense_clearclip")
@torch.no_grad()
def clearclip_code_base(golden: Golden, check: Check) -> None:
    """ClearCLIP's repository, which also holds MaskCLIP, SCLIP and the unchanged block."""
    visual = build_clip(golden)
    layers = len(blocks_of(visual))
    trunk = run_trunk(visual, torch.from_numpy(golden.input("pixel")), keep=range(layers))
    for name, settings in golden.hyper["variants"].items():
        variant, residual = CLEARCLIP_MODELS[settings["model_type"]], not settings["ignore_residual"]
        changed = range(layers - settings.get("last_n_layers", 1), layers)
        tokens = sum(last_block(visual, trunk.inputs[i], trunk.grid, variant, residual, index=i) for i in changed)
        compare(golden, check, f"{name}.", visual, tokens, trunk.grid)


@replays("dense_sclip")
@torch.no_grad()
def sclip(golden: Golden, check: Check) -> None:
    """SCLIP's own repository."""
    visual = build_clip(golden)
    trunk = run_trunk(visual, torch.from_numpy(golden.input("pixel")))
    variant = "qq+kk" if golden.hyper.get("csa", True) else "qk"
    q, k, v = project_qkv(visual, -1, blocks_of(visual)[-1].ln_1(trunk.tokens))
    check.values("attn_last", attention_weights(variant, q, k, v, trunk.grid))
    compare(golden, check, "", visual, last_block(visual, trunk.tokens, trunk.grid, variant, True), trunk.grid)


@replays("dense_naclip")
@torch.no_grad()
def naclip(golden: Golden, check: Check) -> None:
    """NACLIP's repository: `reduced` or `vanilla` last block, five strategies."""
    visual = build_clip(golden)
    sigma = golden.hyper["gaussian_std"]
    trunk = run_trunk(visual, torch.from_numpy(golden.input("pixel")))
    check.values("gauss_addition", neighbourhood(trunk.grid, sigma))
    for prefix in sorted({name.split(".")[0] for name in golden.arrays if "." in name}):
        arch, strategy = prefix.split("_")
        variant = NACLIP_STRATEGIES[strategy]
        tokens = last_block(visual, trunk.tokens, trunk.grid, variant, residual=arch == "vanilla", sigma=sigma)
        compare(golden, check, f"{prefix}.", visual, tokens, trunk.grid)
