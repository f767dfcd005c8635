"""A pipeline of very small models with random weights, built from the libraries' own classes: runs in moments."""

from __future__ import annotations

import contextlib

import cv2
import numpy as np
import torch

from pipeline import Pipeline
from pipeline.models.builtin import build_clip, build_dino, build_sam, build_tokenizer
from pipeline.models.records import ClipModel, DinoModel, SamModel

CLIP = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 64, "layers": 3, "width": 64, "head_width": 32, "patch_size": 16},
    "text_cfg": {"context_length": 24, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
}
DINO = {"image_size": 64, "patch_size": 8, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
SAM = {
    "image_size": 128, "stem": [[16, 2], [16, 2], [16, 2]], "embed_dim": 32, "depth": 3, "num_heads": 2,
    "window_size": 4, "global_attn_indexes": [2], "prompt_dim": 32, "mask_in_chans": 4, "decoder_mlp_dim": 64,
}  # fmt: skip
#: Geometry that fits these models.
SMALL = {"short_side": 96, "window": 64, "stride": 32}


def small_pipeline(seed: int = 0, **options) -> Pipeline:
    """A `Pipeline` on the tiny preset's name with all parts replaced."""
    torch.manual_seed(seed)
    clip = ClipModel(build_clip(CLIP).eval(), build_tokenizer(CLIP), f"small-clip-{seed}", templates="top3")
    dino = DinoModel(build_dino(DINO).eval(), f"small-dino-{seed}")
    sam = SamModel(build_sam(SAM).eval(), f"small-sam-{seed}")
    decoder = sam.sam.mask_decoder
    for head in decoder.output_hypernetworks_mlps:  # so that its masks are not empty
        torch.nn.init.constant_(head.layers[-1].bias, 1.0)
    torch.nn.init.constant_(decoder.output_upscaling[-2].bias, 0.3)
    return Pipeline.load("tiny", clip=clip, dino=dino, sam=sam, device="cpu", **options)


def picture(seed: int = 0, height: int = 96, width: int = 128) -> np.ndarray:
    """A few coloured blobs on a soft ground, uint8 [H, W, 3]."""
    rng = np.random.default_rng(seed)
    pixels = np.full((height, width, 3), rng.integers(60, 200, 3), np.uint8)
    for _ in range(4):
        centre = tuple(int(v) for v in rng.integers(0, (width, height)))
        cv2.circle(pixels, centre, int(rng.integers(10, 30)), rng.integers(0, 255, 3).tolist(), -1)
    return cv2.GaussianBlur(pixels, (3, 3), 0)


@contextlib.contextmanager
def counted(pipe: Pipeline):
    """Count the runs of the image encoders' parts while inside: a dict by model, filled by forward hooks.

    CLIP's and SAM's trunks are run block by block by the engine, so what is counted is their patch embeddings, which
    no image can pass by.
    """
    parts = {
        "clip": pipe.models.clip.model.visual.conv1,
        "dino": pipe.models.dino.model.embeddings.patch_embeddings.projection,
        "sam": pipe.models.sam.sam.image_encoder.patch_embed,
        "text": pipe.models.clip.model.token_embedding,
    }
    counts = dict.fromkeys(parts, 0)

    def counter(name):
        def hook(*_):
            counts[name] += 1

        return hook

    handles = [part.register_forward_hook(counter(name)) for name, part in parts.items()]
    try:
        yield counts
    finally:
        for handle in handles:
            handle.remove()
