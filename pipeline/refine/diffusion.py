"""Probabilities flow along the self-attention of a diffusion model's UNet (CLIPer, ICCV 2025; S2CLIP's "SD" rows).

The photo's latents, with the noise of a small timestep, go through the UNet once with an empty prompt. At its finest
attention layers every place says which others look like it; those maps spread the class probabilities over things.
What the sources leave open is settled so: attention is that of the layers with the most places; heads act one after
another ("chain") or as their mean; layers and timesteps are averaged. Attention is read by `diffusers`' own attention
processors, put back afterwards; only queries and keys are kept, and rows are made in blocks.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from ..errors import NamebrushError
from ..progress import Progress
from .settings import SmoothSettings

#: Bytes of attention rows held at a time.
ROW_BYTES = 64 << 20
#: The noise is always the same: same photo, same result.
SEED = 0


class Reader:
    """An attention processor that keeps queries and keys of self-attention and lets the layer's own one answer."""

    def __init__(self, processor: Any, kept: list[tuple[Tensor, Tensor]]):
        self.processor, self.kept = processor, kept

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, *args, **kwargs):
        """Called by `diffusers` in place of the layer's processor."""
        if encoder_hidden_states is None and hidden_states.ndim == 3:
            states = hidden_states if attn.group_norm is None else attn.group_norm(hidden_states.mT).mT
            q, k = (layer(states)[0].unflatten(-1, (attn.heads, -1)).transpose(0, 1)
                    for layer in (attn.to_q, attn.to_k))  # fmt: skip
            self.kept.append((q * attn.scale, k))
        return self.processor(attn, hidden_states, encoder_hidden_states, *args, **kwargs)


@contextmanager
def reading(unet: Any):
    """The queries and keys of every self-attention layer that runs meanwhile, each [heads, places, c]."""
    before, kept = dict(unet.attn_processors), []
    unet.set_attn_processor({name: Reader(p, kept) if ".attn1." in name else p for name, p in before.items()})
    try:
        yield kept
    finally:
        unet.set_attn_processor(before)


@torch.no_grad()
def attention_smooth(
    pipe: Any, pixels: np.ndarray, maps: np.ndarray, settings: SmoothSettings, progress: Progress | None = None
) -> np.ndarray:
    """Maps spread along the UNet's self-attention.

    Args:
        pipe: a `diffusers` pipeline of the Stable Diffusion family, inpainting or not.
        pixels: uint8 [H, W, 3].
        maps: float32 [C, h, w].
        settings: timesteps, side, heads.
        progress: told before each run of the UNet.

    Returns:
        float32 [C, gh, gw] on the grid of the finest self-attention.

    Raises:
        NamebrushError: the pipeline has no UNet with self-attention.
    """
    progress = progress or Progress()
    if getattr(pipe, "unet", None) is None or not hasattr(pipe.unet, "attn_processors"):
        raise NamebrushError("Refinement by diffusion needs a model with a UNet, such as Stable Diffusion's; "
                             f"{type(pipe).__name__} has none.")  # fmt: skip
    latents = _latents(pipe, pixels, settings.diffusion_side)
    words = _no_words(pipe, latents)
    noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(SEED)).to(latents)
    total, count = None, 0
    for i, step in enumerate(settings.timesteps):
        progress.step("Asking the diffusion model what belongs together", i / len(settings.timesteps))
        time = torch.tensor([step], device=latents.device)
        shown = pipe.scheduler.add_noise(latents, noise, time)
        with reading(pipe.unet) as kept:
            pipe.unet(_channels(pipe.unet, shown, latents), time, **words)
        if not kept:
            raise NamebrushError(f"The UNet of {type(pipe).__name__} has no self-attention to refine with.")
        finest = max(q.shape[1] for q, _ in kept)
        grid = _grid(finest, latents.shape[-2:])
        small = cv2.resize(np.moveaxis(maps, 0, 2), grid[::-1], interpolation=cv2.INTER_AREA).reshape(finest, -1)
        values = torch.from_numpy(np.ascontiguousarray(small, np.float32)).to(latents.device)
        for q, k in kept:
            if q.shape[1] == finest:
                spread_maps = spread(q, k, values, settings.diffusion_heads)
                total, count = spread_maps if total is None else total + spread_maps, count + 1
    return (total / count).T.reshape(-1, *grid).float().cpu().numpy()


def spread(q: Tensor, k: Tensor, values: Tensor, heads: str) -> Tensor:
    """Attention times values [N, C], float32: heads as a chain A_1 A_2 ... A_H values, or their mean.

    Args:
        q, k: [H, N, c], q already scaled.
        values: float32 [N, C].
        heads: "chain" or "mean".
    """
    if heads == "mean":
        return sum(_attend(a, b, values) for a, b in zip(q, k, strict=True)) / len(q)
    for a, b in zip(q.flip(0), k.flip(0), strict=True):
        values = _attend(a, b, values)
    return values


def _attend(q: Tensor, k: Tensor, values: Tensor) -> Tensor:
    rows = max(1, ROW_BYTES // (4 * len(k)))
    return torch.cat([(part.float() @ k.float().T).softmax(-1) @ values for part in q.split(rows)])


def _grid(places: int, latent: tuple[int, int]) -> tuple[int, int]:
    """Height and width of a layer's grid: the latents' halved until it has so many places."""
    height, width = latent
    while height * width > places:
        height, width = -(-height // 2), -(-width // 2)
    if height * width != places:
        raise NamebrushError(f"The UNet's attention has {places} places, which no halving of its latents has.")
    return height, width


def _latents(pipe: Any, pixels: np.ndarray, side: int) -> Tensor:
    """The photo's latents [1, c, h, w]: stretched to a square of `side`, brought to whole steps of the UNet."""
    blocks = len(pipe.unet.config.block_out_channels)
    unit = int(pipe.vae_scale_factor) * 2 ** (blocks - 1)
    side = max(unit, side // unit * unit)
    image = cv2.resize(pixels, (side, side), interpolation=cv2.INTER_AREA).astype(np.float32) / 127.5 - 1
    weight = next(pipe.vae.parameters())
    batch = torch.from_numpy(image).permute(2, 0, 1)[None].to(weight)
    latents = pipe.vae.encode(batch).latent_dist.mean * pipe.vae.config.scaling_factor
    return latents.to(next(pipe.unet.parameters()))


def _no_words(pipe: Any, latents: Tensor) -> dict[str, Any]:
    """The empty prompt as the UNet takes it; larger models also want sizes."""
    encoded = pipe.encode_prompt(
        prompt="", device=latents.device, num_images_per_prompt=1, do_classifier_free_guidance=False
    )
    words: dict[str, Any] = {"encoder_hidden_states": encoded[0].to(latents)}
    if len(encoded) == 4:  # Stable Diffusion XL: pooled words, and the sizes of picture, crop and target
        height, width = (n * int(pipe.vae_scale_factor) for n in latents.shape[-2:])
        sizes = torch.tensor([[height, width, 0, 0, height, width]]).to(latents)
        words["added_cond_kwargs"] = {"text_embeds": encoded[2].to(latents), "time_ids": sizes}
    return words


def _channels(unet: Any, shown: Tensor, latents: Tensor) -> Tensor:
    """What the UNet is shown; one for inpainting also gets a mask of nothing and the picture it hides nothing of."""
    if unet.config.in_channels == shown.shape[1]:
        return shown
    if unet.config.in_channels != 2 * shown.shape[1] + 1:
        raise NamebrushError(f"A UNet of {unet.config.in_channels} input channels cannot be refined with.")
    return torch.cat([shown, torch.zeros_like(shown[:, :1]), latents], dim=1)
