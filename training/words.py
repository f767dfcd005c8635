"""The words the built-in models learn: other words for every noun, and sentences to put them in."""

from __future__ import annotations

import numpy as np

from .scenes import COLORS, NOUNS

#: Words that name the same thing in a scene; the first is the noun itself.
WORDS: dict[str, tuple[str, ...]] = {
    "sky": ("sky",),
    "cloud": ("cloud", "clouds"),
    "sea": ("sea", "ocean", "water", "lake"),
    "mountain": ("mountain", "mountains", "hill"),
    "grass": ("grass", "lawn", "meadow"),
    "sand": ("sand", "beach"),
    "road": ("road", "street", "path"),
    "snow": ("snow",),
    "tree": ("tree", "trees"),
    "palm": ("palm", "palm tree"),
    "bush": ("bush", "shrub"),
    "flower": ("flower", "flowers"),
    "cactus": ("cactus",),
    "mushroom": ("mushroom", "toadstool"),
    "rock": ("rock", "stone", "boulder"),
    "house": ("house", "home", "building"),
    "lighthouse": ("lighthouse",),
    "fence": ("fence",),
    "tent": ("tent",),
    "boat": ("boat", "ship", "sailboat"),
    "car": ("car", "automobile"),
    "truck": ("truck", "lorry"),
    "balloon": ("balloon", "hot air balloon"),
    "dog": ("dog", "puppy"),
    "cat": ("cat", "kitten"),
    "sheep": ("sheep", "lamb"),
    "bird": ("bird",),
    "ball": ("ball",),
    "kite": ("kite",),
    "umbrella": ("umbrella", "parasol"),
}

TEMPLATES = (
    "{}", "a {}", "the {}", "a photo of a {}", "a picture of a {}", "an image of a {}", "a painting of a {}",
    "a drawing of a {}", "this is a {}", "there is a {}", "{} in the image", "{} in the scene", "a photo of the {}",
    "a photo of a {} in the scene", "a small {}", "a large {}",
)


def phrase(rng: np.random.Generator, noun: str, color: str | None) -> tuple[str, str | None]:
    """A random way to name a region: the text, and the colour it mentions (None when it mentions none)."""
    words = WORDS[noun]
    word = words[0] if rng.random() < 0.6 else words[rng.integers(len(words))]
    said = color if color is not None and rng.random() < 0.4 else None
    name = f"{said} {word}" if said else word
    return TEMPLATES[rng.integers(len(TEMPLATES))].format(name), said


def known_words() -> tuple[str, ...]:
    """Every single word the text tower meets in training."""
    words = {w for names in WORDS.values() for name in names for w in name.split()} | set(COLORS)
    words |= {w for t in TEMPLATES for w in t.replace("{}", "").split()}
    return tuple(sorted(words))


def missing() -> set[str]:
    """Nouns of the generator that have no words here; empty unless the two went apart."""
    return set(NOUNS) - set(WORDS)
