"""Words a model never met: said plainly, with a word it did meet in their place."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence

from ..vocabulary import DISTRACTORS

#: How many words are offered at most, and how many unknown ones are named.
OFFERED, NAMED = 3, 4
#: Least likeness of spelling (0..1) of a word that is offered as meant.
ALIKE = 0.75

_LETTERS = re.compile(r"\w+")


def unknown_note(
    words: Iterable[str],
    known: frozenset[str] | None,
    world: Sequence[str] = (),
    related: Sequence[str] = DISTRACTORS,
    background: Iterable[str] = (),
) -> tuple[str, ...]:
    """One sentence about the typed words a model never met in training, or nothing.

    A name of several words is met where every one of them is: who knows "hot", "air" and "balloon" may guess well at
    "hot air balloon". A name without a single letter or digit is never met.

    Args:
        words: names and synonyms as typed.
        known: single words of the training texts, lower case; None: not known, and so nothing is said.
        world: entries "word; related; ..." of what the model was trained on; where the offered words come from.
        related: entries of the same form that say which words are of one kind.
        background: words that compete with them; they may be offered, what is typed already is not.
    """
    if known is None:
        return ()
    typed = list(dict.fromkeys(words))
    strange = [word for word in dict.fromkeys((*typed, *background)) if not _met(word, known)]
    if not strange:
        return ()
    taken = {word.casefold() for word in typed}
    names = [word for entry in world for word in _split(entry) if word not in taken] or sorted(known - taken)
    offered = list(dict.fromkeys(near for word in strange for near in _near(word, names, related)))
    firsts = [name for name in (_split(entry)[0] for entry in world if _split(entry)) if name not in taken] or names
    offered = (offered or firsts)[:OFFERED]
    shown = ", ".join(f'"{word}"' for word in strange[:NAMED])
    if len(strange) > NAMED:
        shown += f" and {len(strange) - NAMED} more"
    them = "it" if len(strange) == 1 else "them"
    hint = " or ".join(f'"{word}"' for word in offered)
    return (
        f"The built-in model never met {shown}; what it finds for {them} is a guess. "
        f"Try a word such as {hint}, or a downloaded preset.",
    )


def _met(word: str, known: frozenset[str]) -> bool:
    parts = _LETTERS.findall(word.casefold())
    return bool(parts) and known.issuperset(parts)


def _split(entry: str) -> list[str]:
    return [word.strip() for word in entry.split(";") if word.strip()]


def _near(word: str, names: list[str], related: Sequence[str]) -> list[str]:
    """Known names that are spelt like a word, or else are of one kind with it."""
    lower = word.casefold()
    alike = difflib.get_close_matches(lower, names, OFFERED, ALIKE)
    if alike:
        return alike
    parts = set(_LETTERS.findall(lower)) | {lower}
    kin = [k for entry in related for k in _split(entry) if parts & set(_split(entry))]
    return [name for name in names if name in kin][:OFFERED]
