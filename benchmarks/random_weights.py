"""Models of the published architectures with random weights, for measurements that need no trained ones."""

from __future__ import annotations

import torch

from pipeline.models.records import ClipModel, DinoModel, SamModel


def filled(model: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    """Random weights of a sensible size for a model built on the `meta` device, ready for use."""
    generator = torch.Generator().manual_seed(seed)
    model.to_empty(device="cpu")
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if tensor.ndim >= 2:
                tensor.normal_(0, 0.02, generator=generator)
            else:
                tensor.fill_(1.0 if name.endswith("weight") else 0.0)
    return model.eval().requires_grad_(False)


def clip(architecture: str = "ViT-B-16-quickgelu", text: bool = True) -> ClipModel:
    """An `open_clip` model by its name; without its text tower where only photos are looked at."""
    import open_clip

    with torch.device("meta"):
        model = open_clip.CLIP(**open_clip.get_model_config(architecture))
        if not text:
            visual, model = model.visual, torch.nn.Module()
            model.visual = visual
    model = filled(model)
    if text:
        size = model.context_length
        model.attn_mask = torch.full((size, size), float("-inf")).triu_(1)
    return ClipModel(model, open_clip.SimpleTokenizer() if text else None, f"random-{architecture}")


def dino(patch: int = 16, width: int = 768, heads: int = 12) -> DinoModel:
    """DINO ViT-B/16, or another size."""
    from transformers import ViTConfig, ViTModel

    config = ViTConfig(hidden_size=width, num_attention_heads=heads, intermediate_size=4 * width, patch_size=patch)
    with torch.device("meta"):
        model = ViTModel(config, add_pooling_layer=False)
    return DinoModel(filled(model), f"random-dino-{patch}-{width}")


def sam(kind: str = "vit_b") -> SamModel:
    """SAM by its key in `sam_model_registry`; masks are biased so that they are not empty."""
    from segment_anything import sam_model_registry

    with torch.device("meta"):
        model = sam_model_registry[kind]()
    model = filled(model)
    for name, values in (("pixel_mean", (123.675, 116.28, 103.53)), ("pixel_std", (58.395, 57.12, 57.375))):
        model.register_buffer(name, torch.tensor(values).view(-1, 1, 1), persistent=False)
    return SamModel(model, f"random-sam-{kind}")
