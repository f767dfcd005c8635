"""Who appears, where and how large: the plan of the things in a scene, made before anything is painted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from . import animals, buildings, plants
from .noise import stream
from .pen import Pen
from .records import COLORS, INDEX
from .stage import Stage

MANY = tuple(c for c in COLORS if c not in ("black", "grey"))
LAND = ("grass", "sand", "snow")


@dataclass(frozen=True)
class Kind:
    """How a noun is drawn and where it belongs. `height` is in parts of the short side when close to us."""

    draw: Callable[..., None]
    aspect: float
    height: float
    colors: tuple[str, ...]
    where: tuple[str, ...]
    lean: float = 0.0


KINDS: dict[str, Kind] = {
    "tree": Kind(
        plants.tree, 0.78, 0.60, ("green",) * 5 + ("orange", "yellow", "red", "pink"), ("grass", "grass", "snow"), 0.04
    ),
    "palm": Kind(plants.palm, 0.98, 0.56, ("green",), ("sand", "grass"), 0.0),
    "bush": Kind(plants.bush, 1.5, 0.23, ("green",), ("grass", "sand", "snow"), 0.0),
    "flower": Kind(
        plants.flower,
        0.66,
        0.34,
        ("red", "orange", "yellow", "purple", "pink", "white", "blue"),
        ("grass", "grass", "sand"),
    ),
    "cactus": Kind(plants.cactus, 0.72, 0.42, ("green",), ("sand", "sand", "grass")),
    "mushroom": Kind(
        plants.mushroom, 1.1, 0.26, ("red", "orange", "brown", "white", "purple"), ("grass", "grass", "snow")
    ),
    "rock": Kind(plants.rock, 1.42, 0.23, ("grey", "brown"), LAND),
    "house": Kind(buildings.house, 1.22, 0.56, MANY + ("grey",), LAND),
    "lighthouse": Kind(
        buildings.lighthouse, 0.44, 0.66, ("red", "red", "blue", "black", "green", "orange", "white"), LAND
    ),
    "fence": Kind(buildings.fence, 2.34, 0.2, ("white", "brown", "brown"), LAND),
    "tent": Kind(buildings.tent, 1.44, 0.36, MANY, LAND),
    "boat": Kind(buildings.boat, 1.28, 0.38, MANY + ("black",), ("sea",), 0.06),
    "car": Kind(buildings.car, 2.0, 0.23, COLORS, LAND + ("road",)),
    "truck": Kind(buildings.truck, 1.9, 0.3, COLORS, LAND + ("road",)),
    "balloon": Kind(animals.balloon, 0.78, 0.36, MANY, ("sky",), 0.05),
    "dog": Kind(
        animals.dog, 1.72, 0.3, ("brown", "brown", "black", "white", "grey", "orange", "yellow"), LAND + ("road",)
    ),
    "cat": Kind(animals.cat, 1.36, 0.3, ("orange", "grey", "black", "white", "brown"), LAND + ("road",)),
    "sheep": Kind(
        animals.sheep, 1.52, 0.3, ("white", "white", "white", "brown", "black"), ("grass", "grass", "snow", "sand")
    ),
    "bird": Kind(animals.bird, 1.62, 0.2, COLORS, ("sky", "grass", "sand", "snow")),
    "ball": Kind(animals.ball, 1.02, 0.2, MANY, LAND + ("road",)),
    "kite": Kind(animals.kite, 0.62, 0.36, MANY, ("sky",), 0.22),
    "umbrella": Kind(animals.umbrella, 1.14, 0.42, MANY, ("sand", "sand", "grass", "snow"), 0.14),
}
WORTH = {  # how eagerly each is cast, set so that every noun turns up often enough
    "boat": 2.4, "palm": 1.5, "cactus": 1.5, "car": 1.2, "truck": 1.2, "umbrella": 1.2, "tree": 1.2, "mushroom": 1.1,
}  # fmt: skip


@dataclass(frozen=True)
class Part:
    """One thing as planned: its foot at (x, y) in pixels, its height in pixels, and the salt of its own stream."""

    noun: str
    color: str
    x: float
    y: float
    size: float
    flip: bool
    lean: float
    where: str
    salt: int

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Roughly what it covers."""
        half = self.size * KINDS[self.noun].aspect / 2
        return (self.x - half, self.y - self.size, self.x + half, self.y)


def _overlap(a, b) -> float:
    """How much of the smaller of two boxes the other covers."""
    w, h = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if w <= 0 or h <= 0:
        return 0.0
    return w * h / min((a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1]))


def plan(stage: Stage) -> list[Part]:
    """Casts 3 to 9 things (more on long pictures), far ones first."""
    rng = stream(stage.seed, 8)
    present = set(np.flatnonzero(np.bincount(stage.classes.ravel()) > 0.01 * stage.classes.size).tolist())
    places = {n for n in ("sky", "sea", "road", *LAND) if INDEX[n] in present}
    nouns = [n for n, kind in KINDS.items() if places & set(kind.where)]
    weight = np.array([WORTH.get(n, 1.0) for n in nouns])
    long = max(stage.h, stage.w) / min(stage.h, stage.w)
    count = round(rng.integers(3, 10) * min(2.5, long**0.6))
    cast: list[Part] = []
    chosen = rng.choice(len(nouns), size=min(count, len(nouns)), replace=False, p=weight / weight.sum())
    names = [nouns[k] for k in chosen]
    if len(names) > 2 and rng.random() < 0.5:  # company: two sheep, three flowers
        names[-1] = names[0]
    hero = int(rng.integers(len(names))) if rng.random() < 0.55 else -1
    for k, noun in enumerate(names):
        part = _place(stage, rng, noun, k, cast, grand=k == hero)
        if part is not None:
            cast.append(part)
    return sorted(cast, key=lambda p: (p.where != "sky", p.y))


def _place(stage: Stage, rng: np.random.Generator, noun: str, salt: int, cast: list[Part], grand: bool) -> Part | None:
    """The freest of several places where the noun belongs, or None when all are taken."""
    kind, short = KINDS[noun], min(stage.h, stage.w)
    hz, best, score = stage.horizon * stage.h, None, 0.62
    color, flip = kind.colors[rng.integers(len(kind.colors))], bool(rng.random() < 0.5)
    lean = float(rng.uniform(-1, 1) * kind.lean)
    for _ in range(16):
        x = rng.uniform(0.04, 0.96) * stage.w
        if "sky" in kind.where and (len(kind.where) == 1 or rng.random() < 0.5):
            size = kind.height * rng.uniform(0.55, 1.1) * short * (1.5 if grand else 1)
            y, where = size * 0.92 + rng.uniform(0, 1) * max(2.0, hz - size * 0.75), "sky"
        else:
            near = rng.uniform(0, 1) ** 0.8
            y = hz + (stage.h - hz) * (0.06 + 0.92 * near)
            where = ("sky", "cloud", "sea", "mountain", "grass", "sand", "road", "snow")[
                stage.classes[min(stage.h - 1, int(y)), min(stage.w - 1, int(x))]]  # fmt: skip
            if where not in kind.where:
                continue
            if (
                "road" in kind.where
                and where != "road"
                and INDEX["road"] in stage.classes[int(hz) :: 16]
                and rng.random() < 0.6
            ):
                continue
            size = kind.height * (0.42 + 0.72 * near) * rng.uniform(0.85, 1.15) * short * (1.45 if grand else 1)
        size = max(size, 0.105 * short, 0.125 * short / max(1.0, kind.aspect))
        part = Part(noun, color, float(x), float(y), float(min(size, 0.86 * short)), flip, lean, where, salt)
        clash = max((_overlap(part.box, other.box) for other in cast), default=0.0)
        x0, y0, x1, y1 = part.box
        out = 1 - max(0.0, min(x1, stage.w) - max(x0, 0)) * max(0.0, min(y1, stage.h) - max(y0, 0)) / (
            (x1 - x0) * (y1 - y0)
        )
        clash += out * 0.9
        if clash < score:
            best, score = part, clash
            if clash < 0.05:
                break
    return best


def draw(
    part: Part, stage: Stage, color, volume: float, brush: float, form: int | None = None
) -> tuple[np.ndarray, int, int]:
    """Draws a part; returns its sheet (premultiplied uint8 RGBA) and where the sheet's corner lies.

    Parts of one noun look alike but for colour, size and light where a `form` is given.
    """
    kind = KINDS[part.noun]
    rng = stream(stage.seed, 16, part.salt) if form is None else stream(form, 16, INDEX[part.noun])
    if form is not None:
        part = replace(part, flip=False, lean=0.0)
    pen = Pen(rng, part.size, kind.aspect, part.flip, part.lean, stage.time == "night")
    if part.noun == "bird":
        kind.draw(pen, color, flying=part.where == "sky")
    else:
        kind.draw(pen, color)
    side = stage.side
    sheet = pen.finish(stage.tint, side, volume, brush, stage.unit)
    return sheet, round(part.x - pen.foot[0]), round(part.y - pen.foot[1])
