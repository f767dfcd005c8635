"""Builds the libraries' own modules from the weight files of the golden set."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch
from open_clip.transformer import LayerNorm, QuickGELU, VisionTransformer
from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer
from torch import nn

from .registry import Golden


def _load(module: nn.Module, arrays: dict[str, np.ndarray], strict: bool = True) -> nn.Module:
    module.load_state_dict({k: torch.from_numpy(v.copy()) for k, v in arrays.items()}, strict=strict)
    return module.eval().requires_grad_(False)


def build_clip(golden: Golden, name: str | None = None) -> VisionTransformer:
    """The image tower named in the file's `meta`, as an `open_clip` module in float32."""
    arrays, config = golden.weights(name)
    activations = {"quick_gelu": QuickGELU, "gelu": nn.GELU}
    visual = VisionTransformer(
        image_size=config["image_size"],
        patch_size=config["patch_size"],
        width=config["width"],
        layers=config["layers"],
        heads=config["heads"],
        mlp_ratio=config["mlp_ratio"],
        output_dim=config["output_dim"],
        act_layer=activations[config["act"]],
        norm_layer=partial(LayerNorm, eps=config["ln_eps"]),
    )
    return _load(visual, arrays)


def build_sam(golden: Golden, name: str | None = None) -> Sam:
    """The small SAM named in the file's `meta`, as a `segment_anything` module in float32."""
    arrays, config = golden.weights(name)
    return _load(_sam_module(config), arrays, strict=True)


def _sam_module(c: dict[str, Any]) -> Sam:
    grid = c["img_size"] // c["patch_size"]
    encoder = ImageEncoderViT(
        img_size=c["img_size"],
        patch_size=c["patch_size"],
        embed_dim=c["enc_embed_dim"],
        depth=c["enc_depth"],
        num_heads=c["enc_heads"],
        mlp_ratio=c["mlp_ratio"],
        out_chans=c["prompt_dim"],
        norm_layer=partial(nn.LayerNorm, eps=c["enc_norm_eps"]),
        use_rel_pos=c["use_rel_pos"],
        window_size=c["window_size"],
        global_attn_indexes=tuple(c["global_attn_indexes"]),
    )
    prompts = PromptEncoder(c["prompt_dim"], (grid, grid), (c["img_size"],) * 2, c["mask_in_chans"])
    decoder = MaskDecoder(
        transformer_dim=c["prompt_dim"],
        transformer=TwoWayTransformer(c["dec_depth"], c["prompt_dim"], c["dec_heads"], c["dec_mlp"]),
        iou_head_depth=c["iou_depth"],
        iou_head_hidden_dim=c["iou_hidden"],
    )
    return Sam(encoder, prompts, decoder)
