"""What a program may send to the endpoints: every argument is checked here before a photo is opened or a model runs.

Settings are an allow-list made from the declarations of the engine's own records; a server's path is never one.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from pipeline.edit.settings import EditSettings
from pipeline.errors import NamebrushError
from pipeline.models.catalog import get_preset
from pipeline.records import Photo
from pipeline.settings import SegmentSettings

from . import engine, permissions, values
from .compare import FORMATS
from .opening import open_picture

if TYPE_CHECKING:
    from pipeline.comparison.entries import Entry

#: What `/edit` takes as arguments of its own, so that it is no option.
_OWN = ("kind", "prompt", "seed")
EDIT_OPTIONS = tuple(f.name for f in dataclasses.fields(EditSettings) if f.name not in _OWN)


def photo(path: Any, what: str = "photo") -> Photo:
    """The photo of a file that was uploaded with the call.

    Args:
        path: of Gradio's upload folder, as a `gr.File` gives it after it has checked that it lies there; None: nothing
            was sent.
        what: what it is for.
    """
    if not path:
        raise NamebrushError(f"Send a {what}.")
    if not isinstance(path, str):
        raise NamebrushError(f"The {what} must be an uploaded file.")
    return open_picture(path)


def search(classes: Any, method: Any, refine: Any, background: Any, threshold: Any = None) -> dict[str, Any]:
    """Arguments of `Pipeline.segment`, checked; text that is empty or null takes its default.

    Raises:
        NamebrushError: which one is wrong.
    """
    settings = {
        "method": _named(method, "method") or get_preset(engine.PRESET).method,
        "refine": _named(refine, "refine") or "sam",
        "background": values.names(background or "auto", "background"),
        "threshold": threshold,
    }
    if settings["method"] == "auto":
        settings["method"] = get_preset(engine.PRESET).method
    found = settings["background"]
    SegmentSettings(**{**settings, "background": found if isinstance(found, str) else ", ".join(found)})
    return {"classes": values.names(classes, "classes"), **settings}


def _named(value: Any, what: str) -> str:
    return "" if value is None else values.text(value, what, 100).strip()


def edit_settings(kind: Any, prompt: Any, seed: Any, options: Any) -> EditSettings:
    """The settings of a change.

    Args:
        options: further settings by name, see `EDIT_OPTIONS`; None: none.

    Raises:
        NamebrushError: an unknown setting, or one of the wrong kind or out of its range.
    """
    options = {} if options is None else options
    if not isinstance(options, dict):
        raise NamebrushError(f"options must be an object of settings by name, got {values.quoted(options)}.")
    for name in options:
        if name not in EDIT_OPTIONS:
            raise NamebrushError(f'There is no setting "{name[:40]}". Known settings: {", ".join(EDIT_OPTIONS)}.')
    return EditSettings(
        kind=values.text(kind, "kind", 100), prompt=values.text(prompt or "", "prompt"),
        seed=values.whole(0 if seed is None else seed, "seed", high=2**63 - 1), **options,
    )  # fmt: skip


def panels(methods: Any, differences: Any) -> tuple[tuple[Entry, ...], str]:
    """What is compared, and what its figure fades."""
    from pipeline.comparison.plate import check_differences

    entries = permissions.check_entries(values.text(methods, "methods"))
    faded = values.text(differences or "", "differences", 100)
    check_differences(faded, len(entries))
    return entries, faded


def figure(ending: Any, width: Any) -> tuple[str, float]:
    """The ending and the width in millimetres of a figure."""
    from pipeline.comparison.plate import check_width

    if not isinstance(ending, str) or ending not in FORMATS:
        raise NamebrushError(f"The ending must be one of {', '.join(FORMATS)}, got {values.quoted(ending)}.")
    if not values.is_number(width):
        raise NamebrushError(f"The width must be a number of millimetres, got {values.quoted(width)}.")
    check_width(float(width))
    return ending, float(width)


def switch(value: Any, what: str) -> bool:
    """True or false; null is false."""
    if value not in (None, True, False) or isinstance(value, (int, float)) and not isinstance(value, bool):
        raise NamebrushError(f"{what} must be true or false, got {values.quoted(value)}.")
    return bool(value)
