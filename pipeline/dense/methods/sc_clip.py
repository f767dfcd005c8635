"""SC-CLIP: CLIP calibrated by itself."""

from dataclasses import replace

from torch import Tensor

from ..families import Window, as_map
from ..recipe import Recipe, register, window_family
from ..scclip import ScSettings, scaled_blocks, scclip_tokens
from ..trunk import blocks_of, head


@window_family("sc-clip")
def sc_clip(window: Window) -> Tensor:
    """Outliers mended, gathered by a middle block's similarities; block numbers in proportion to the depth.

    Where a model is better named without the residual stream, the share of its class token is left out too.
    """
    settings = scaled_blocks(window.recipe.own, len(blocks_of(window.visual)))
    if not window.recipe.residual:
        settings = replace(settings, class_share=0.0)
    result = scclip_tokens(window.visual, window.pixels, settings)
    return as_map(head(window.visual, result.tokens), result.grid)


register(Recipe(
    "sc-clip", "SC-CLIP", "Outlier patches are mended and a middle layer says which patches belong together.",
    "Bai et al., 2024", family="sc-clip", residual=True, states=("residual",),
    own=ScSettings(),
))
