"""SC-CLIP (2024): CLIP calibrated by itself, for towers of twelve blocks or more.

F_i is the output of block i (from 0), L blocks, so that F_{L-2} enters the last block. Outlier patches of F_{L-2} are
found by their local outlier factor and filled from their neighbours; the similarities of a middle block then gather
the features before and after a last block that attends by those similarities and by key-key; a second pass over the
sum of several blocks is added. Block numbers are those of the twelve-block tower; deeper towers count in proportion.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .attention import attention_weights
from .proxy import mean_similarity, proxy_weights
from .trunk import Grid, blocks_of, project_out, project_qkv, run_trunk


@dataclass(frozen=True)
class ScSettings:
    """Constants as published: block indices from 0, of a tower of twelve."""

    beta: float = 0.4
    neighbours: int = 30
    contamination: float = 0.05
    before: int = 8
    after: int = 3
    multi_start: int = 3
    multi_end: int = 10
    class_share: float = 0.3
    gamma: float = 3.0


@dataclass(frozen=True, eq=False)
class ScTokens:
    """Tokens [h * w, width] for `trunk.head`, and what led to them, of one image.

    Attributes:
        outliers: indices of outlier patches, rising.
        factors: local outlier factor of every patch.
        middle: cosine Gram matrix of the filled block.
        late: that of the unfilled block, entries below beta 0.
    """

    tokens: Tensor
    grid: Grid
    outliers: Tensor
    factors: Tensor
    middle: Tensor
    late: Tensor


def local_outlier_factor(points: Tensor, neighbours: int = 30) -> Tensor:
    """Local outlier factor of every row of [n, C].

    Squared distances; of the neighbours + 1 nearest the first is dropped; reach = max(distance, the row's own distance
    to its farthest neighbour); density = neighbours / sum of reach.
    """
    count = min(neighbours, len(points) - 1)
    squares = torch.cdist(points, points, compute_mode="donot_use_mm_for_euclid_dist").square()
    nearest, index = squares.topk(count + 1, largest=False)
    nearest, index = nearest[:, 1:], index[:, 1:]
    density = 1 / nearest.clamp(min=nearest[:, -1:]).mean(-1)
    return density[index].mean(-1) / density


def fill_outliers(tokens: Tensor, outliers: Tensor, grid: Grid) -> Tensor:
    """Patches [h * w, C] with each outlier replaced by the mean of its at most eight neighbours that are none.

    Neighbours count with their original values; an outlier without any stays as it is.
    """
    good = torch.ones(len(tokens), dtype=tokens.dtype, device=tokens.device)
    good[outliers] = 0
    maps = (tokens * good[:, None]).T.unflatten(-1, grid)[None]
    kernel = tokens.new_ones(1, 1, 3, 3)
    kernel[..., 1, 1] = 0
    total = F.conv2d(maps.transpose(0, 1), kernel, padding=1)[:, 0].flatten(1).T
    count = F.conv2d(good.reshape(1, 1, *grid), kernel, padding=1).flatten()
    filled = tokens.clone()
    chosen = outliers[count[outliers] > 0]
    filled[chosen] = total[chosen] / count[chosen, None]
    return filled


def gram(tokens: Tensor) -> Tensor:
    """Cosine Gram matrix [n, n] of rows [n, C]."""
    unit = F.normalize(tokens, dim=-1)
    return unit @ unit.T


def strong(similarity: Tensor, beta: float) -> Tensor:
    """Similarities with those below beta set to 0."""
    return similarity.masked_fill(similarity < beta, 0)


def gather(tokens: Tensor, similarity: Tensor) -> Tensor:
    """Tokens mixed by similarities, divided by their sum plus 1e-6."""
    return similarity @ tokens / (similarity.sum(-1, keepdim=True) + 1e-6)


def scaled_blocks(settings: ScSettings, layers: int) -> ScSettings:
    """Settings with their block indices moved in proportion to another depth, up to the last block but one."""
    names = ("before", "after", "multi_start", "multi_end")
    moved = {name: round(getattr(settings, name) * (layers - 2) / 10) for name in names}
    moved["multi_end"] = max(moved["multi_end"], moved["multi_start"] + 1)
    return replace(settings, **moved)


def scclip_tokens(visual: nn.Module, pixels: Tensor, settings: ScSettings | None = None) -> ScTokens:
    """SC-CLIP's tokens of one image [1, 3, H, W]; without settings the published ones, scaled to the tower's depth."""
    layers = len(blocks_of(visual))
    settings = settings or scaled_blocks(ScSettings(), layers)
    trunk = run_trunk(visual, pixels, keep=range(layers))
    outputs = {i - 1: tokens[0] for i, tokens in trunk.inputs.items() if i}
    last = outputs[layers - 2]
    factors = local_outlier_factor(last[1:], settings.neighbours)
    outliers = (factors > torch.quantile(factors, 1 - settings.contamination)).nonzero()[:, 0]
    middle_tokens = fill_outliers(outputs[settings.before][1:], outliers, trunk.grid)
    middle, late = gram(middle_tokens), strong(gram(outputs[settings.after][1:]), settings.beta)
    guide = middle_tokens.T.reshape(1, -1, *trunk.grid)

    first = gather(fill_outliers(last[1:], outliers, trunk.grid), strong(middle, settings.beta))
    several = sum(outputs[i] for i in range(settings.multi_start, settings.multi_end))
    total = sum(
        gather(_attend(visual, patches, class_token, guide, trunk.grid, settings), late)
        for patches, class_token in ((first, last[0]), (several[1:], several[0]))
    )
    return ScTokens(total, trunk.grid, outliers, factors, middle, late)


def _attend(
    visual: nn.Module, patches: Tensor, first: Tensor, guide: Tensor, grid: Grid, settings: ScSettings
) -> Tensor:
    """The last block on patches [n, width] by similarity and by key-key, plus a share of a class token."""
    q, k, v = project_qkv(visual, -1, blocks_of(visual)[-1].ln_1(patches[None]))
    alike = proxy_weights(guide, 1.0, settings.gamma, mean_similarity(guide))[:, None]
    weights = (alike + attention_weights("kk", q, k, v, grid)) / 2
    return project_out(visual, -1, weights @ v)[0] + settings.class_share * first
