"""All methods by name: importing this module loads every file of `methods/`."""

from __future__ import annotations

import importlib
import pkgutil

from ..errors import NamebrushError
from .recipe import RECIPES, Recipe, changed, method_name

__all__ = ["RECIPES", "Recipe", "changed", "get_recipe", "load_methods", "method_name"]


def get_recipe(name: str, **changes) -> Recipe:
    """A recipe by its name, with fields replaced: of the recipe or of its own constants.

    Raises:
        NamebrushError: no such method, or a change that does not fit.
    """
    recipe = RECIPES.get(method_name(name))
    if recipe is None:
        raise NamebrushError(f'There is no method "{name}". Known methods: {", ".join(RECIPES)}.')
    return changed(recipe, changes)


def load_methods() -> None:
    """Import every file of `methods/`, which registers its methods: those of its `ORDER` first, then by name."""
    package = importlib.import_module(f"{__package__}.methods")
    found = {module.name for module in pkgutil.iter_modules(package.__path__)}
    ordered = [name for name in package.ORDER if name in found]
    for name in (*ordered, *sorted(found - set(ordered))):
        importlib.import_module(f"{package.__name__}.{name}")


load_methods()
