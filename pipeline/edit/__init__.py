"""Edits of a selected region, and not one pixel changed outside: removed, recoloured, moved and more; see `kinds`.

`edit` is imported when it is first used: kinds and settings are read by a command line that shall be there at once.
"""

from __future__ import annotations

from typing import Any

__all__ = ["edit"]


def __getattr__(name: str) -> Any:
    if name != "edit":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .door import edit

    return edit
