"""Half precision where the hardware has it: image encoders on a graphics card, by torch's own autocast."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch


def half_precision(device: torch.device) -> AbstractContextManager:
    """A context in which matrix products and convolutions run in float16 on a CUDA device; elsewhere nothing changes.

    What must stay exact does: softmax, norms and everything that becomes a result are float32.
    """
    return torch.autocast("cuda", dtype=torch.float16) if device.type == "cuda" else nullcontext()
