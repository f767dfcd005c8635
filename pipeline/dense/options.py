"""What a person changes about a method: its options, the foundation model it borrows from, a data set's own values."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from ..errors import NamebrushError
from .recipe import said
from .recipes import RECIPES, Recipe, changed, get_recipe

#: Foundation models by their short names, and what the catalogue calls them; "own" and "sam" are the preset's.
PROXIES = {
    "dino-s8": "dino-vits8", "dino-s16": "dino-vits16", "dino-b8": "dino-vitb8", "dino-b16": "dino-vitb16",
    "dinov2-s14": "dinov2-small", "dinov2-b14": "dinov2-base", "sam-b": "sam-vit-b",
}  # fmt: skip
#: Fields of a recipe that name it, or that something else sets; not for `options`.
_FIXED = (
    "name", "title", "about", "paper", "family", "reader", "states", "own", "regions", "window", "stride", "pamr",
    "area_share", "logit_scale", "facet", "foundation",
)  # fmt: skip
#: An option's number at most, in either direction, and numbers of a list.
LARGEST, MOST = 10_000, 32
_WORDS = {"yes": True, "on": True, "true": True, "no": False, "off": False, "false": False}


@dataclass(frozen=True)
class DatasetValues:
    """Trident's published values for one data set; None leaves a method's or preset's own (thresholds: 0).

    `background` are the names that stand for the data set's background class, "" where it has none of its own.
    """

    short_side: int
    stride: int = 224
    window: int = 336
    threshold: float | None = None
    coarse_threshold: float | None = None
    cos_fac: float = 1.2
    refine_neg_cos: bool = True
    halves: bool = False
    background: str = ""


_VOC_BACKGROUND = (
    "sky, wall, tree, wood, grass, road, sea, river, mountain, sands, desk, bed, building, cloud, lamp, door, window, "
    "wardrobe, ceiling, shelf, curtain, stair, floor, hill, rail, fence"
)
DATASETS = {
    "voc20": DatasetValues(336, stride=112, coarse_threshold=0.2, cos_fac=0.0),
    "voc21": DatasetValues(448, threshold=0.2, coarse_threshold=0.2, background=_VOC_BACKGROUND),
    "context59": DatasetValues(576, coarse_threshold=0.15),
    "context60": DatasetValues(576, threshold=0.15, coarse_threshold=0.15),
    "coco-object": DatasetValues(448, threshold=0.25, coarse_threshold=0.25),
    "coco-stuff": DatasetValues(448, coarse_threshold=0.05),
    "ade20k": DatasetValues(576, coarse_threshold=0.05, refine_neg_cos=False),
    "cityscapes": DatasetValues(688, coarse_threshold=0.1, cos_fac=3.0, refine_neg_cos=False, halves=True),
}


def asked_recipe(
    method: str, proxy: str = "own", options: str | Mapping[str, Any] = "", dataset: str = ""
) -> Recipe:
    """The recipe a person asked for.

    Args:
        method: its name.
        proxy: "own", "sam" (the preset's), a name of `PROXIES`, or what `dino=` takes (hub name, folder).
        options: "name=value, name=value", lists of numbers with spaces or plus signs between; or a mapping.
        dataset: a name of `DATASETS` whose published values hold where `options` says nothing else, or "".

    Raises:
        NamebrushError: what does not exist or does not go together.
    """
    recipe = get_recipe(method)
    changes = parse_options(recipe, options)
    if dataset and recipe.aggregation != "none" and changes.get("aggregation") != "none":
        values = _dataset(dataset)
        known = {"cos_fac": values.cos_fac, "refine_neg_cos": values.refine_neg_cos, "halves": values.halves}
        changes = {**known, **changes}
    if proxy not in ("", "own"):
        if not recipe.foundation:
            borrowers = ", ".join(name for name, one in RECIPES.items() if one.foundation)
            raise NamebrushError(
                f"{recipe.title} borrows no correlations, so no proxy can be chosen for it; {borrowers} do.")
        changes["foundation"] = proxy
    return changed(recipe, changes)


def dataset_settings(dataset: str) -> dict[str, Any]:
    """A data set's values that are no matter of the method: for `SegmentSettings` and `RefineSettings`."""
    if not dataset:
        return {}
    values = _dataset(dataset)
    found = {"short_side": values.short_side, "window": values.window, "stride": values.stride,
             "threshold": values.threshold or 0.0, "coarse_threshold": values.coarse_threshold,
             "background": values.background or None}
    return {name: value for name, value in found.items() if value is not None}


def _dataset(name: str) -> DatasetValues:
    if name not in DATASETS:
        raise NamebrushError(f'No values are published for "{name}". Known data sets: {", ".join(DATASETS)}.')
    return DATASETS[name]


def parse_options(recipe: Recipe, options: str | Mapping[str, Any]) -> dict[str, Any]:
    """Options as values of the right kinds, by the fields of the recipe and of its own constants."""
    given = options if isinstance(options, Mapping) else _pairs(options)
    kinds = _kinds(recipe)
    unknown = [name for name in given if name not in kinds]
    if unknown:
        raise NamebrushError(
            f'{recipe.title} has no option "{unknown[0]}". It has: {", ".join(option_names(recipe)) or "none"}.')
    return {name: _value(name, value, kinds[name]) for name, value in given.items()}


def options_text(options: Mapping[str, Any]) -> str:
    """A mapping of options as `parse_options` reads it back."""
    return ", ".join(f"{name}={said(value)}" for name, value in options.items())


def option_names(recipe: Recipe) -> tuple[str, ...]:
    """The options that matter most for a method: its own constants, then those it states."""
    own = [f.name for f in fields(recipe.own)] if recipe.own is not None else []
    return (*own, *recipe.states)


def _kinds(recipe: Recipe) -> dict[str, Any]:
    kinds = {n: k for n, k in typing.get_type_hints(Recipe).items() if n not in _FIXED}
    return {**kinds, **(typing.get_type_hints(type(recipe.own)) if recipe.own is not None else {})}


def _pairs(text: str) -> dict[str, str]:
    found = {}
    for part in filter(None, (p.strip() for p in text.split(","))):
        name, equals, value = part.partition("=")
        if not equals or not value.strip():
            raise NamebrushError(f'Options are written as name=value, name=value; got "{part}".')
        found[name.strip().replace("-", "_")] = value.strip()
    return found


def _value(name: str, value: Any, kind: Any) -> Any:
    """A typed or given value as the field wants it."""
    plain = [k for k in typing.get_args(kind) if k is not types.NoneType] if isinstance(kind, types.UnionType) else []
    if plain:
        if value is None or (isinstance(value, str) and value.casefold() in ("auto", "none")):
            return None
        kind = plain[0]
    try:
        if kind is bool:
            return value if isinstance(value, bool) else _WORDS[str(value).casefold()]
        if kind in (int, float):
            number = float(value)
            if isinstance(value, bool) or not abs(number) <= LARGEST or (kind is int and number != int(number)):
                raise ValueError
            return kind(number)
        if typing.get_origin(kind) is tuple:
            parts = value.replace("+", " ").split() if isinstance(value, str) else list(value)
            if len(parts) > MOST:
                raise ValueError
            return tuple(_value(name, part, typing.get_args(kind)[0]) for part in parts)
        if isinstance(value, str) and len(value) <= 100:
            return value
        raise ValueError
    except (ValueError, KeyError, TypeError, OverflowError):
        wanted = {bool: "yes or no", int: "a whole number", float: "a number"}.get(kind, "text")
        if typing.get_origin(kind) is tuple:
            wanted = f"numbers with spaces between, at most {MOST}"
        raise NamebrushError(f"{name} must be {wanted}, got {str(value)[:80]!r}.") from None
