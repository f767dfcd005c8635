"""Labels of Gradio's own controls in the visitor's language; our own HTML is translated in the browser."""

from __future__ import annotations

from collections.abc import Callable

import gradio as gr

from . import texts
from .controls import Control
from .layout import Page
from .words import say
from .words.engine import translated


def relabelled(page: Page, controls: list[Control]) -> dict:
    """Per component a function from a language to the update that relabels it; `controls` are those of settings."""
    made: dict = {}

    def label(name: str, key: str | None = None) -> None:
        made[getattr(page, name)] = lambda lang: gr.update(value=say(lang, key or name))

    def listed(name: str, choices: Callable) -> None:
        made[getattr(page, name)] = lambda lang: gr.update(choices=choices(lang))

    for name in ("find", "undo", "redo", "save_photo", "save_masks", "save_regions", "save_overlay", "save_layers",
                 "save_session"):
        label(name)
    for name in ("open", "open_session"):
        made[getattr(page, name)] = lambda lang, name=name: gr.update(label=say(lang, name))
    for name, key in (("words", "words_hint"), ("prompt", "prompt_hint")):
        made[getattr(page, name)] = lambda lang, key=key: gr.update(placeholder=say(lang, key))
    listed("edges", lambda lang: [(say(lang, "fine"), "sam"), (say(lang, "fast"), "none")])
    kinds = tuple(value for _, value in page.kind.choices)
    listed("kind", lambda lang: texts.kind_choices(kinds, lang))
    for control in controls:
        made[control.component] = lambda lang, control=control: _described(control, lang)
    for tab, key in page.tabs.items():
        made[tab] = lambda lang, key=key: gr.update(label=say(lang, key))
    return made


def _described(control: Control, lang: str) -> dict:
    """Label and sentence of a setting, and what its empty field says where it may be left empty."""
    options = {"label": translated(lang, control.label), "info": translated(lang, control.info)}
    if control.placeholder:
        options["placeholder"] = translated(lang, control.placeholder)
    return gr.update(**options)
