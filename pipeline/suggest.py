"""Which names are likely in a photo: CLIP's dense features against a list of everyday words."""

from __future__ import annotations

import numpy as np

from .dense.cosines import frame_cosines
from .dense.recipes import RECIPES, load_methods
from .device import on_device, share_of
from .models.catalog import get_preset
from .photo import PhotoSource
from .progress import Progress
from .segment import class_probabilities
from .text.embed import embed_words
from .vocabulary import parse_vocabulary

#: Everyday things and places, most common first; asked of models that were trained on photographs of anything.
WORDS = (
    "person", "sky", "tree", "grass", "building", "road", "car", "water", "sea", "mountain", "wall", "floor", "table",
    "chair", "window", "door", "dog", "cat", "bird", "horse", "cow", "sheep", "flower", "plant", "rock", "sand",
    "snow", "cloud", "river", "lake", "beach", "bridge", "boat", "ship", "truck", "bus", "train", "bicycle",
    "motorcycle", "airplane", "sign", "traffic light", "street lamp", "fence", "bench", "house", "roof", "tower",
    "church", "sofa", "bed", "lamp", "book", "shelf", "picture frame", "mirror", "curtain", "carpet", "television",
    "computer", "keyboard", "phone", "clock", "vase", "bottle", "cup", "glass", "plate", "bowl", "fork", "knife",
    "spoon", "food", "bread", "cake", "pizza", "fruit", "apple", "banana", "orange", "vegetable", "salad", "meat",
    "hat", "shirt", "trousers", "dress", "shoes", "bag", "umbrella", "backpack", "ball", "toy", "teddy bear",
    "guitar", "piano", "balloon", "kite", "surfboard", "skateboard", "tent", "fire", "sun", "moon", "bear",
    "elephant", "giraffe", "zebra", "duck", "chicken", "fish", "butterfly", "stairs", "pool", "fountain", "statue",
    "flag", "box", "basket", "barrel", "wheel", "hand", "face", "hair",
)  # fmt: skip
#: Rows and columns of the grid on which words compete.
GRID = 64
#: Share of the photo that a word must win.
LEAST_SHARE = 0.01


def suggest(pipe, photo: PhotoSource, count: int = 12, progress: Progress | None = None, **encoding) -> list[str]:
    """Names that are likely in a photo, the most certain first.

    Every place of a coarse grid goes to the word that fits best; a word counts by the places it won, each by how sure
    it was. Runs the image encoders unless their answer is in the cache, where a search with the same method finds it.

    Args:
        pipe: a `Pipeline`.
        photo: anything `Pipeline.open` takes.
        count: names at most.
        progress: see `Pipeline`.
        encoding: `method` and the other arguments of `Pipeline.encode`.

    Returns:
        Between 0 and `count` names.
    """
    progress = progress or Progress()
    encoding = with_features(pipe.preset, encoding)
    clip = pipe.models.clip
    vocabulary = parse_vocabulary([entry.split(";")[0] for entry in clip.distractors or WORDS], "none", 0.0)
    encoded = pipe.encode(photo, progress=share_of(progress, 0.0, 0.8), **encoding)
    text = embed_words(
        clip, vocabulary.queries, "auto", share_of(progress, 0.8, 1.0),
        guard=lambda: on_device(pipe.models.device, progress),
    )  # fmt: skip
    shares = class_probabilities(frame_cosines(encoded, text), vocabulary, clip.logit_scale, (GRID, GRID))
    return ranked([c.name for c in vocabulary.classes], shares, count)


def with_features(preset: str, encoding: dict) -> dict:
    """The arguments of `Pipeline.encode`, of the preset's own method where the one asked for has no dense features."""
    load_methods()
    known = encoding.get("method", "") in RECIPES
    return encoding if known else {"method": get_preset(preset).method}


def ranked(names: list[str], shares: np.ndarray, count: int, least: float = LEAST_SHARE) -> list[str]:
    """Names in the order of the certainty they won places with; those with too few places are left out.

    Args:
        names: C names.
        shares: float32 [C, h, w], probabilities.
        count: names at most.
        least: share of the places that a name must win, 0..1.
    """
    winner = shares.argmax(axis=0)
    won = np.bincount(winner.ravel(), minlength=len(names)) / winner.size
    sure = np.bincount(winner.ravel(), weights=shares.max(axis=0).ravel(), minlength=len(names))
    order = np.argsort(-sure, kind="stable")
    return [names[i] for i in order if won[i] >= least][:count]
