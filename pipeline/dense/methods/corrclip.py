"""CorrCLIP: correlations of a foundation model, but only inside SAM's regions, and one vote per region."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..cliptrase import dbscan_of
from ..families import Window, as_map
from ..proxy import proxy_attend
from ..recipe import Recipe, frame_reader, register, window_family
from ..trunk import Grid, add_mlp, blocks_of, project_out, project_qkv, run_trunk
from ..words import Asked, vote_scores

#: Inner blocks, counted back from the one before the last, whose mean gives the spatial branch, by depth.
INNER_COUNT = {12: 5, 24: 12, 32: 28}


@dataclass(frozen=True)
class CorrConstants:
    """As published.

    Attributes:
        points, iou, stability: of SAM's automatic masks (the paper's are SAM 2's).
        temperature: factor on the correlations before the softmax.
        merge: regions whose mean features differ less than this from the most alike are one.
        spatial, semantic: weights of the two branches beside the main one.
        vote: every region takes the name most of its pixels have.
    """

    points: int = 8
    iou: float = 0.4
    stability: float = 0.4
    temperature: float = 4.0
    merge: float = 0.2
    spatial: float = 1.0
    semantic: float = 0.5
    vote: bool = True


def inner_count(layers: int) -> int:
    """How many blocks the spatial branch averages in a tower of so many; other depths as 5 to 12."""
    return max(1, min(layers - 2, INNER_COUNT.get(layers, round(5 * layers / 12))))


def merged_regions(regions: Tensor, unit: Tensor, merge: float) -> Tensor:
    """Regions with alike mean features as one.

    Args:
        regions: int64 [n], -1 for none.
        unit: float [n, C], unit features of the same places.

    Returns:
        int64 [n], numbered from 0, -1 for none.
    """
    numbers = regions.unique()
    numbers = numbers[numbers >= 0]
    if not len(numbers):
        return regions
    means = torch.stack([unit[regions == number].mean(0) for number in numbers])
    alike = F.normalize(means, dim=-1) @ F.normalize(means, dim=-1).T
    distances = (alike.max() - alike).fill_diagonal_(0)
    groups = torch.from_numpy(dbscan_of(distances.double().cpu().numpy(), merge, 1)).to(regions.device)
    result = torch.full_like(regions, -1)
    for number, group in zip(numbers, groups, strict=True):
        result[regions == number] = group
    return result


def scoped_weights(unit: Tensor, regions: Tensor, temperature: float) -> Tensor:
    """Attention [1, n, n]: inside a place's region; from places of none, to all above the mean similarity."""
    similarity = unit @ unit.T
    scope = (regions[:, None] == regions[None]) & (regions >= 0)[:, None]
    scope |= (regions < 0)[:, None] & (similarity > similarity.mean())
    scope.fill_diagonal_(True)
    return (temperature * similarity).masked_fill(~scope, -torch.inf).softmax(-1)[None]


def region_tokens(visual: nn.Module, inputs: list[Tensor], regions: Tensor) -> tuple[Tensor, Tensor]:
    """One class token per region, run through all blocks with attention to itself and to its region's patches only.

    Args:
        inputs: the input [1, 1 + n, width] of every block.
        regions: int64 [n] of CLIP's patches.

    Returns:
        Tokens [R, width] after the last block, and the region numbers int64 [R].
    """
    numbers = regions.unique()
    numbers = numbers[numbers >= 0]
    own = inputs[0][0, :1].expand(len(numbers), -1)[None]
    allowed = torch.cat([torch.eye(len(numbers), dtype=torch.bool, device=regions.device),
                         numbers[:, None] == regions[None]], dim=1)
    for index, tokens in enumerate(inputs):
        normed = blocks_of(visual)[index].ln_1(torch.cat([own, tokens[:, 1:]], dim=1))
        q, k, v = project_qkv(visual, index, normed)
        logits = q[:, :, : len(numbers)] @ k.mT * q.shape[-1] ** -0.5
        weights = logits.masked_fill(~allowed, -torch.inf).softmax(-1)
        own = add_mlp(visual, index, own + project_out(visual, index, weights @ v))
    return own[0], numbers


@window_family("corrclip")
def corrclip(window: Window) -> Tensor:
    """Three branches under one attention, added after the final LayerNorm."""
    visual, own = window.visual, window.recipe.own
    layers = len(blocks_of(visual))
    trunk = run_trunk(visual, window.pixels, keep=range(layers))
    foundation = window.foundation.float()
    onto: Grid = (foundation.shape[-2], foundation.shape[-1])
    unit = F.normalize(foundation[0].flatten(1).T, dim=-1)
    fine, coarse = (_nearest(window.regions, grid) for grid in (onto, trunk.grid))
    weights = scoped_weights(unit, merged_regions(fine, unit, own.merge), own.temperature)
    total = visual.ln_post(proxy_attend(visual, trunk.tokens, trunk.grid, weights, onto))[0]
    if own.spatial:
        inner = [trunk.inputs[i] for i in range(layers - 1 - inner_count(layers), layers - 1)]
        spatial = proxy_attend(visual, sum(inner) / len(inner), trunk.grid, weights, onto)
        total = total + own.spatial * visual.ln_post(spatial)[0]
    if own.semantic and bool((coarse >= 0).any()):
        tokens, numbers = region_tokens(visual, [trunk.inputs[i] for i in range(layers)], coarse)
        given = torch.zeros_like(total)
        for token, number in zip(visual.ln_post(tokens), numbers, strict=True):
            given[fine == number] = token
        total = total + own.semantic * given
    return as_map(total @ visual.proj, onto)


def _nearest(regions: Tensor, grid: Grid) -> Tensor:
    """Region numbers [h, w] at the centres of a grid's cells, int64 [rows * columns]."""
    small = F.interpolate(regions[None, None].float(), size=grid, mode="nearest-exact")
    return small[0, 0].round().long().flatten()


@frame_reader("regions")
def read_regions(scores: Tensor, windows, asked: Asked) -> Tensor:
    """Every region of SAM's takes the class most of its pixels have."""
    if not asked.recipe.own.vote:
        return scores
    return vote_scores(scores, torch.from_numpy(windows[0].extras["frame_regions"]).long(), asked)


register(Recipe(
    "corrclip", "CorrCLIP", "A foundation model's correlations inside SAM's regions only, and a vote in each.",
    "Zhang et al., ICCV 2025", family="corrclip", foundation="dino", facet="qk", regions=True, reader="regions",
    padding="patch", window=336, stride=112, own=CorrConstants(),
))
