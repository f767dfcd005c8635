"""Words for an inpainting model that knows few: what it can paint is said before it paints something else."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from ..errors import NamebrushError

#: Words that hold others together and are no loss to a model that never met them.
LITTLE = frozenset("a an the of and with in on at made out its very".split())
#: Lists whose words say what shall be there; all others say how it shall look.
THINGS = ("nouns", "grounds", "surroundings")
#: As many words of each kind are named.
_NAMED = 40
_REMEDY = (
    "or choose Stable Diffusion: --inpaint sd2-inpainting (in the page, the models' settings), which is fetched once"
)


def parts_of(prompt: str) -> list[str]:
    """The single words of a prompt, lower case."""
    return re.findall(r"[^\W_]+", prompt.lower())


def known_of(lists: Mapping[str, Iterable[str]]) -> frozenset[str]:
    """Every single word of the lists."""
    return frozenset(part for words in lists.values() for word in words for part in parts_of(word))


def known_part(prompt: str, lists: Mapping[str, Iterable[str]]) -> str:
    """A prompt without the words that are not in the lists; little words stay."""
    known = known_of(lists) | LITTLE
    return " ".join(part for part in parts_of(prompt) if part in known)


def nouns_in(prompt: str, lists: Mapping[str, Iterable[str]] | None) -> bool:
    """Whether a prompt names a thing or a ground; False where none is listed."""
    nouns = known_of({kind: (lists or {}).get(kind, ()) for kind in THINGS})
    return any(part in nouns for part in parts_of(prompt))


def check_words(prompt: str, lists: Mapping[str, Iterable[str]], title: str, noun: bool) -> tuple[str, ...]:
    """What to say of a prompt; nothing where every word is known.

    Args:
        prompt: a person's words.
        lists: the words the model knows by kind: "nouns", "colors", "materials" and others.
        title: the model's name.
        noun: whether a thing must be named, as for a replacement.

    Returns:
        Sentences for the person: words that are left out.

    Raises:
        NamebrushError: no word is known, or no thing among the known ones where one is needed.
    """
    known = known_of(lists)
    said = [part for part in parts_of(prompt) if part not in LITTLE]
    unknown = list(dict.fromkeys(part for part in said if part not in known))
    if said and not any(part in known for part in said):
        raise NamebrushError(f"{title} cannot paint {_quoted(unknown)}: {told(lists)}. Use such words, {_REMEDY}.")
    if noun and said and lists.get("nouns") and not nouns_in(prompt, lists):
        lost = f" and does not know {_quoted(unknown)}" if unknown else ""
        raise NamebrushError(f"{title} needs a thing it knows{lost}: {told(lists)}. Name one, {_REMEDY}.")
    if unknown:
        return (f"{title} does not know {_quoted(unknown)} and left it out: {told(lists)}. For other words, "
                f"{_REMEDY.removeprefix('or ')}.",)  # fmt: skip
    return ()


def told(lists: Mapping[str, Iterable[str]]) -> str:
    """The lists as a part of a sentence: "its nouns are ball, boat; its colors are red, blue"."""
    named = {kind: tuple(dict.fromkeys(words)) for kind, words in lists.items() if kind != "surroundings"}
    return "; ".join(
        f"its {kind} are {', '.join(words[:_NAMED])}{' and more' * (len(words) > _NAMED)}"
        for kind, words in named.items() if words
    )  # fmt: skip


def _quoted(words: Iterable[str]) -> str:
    return ", ".join(f'"{word}"' for word in words)
