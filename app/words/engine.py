"""The engine's sentences in the visitor's language, at the page's edge: the engine itself speaks English.

`engine.<language>.po` pairs English templates with translations, in gettext's form. Fields have names: what stands in
`{path}` of the English sentence goes where the translation says `{path}`; `{error!t}` marks a field that holds a
sentence, or a piece of one, of the engine's own and is translated in turn. Names that people typed are never touched.
A sentence without a translation stays English; a test reads the engine's source and lists what is missing.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
_FIELD = re.compile(r"(?<!\{)\{(\w+)(!t)?\}(?!\})")
#: Sentences inside sentences at most.
_DEPTH = 3


@dataclass(frozen=True)
class Entry:
    """A template, compiled: `literals` in their order for a quick look, `weight` letters that must agree."""

    pattern: re.Pattern[str]
    literals: tuple[str, ...]
    weight: int
    translation: str


def catalogue(lang: str) -> dict[str, str]:
    """The pairs of a language's file: English template to translation; empty for English."""
    path = FOLDER / f"engine.{lang}.po"
    if not path.exists():
        return {}
    pairs, key, value, into = {}, "", "", None
    for line in [*path.read_text(encoding="utf-8").splitlines(), 'msgid ""']:
        if line.startswith("msgid "):
            if key:
                pairs[key] = value
            key, value, into = ast.literal_eval(line[6:]), "", "key"
        elif line.startswith("msgstr "):
            value, into = ast.literal_eval(line[7:]), "value"
        elif line.startswith('"'):
            more = ast.literal_eval(line)
            key, value = (key + more, value) if into == "key" else (key, value + more)
    return pairs


def _plain(text: str) -> str:
    return text.replace("{{", "{").replace("}}", "}")


@cache
def _entries(lang: str) -> tuple[dict[str, str], tuple[Entry, ...]]:
    """Sentences without fields by themselves, and templates, those with most letters of their own first."""
    whole, made = {}, []
    for template, translation in catalogue(lang).items():
        parts = _FIELD.split(template)  # literal, name, mark, literal, ...
        literals = tuple(_plain(part) for part in parts[::3])
        if len(literals) == 1:
            whole[literals[0]] = _plain(translation)
            continue
        pattern = "".join(
            re.escape(literal) + (f"(?P<{name}>.*?)" if name else "")
            for literal, name in zip(literals, [*parts[1::3], ""], strict=True)
        )
        made.append(Entry(re.compile(pattern, re.DOTALL), literals, sum(map(len, literals)), translation))
    return whole, tuple(sorted(made, key=lambda entry: -entry.weight))


def _could(entry: Entry, sentence: str) -> bool:
    """Whether the template's own words are all there in their order."""
    if not sentence.startswith(entry.literals[0]) or not sentence.endswith(entry.literals[-1]):
        return False
    at = 0
    for literal in entry.literals:
        at = sentence.find(literal, at)
        if at < 0:
            return False
        at += len(literal)
    return True


@lru_cache(maxsize=4096)
def translated(lang: str, sentence: str, depth: int = 0) -> str:
    """A sentence of the engine in a language; as it is where that is English or no translation is known."""
    if lang == "en" or not sentence or depth > _DEPTH:
        return sentence
    whole, templates = _entries(lang)
    if sentence in whole:
        return whole[sentence]
    for entry in templates:
        found = entry.pattern.fullmatch(sentence) if _could(entry, sentence) else None
        if found is None:
            continue

        def filled(field: re.Match[str], found: re.Match[str] = found) -> str:
            value = found[field[1]]
            return translated(lang, value, depth + 1) if field[2] else value

        return _plain(_FIELD.sub(filled, entry.translation))
    return sentence


def words_of(lang: str, sentences: tuple[str, ...] | list[str]) -> list[str]:
    """Several sentences, each translated."""
    return [translated(lang, one) for one in sentences]
