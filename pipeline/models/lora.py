"""Low-rank adapters laid into a pipeline's weights, such as latent consistency's, which needs few steps.

The published files name the layers in one of two ways, `lora_unet_down_blocks_0_..._to_q.lora_down.weight` or
`unet.down_blocks.0....to_q.lora_A.weight`; in both a layer's weight grows by (alpha / rank) up @ down (Hu et al.
2021). Laid into the weights, an adapter costs nothing while painting and needs no further library.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from ..errors import NamebrushError

_UP = {
    ".lora_down.weight": ".lora_up.weight",
    ".lora_A.weight": ".lora_B.weight",
    ".lora.down.weight": ".lora.up.weight",
}


def fuse(unet: torch.nn.Module, file: Path) -> int:
    """Add an adapter to a denoiser's weights.

    Args:
        unet: the denoiser; changed in place.
        file: `safetensors`.

    Returns:
        How many layers it reached.

    Raises:
        NamebrushError: no adapter, or one for another model: not one of its layers fits, or one has no place.
    """
    from safetensors.torch import load_file

    try:
        tensors: dict[str, Any] = load_file(str(file))
    except Exception as error:
        raise NamebrushError(f"{file} cannot be read as an adapter: {error}.") from error
    layers = {name.replace(".", "_"): module for name, module in unet.named_modules() if hasattr(module, "weight")}
    reached = 0
    for key, down in tensors.items():
        ending = next((e for e in _UP if key.endswith(e)), None)
        if ending is None:
            continue
        stem = key[: -len(ending)]
        name = stem.removeprefix("lora_unet_").removeprefix("unet.").replace(".", "_")
        if stem.startswith(("lora_te", "text_encoder")):
            continue
        up, layer = tensors.get(stem + _UP[ending]), layers.get(name)
        if up is None or layer is None or layer.weight.shape[:2] != (up.shape[0], down.shape[1]):
            raise NamebrushError(f"{file} is an adapter for another model: its layer {stem} has no place here.")
        rank = down.shape[0]
        scale = float(tensors.get(f"{stem}.alpha", torch.tensor(float(rank)))) / rank
        _add(layer.weight, up.float(), down.float(), scale)
        reached += 1
    if not reached:
        raise NamebrushError(f"{file} is no adapter: it has no low-rank layers for a denoiser.")
    return reached


def _add(weight: torch.nn.Parameter, up: torch.Tensor, down: torch.Tensor, scale: float) -> None:
    """weight += scale * up @ down, for linear layers and convolutions alike."""
    with torch.no_grad():
        if weight.ndim == 4:  # the down part has the kernel's size, the up part is 1x1
            change = torch.einsum("orhw,rikl->oikl", up, down)
            change = change.expand_as(weight) if change.shape[2:] == weight.shape[2:] else None
        else:
            change = up.flatten(1) @ down.flatten(1)
        if change is None or change.shape != weight.shape:
            raise NamebrushError("The adapter's layers have another shape than the model's.")
        weight += (scale * change).to(weight)
