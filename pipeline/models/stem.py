"""The convolutional stem that takes the place of SAM's patch embedding in the built-in SAM."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from segment_anything.modeling.common import LayerNorm2d
from torch import nn


class ConvStem(nn.Module):
    """Layers of 3x3 convolutions down to the token grid, called like `segment_anything`'s `PatchEmbed`.

    A single 8x8 convolution sees one patch at a time and blurs thin edges; layers of small convolutions see across
    the patches' borders, which was worth more to a small SAM than any other change. The normalisation is per
    position, so that what is padded beside a photo does not change the tokens inside it.

    Args:
        layers: (channels, stride) of each 3x3 layer; the strides' product is the side of a token in pixels.
        embed_dim: channels of a token, reached by a last 3x3 convolution.
        in_chans: channels of the image.
    """

    def __init__(self, layers: Sequence[tuple[int, int]], embed_dim: int, in_chans: int = 3):
        super().__init__()
        parts: list[nn.Module] = []
        width = in_chans
        for channels, stride in layers:
            parts += [nn.Conv2d(width, channels, 3, stride=stride, padding=1, bias=False), LayerNorm2d(channels)]
            parts.append(nn.GELU())
            width = channels
        self.layers = nn.Sequential(*parts)
        self.proj = nn.Conv2d(width, embed_dim, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Float [B, 3, S, S] to tokens [B, S/stride, S/stride, embed_dim], channels last like `PatchEmbed`."""
        return self.proj(self.layers(x)).permute(0, 2, 3, 1)
