"""Wording that suits a name: stuff ("the sky"), things ("a photo of a dog") and materials ("a wooden surface").

Source: the template strategies of the thesis of methods.md, section 14 (sentences in section 0, "adaptive"). Which
word is stuff or a material is our own list of everyday words; a word of none of them is a thing.
"""

from __future__ import annotations

import re

STUFF, THING, MATERIAL = "stuff", "thing", "material"

#: The sentences of each kind.
ADAPTIVE: dict[str, tuple[str, ...]] = {
    STUFF: ("this is {}", "the {}"),
    THING: ("a photo of a {}", "{} in the image"),
    MATERIAL: ("a {} surface", "{} texture"),
}

_STUFF = frozenset(
    """
    air asphalt background beach bushes ceiling cliff cloud clouds coast countryside crowd darkness desert dirt earth
    farmland field fields flames floor foam fog foliage forest grass ground hay hedge hill hills horizon ice jungle
    lake land landscape lava lawn leaves light meadow mist moss mountain mountains mud night ocean park path pavement
    pebbles plain plants playground pond puddle railroad rain reef river road roof runway sand scenery sea shade
    shadow shore sidewalk sky smoke snow soil steam stream street sunlight sunset surroundings swamp terrain track
    trees turf underwater vegetation wall walls water waterfall wave waves wilderness wind wood woods
    """.split()
)  # fmt: skip
_MATERIAL = frozenset(
    """
    aluminium aluminum bamboo brick bronze canvas cardboard carpet ceramic clay cloth concrete copper cork cotton
    fabric felt fur glass gold granite gravel iron leather linen marble metal mosaic paper parquet plaster plastic
    plywood porcelain rubber rust silk silver slate steel stone straw stucco suede terracotta textile tile tiles
    timber velvet vinyl wax wicker wooden wool
    """.split()
)  # fmt: skip

#: First parts of compounds such as "wall-brick", whose second part says which kind.
_HEADS = frozenset("ceiling fence floor furniture ground roof table wall window".split())
#: Second parts that say nothing: "sky-other" is the sky.
_EMPTY = frozenset("other others stuff things misc".split())
_COMPOUND = re.compile(r"(\w+)-(\w+)")


def reworded(word: str) -> str:
    """A compound with its head last: "wall-brick" as "brick wall", "sky-other" as "sky"; all else as typed."""
    found = _COMPOUND.fullmatch(word)
    if not found:
        return word
    head, kind = found.groups()
    if kind.casefold() in _EMPTY:
        return head
    return f"{kind} {head}" if head.casefold() in _HEADS else word


def kind_of_word(word: str) -> str:
    """STUFF, THING or MATERIAL: told by the last word of the name, which in English says what it is."""
    parts = re.findall(r"\w+", reworded(word).casefold())
    last = parts[-1] if parts else ""
    if last in _MATERIAL:
        return MATERIAL
    return STUFF if last in _STUFF else THING
