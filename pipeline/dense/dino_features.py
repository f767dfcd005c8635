"""Patch features of a foundation model: the last layer's patch tokens after its LayerNorm.

A `transformers` `ViTModel` (DINO) is run beside the module with the positional rule of the original DINO code
(`trunk.resized_positions`), which the library's own resizing does not follow on other grids; DINOv2 models have their
own rule inside and are called as they are.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from .trunk import resized_positions

#: What is read of the last layer: "tokens" after the final LayerNorm, or "qk", the sum of its queries and keys.
FACETS = ("tokens", "qk")


@torch.no_grad()
def dino_features(model: nn.Module, pixels: Tensor, facet: str = "tokens") -> Tensor:
    """Features of a batch.

    Args:
        model: `ViTModel` or `Dinov2Model` (with registers or without) in evaluation mode.
        pixels: float [B, 3, H, W] in the model's statistics; what exceeds whole patches is not seen.
        facet: one of `FACETS`; CorrCLIP reads "qk".

    Returns:
        float32 [B, C, H // p, W // p], not normalised.
    """
    p = model.config.patch_size
    p_rows, p_cols = (p, p) if isinstance(p, int) else p
    grid = (pixels.shape[-2] // p_rows, pixels.shape[-1] // p_cols)
    pixels = pixels[..., : grid[0] * p_rows, : grid[1] * p_cols]
    with _last_layer(model, "q_proj", "query") as queries, _last_layer(model, "k_proj", "key") as keys:
        if model.config.model_type == "vit":
            tokens = _vit_tokens(model, pixels, grid)
        else:
            tokens = model(pixel_values=pixels).last_hidden_state
    if facet == "qk":
        tokens = queries[-1] + keys[-1]
    patches = tokens[:, tokens.shape[1] - grid[0] * grid[1] :]
    return patches.transpose(1, 2).unflatten(-1, grid).float()


@contextmanager
def _last_layer(model: nn.Module, *names: str) -> Iterator[list[Tensor]]:
    """What a linear map of the last attention gives while inside: its name differs between releases."""
    found = [module for name, module in model.named_modules() if name.rsplit(".", 1)[-1] in names]
    seen: list[Tensor] = []
    own = threading.get_ident()  # another thread may run the same model meanwhile

    def keep(_module: nn.Module, _inputs: object, output: Tensor) -> None:
        if threading.get_ident() == own:
            seen.append(output)

    hook = found[-1].register_forward_hook(keep)
    try:
        yield seen
    finally:
        hook.remove()


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
