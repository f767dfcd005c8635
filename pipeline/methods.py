"""Every method a person can choose: recipes, proposals and trained comparators, by one name."""

from __future__ import annotations

from .comparators.registry import COMPARATORS, Comparator, get_comparator
from .dense.recipes import RECIPES, Recipe, method_name
from .errors import NamebrushError
from .proposals.settings import PROPOSALS, Proposal

Method = Recipe | Comparator | Proposal


def all_methods() -> dict[str, Method]:
    """Every method by its name: recipes in the order of the papers' ideas, proposals, then comparators."""
    return {**RECIPES, **PROPOSALS, **COMPARATORS}


def canonical(name: str) -> str:
    """The name a method is known by, of whatever case or alias; a name of no method as it is."""
    found = get_comparator(name) or PROPOSALS.get(name.strip().casefold())
    return found.name if found else method_name(name)


def get_method(name: str) -> Method:
    """A method by its name.

    Raises:
        NamebrushError: no such method.
    """
    found = all_methods().get(canonical(name))
    if found is None:
        raise NamebrushError(f'There is no method "{name}". Known methods: {", ".join(all_methods())}.')
    return found
