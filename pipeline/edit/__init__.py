"""Edits of a selected region: removed, replaced or restyled, and not one pixel changed outside."""

from .edit import edit

__all__ = ["edit"]
