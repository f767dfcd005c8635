"""The last step of SAM's mask decoder: image tokens to cells of masks, four by four for each token.

The two transposed convolutions have stride 2 and kernel 2, so nothing overlaps and both are products. Tokens come as
`decoder` has them, a base that all prompts share and a few rows of each prompt, so that the first product is made once
for the base. On a processor bands of the grid go one after another, small enough to stay in its caches; where the
padding of SAM's square lies nothing is made.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

#: Bytes of a band's cells on a processor.
BAND_BYTES = 4 << 20


class Upscaling:
    """`MaskDecoder.output_upscaling` for tokens scale * base + rows * sides + rest.

    Args:
        layers: the module: convolution, norm, activation, convolution, activation.
        base: [N, C]; rest: [C].
        grid: rows and columns of the N tokens.
        valid: rows and columns of which masks are wanted; None: all.
    """

    def __init__(self, layers: nn.Sequential, base: Tensor, rest: Tensor, grid: tuple[int, int], valid=None):
        first, self.norm, self.act, second, self.last = layers
        self.weight, bias = _as_product(first)
        self.second, self.bias = _as_product(second)
        self.grid, self.valid = grid, valid or grid
        self.base = F.linear(base, self.weight).view(*grid, -1)
        self.constant = F.linear(rest, self.weight, bias)

    def __call__(self, scale: Tensor, rows: Tensor, sides: Tensor, wanted: Tensor, masks: Tensor, where: Tensor):
        """Write the masks of a group of prompts.

        Args:
            scale: [B, N]; rows: [B, R, N]; sides: [B, R, C].
            wanted: [B, C / 8, M], the masks' own weights.
            masks: float32 [all, M, 4 gh, 4 gw], of which `where` [B] are written.
        """
        sides = F.linear(sides, self.weight)
        scale, rows = scale.unflatten(1, self.grid), rows.unflatten(2, self.grid)
        high, wide = self.valid
        band = high
        if rows.device.type == "cpu":
            band = max(1, BAND_BYTES // (4 * len(rows) * wide * 4 * self.second.shape[0]))
        for top in range(0, high, band):
            part = (slice(None), slice(top, min(top + band, high)), slice(0, wide))
            base = self.base[part[1:]].flatten(0, 1)
            x = torch.addcmul(self.constant, scale[part].flatten(1)[..., None], base)
            x = torch.baddbmm(x, rows[:, part[0], part[1], part[2]].flatten(2).mT, sides)
            made = self._cells(x, wanted).unflatten(1, (-1, wide))
            made = made.permute(0, 7, 1, 3, 5, 2, 4, 6).flatten(5, 7).flatten(2, 4)
            masks[where, :, 4 * top : 4 * part[1].stop, : 4 * wide] = made.float()

    def _cells(self, x: Tensor, wanted: Tensor) -> Tensor:
        """[B, n, 4 c] to [B, n, 2, 2, 2, 2, M]: row and column in its two by two, row and column in theirs."""
        x = x.unflatten(-1, (4, -1))
        x = self.act(F.layer_norm(x, x.shape[-1:], self.norm.weight, self.norm.bias, self.norm.eps))
        x = self.last(F.linear(x, self.second, self.bias).unflatten(-1, (4, -1)))
        made = x.flatten(1, 3) @ wanted
        return made.view(*x.shape[:2], 2, 2, 2, 2, -1)


def _as_product(layer: nn.ConvTranspose2d) -> tuple[Tensor, Tensor]:
    """A stride 2, kernel 2 transposed convolution as weights [4 C', C] and a bias [4 C'], cells in raster order."""
    return layer.weight.permute(2, 3, 1, 0).flatten(0, 2), layer.bias.repeat(4)
