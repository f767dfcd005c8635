"""The words a scene can be described with, and the records a scene is returned in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

NOUNS: tuple[str, ...] = (
    "sky", "cloud", "sea", "mountain", "grass", "sand", "road", "snow",
    "tree", "palm", "bush", "flower", "cactus", "mushroom", "rock", "house", "lighthouse", "fence", "tent",
    "boat", "car", "truck", "balloon", "dog", "cat", "sheep", "bird", "ball", "kite", "umbrella",
)  # fmt: skip
STUFF: frozenset[str] = frozenset(NOUNS[:8])
INDEX: dict[str, int] = {noun: i for i, noun in enumerate(NOUNS)}
TIMES: tuple[str, ...] = ("day", "sunset", "night", "overcast")
STYLES: tuple[str, ...] = ("gouache", "flat", "ink", "pastel")

PIGMENTS: dict[str, tuple[int, int, int]] = {
    "red": (208, 50, 44),
    "orange": (240, 136, 40),
    "yellow": (248, 208, 62),
    "green": (68, 156, 76),
    "blue": (46, 96, 196),
    "purple": (132, 72, 176),
    "pink": (244, 146, 176),
    "brown": (132, 86, 52),
    "black": (46, 44, 50),
    "white": (246, 243, 235),
    "grey": (146, 148, 152),
    "turquoise": (58, 190, 186),
}
COLORS: tuple[str, ...] = tuple(PIGMENTS)


@dataclass(frozen=True)
class SceneObject:
    """One thing in a scene.

    `id` is its value in `Scene.instances` (1-based), `color` a word of `COLORS` or None where colour says nothing,
    `box` is x0, y0, x1, y1 in pixels with exclusive ends around what is visible, `area` the visible pixels.
    """

    id: int
    noun: str
    color: str | None
    box: tuple[int, int, int, int]
    area: int


@dataclass(frozen=True)
class Scene:
    """A painted scene with its ground truth.

    `image` is uint8 RGB [H, W, 3]; `classes` uint8 [H, W] holds an index into `NOUNS` at every pixel;
    `instances` uint16 [H, W] holds 0 for stuff and `SceneObject.id` for things.
    """

    image: np.ndarray
    classes: np.ndarray
    instances: np.ndarray
    objects: tuple[SceneObject, ...]
    captions: tuple[str, ...]
    time: str
    style: str
    seed: int
