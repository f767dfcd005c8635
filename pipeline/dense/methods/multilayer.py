"""Several layers aggregated: the features of several blocks are averaged, whatever the depth of the tower."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ...errors import NamebrushError
from ..attention import last_block
from ..families import Window, as_map
from ..recipe import Recipe, register, window_family
from ..trunk import blocks_of, head, run_trunk


@dataclass(frozen=True)
class LayerConstants:
    """Which blocks, and with what weights.

    Attributes:
        layers: outputs of these blocks, counted from 1 to `depth`; in a tower of another depth, in proportion.
        depth: of the tower that `layers` counts in.
        weights: one per layer, or none for equal ones.
        through: a block's output is read by the last block's attention ("last"), or by the head alone ("head").
    """

    layers: tuple[int, ...] = (3, 6, 9, 12)
    depth: int = 12
    weights: tuple[float, ...] = ()
    through: str = "last"

    def __post_init__(self):
        if not self.layers or any(not 1 <= i <= self.depth for i in self.layers):
            raise NamebrushError(f"layers must be whole numbers from 1 to {self.depth} (depth), got {self.layers}.")
        if self.weights and (len(self.weights) != len(self.layers) or sum(self.weights) <= 0 or min(self.weights) < 0):
            raise NamebrushError("weights must be one number of at least 0 per layer, not all 0.")
        if self.through not in ("last", "head"):
            raise NamebrushError(f'through must be "last" or "head", got {self.through!r}.')

    def blocks(self, count: int) -> tuple[int, ...]:
        """The blocks from 1 in a tower of `count`, each at least 1."""
        return tuple(max(1, round(i * count / self.depth)) for i in self.layers)


@window_family("multilayer")
def multilayer(window: Window) -> Tensor:
    """The weighted mean of several blocks' unit features. The last block's own is the method's attention on its input;
    an inner block's output goes through the same, or straight through the head."""
    visual, recipe, own = window.visual, window.recipe, window.recipe.own
    count = len(blocks_of(visual))
    blocks = own.blocks(count)
    trunk = run_trunk(visual, window.pixels, keep=[i for i in blocks if i < count])
    weights = own.weights or (1.0,) * len(blocks)

    def read(tokens: Tensor) -> Tensor:
        return last_block(visual, tokens, trunk.grid, recipe.attention, recipe.residual, recipe.mlp, recipe.sigma)

    total = 0
    for block, weight in zip(blocks, weights, strict=True):
        if block == count:
            tokens = read(trunk.tokens)
        else:
            output = trunk.inputs[block] if block < count - 1 else trunk.tokens
            tokens = read(output) if own.through == "last" else output
        total = total + weight * as_map(head(visual, tokens[0, 1:]), trunk.grid)
    return total / sum(weights)


register(Recipe(
    "multilayer", "Several layers", "The features of several blocks, early to late, are averaged.",
    "a thesis on SCLIP, SAM 2 and Stable Diffusion; blocks 6, 12, 18, 24 of ViT-L", family="multilayer",
    attention="qq+kk", residual=True, states=("attention",), own=LayerConstants(),
))
