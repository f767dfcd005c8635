"""A SAM of a few thousand random weights, built from the library's own modules, for tests of what is around it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from scipy import ndimage
from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer
from segment_anything.utils.transforms import ResizeLongestSide

from pipeline.models.records import SamModel
from pipeline.records import SamEmbedding


def small_sam(image_size: int = 64, patch: int = 8, dim: int = 32, seed: int = 5) -> SamModel:
    """Random weights drawn from `seed`, scaled so that masks vary and predicted IoUs spread over 0..1."""
    grid = image_size // patch
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        sam = Sam(
            ImageEncoderViT(
                img_size=image_size, patch_size=patch, embed_dim=16, depth=1, num_heads=2, out_chans=dim, window_size=0
            ),
            PromptEncoder(dim, (grid, grid), (image_size, image_size), 8),
            MaskDecoder(transformer_dim=dim, transformer=TwoWayTransformer(2, dim, 4, 32), iou_head_hidden_dim=16),
        )
        with torch.no_grad():
            for name, parameter in sam.named_parameters():
                if "hypernetworks" in name:
                    parameter.mul_(4)
                elif "iou_prediction_head" in name:
                    parameter.mul_(2)
            sam.mask_decoder.iou_prediction_head.layers[-1].bias.fill_(0)
    return SamModel(sam.eval().requires_grad_(False), "small-test")


def embed(sam: SamModel, pixels: np.ndarray) -> SamEmbedding:
    """The embedding of a photo, as `SamPredictor` would make it."""
    resized = np.array(ResizeLongestSide(sam.sam.image_encoder.img_size).apply_image(pixels))
    with torch.no_grad():
        batch = torch.from_numpy(resized).permute(2, 0, 1).float()[None]
        features = sam.sam.image_encoder(sam.sam.preprocess(batch)).numpy()
    return SamEmbedding(features, resized.shape[:2], pixels.shape[:2])


@contextmanager
def counted(sam: SamModel) -> Iterator[dict[str, int]]:
    """Counts the calls of SAM's encoders; every question to the mask decoder passes the prompt encoder."""
    calls = {"image_encoder": 0, "prompt_encoder": 0}
    hooks = []
    for name in calls:

        def count(*_, name=name):
            calls[name] += 1

        hooks.append(getattr(sam.sam, name).register_forward_pre_hook(count))
    try:
        yield calls
    finally:
        for hook in hooks:
            hook.remove()


def blobs(height: int, width: int, classes: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A photo, smooth class probabilities float32 [classes, H, W] and their labels int32 [H, W]."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, 1, (classes, height, width))
    logits = np.stack([ndimage.gaussian_filter(n, 7) for n in noise]) * 60
    probs = np.exp(logits) / np.exp(logits).sum(axis=0)
    pixels = rng.integers(0, 256, (height // 8 + 1, width // 8 + 1, 3), dtype=np.uint8)
    pixels = np.kron(pixels, np.ones((8, 8, 1), np.uint8))[:height, :width]
    return pixels, probs.astype(np.float32), probs.argmax(axis=0).astype(np.int32)
