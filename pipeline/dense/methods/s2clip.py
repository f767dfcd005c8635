"""S2CLIP: inner blocks refine the features step by step, and CLIP's and DINO's correlations act together.

What is published names the stages but not every formula; what is our reading is said here, and docs/methods.md holds
the ablation that settled it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ...errors import NamebrushError
from ..entropy import spatial_entropy
from ..families import Window, as_map
from ..proxy import masked_softmax, proxy_attend, proxy_weights
from ..recipe import Recipe, register, window_family
from ..trunk import Grid, head, run_trunk

FUSIONS = ("mean", "mask", "dino", "clip")


@dataclass(frozen=True)
class S2Constants:
    """Our reading of the stages.

    Attributes:
        choice: which inner blocks: "entropy" takes those of the lowest spatial entropy on the window, "middle" those
            around two thirds of the tower.
        blocks: how many.
        mix: share of what a block's affinity gathers in each step X <- (1 - mix) X + mix A X.
        clip_beta: factor on the mean similarity below which CLIP's own affinity is cut.
        fusion: "mean" of CLIP's and DINO's logits before the softmax; "mask": DINO's cut on their sum; "dino" or
            "clip" alone.
    """

    choice: str = "middle"
    blocks: int = 3
    mix: float = 0.1
    clip_beta: float = 1.0
    fusion: str = "mask"

    def __post_init__(self):
        if self.choice not in ("entropy", "middle") or self.fusion not in FUSIONS:
            raise NamebrushError(f"choice must be entropy or middle and fusion one of {', '.join(FUSIONS)}.")
        if self.blocks < 0 or not 0 <= self.mix <= 1:
            raise NamebrushError("blocks must be at least 0 and mix between 0 and 1.")


def chosen_blocks(outputs: list[Tensor], own: S2Constants) -> list[int]:
    """Indices, rising, of the inner blocks whose affinities are used; outputs are patches [1, n, width] per block."""
    count = min(own.blocks, len(outputs))
    if own.choice == "middle":
        first = min(len(outputs) - count, max(0, round(2 * len(outputs) / 3 - count / 2)))
        return list(range(first, first + count))
    entropies = [spatial_entropy(tokens.transpose(1, 2)) for tokens in outputs]
    return sorted(sorted(range(len(outputs)), key=entropies.__getitem__)[:count])


def affinity_logits(maps: Tensor, beta: float, gamma: float) -> Tensor:
    """(S - beta mean S) gamma of the cosine Gram matrix S of maps [1, C, h, w]: [1, n, n]."""
    unit = F.normalize(maps.float(), dim=1).flatten(2)
    similarity = unit.mT @ unit
    return (similarity - beta * similarity.mean()) * gamma


def fused_weights(clip: Tensor | None, foundation: Tensor, recipe: Recipe) -> Tensor:
    """The last block's attention [1, n, n] on the foundation's grid.

    Args:
        clip: [1, C, h, w], the chosen blocks' unit features one below the other, on that grid; None: there are none.
        foundation: [1, C', h, w].
    """
    own = recipe.own
    borrowed = affinity_logits(foundation, recipe.beta, recipe.gamma)
    if clip is None or own.fusion == "dino":
        return masked_softmax(borrowed)
    inner = affinity_logits(clip, own.clip_beta, recipe.gamma)
    if own.fusion == "clip":
        return masked_softmax(inner)
    if own.fusion == "mean":
        return masked_softmax((inner + borrowed) / 2)
    return masked_softmax(inner + borrowed, keep=borrowed >= 0)


@window_family("s2clip")
def s2clip(window: Window) -> Tensor:
    """From shallow to deep each chosen block's affinity gathers the features; then one attention fused from both."""
    visual, recipe, own = window.visual, window.recipe, window.recipe.own
    trunk = run_trunk(visual, window.pixels, keep=range(1, len(visual.transformer.resblocks)))
    outputs = [trunk.inputs[i][:, 1:] for i in sorted(trunk.inputs)]
    chosen = chosen_blocks(outputs, own)
    tokens = trunk.tokens[:, 1:]
    for index in chosen:
        weights = proxy_weights(_as_maps(outputs[index], trunk.grid), own.clip_beta, recipe.gamma).to(tokens.dtype)
        tokens = (1 - own.mix) * tokens + own.mix * weights @ tokens
    foundation = window.foundation.float()
    onto = (foundation.shape[-2], foundation.shape[-1])
    clip = None
    if chosen:
        unit = torch.cat([F.normalize(outputs[i].float(), dim=-1) for i in chosen], dim=-1)
        clip = _as_maps(unit, trunk.grid)
        if onto != trunk.grid:
            clip = F.interpolate(clip, size=onto, mode="bilinear", align_corners=False)
    weights = fused_weights(clip, foundation, recipe)
    mixed = proxy_attend(visual, torch.cat([trunk.tokens[:, :1], tokens], dim=1), trunk.grid, weights, onto)
    return as_map(head(visual, mixed[0]), onto)


def _as_maps(tokens: Tensor, grid: Grid) -> Tensor:
    """Patches [1, n, C] as maps [1, C, h, w]."""
    return tokens.transpose(1, 2).unflatten(-1, grid)


register(Recipe(
    "s2clip", "S2CLIP", "Inner blocks refine the features step by step; CLIP and DINO group together.",
    "S2CLIP, three published stages; where formulas are open, our reading", family="s2clip", foundation="dino",
    padding="patch", window=336, stride=112, states=("beta", "gamma"), own=S2Constants(),
))
