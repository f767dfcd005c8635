"""CLIP-RC as a thesis uses it: the clue of a patch's region and of the whole window joins the patch's own."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from ..attention import last_block
from ..families import Window, as_map
from ..recipe import Recipe, register, window_family
from ..trunk import head, run_trunk


@dataclass(frozen=True)
class RcConstants:
    """Regions per side, and the shares of a patch's own feature, its region's clue and the class token in the score;
    the shares are our reading, set by the ablation in docs/methods.md."""

    regions: int = 3
    patch: float = 0.8
    region: float = 0.1
    whole: float = 0.1


@window_family("clip-rc")
def clip_rc(window: Window) -> Tensor:
    """A mix of three unit vectors at every patch; cosines being linear, it is the mix of three cosines.

    The window's map is split into k x k regions of nearly equal size; a region's clue is the maximum over its patches
    of the features before the final LayerNorm, channel by channel, read by the head. The class token is CLIP's own.
    """
    recipe, constants, visual = window.recipe, window.recipe.own, window.visual
    trunk = run_trunk(visual, window.pixels)
    tokens = last_block(visual, trunk.tokens, trunk.grid, recipe.attention, recipe.residual, recipe.mlp, recipe.sigma)
    patches = as_map(head(visual, tokens[0, 1:]), trunk.grid)
    whole = head(visual, last_block(visual, trunk.tokens, trunk.grid, "qk", residual=True)[0, :1])
    split = tuple(min(constants.regions, side) for side in trunk.grid)
    pooled = F.adaptive_max_pool2d(tokens[0, 1:].T.unflatten(-1, trunk.grid).float(), split).to(tokens.dtype)
    clues = as_map(head(visual, pooled.flatten(1).T), split)
    clues = F.interpolate(clues[None], size=trunk.grid, mode="nearest-exact")[0]
    return (constants.patch * patches + constants.region * clues
            + constants.whole * F.normalize(whole.float(), dim=-1)[0, :, None, None])


register(Recipe(
    "clip-rc", "CLIP-RC", "A region's strongest features and the whole window's help to name each patch.",
    "Zhang et al., CVPR 2024, as a thesis uses it; our reading", family="clip-rc", attention="qq", padding="patch",
    states=("attention",), own=RcConstants(),
))
