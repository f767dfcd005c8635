"""Painted scenes with exact labels: what the built-in models learn from, and the app's own examples.

`make_scene` paints a storybook landscape with objects; `make_abstract` paints shapes that mean nothing.
Both are pure functions of their arguments.
"""

from .abstract import make_abstract
from .compose import make_scene
from .records import COLORS, INDEX, NOUNS, PIGMENTS, STUFF, STYLES, TIMES, Scene, SceneObject

__all__ = [
    "COLORS",
    "INDEX",
    "NOUNS",
    "PIGMENTS",
    "STUFF",
    "STYLES",
    "TIMES",
    "Scene",
    "SceneObject",
    "make_abstract",
    "make_scene",
]
