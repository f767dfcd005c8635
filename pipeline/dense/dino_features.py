"""Patch features of a foundation model: the last layer's patch tokens after its LayerNorm.

A `transformers` `ViTModel` (DINO) is run beside the module with the positional rule of the original DINO code
(`trunk.resized_positions`), which the library's own resizing does not follow on other grids; DINOv2 models have their
own rule inside and are called as they are.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .trunk import resized_positions


@torch.no_grad()
def dino_features(model: nn.Module, pixels: Tensor) -> Tensor:
    """Features of a batch.

    Args:
        model: `ViTModel` or `Dinov2Model` (with registers or without) in evaluation mode.
        pixels: float [B, 3, H, W] in the model's statistics; what exceeds whole patches is not seen.

    Returns:
        float32 [B, C, H // p, W // p], not normalised.
    """
    p = model.config.patch_size
    p_rows, p_cols = (p, p) if isinstance(p, int) else p
    grid = (pixels.shape[-2] // p_rows, pixels.shape[-1] // p_cols)
    pixels = pixels[..., : grid[0] * p_rows, : grid[1] * p_cols]
    if model.config.model_type == "vit":
        tokens = _vit_tokens(model, pixels, grid)
    else:
        tokens = model(pixel_values=pixels).last_hidden_state
    patches = tokens[:, tokens.shape[1] - grid[0] * grid[1] :]
    return patches.transpose(1, 2).unflatten(-1, grid).float()


def _vit_tokens(model: nn.Module, pixels: Tensor, grid: tuple[int, int]) -> Tensor:
    """All tokens [B, 1 + h * w, C] of a `ViTModel` after its LayerNorm."""
    embeddings = model.embeddings
    patches = embeddings.patch_embeddings.projection(pixels).flatten(2).transpose(1, 2)
    tokens = torch.cat([embeddings.cls_token.expand(len(patches), -1, -1), patches], dim=1)
    tokens = tokens + resized_positions(embeddings.position_embeddings[0], grid)
    for layer in model.layers if hasattr(model, "layers") else model.encoder.layer:
        tokens = layer(tokens)
        tokens = tokens[0] if isinstance(tokens, tuple) else tokens
    return model.layernorm(tokens)
