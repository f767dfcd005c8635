"""Recipes: what each published method does, as values over shared parts.

A recipe runs on any backbone, in any preset. `dataclasses.replace(recipe, residual=False)` or
`get_recipe("sclip", residual=False)` makes a variant; adding a paper that recombines parts is one entry here.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from ..errors import NamebrushError
from .affinity import COS_FAC, KINDS
from .attention import VARIANTS
from .proxy import BETA, GAMMA

FAMILIES = ("block", "proxy", "gem", "surgery", "scclip", "resclip", "itaclip")


@dataclass(frozen=True)
class Recipe:
    """One way from pixels to dense features.

    Attributes:
        name: what a person types; title: what they read; about: one plain sentence; paper: where it comes from.
        family: who computes a window's features: "block" (a variant of the last block), "proxy" (a foundation model's
            correlations in the last block), or one that reads several blocks, of `families.LAYERED`.
        attention: for family "block", a variant of `attention.VARIANTS`.
        residual: the last block's input is added to its attention branch.
        mlp: the last block's MLP is kept; None: as `residual`.
        sigma: width of NACLIP's neighbourhood, in patches.
        foundation: "dino" where a foundation model's features are needed, else "".
        beta, gamma: of the proxy attention.
        splice: "cosines" (each window is compared with the words, cosines are averaged) or "features" (Trident: the
            windows' features become one map).
        aggregation: "sam" (Trident's affinity mixes the spliced map) or "none"; needs `splice="features"`.
        affinity: "affinity", "attention" or "cosine", see `affinity`.
        cos_fac, refine_neg_cos, epsilon: of the affinity.
        halves: a wide street scene is aggregated in two halves, each with a SAM run of its own.
        padding: windows are zero-padded to whole "patch"es (of all models looking at them) or not ("none").
        scales: factors on the short side; the maps of all scales are averaged.
        logit_scale: between cosine and softmax, as published.
        window, stride: pixels in the published code; a preset's geometry decides what is used.
        pamr: the published code smooths its cosines by PAMR.
        area_share: a class with at most this share of all foreground pixels is dropped; 0 switches it off.
    """

    name: str
    title: str
    about: str
    paper: str
    family: str = "block"
    attention: str = "qk"
    residual: bool = False
    mlp: bool | None = None
    sigma: float = 5.0
    foundation: str = ""
    beta: float = BETA
    gamma: float = GAMMA
    splice: str = "cosines"
    aggregation: str = "none"
    affinity: str = "affinity"
    cos_fac: float = COS_FAC
    refine_neg_cos: bool = True
    epsilon: float = 0.0
    halves: bool = False
    padding: str = "none"
    scales: tuple[float, ...] = (1.0,)
    logit_scale: float = 40.0
    window: int = 224
    stride: int = 112
    pamr: bool = False
    area_share: float = 0.0

    def __post_init__(self):
        allowed = {
            "family": FAMILIES,
            "attention": VARIANTS,
            "foundation": ("", "dino"),
            "splice": ("cosines", "features"),
            "aggregation": ("none", "sam"),
            "affinity": KINDS,
            "padding": ("none", "patch"),
        }
        for field, values in allowed.items():
            if getattr(self, field) not in values:
                known, given = ", ".join(map(repr, values)), getattr(self, field)
                raise NamebrushError(f"{field} of a method must be one of {known}, got {given!r}.")
        if not self.scales or any(not 0.1 <= s <= 8 for s in self.scales):
            raise NamebrushError(f"Scales must lie between 0.1 and 8, got {self.scales}.")
        if (self.splice == "features") != (self.aggregation == "sam") or (
            self.splice == "features" and self.family != "proxy"
        ):
            raise NamebrushError("Only Trident's proxy features can be spliced, and SAM then aggregates them.")
        if self.family == "proxy" and not self.foundation:
            raise NamebrushError("Proxy attention needs a foundation model.")

    @property
    def needs(self) -> tuple[str, ...]:
        """The models its encoding runs, of "clip", "dino", "sam"."""
        return tuple(n for n in ("clip", self.foundation, "sam" if self.aggregation == "sam" else "") if n)


_ALL = (
    Recipe(
        "clip", "CLIP", "CLIP's patches as they are; shows why the other methods exist.",
        "Radford et al., ICML 2021", residual=True,
    ),
    Recipe(
        "maskclip", "MaskCLIP", "The last attention is left out, only its values are kept.",
        "Zhou et al., ECCV 2022", attention="identity",
    ),
    Recipe(
        "sclip", "SCLIP", "Patches attend to patches that ask, or are asked for, the same.",
        "Wang et al., ECCV 2024", attention="qq+kk", residual=True,
    ),
    Recipe(
        "clearclip", "ClearCLIP", "Query-query attention without residual and MLP.",
        "Lan et al., ECCV 2024", attention="qq", padding="patch", logit_scale=50.0, window=448, stride=224,
    ),
    Recipe(
        "naclip", "NACLIP", "Key-key attention that prefers neighbours.",
        "Hajimiri et al., WACV 2025", attention="kk+near", pamr=True,
    ),
    Recipe(
        "gem", "GEM", "Queries, keys and values each gather themselves, in the upper half of the tower.",
        "Bousselham et al., CVPR 2024", family="gem",
    ),
    Recipe(
        "surgery", "CLIP Surgery", "A second stream of value-value attention; its steps that need words are left out.",
        "Li et al., Pattern Recognition 2025", family="surgery",
    ),
    Recipe(
        "resclip", "ResCLIP (RCS)", "NACLIP with inner blocks' attention mixed in, without its feedback from words.",
        "Yang et al., CVPR 2025", family="resclip", attention="kk+near", pamr=True,
    ),
    Recipe(
        "scclip", "SC-CLIP", "Outlier patches are mended and a middle layer says which patches belong together.",
        "Bai et al., 2024", family="scclip",
    ),
    Recipe(
        "itaclip", "ITACLIP", "Attention of several layers over grey, blurred and flipped views of the photo.",
        "Aydin et al., CVPR Workshops 2025", family="itaclip", padding="patch", stride=28,
    ),
    Recipe(
        "proxyclip", "ProxyCLIP", "DINO says which patches belong together, CLIP says what they are.",
        "Lan et al., ECCV 2024", family="proxy", foundation="dino", padding="patch", window=336, stride=112,
    ),
    Recipe(
        "trident", "Trident", "CLIP names, DINO groups within windows, SAM groups across the whole photo.",
        "Shi et al., ICCV 2025", family="proxy", foundation="dino", splice="features", aggregation="sam",
        padding="patch", window=336, stride=224,
    ),
)

RECIPES: dict[str, Recipe] = {recipe.name: recipe for recipe in _ALL}


def get_recipe(name: str, **changes) -> Recipe:
    """A recipe by its name, with fields replaced.

    Raises:
        NamebrushError: no such method, or a change that does not fit.
    """
    recipe = RECIPES.get(name.strip().casefold())
    if recipe is None:
        raise NamebrushError(f'There is no method "{name}". Known methods: {", ".join(RECIPES)}.')
    unknown = set(changes) - {f.name for f in fields(Recipe)}
    if unknown:
        raise NamebrushError(f"A method has no setting {', '.join(sorted(unknown))}.")
    return replace(recipe, **changes)
