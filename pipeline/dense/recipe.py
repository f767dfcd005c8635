"""Recipes: what each published method does, as values over shared parts.

A recipe runs on any backbone, in any preset. `recipes.get_recipe("sclip", residual=False)` makes a variant. The
methods themselves are the files of `methods/`: each registers its recipes here, and where the shared parts do not do
it, how one window becomes features (`window_family`) and how features and words become scores (`word_reader`).
docs/methods.md shows how to add one. `recipes` knows them all by name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

from ..errors import NamebrushError
from .affinity import COS_FAC
from .attention import VARIANTS
from .dino_features import FACETS
from .proxy import BETA, GAMMA

SPLICES = ("cosines", "features")
AGGREGATIONS = ("none", "cosine", "attention", "affinity")
PADDINGS = ("none", "patch")
#: Families whose windows share CLIP's tokens before the last block; all others are entered by `window_family`.
SHARED = ("block", "proxy")
#: Names a person may type for a method beside its own, without dashes.
ALIASES = {"surgery": "clip-surgery", "scclip": "sc-clip", "cliprc": "clip-rc", "clipsurgery": "clip-surgery"}

#: From a family's name to the function that computes one window, `families.Window` -> map or `families.Found`.
WINDOW_FAMILIES: dict[str, Callable] = {}
#: From a reader's name to the function that brings words in, see `words.read_words`; "cosines" is in `words` itself.
READERS: dict[str, Callable] = {}
#: From a reader's name to what it does once the windows are joined, see `words.read_words`.
FRAME_READERS: dict[str, Callable] = {}
#: Every method by its name, in the order of the papers' ideas.
RECIPES: dict[str, Recipe] = {}


def window_family(name: str) -> Callable:
    """Enter a function that computes the features of one window under `name`."""
    return _entering(WINDOW_FAMILIES, name)


def word_reader(name: str) -> Callable:
    """Enter a function that makes scores of features and words under `name`."""
    return _entering(READERS, name)


def frame_reader(name: str) -> Callable:
    """Enter a function that changes the joined scores of a frame under `name`."""
    return _entering(FRAME_READERS, name)


def _entering(table: dict[str, Callable], name: str) -> Callable:
    def enter(function: Callable) -> Callable:
        table[name] = function
        return function

    return enter


@dataclass(frozen=True)
class Recipe:
    """One way from pixels to dense features.

    Attributes:
        name: what a person types; title: what they read; about: one plain sentence; paper: where it comes from.
        family: who computes a window's features: "block" (a variant of the last block), "proxy" (a foundation model's
            correlations in the last block), or one entered by `window_family`.
        attention: for family "block", a variant of `attention.VARIANTS`.
        residual: the last block's input is added to its attention branch.
        mlp: the last block's MLP is kept; None: as `residual`.
        sigma: width of NACLIP's neighbourhood, in patches.
        foundation: whose correlations are borrowed: "" (no one's), "dino" or "sam" (the preset's own), or a name that
            `Models.proxy` knows.
        facet: what is read of a DINO, of `dino_features.FACETS`.
        beta, gamma: of the proxy attention.
        splice: "cosines" (segment, then splice: each window is compared with the words, cosines are averaged) or
            "features" (splice, then segment, as Trident does: the windows' features become one map).
        aggregation: what mixes the spliced map, from SAM's last block: "none", "cosine", "attention" or "affinity".
        cos_fac, refine_neg_cos, epsilon: of the affinity.
        halves: a wide street scene is aggregated in two halves, each with a SAM run of its own.
        regions: SAM's automatic masks are needed.
        padding: windows are zero-padded to whole "patch"es (of all models looking at them) or not ("none").
        scales: factors on the short side; the maps of all scales are averaged.
        reader: how words are brought in: "cosines", or one entered by `word_reader`.
        logit_scale: between cosine and softmax, as published.
        window, stride: pixels in the published code; a preset's geometry decides what is used.
        pamr: the published code smooths its cosines by PAMR.
        area_share: the published code drops a class with at most this share of all foreground pixels; 0: it does not.
        states: names of the fields above that are constants of this method, for tables.
        own: constants of this family alone, a frozen dataclass; `recipes.get_recipe` changes its fields by name too.
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
    facet: str = "tokens"
    beta: float = BETA
    gamma: float = GAMMA
    splice: str = "cosines"
    aggregation: str = "none"
    cos_fac: float = COS_FAC
    refine_neg_cos: bool = True
    epsilon: float = 0.0
    halves: bool = False
    regions: bool = False
    padding: str = "none"
    scales: tuple[float, ...] = (1.0,)
    reader: str = "cosines"
    logit_scale: float = 40.0
    window: int = 224
    stride: int = 112
    pamr: bool = False
    area_share: float = 0.0
    states: tuple[str, ...] = ()
    own: Any = None

    def __post_init__(self):
        allowed = {
            "family": (*SHARED, *WINDOW_FAMILIES),
            "attention": VARIANTS,
            "facet": FACETS,
            "splice": SPLICES,
            "aggregation": AGGREGATIONS,
            "padding": PADDINGS,
            "reader": ("cosines", *READERS, *FRAME_READERS),
        }
        for field, values in allowed.items():
            if getattr(self, field) not in values:
                known, given = ", ".join(map(repr, values)), getattr(self, field)
                raise NamebrushError(f"{field} of a method must be one of {known}, got {given!r}.")
        if not self.scales or any(not 0.1 <= s <= 8 for s in self.scales):
            raise NamebrushError(f"Scales must lie between 0.1 and 8, got {self.scales}.")
        for complaint in self._complaints():
            raise NamebrushError(complaint)

    def _complaints(self):
        """Combinations that make no sense, one sentence each."""
        if self.splice == "features" and self.family not in SHARED:
            yield f"{self.title} reads several blocks window by window, so it cannot splice features; splice cosines."
        if self.splice == "features" and self.reader != "cosines":
            yield f"{self.title} brings words in window by window, so it cannot splice features; splice cosines."
        if self.aggregation != "none" and self.splice != "features":
            yield "SAM's aggregation joins the whole photo, so it needs spliced features: splice=features."
        if self.halves and self.aggregation == "none":
            yield "Two halves are only for SAM's aggregation; choose cosine, attention or affinity."
        if self.family == "proxy" and not self.foundation:
            yield "Proxy attention needs a foundation model."

    @property
    def needs(self) -> tuple[str, ...]:
        """The models its encoding runs, of "clip", "dino", "sam"; a proxy counts as the kind of model it is."""
        proxy = "" if not self.foundation else "sam" if is_sam(self.foundation) else "dino"
        sam = "sam" if self.joins_by_sam else ""
        return tuple(dict.fromkeys(n for n in ("clip", proxy, sam) if n))

    @property
    def joins_by_sam(self) -> bool:
        """Whether the preset's SAM says what belongs together across the photo."""
        return self.aggregation != "none" or self.regions

    @property
    def asks_own_sam(self) -> bool:
        """Whether the preset's SAM looks at the whole photo."""
        return self.foundation == "sam" or (self.joins_by_sam and not self.halves)

    @property
    def constants(self) -> str:
        """What the method fixes, as "name value, ...": its own constants first."""
        own = [(f.name, getattr(self.own, f.name)) for f in fields(self.own)] if self.own is not None else []
        return ", ".join(f"{n} {said(v)}" for n, v in (*own, *((n, getattr(self, n)) for n in self.states)))


def is_sam(foundation: str) -> bool:
    """Whether a foundation model's name is that of a SAM."""
    return foundation == "sam" or foundation.startswith(("sam-", "sam_"))


def said(value: Any) -> str:
    """A value as options and tables write it."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "auto"}[value]
    if isinstance(value, tuple):
        return "+".join(map(said, value)) or "none"
    return f"{value:.6g}" if isinstance(value, float) else str(value) or "none"


def register(recipe: Recipe) -> Recipe:
    """Make a method selectable by its name; one of the same name is replaced."""
    RECIPES[recipe.name] = recipe
    return recipe


def method_name(name: str) -> str:
    """A method's own name, from what a person typed; what is not known is given back as it is."""
    folded = name.strip().casefold()
    return folded if folded in RECIPES else ALIASES.get(folded.replace("-", "").replace("_", ""), folded)


def changed(recipe: Recipe, changes: dict[str, Any]) -> Recipe:
    """A recipe with fields of it, or of its own constants, replaced; raises like `recipes.get_recipe`."""
    own_names = {f.name for f in fields(recipe.own)} if recipe.own is not None else set()
    unknown = set(changes) - {f.name for f in fields(Recipe)} - own_names
    if unknown:
        raise NamebrushError(f"A method has no setting {', '.join(sorted(unknown))}.")
    own = {name: value for name, value in changes.items() if name in own_names}
    rest = {name: value for name, value in changes.items() if name not in own_names}
    if own:
        rest["own"] = replace(recipe.own, **own)
    return replace(recipe, **rest)
