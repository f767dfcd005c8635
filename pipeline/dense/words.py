"""Where words come in: dense features and text embeddings to scores, in whatever way a method reads them.

Most methods take cosines. The others are entered by `recipe.word_reader` as functions

    reader(windows: list[FeatureMap], asked: Asked) -> iterable of float32 [Q, h, w], one per window

whose scores play the part of cosines: the softmax of `asked.scale` times them gives probabilities. They run no image
encoder; ResCLIP's feedback runs CLIP's last block once more, which is the method. What a method does to the whole
frame once its windows are joined is entered by `recipe.frame_reader`, as

    reader(scores: float32 [Q, fh, fw], windows: list[FeatureMap], asked: Asked) -> float32 [Q, fh, fw]
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from ..progress import Progress
from ..records import Encoded, FeatureMap, Vocabulary
from .cosines import as_words, by_frame, frame_cosines, join_maps
from .recipe import FRAME_READERS, READERS, Recipe

#: Least probability whose logarithm is taken.
FLOOR = 1e-6


@dataclass(frozen=True, eq=False)
class Asked:
    """The words, and all that a reader may want to know.

    Attributes:
        words: float32 [Q, D], unit rows.
        owners: for each query the index of its class; background names share the index after the last.
        foreground: how many of the queries belong to classes; they come first.
        scale: factor between scores and logits.
        recipe: with the constants.
        visual: CLIP's image tower.
        empty: gives the embedding float32 [1, D] of the empty word.
        progress: told of every window, may cancel between them.
    """

    words: Tensor
    owners: tuple[int, ...]
    foreground: int
    scale: float
    recipe: Recipe
    visual: nn.Module | None = None
    empty: Callable[[], np.ndarray] | None = None
    progress: Progress = field(default_factory=Progress)

    def by_class(self, scores: Tensor) -> Tensor:
        """Scores of queries [Q, ...] as those of classes [C (+1), ...], the largest of each class's words."""
        owners = torch.tensor(self.owners)
        return torch.stack([scores[owners == c].amax(0) for c in range(int(owners.max()) + 1)])


def read_words(
    encoded: Encoded,
    text: np.ndarray,
    vocabulary: Vocabulary,
    scale: float,
    *,
    visual: nn.Module | None = None,
    empty: Callable[[], np.ndarray] | None = None,
    progress: Progress | None = None,
) -> list[Tensor]:
    """Scores of every word at every pixel of every frame, before they are brought to a common size.

    Args:
        encoded: dense features, with the recipe that made them; without one, cosines are taken.
        text: float32 [Q, D] of unit rows, in the order of `vocabulary.queries`.
        vocabulary: which query belongs to which class.
        scale: factor between scores and logits.
        visual, empty, progress: see `Asked`.

    Returns:
        One float32 [Q, fh, fw] per frame (one frame, unless there are several scales); see `cosines.frame_cosines`.
    """
    recipe = encoded.recipe
    if recipe is None or recipe.reader == "cosines":
        return frame_cosines(encoded, text)
    foreground = len(vocabulary.queries) - len(vocabulary.background)
    asked = Asked(as_words(text), vocabulary.query_classes, foreground, scale, recipe, visual, empty,
                  progress or Progress())
    read = READERS.get(recipe.reader, _cosines)
    finish = FRAME_READERS.get(recipe.reader, lambda scores, _maps, _asked: scores)
    return [finish(join_maps(zip(maps, read(maps, asked), strict=True), frame), maps, asked)
            for frame, maps in by_frame(encoded).items()]


def _cosines(windows: list[FeatureMap], asked: Asked) -> Iterator[Tensor]:
    return (patch_scores(one, asked) for one in windows)


def patch_scores(one: FeatureMap, asked: Asked) -> Tensor:
    """Plain cosines of one window's map, float32 [Q, h, w]."""
    features = torch.tensor(one.features)
    return (asked.words @ features.flatten(1)).unflatten(-1, features.shape[1:])


def as_scores(probabilities: Tensor, scale: float) -> Tensor:
    """Scores [Q, ...] whose softmax, times `scale`, gives the probabilities [Q, ...] brought to a sum of 1."""
    return probabilities.clamp(min=FLOOR).log() / scale


def vote_scores(scores: Tensor, groups: Tensor, asked: Asked) -> Tensor:
    """Scores under which every group of pixels takes the class that most of its pixels have.

    Where a pixel's best query is of another class than the one its group votes for (the smallest class on a tie), its
    best score and that of the best query of the voted class change places. So the label is the vote, exactly, and a
    pixel's scores stay those it had.

    Args:
        scores: float32 [Q, H, W].
        groups: int64 [H, W], numbers of groups, -1 for pixels that do not vote.
    """
    owners = torch.tensor(asked.owners)
    classes = int(owners.max()) + 1
    flat, group = scores.flatten(1).clone(), groups.flatten()
    best = flat.argmax(0)
    voters = group >= 0
    if not bool(voters.any()):
        return scores
    counts = torch.zeros(int(group.max()) + 1, classes, dtype=torch.long)
    counts.index_put_((group[voters], owners[best][voters]), torch.ones(1, dtype=torch.long), accumulate=True)
    voted = torch.where(voters, counts.argmax(1)[group.clamp(min=0)], owners[best])
    changed = (voted != owners[best]).nonzero()[:, 0]
    own = torch.where(owners[:, None] == voted[changed][None], flat[:, changed], -torch.inf).argmax(0)
    high, low = flat[best[changed], changed], flat[own, changed]
    flat[own, changed], flat[best[changed], changed] = high, low
    return flat.unflatten(1, scores.shape[1:])
