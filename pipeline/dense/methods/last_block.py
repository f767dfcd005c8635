"""Variants of the last block: what a patch attends to decides whether words can name it."""

from ..recipe import Recipe, register

register(Recipe(
    "clip", "CLIP", "CLIP's patches as they are; shows why the other methods exist.",
    "Radford et al., ICML 2021", residual=True,
))
register(Recipe(
    "maskclip", "MaskCLIP", "The last attention is left out, only its values are kept.",
    "Zhou et al., ECCV 2022", attention="identity",
))
register(Recipe(
    "sclip", "SCLIP", "Patches attend to patches that ask, or are asked for, the same.",
    "Wang et al., ECCV 2024", attention="qq+kk", residual=True, states=("attention",),
))
register(Recipe(
    "clearclip", "ClearCLIP", "Query-query attention without residual and MLP.",
    "Lan et al., ECCV 2024", attention="qq", padding="patch", logit_scale=50.0, window=448, stride=224,
    states=("attention",),
))
register(Recipe(
    "naclip", "NACLIP", "Key-key attention that prefers neighbours.",
    "Hajimiri et al., WACV 2025", attention="kk+near", pamr=True, states=("attention", "sigma"),
))
