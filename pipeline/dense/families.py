"""From CLIP's tokens before the last block to feature maps: what a recipe does with the windows of a photo."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..records import Box, FeatureMap
from .affinity import BLOCK_BYTES
from .attention import last_block
from .proxy import proxy_attend, proxy_weights
from .recipe import WINDOW_FAMILIES, Recipe
from .trident import SamRun, aggregate_canvas, splice_canvas, window_pass
from .trunk import Grid, Trunk, head
from .windows import Layout, padded_box


@dataclass(frozen=True, eq=False)
class Window:
    """What a family that computes windows one by one is given.

    Attributes:
        visual: CLIP's image tower.
        pixels: float [1, 3, h, w] in CLIP's statistics, on the tower's device; whole patches where the recipe pads.
        recipe: with the constants.
        foundation: float32 [1, C, vh, vw] where the recipe borrows correlations, else None.
        regions: int64 [h, w], the region of SAM's that each pixel belongs to, -1 for none; None unless the recipe
            asks for regions.
    """

    visual: nn.Module
    pixels: Tensor
    recipe: Recipe
    foundation: Tensor | None = None
    regions: Tensor | None = None


@dataclass(frozen=True, eq=False)
class Found:
    """What such a family may give back in place of a map alone.

    Attributes:
        features: float [D, h', w'], unit vectors or means of such.
        extras: tensors the recipe's word reader needs, by name.
    """

    features: Tensor
    extras: Mapping[str, Tensor] = field(default_factory=dict)


def unit_map(features: Tensor, grid: Grid) -> np.ndarray:
    """Features [h * w, D] of any length as a unit-norm map float32 [D, h, w] in memory of the CPU."""
    return in_memory(as_map(features, grid))


def as_map(features: Tensor, grid: Grid) -> Tensor:
    """Features [h * w, D] of any length as a unit-norm map [D, h, w]."""
    return F.normalize(features.float(), dim=-1).T.unflatten(-1, tuple(grid))


def in_memory(tensor: Tensor) -> np.ndarray:
    """A tensor as an array in memory of the CPU; floating point as float32."""
    tensor = tensor.detach()
    return (tensor.float() if tensor.is_floating_point() else tensor).contiguous().cpu().numpy()


def window_maps(
    visual: nn.Module, trunk: Trunk, layout: Layout, recipe: Recipe, foundation: Tensor | None = None
) -> list[FeatureMap]:
    """One map per window, for recipes that compare each window with the words on its own.

    Args:
        trunk: tokens of all W windows of the layout.
        foundation: float [W, C, h, w] where the recipe needs a foundation model.
    """
    maps = []
    for index, box in enumerate(layout.boxes):
        one = Trunk(trunk.tokens[index : index + 1], trunk.grid)
        if recipe.family == "block":
            features, grid = block_features(visual, one, recipe)
        else:
            features, grid = proxy_features(visual, one, foundation[index : index + 1], recipe)
        maps.append(FeatureMap(unit_map(features[0], grid), padded_box(box, layout.multiple)))
    return maps


def spliced_map(
    visual: nn.Module, trunk: Trunk, layout: Layout, recipe: Recipe, foundation: Tensor | None,
    runs: Sequence[SamRun], patch: int, budget: int = BLOCK_BYTES,
) -> FeatureMap:
    """Trident: the windows' tokens before the final LayerNorm become one map over the whole photo.

    Its box is its own grid, so that its cosines go straight to the photo's size, as published. Without SAM's runs the
    grid is the canvas's own, with them SAM's.

    Args:
        trunk: tokens of all W windows of the layout, whose origins lie on whole patches.
        foundation: float [W, C, h, w]; None for a variant of the last block.
        runs: SAM's run over the photo, or over its halves; none for no aggregation.
        patch: side of a CLIP patch.
        budget: bytes of the affinity's working set.
    """
    if foundation is None:
        outputs, onto = block_tokens(visual, trunk, recipe)[:, 1:], trunk.grid
    else:
        outputs = window_pass(visual, trunk, foundation, recipe.beta, recipe.gamma)
        onto = (foundation.shape[-2], foundation.shape[-1])
    image = (layout.frame[0] // patch, layout.frame[1] // patch)
    if runs:
        tokens, grid = aggregate_canvas(
            outputs, onto, layout.boxes, patch, image, runs, cos_fac=recipe.cos_fac,
            refine_neg_cos=recipe.refine_neg_cos, kind=recipe.aggregation, epsilon=recipe.epsilon, budget=budget,
        )
    else:
        canvas = splice_canvas(outputs, onto, layout.boxes, patch, image)
        tokens, grid = canvas.flatten(0, 1), (canvas.shape[0], canvas.shape[1])
    return FeatureMap(unit_map(head(visual, tokens.to(outputs.dtype)), grid), (0, 0, grid[1], grid[0]))


def layered_map(window: Window, box: Box) -> FeatureMap:
    """One window by a family of its own; `box` is what it covers of the frame, padding included."""
    found = WINDOW_FAMILIES[window.recipe.family](window)
    if isinstance(found, Tensor):
        found = Found(found)
    extras = {name: in_memory(value) for name, value in found.extras.items()}
    return FeatureMap(in_memory(found.features), box, extras=extras)


def block_tokens(visual: nn.Module, trunk: Trunk, recipe: Recipe) -> Tensor:
    """Tokens [B, 1 + h * w, width] of the recipe's variant of the last block, before the final LayerNorm."""
    return last_block(visual, trunk.tokens, trunk.grid, recipe.attention, recipe.residual, recipe.mlp, recipe.sigma)


def block_features(visual: nn.Module, trunk: Trunk, recipe: Recipe) -> tuple[Tensor, Grid]:
    """A variant of the last block.

    Returns:
        Features [B, h * w, D], not normalised, without class token, and their grid.
    """
    return head(visual, block_tokens(visual, trunk, recipe)[:, 1:]), trunk.grid


def proxy_features(visual: nn.Module, trunk: Trunk, foundation: Tensor, recipe: Recipe) -> tuple[Tensor, Grid]:
    """Proxy attention from foundation features [B, C, h, w], each window with its own mean similarity.

    Returns:
        Features [B, h * w, D], not normalised, and the foundation's grid.
    """
    onto = (foundation.shape[-2], foundation.shape[-1])
    foundation = foundation.to(trunk.tokens.device, torch.float32)
    weights = proxy_weights(foundation, recipe.beta, recipe.gamma)
    return head(visual, proxy_attend(visual, trunk.tokens, trunk.grid, weights, onto)), onto
