"""From CLIP's tokens before the last block to feature maps: what a recipe does with the windows of a photo."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch.nn.functional as F
from torch import Tensor, nn

from ..records import Box, FeatureMap
from .affinity import BLOCK_BYTES
from .attention import last_block
from .gem import gem_tokens, surgery_tokens
from .itaclip import engineered_map
from .proxy import proxy_attend, proxy_weights
from .recipes import Recipe
from .resclip import inner_attention, resclip_tokens
from .scclip import scclip_tokens
from .trident import SamRun, aggregate_canvas, window_pass
from .trunk import Grid, Trunk, head
from .windows import Layout, padded_box


def unit_map(features: Tensor, grid: Grid) -> np.ndarray:
    """Features [h * w, D] of any length as a unit-norm map float32 [D, h, w] in memory of the CPU."""
    return _unit(features, grid).contiguous().cpu().numpy()


def _unit(features: Tensor, grid: Grid) -> Tensor:
    return F.normalize(features.float(), dim=-1).T.unflatten(-1, tuple(grid))


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
        if foundation is None:
            features, grid = block_features(visual, one, recipe)
        else:
            features, grid = proxy_features(visual, one, foundation[index : index + 1], recipe)
        maps.append(FeatureMap(unit_map(features[0], grid), padded_box(box, layout.multiple)))
    return maps


def spliced_map(
    visual: nn.Module, trunk: Trunk, layout: Layout, recipe: Recipe, foundation: Tensor, runs: Sequence[SamRun],
    patch: int, budget: int = BLOCK_BYTES,
) -> FeatureMap:
    """Trident: one map on SAM's grid over the whole photo.

    Its box is its own grid, so that its cosines go straight to the photo's size, as published.

    Args:
        trunk: tokens of all W windows of the layout, whose origins lie on whole patches.
        foundation: float [W, C, h, w].
        runs: SAM's run over the photo, or over its halves.
        patch: side of a CLIP patch.
        budget: bytes of the affinity's working set.
    """
    outputs = window_pass(visual, trunk, foundation, recipe.beta, recipe.gamma)
    tokens, grid = aggregate_canvas(
        outputs, (foundation.shape[-2], foundation.shape[-1]), layout.boxes, patch,
        (layout.frame[0] // patch, layout.frame[1] // patch), runs, cos_fac=recipe.cos_fac,
        refine_neg_cos=recipe.refine_neg_cos, kind=recipe.affinity, epsilon=recipe.epsilon, budget=budget,
    )
    return FeatureMap(unit_map(head(visual, tokens.to(outputs.dtype)), grid), (0, 0, grid[1], grid[0]))


def _gem(visual: nn.Module, pixels: Tensor, recipe: Recipe) -> Tensor:
    tokens, _, grid = gem_tokens(visual, pixels)
    return _unit(head(visual, tokens[0, 1:]), grid)


def _surgery(visual: nn.Module, pixels: Tensor, recipe: Recipe) -> Tensor:
    tokens, _, grid = surgery_tokens(visual, pixels)
    return _unit(head(visual, tokens[0, 1:]), grid)


def _scclip(visual: nn.Module, pixels: Tensor, recipe: Recipe) -> Tensor:
    result = scclip_tokens(visual, pixels)
    return _unit(head(visual, result.tokens), result.grid)


def _resclip(visual: nn.Module, pixels: Tensor, recipe: Recipe) -> Tensor:
    inner, tokens, grid = inner_attention(visual, pixels)
    mixed = resclip_tokens(visual, tokens, grid, recipe.attention, recipe.residual, inner, sigma=recipe.sigma)
    return _unit(head(visual, mixed[0, 1:]), grid)


def _itaclip(visual: nn.Module, pixels: Tensor, recipe: Recipe) -> Tensor:
    return engineered_map(visual, pixels)


#: Families that read several blocks: one window [1, 3, h, w] to a map [D, h', w'] of unit vectors or means of such.
LAYERED: dict[str, Callable[[nn.Module, Tensor, Recipe], Tensor]] = {
    "gem": _gem, "surgery": _surgery, "scclip": _scclip, "resclip": _resclip, "itaclip": _itaclip,
}


def layered_map(visual: nn.Module, window: Tensor, box: Box, recipe: Recipe) -> FeatureMap:
    """One window [1, 3, h, w] by a family of `LAYERED`; `box` is what it covers of the frame, padding included."""
    return FeatureMap(LAYERED[recipe.family](visual, window, recipe).float().contiguous().cpu().numpy(), box)


def block_features(visual: nn.Module, trunk: Trunk, recipe: Recipe) -> tuple[Tensor, Grid]:
    """A variant of the last block.

    Returns:
        Features [B, h * w, D], not normalised, without class token, and their grid.
    """
    tokens = last_block(visual, trunk.tokens, trunk.grid, recipe.attention, recipe.residual, recipe.mlp, recipe.sigma)
    return head(visual, tokens[:, 1:]), trunk.grid


def proxy_features(visual: nn.Module, trunk: Trunk, foundation: Tensor, recipe: Recipe) -> tuple[Tensor, Grid]:
    """Proxy attention from foundation features [B, C, h, w], each window with its own mean similarity.

    Returns:
        Features [B, h * w, D], not normalised, and the foundation's grid.
    """
    onto = (foundation.shape[-2], foundation.shape[-1])
    weights = proxy_weights(foundation, recipe.beta, recipe.gamma)
    return head(visual, proxy_attend(visual, trunk.tokens, trunk.grid, weights, onto)), onto
