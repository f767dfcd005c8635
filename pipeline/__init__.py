"""Namebrush's engine: photos and names in, masks and edits out. It knows no page.

    from pipeline import Pipeline
    pipe = Pipeline.load("tiny")
    seg = pipe.segment("photo.jpg", "dog; puppy, grass, sky", method="trident", refine="sam")

Importing this package is quick; the libraries behind it are imported when a name is first used.
"""

from __future__ import annotations

import importlib
import os
from typing import Any

# Nothing phones home. Set before any library is imported, because they read these at import.
for _name, _value in {
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "GRADIO_ANALYTICS_ENABLED": "False",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",  # progress is told through `Progress` alone
}.items():
    os.environ[_name] = _value

_HOMES = {
    "Pipeline": "pipeline",
    "NamebrushError": "errors",
    "Cancelled": "errors",
    "Progress": "progress",
    "open_photo": "photo",
    "parse_vocabulary": "vocabulary",
    "SegmentSettings": "settings",
    "EditSettings": "edit.settings",
    "RefineSettings": "refine.settings",
    "RECIPES": "dense.recipes",
    **dict.fromkeys(
        (
            "ClassName", "EditRequest", "EditResult", "Encoded", "Photo", "Prompt", "Region", "Segmentation",
            "Vocabulary",
        ),
        "records",
    ),
}  # fmt: skip

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
