"""The page's sentences, one module per language: `SERVER` for what Python says, `BROWSER` for what the scripts say.

A new language is one more module with the same keys (a test compares them), one more entry in `LANGUAGES`, and for the
engine's own sentences (errors, progress, notes, descriptions of settings) one more `engine.<language>.po`.
"""

from __future__ import annotations

import json

from . import de, en, engine

__all__ = ["KEYS", "LANGUAGES", "count", "engine", "for_browser", "say"]

LANGUAGES = {"en": en, "de": de}


def say(lang: str, key: str, **values: object) -> str:
    """A sentence in a language, English where the language is not known; `{name}` in it is filled from `values`."""
    return LANGUAGES.get(lang, en).SERVER[key].format(**values)


def count(lang: str, number: int, one: str) -> str:
    """`1 mask`, `3 masks`: the key `one` names the singular, `<one>s` the plural."""
    return f"{number} {say(lang, one if number == 1 else one + 's')}"


def for_browser() -> str:
    """All languages' `BROWSER` tables and the keys of the help, as JavaScript."""
    tables = {code: {**words.BROWSER, "language": words.NAME} for code, words in LANGUAGES.items()}
    # "</" would end the script element the tables stand in.
    text = json.dumps(tables, ensure_ascii=False).replace("</", "<\\/")
    return f"namebrush.words = {text};\nnamebrush.keys = {json.dumps(KEYS)};"


#: Rows of the help: keys, and the key of the sentence in `BROWSER`.
KEYS = (
    ("V", "tool_pick"), ("A", "tool_add"), ("S", "tool_subtract"), ("B", "tool_box"), ("P", "tool_brush"),
    ("E", "tool_erase"), ("H", "tool_hand"), ("[ ]", "help_brush"), (", .", "help_step"), ("Enter", "help_enter"),
    ("Esc", "help_escape"), ("← → ↑ ↓", "help_arrows"), ("F O N R C", "help_layers"), ("+ − 0 1", "help_zoom"),
    ("W", "help_wipe"), ("/", "help_words"), ("Del", "help_change"), ("Ctrl+Z", "help_undo"), ("Ctrl+S", "help_save"),
    ("?", "help"),
)  # fmt: skip
