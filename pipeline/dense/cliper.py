"""CLIPer (ICCV 2025) before its diffusion step: the inner blocks' attention, fused, reads every block's features."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .attention import attention_weights
from .gem import patch_grid, resized_to_size
from .trunk import Grid, blocks_of, head, project_out, project_qkv, run_trunk

SCALE, THRESHOLD = 100.0, 0.1


@dataclass(frozen=True, eq=False)
class CliperFeatures:
    """Features of one image.

    Attributes:
        features: float [L, N, D], one reading per block, class token first, not normalised.
        first, last: fused attention [heads, N, N] of the first and of the last reading.
        grid: rows and columns of patches.
    """

    features: Tensor
    first: Tensor
    last: Tensor
    grid: Grid

    @property
    def spread(self) -> Tensor:
        """Mean over heads of the last fused attention between patches, [n, n]."""
        return self.last.mean(0)[1:, 1:]


def fuse(total: Tensor) -> tuple[Tensor, Tensor]:
    """One step: [heads, N, N] -> the total divided by its column sums, then row sums, and the attention made of it.

    That attention is the symmetric half sum, less its mean over rows, clamped at 0, divided by its row sums.
    """
    total = total / total.sum(-2, keepdim=True)
    total = total / total.sum(-1, keepdim=True)
    both = (total + total.mT) / 2
    both = (both - both.mean(-2, keepdim=True)).clamp(min=0)
    return total, both / both.sum(-1, keepdim=True)


def cliper_features(visual: nn.Module, pixels: Tensor) -> CliperFeatures:
    """Read one image [1, 3, H, W], normalised.

    Attention is summed over all blocks but the last. Sources are ln_1 of every block's input, for the last the input
    itself; each, in order, goes through the last block's ln_1, values and out_proj with the attention of its `fuse`
    step, then the head.
    """
    grid, layers = patch_grid(visual, pixels), len(blocks_of(visual))
    positions = resized_to_size(visual.positional_embedding, grid, "bilinear")
    trunk = run_trunk(visual, pixels, keep=range(layers), positions=positions)
    normed = [blocks_of(visual)[i].ln_1(trunk.inputs[i]) for i in range(layers)]
    total = sum(
        attention_weights("qk", *project_qkv(visual, i, normed[i]), trunk.grid)[0] for i in range(layers - 1))
    features, first = [], None
    for source in (*normed[:-1], trunk.tokens):
        total, weights = fuse(total)
        first = weights if first is None else first
        values = project_qkv(visual, -1, blocks_of(visual)[-1].ln_1(source))[2]
        features.append(head(visual, project_out(visual, -1, weights[None] @ values)[0]))
    return CliperFeatures(torch.stack(features), first, weights, trunk.grid)


def cliper_logits(features: Tensor, wanted: Tensor, others: Tensor, scale: float = SCALE) -> Tensor:
    """Scaled cosines with unit texts wanted [C, D], others [B, D], and the wanted ones' mean: [L, N, C + B + 1]."""
    texts = torch.cat([wanted, others, F.normalize(wanted.mean(0, keepdim=True), dim=-1)])
    return scale * F.normalize(features, dim=-1) @ texts.T


def cliper_maps(result: CliperFeatures, logits: Tensor, wanted: int, threshold: float = THRESHOLD) -> Tensor:
    """Maps of the wanted classes [C, h, w] from `cliper_logits`.

    Probabilities over all texts; in the last reading what is below `threshold` times its class's maximum becomes 0;
    each place of the last reading gives along its row of the fused attention, plus the mean of all readings.
    """
    probabilities = logits.softmax(-1)[:, 1:, :wanted].clone()
    last = probabilities[-1]
    last[last < threshold * last.amax(0)] = 0
    maps = result.spread.T @ last + probabilities.mean(0)
    return maps.T.unflatten(-1, result.grid)
