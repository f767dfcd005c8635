"""Sentences about a scene, built from what is visible in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from .records import NOUNS, SceneObject

_NUMBER = {1: "a", 2: "two", 3: "three", 4: "four", 5: "five"}
_HOUR = {
    "day": ("on a bright day", "in daylight", "on a sunny day"),
    "sunset": ("at sunset", "in the evening light", "under a red evening sky"),
    "night": ("at night", "under the stars", "in the dark of night"),
    "overcast": ("on a grey day", "under an overcast sky", "in dull weather"),
}
_PLURAL = {"bush": "bushes", "sheep": "sheep", "cactus": "cacti", "fence": "fences"}


def phrase(noun: str, color: str | None, count: int = 1) -> str:
    """Words for `count` things: "a red car", "two white sheep"."""
    words = [color] if color else []
    words.append(noun if count == 1 else _PLURAL.get(noun, noun + "s"))
    text = " ".join(words)
    if count == 1:
        return ("an " if text[0] in "aeiou" else "a ") + text
    return f"{_NUMBER.get(count, 'many')} {text}"


def _join(parts: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]


def captions(
    objects: Sequence[SceneObject], classes: np.ndarray, time: str, rng: np.random.Generator
) -> tuple[str, ...]:
    """Two to four different captions for the whole picture."""
    share = np.bincount(classes.ravel(), minlength=len(NOUNS))[:8] / classes.size
    stuff = {NOUNS[k] for k in range(8) if share[k] > 0.02}
    ground = max(("grass", "sand", "snow", "road", "sea"), key=lambda n: share[NOUNS.index(n)])
    place = {
        "grass": "on the grass",
        "sand": "on the sand",
        "snow": "in the snow",
        "road": "by the road",
        "sea": "at sea",
    }[ground]
    if "sea" in stuff and ground != "sea":
        place += " by the sea"
    elif "mountain" in stuff:
        place += rng.choice([" below the mountains", " with mountains behind"])
    elif "road" in stuff and ground != "road":
        place += " beside a road"
    hour = str(rng.choice(_HOUR[time]))
    groups = Counter()
    for o in objects:
        groups[o.noun, o.color] += o.area
    counts = Counter((o.noun, o.color) for o in objects)
    ranked = [key for key, _ in groups.most_common()]
    names = [phrase(noun, color, counts[noun, color]) for noun, color in ranked]
    scenery = [
        {"cloud": "clouds", "mountain": "mountains", "road": "a road", "sea": "the sea"}.get(n, n)
        for n in NOUNS[1:8]
        if n in stuff
    ]
    views = [f"{_join(scenery or ['the sky'])} {hour}"]
    if names:
        some = [names[k] for k in sorted(rng.permutation(len(names))[:3])]
        plain = Counter(o.noun for o in objects)
        views = [
            f"{_join(names[:3])} {place} {hour}",
            f"a painting of {_join(some)}",
            f"{_join([phrase(n, None, c) for n, c in plain.most_common(4)])}, {_join(scenery or ['the sky'])}",
            *views,
        ]
    else:
        views.append(f"an empty landscape {place} {hour}")
    return tuple(dict.fromkeys(views))
