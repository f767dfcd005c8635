"""CLIPer (ICCV 2025) before its diffusion step: the inner blocks' attention, fused, reads every block's features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..records import Box
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


#: The published names of the last block's attention, as `attention.VARIANTS`; "fused-attn" is the method's own.
ATTENTIONS = {"q-q": "qq", "k-k": "kk", "v-v": "vv", "vanilla": "qk", "fused-attn": "fused", "identity": "identity"}


def cliper_features(
    visual: nn.Module, pixels: Tensor, attention: str = "fused", every: bool = True, select: int = -1
) -> CliperFeatures:
    """Read one image [1, 3, H, W], normalised.

    Attention is summed over all blocks but the last. Sources are ln_1 of every block's input, for the last the input
    itself; each, in order, goes through the last block's ln_1, values and out_proj with the attention of its `fuse`
    step, then the head.

    Args:
        attention: "fused", or a variant of `attention.VARIANTS` of each source in the last block.
        every: every block is a source; else only `select` is, and zeros take the others' place.
        select: the source that is spread by its attention; only its own where not `every`.
    """
    grid, layers = patch_grid(visual, pixels), len(blocks_of(visual))
    positions = resized_to_size(visual.positional_embedding, grid, "bilinear")
    trunk = run_trunk(visual, pixels, keep=range(layers), positions=positions)
    normed = [blocks_of(visual)[i].ln_1(trunk.inputs[i]) for i in range(layers)]
    total = sum(
        attention_weights("qk", *project_qkv(visual, i, normed[i]), trunk.grid)[0] for i in range(layers - 1))
    features, first, weights = [], None, None
    for index, source in enumerate((*normed[:-1], trunk.tokens)):
        used = every or index == select % layers
        q, k, v = project_qkv(visual, -1, blocks_of(visual)[-1].ln_1(source if used else torch.zeros_like(source)))
        if attention == "fused":
            total, weights = fuse(total)
        elif attention == "identity":
            weights = torch.eye(v.shape[-2], dtype=v.dtype, device=v.device).expand(v.shape[1], -1, -1)
        else:
            weights = attention_weights(attention, q, k, v, trunk.grid)[0]
        first = weights if first is None else first
        features.append(head(visual, project_out(visual, -1, weights[None] @ v)[0]))
    return CliperFeatures(torch.stack(features), first, weights, trunk.grid)


def with_mean(wanted: Tensor, others: Tensor) -> Tensor:
    """The texts that compete: unit rows wanted [C, D], others [B, D], and the mean of the wanted ones."""
    return torch.cat([wanted, others, F.normalize(wanted.mean(0, keepdim=True), dim=-1)])


def cliper_logits(features: Tensor, wanted: Tensor, others: Tensor, scale: float = SCALE) -> Tensor:
    """Scaled cosines with the texts of `with_mean`: [L, N, C + B + 1]."""
    return scale * F.normalize(features, dim=-1) @ with_mean(wanted, others).T


def cliper_maps(
    result: CliperFeatures, logits: Tensor, wanted: int, threshold: float = THRESHOLD, every: bool = True,
    select: int = -1, windows: Tensor | None = None,
) -> Tensor:
    """Maps of the wanted classes [C, h, w] from `cliper_logits`.

    Probabilities over all texts; in the selected reading what is below `threshold` times its class's maximum becomes
    0; each of its places gives along its row of the fused attention, plus the mean of all readings where `every`.

    Args:
        windows: probabilities [L, n, T] of `window_probabilities` that count as much as the whole image's own.
    """
    probabilities = logits.softmax(-1)[:, 1:, :wanted].clone()
    if windows is not None:
        probabilities = (probabilities + windows[..., :wanted]) / 2
    chosen = probabilities[select]
    chosen[chosen < threshold * chosen.amax(0)] = 0
    maps = result.spread.T @ chosen + (probabilities.mean(0) if every else 0)
    return maps.T.unflatten(-1, result.grid)


def window_probabilities(
    visual: nn.Module, pixels: Tensor, boxes: Sequence[Box], texts: Tensor, scale: float = SCALE, **options
) -> Tensor:
    """Probabilities [L, n, T] of all texts from sliding windows on whole patches of one image [1, 3, H, W].

    Logits and spread attention of overlapping windows are averaged over the image; the attention's rows are brought
    to a sum of 1 and the logits go along them once.
    """
    rows, cols = patch_grid(visual, pixels)
    patch = visual.patch_size[0]
    total, count = 0, torch.zeros(rows, cols)
    spread, met = torch.zeros(rows, cols, rows, cols), torch.zeros(rows, cols, rows, cols)
    for x0, y0, x1, y1 in boxes:
        result = cliper_features(visual, pixels[..., y0:y1, x0:x1], **options)
        logits = scale * F.normalize(result.features[:, 1:], dim=-1) @ texts.T
        r, c = slice(y0 // patch, y1 // patch), slice(x0 // patch, x1 // patch)
        if isinstance(total, int):
            total = torch.zeros(*logits.shape[::2], rows, cols)
        total[..., r, c] += logits.mT.unflatten(-1, result.grid).cpu()
        count[r, c] += 1
        spread[r, c, r, c] += result.spread.reshape(*result.grid, *result.grid).cpu()
        met[r, c, r, c] += 1
    along = (spread / (met + 1e-5)).flatten(0, 1).flatten(1)
    along = along / along.sum(-1, keepdim=True)
    return ((total / count).flatten(-2) @ along).mT.softmax(-1).to(pixels.device)
