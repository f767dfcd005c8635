"""Pixel-adaptive mask refinement (Araslanov and Roth, CVPR 2020), as SCLIP and NACLIP use it on their cosines.

Every pixel's scores become a mean of its neighbours', weighted by how alike the colours are: per dilation the eight
neighbours at that distance, borders replicated; logits -|centre - neighbour| / (1e-8 + 0.1 * std), averaged over the
colour channels, softmax over the neighbours of all dilations together. std is per pixel and channel, unbiased, over
the nine samples of every dilation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ..progress import checkpoint

STEPS, DILATIONS = 10, (8, 16)


def pamr(image: Tensor, maps: Tensor, steps: int = STEPS, dilations: Sequence[int] = DILATIONS) -> Tensor:
    """Refine score maps along the colours of an image.

    Args:
        image: float32 [3, H, W]; any linear scaling of the colours gives the same result per channel.
        maps: float32 [C, h, w]; of another size they are brought to the image's bilinearly with align_corners True
            (PAMR's own rule; SCLIP and NACLIP bring cosines to the photo's size beforehand, align_corners False).
        steps: how often neighbours are averaged.
        dilations: distances of the neighbours in pixels.

    Returns:
        float32 [C, H, W]. Holds 8 * len(dilations) weights per pixel and two copies of the maps.
    """
    size = image.shape[-2:]
    if maps.shape[-2:] != size:
        maps = F.interpolate(maps[None], size=tuple(size), mode="bilinear", align_corners=True)[0]
    weights = _weights(image, dilations)
    for _ in range(steps):
        mixed = torch.zeros_like(maps)
        for weight, shifted in zip(weights, _neighbours(maps, dilations), strict=True):
            checkpoint()
            mixed.addcmul_(weight.expand_as(shifted), shifted)
        maps = mixed
    return maps


def _neighbours(maps: Tensor, dilations: Sequence[int], centre: bool = False) -> Iterator[Tensor]:
    """Views of [C, H, W] shifted to each neighbour, borders replicated; `centre`: the pixel itself too."""
    height, width = maps.shape[-2:]
    reach = max(dilations)
    padded = F.pad(maps[None], (reach,) * 4, mode="replicate")[0]
    for d in dilations:
        for dy in (-d, 0, d):
            for dx in (-d, 0, d):
                if dy or dx or centre:
                    checkpoint()
                    yield padded[:, reach + dy : reach + dy + height, reach + dx : reach + dx + width]


def _weights(image: Tensor, dilations: Sequence[int]) -> Tensor:
    """Softmaxed colour affinity, float32 [8 * len(dilations), H, W]."""
    count = 9 * len(dilations)
    mean = sum(_neighbours(image, dilations, centre=True)) / count
    squares = torch.zeros_like(image)
    for one in _neighbours(image, dilations, centre=True):
        squares += (one - mean) ** 2
    width = 1e-8 + 0.1 * (squares / (count - 1)).sqrt()
    return torch.stack([-((image - one).abs() / width).mean(0) for one in _neighbours(image, dilations)]).softmax(0)
