"""ProxyCLIP and Trident: a foundation model says which patches belong together."""

from ..recipe import Recipe, register

register(Recipe(
    "proxyclip", "ProxyCLIP", "DINO says which patches belong together, CLIP says what they are.",
    "Lan et al., ECCV 2024", family="proxy", foundation="dino", padding="patch", window=336, stride=112,
    states=("beta", "gamma"),
))
register(Recipe(
    "trident", "Trident", "CLIP names, DINO groups within windows, SAM groups across the whole photo.",
    "Shi et al., ICCV 2025", family="proxy", foundation="dino", splice="features", aggregation="affinity",
    padding="patch", window=336, stride=224,
    states=("beta", "gamma", "splice", "aggregation", "cos_fac", "refine_neg_cos", "halves"),
))
