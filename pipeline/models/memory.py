"""Plans for painting with little memory: where a pipeline's parts wait, and tiles for the autoencoder."""

from __future__ import annotations

from typing import Any

import torch

from ..errors import NamebrushError

#: What a person can choose, with a sentence each.
PLANS = {
    "auto": "by the size of the weights and the memory that is free",
    "whole": "everything on the device",
    "offload": "each part on the device only while it works",
    "sequential": "each layer on the device only while it works; slow, and needs the least",
}
#: Bytes beside the weights that painting at a model's own size takes in half precision.
WORKING = 2 << 30


def bytes_of(pipe: Any) -> dict[str, int]:
    """Bytes of each part of a pipeline."""
    return {
        name: sum(p.numel() * p.element_size() for p in part.parameters())
        for name, part in pipe.components.items() if isinstance(part, torch.nn.Module)
    }  # fmt: skip


def choose(pipe: Any, device: torch.device, free: int | None) -> str:
    """The plan that "auto" stands for.

    Args:
        pipe: a `diffusers` pipeline.
        device: where it shall paint.
        free: bytes free there; None for a processor, where everything lies in one memory anyway.
    """
    if free is None or device.type != "cuda":
        return "whole"
    sizes = bytes_of(pipe)
    if sum(sizes.values()) + WORKING <= free:
        return "whole"
    return "offload" if max(sizes.values(), default=0) + WORKING <= free else "sequential"


def place(pipe: Any, device: torch.device, plan: str = "auto") -> str:
    """Put a pipeline where a plan wants it; returns the plan really used.

    The autoencoder works in slices and tiles under every plan but "whole": its peak does not grow with the picture.

    Raises:
        NamebrushError: an unknown plan, or `accelerate`, which offloading needs, is not installed.
    """
    if plan not in PLANS:
        raise NamebrushError(f"{plan!r} is no plan for memory; choose from {', '.join(PLANS)}.")
    if plan == "auto":
        plan = choose(pipe, device, torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else None)
    if plan == "whole" or device.type == "cpu":
        pipe.to(device)
        return "whole"
    vae = getattr(pipe, "vae", None)
    for how in ("enable_slicing", "enable_tiling"):
        if hasattr(vae, how):
            getattr(vae, how)()
    from transformers.utils import is_accelerate_available

    if not is_accelerate_available():
        raise NamebrushError(
            "The inpainting model does not fit into the graphics card's memory as a whole, and moving its parts in "
            "and out needs the library accelerate: pip install accelerate, or choose a smaller model or device cpu."
        )
    (pipe.enable_model_cpu_offload if plan == "offload" else pipe.enable_sequential_cpu_offload)(device=device)
    return plan
