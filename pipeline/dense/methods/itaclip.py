"""ITACLIP, image side."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ..families import Window
from ..itaclip import INNER, OWN_SHARE, engineered_map
from ..recipe import Recipe, register, window_family
from ..trunk import blocks_of


@dataclass(frozen=True)
class ItaConstants:
    """Inner blocks from 1 of a tower of twelve whose attention is averaged (others in proportion), and the share of
    the views that are not flipped."""

    inner: tuple[int, ...] = INNER
    own_share: float = OWN_SHARE


@window_family("itaclip")
def itaclip(window: Window) -> Tensor:
    """Several views of the window, their features averaged."""
    recipe, own, layers = window.recipe, window.recipe.own, len(blocks_of(window.visual))
    inner = [max(1, min(layers - 1, round(i * layers / 12))) for i in own.inner]
    return engineered_map(window.visual, window.pixels, own.own_share, inner, recipe.attention, recipe.residual)


register(Recipe(
    "itaclip", "ITACLIP", "Attention of several layers over grey, blurred and flipped views of the photo.",
    "Aydin et al., CVPR Workshops 2025", family="itaclip", attention="qq+kk", residual=True, padding="patch",
    stride=28, states=("attention", "residual"), own=ItaConstants(),
))
