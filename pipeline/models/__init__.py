"""Where weights come from: the built-in models, the catalogue of checkpoints, verified downloads, loaders."""

from __future__ import annotations

from typing import Any

from .catalog import CHECKPOINTS, KINDS, PRESETS, Checkpoint, Preset, get_preset, of_kind
from .records import ClipModel, DinoModel, Geometry, Sam2, SamModel

__all__ = [
    "CHECKPOINTS", "KINDS", "PRESETS", "Checkpoint", "ClipModel", "DinoModel", "Geometry", "Models", "Preset",
    "Sam2", "SamModel", "get_preset", "load_models", "of_kind",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """The loaders bring torch with them; listing the catalogue should not wait for it."""
    if name in ("Models", "load_models"):
        from . import loaders

        return getattr(loaders, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
