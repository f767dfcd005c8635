"""Options: arguments of the endpoints, settings records, and values of the page's controls."""

from __future__ import annotations

import dataclasses
from functools import cache
from typing import Any

from pipeline.edit.settings import EditSettings
from pipeline.proposals.settings import ProposalSettings
from pipeline.refine.settings import RECORDS
from pipeline.settings import LoadSettings, SegmentSettings, SelectSettings, split

_SETTINGS = {r.__name__: r for r in (SegmentSettings, SelectSettings, LoadSettings, EditSettings, ProposalSettings,
                                     *RECORDS)}  # fmt: skip
_REPEATED = ("kind", "prompt", "seed")


def _defaults(record: type) -> dict[str, Any]:
    return {f.name: f.default for f in dataclasses.fields(record) if "label" in f.metadata}


def _arguments() -> dict[str, Any]:
    options = {name: value for name, value in _defaults(EditSettings).items() if name not in _REPEATED}
    return {
        "search": ["dog; puppy, grass", "sclip", "sam", "auto", 0.2],
        "edit": ["remove", "", 7, options],
        "panels": ["sclip+none,trident+crf", ""], "figure": ["pdf", 180.0], "switch": [True, "alone"],
        "points": [[[1, 2, 1], [3.5, 4, 0]]], "box": [[1, 2, 30, 40]], "photo": [None],
    }  # fmt: skip


@cache
def _controls():
    import gradio as gr

    from app.controls import controls
    from app.files import SaveSettings

    with gr.Blocks():
        return [
            (record, controls(record, record.__name__)) for record in (SegmentSettings, EditSettings, ProposalSettings,
                                                                       SaveSettings, *RECORDS)
        ]  # fmt: skip


@cache
def good() -> dict[str, Any]:
    """Good values by what they are for."""
    shown = [one.component.value for _, made in _controls() for one in made]
    return {**_arguments(), **{name: _defaults(record) for name, record in _SETTINGS.items()}, "controls": shown}


def check(name: str, value: Any) -> None:
    """Send values through the door they are for.

    Raises:
        NamebrushError: they are refused.
    """
    from app import arguments, values
    from app.controls import read

    if name in _SETTINGS:
        if isinstance(value, dict):
            split(value, _SETTINGS[name])
        return
    if name == "controls":
        given = (value if isinstance(value, list) else [value]) or [None]
        place = 0
        for record, made in _controls():
            part = [given[(place + i) % len(given)] for i in range(len(made))]
            place += len(made)
            record(**read(made, part))
        return
    doors = {
        "search": arguments.search, "edit": arguments.edit_settings, "panels": arguments.panels,
        "figure": arguments.figure, "switch": arguments.switch, "points": values.points, "box": values.box,
        "photo": arguments.photo,
    }  # fmt: skip
    count = len(_arguments()[name])
    given = list(value) if isinstance(value, list) else [value]
    doors[name](*(given + [None] * count)[:count])
