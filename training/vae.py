"""Train the autoencoder of the built-in inpainting model.

    python -m training.closeups && python -m training.vae

The latents are told what to be: the four strongest principal components of 4x4 patches, each of unit variance. The
encoder learns to give them and the decoder to paint from them, both at once, which is many times faster than leaving
the latents to be found. The decoder gets what the encoder gives or, more often, the truth, from which the denoiser
learns, with a little noise.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL

from . import closeups
from .common import Run, arguments, autocast, learning_rate, optimizer, set_up

PATCH, CHANNELS = 4, 4
ROUGH = 0.3  # at most, of the noise the decoder learns to see through
CONFIG = {
    "in_channels": 3, "out_channels": 3, "latent_channels": CHANNELS, "sample_size": closeups.SIDE,
    "down_block_types": ("DownEncoderBlock2D",) * 3, "up_block_types": ("UpDecoderBlock2D",) * 3,
    "block_out_channels": (32, 64, 96), "layers_per_block": 1, "norm_num_groups": 8,
    "mid_block_add_attention": False, "scaling_factor": 1.0, "force_upcast": False,
}  # fmt: skip


def build_vae() -> AutoencoderKL:
    """A fresh autoencoder whose posterior has next to no variance: the latents of a picture are always the same."""
    vae = AutoencoderKL(**CONFIG)
    with torch.no_grad():
        vae.quant_conv.weight[CHANNELS:] = 0
        vae.quant_conv.bias[CHANNELS:] = -20
    return vae


def patches(pixels: torch.Tensor) -> torch.Tensor:
    """[B, 3, H, W] to [B, 48, H/4, W/4], every patch a column."""
    return F.pixel_unshuffle(pixels, PATCH)


def principal(images: np.ndarray) -> torch.Tensor:
    """The whitening of patches, float32 [4, 49]: the strongest components and, last, the offset of each.

    Args:
        images: uint8 [N, H, W, 3].
    """
    pixels = to_pixels(images)
    columns = patches(pixels).permute(0, 2, 3, 1).reshape(-1, 3 * PATCH**2)
    mean = columns.mean(0)
    values, vectors = torch.linalg.eigh(torch.cov((columns - mean).T))
    rows = (vectors[:, -CHANNELS:] / values[-CHANNELS:].sqrt()).T.flip(0)
    return torch.cat([rows, -(rows @ mean)[:, None]], 1)


def whitened(pixels: torch.Tensor, whiten: torch.Tensor) -> torch.Tensor:
    """The latents the encoder shall give: float32 [B, 3, H, W] in -1..1 to [B, 4, H/4, W/4] of unit variance."""
    return F.conv2d(patches(pixels), whiten[:, :-1, None, None], whiten[:, -1])


def load_whitening(run: Path = Path("runs/vae")) -> torch.Tensor:
    """The whitening an autoencoder was trained with, float32 [4, 49].

    Raises:
        SystemExit: none was trained; the message names the command that does it.
    """
    if not (run / "whiten.pt").exists():
        raise SystemExit("There is no autoencoder yet. Run: python -m training.vae")
    return torch.load(run / "whiten.pt", weights_only=True)


def to_pixels(images: np.ndarray) -> torch.Tensor:
    """uint8 [N, H, W, 3] to float32 [N, 3, H, W] in -1..1."""
    return torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float() / 127.5 - 1


def rough(latents: torch.Tensor, rng: np.random.Generator, seed: int) -> torch.Tensor:
    """Latents with a little noise, as a denoiser leaves them."""
    noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(seed)).to(latents.device)
    return latents + rng.uniform(0, ROUGH) * noise


def edges(pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Differences to the right and to below."""
    return pixels[..., 1:] - pixels[..., :-1], pixels[..., 1:, :] - pixels[..., :-1, :]


def batch(rng: np.random.Generator, images: np.ndarray, masks: np.ndarray, count: int, side: int) -> torch.Tensor:
    """Cut-outs as pixels; in some the hole is grey, since the encoder will see such pictures too."""
    cuts = []
    for i in rng.integers(len(images), size=count):
        y, x = rng.integers(0, images.shape[1] - side + 1, 2)
        cut = to_pixels(images[i : i + 1, y : y + side, x : x + side])
        if rng.random() < 0.25:
            cut[:, :, torch.from_numpy((masks[i, y : y + side, x : x + side] & 1).astype(bool))] = 0
        cuts.append(cut)
    return torch.cat(cuts)


def main() -> None:
    """Command line."""
    args = arguments(__doc__, steps=2000, batch=8, side=128, peak=2e-3)
    args.out = args.out or Path("assets/inpainting")
    device = set_up(args, "vae")
    images, masks, _ = closeups.load()
    vae = build_vae().to(device)
    if args.fresh or not (args.run / "whiten.pt").exists():  # another run's may differ in sign: components have none
        torch.save(principal(images[:: max(1, len(images) // 400)]), args.run / "whiten.pt")
    whiten = load_whitening(args.run).to(device)
    run = Run(args.run, args.fresh, vae=vae, optimizer=(optim := optimizer(vae, 0.01)))
    while run.step < args.steps:
        rng = run.generator(args.seed)
        late = run.step > 0.85 * args.steps  # whole windows at last: normalisation sees as much as it will in use
        side = closeups.SIDE if late else args.side
        pixels = batch(rng, images, masks, args.batch // (4 if late else 1), side).to(device)
        target = whitened(pixels, whiten)
        with autocast(device):
            latents = vae.encode(pixels).latent_dist.mean
            given = latents if rng.random() < 0.4 else rough(target, rng, args.seed + run.step)
            painted = vae.decode(given).sample.float()
        told = F.mse_loss(latents.float(), target)
        flat = F.l1_loss(painted, pixels)
        edge = sum(F.l1_loss(a, b) for a, b in zip(edges(painted), edges(pixels), strict=True))
        loss = flat + 0.5 * edge + 0.5 * told
        loss.backward()
        torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        for group in optim.param_groups:
            group["lr"] = learning_rate(run.step, args.steps, args.peak, 50)
        vae.quant_conv.weight.grad[CHANNELS:] = 0
        vae.quant_conv.bias.grad[CHANNELS:] = 0
        optim.step()
        optim.zero_grad()
        run.step += 1
        error = F.mse_loss(painted.detach(), pixels) / 4
        run.log(20, flat=flat, edge=edge, told=told, psnr=-10 * torch.log10(error), spread=latents.detach().std())
        if run.step % 200 == 0:
            run.save()
    run.save()
    vae.half().save_pretrained(args.out / "vae")


if __name__ == "__main__":
    main()
