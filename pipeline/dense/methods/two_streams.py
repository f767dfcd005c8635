"""GEM and CLIP Surgery: a second stream beside CLIP's own collects self attention of the upper blocks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..families import Found, Window, as_map
from ..gem import gem_tokens, surgery_tokens
from ..recipe import Recipe, register, window_family, word_reader
from ..surgery import feature_surgery, without_redundant
from ..trunk import head
from ..words import Asked, patch_scores


@dataclass(frozen=True)
class GemConstants:
    """Blocks of the second stream (None: the published six, or the upper half of a shallow tower), and how often
    queries, keys and values gather themselves."""

    depth: int | None = None
    iterations: int = 1


@dataclass(frozen=True)
class SurgeryConstants:
    """Blocks of the second stream, and whether what all words share is taken out of the similarity."""

    depth: int | None = None
    feature_surgery: bool = True


@window_family("gem")
def gem(window: Window) -> Tensor:
    """GEM's stream."""
    own, residual = window.recipe.own, window.recipe.residual
    tokens, _, grid = gem_tokens(window.visual, window.pixels, own.depth, own.iterations, residual=residual)
    return as_map(head(window.visual, tokens[0, 1:]), grid)


@window_family("surgery")
def surgery(window: Window) -> Found:
    """CLIP Surgery's stream, and the class token that weighs the words."""
    tokens, _, grid = surgery_tokens(window.visual, window.pixels, window.recipe.own.depth, window.recipe.residual)
    features = head(window.visual, tokens[0])
    return Found(as_map(features[1:], grid), {"first": F.normalize(features[:1].float(), dim=-1)})


@word_reader("surgery")
def read_surgery(windows, asked: Asked) -> Iterator[Tensor]:
    """Similarity without what all words share; for a single word, without what the empty word has."""
    if not asked.recipe.own.feature_surgery:
        yield from (patch_scores(one, asked) for one in windows)
        return
    empty = torch.from_numpy(asked.empty()) if len(asked.words) == 1 else None
    for one in windows:
        features = torch.tensor(one.features)
        rows = torch.cat([torch.from_numpy(one.extras["first"]), features.flatten(1).T])
        if empty is None:
            similarity = feature_surgery(rows, asked.words)
        else:
            similarity = without_redundant(rows, asked.words, empty)
        yield similarity[1:].T.unflatten(-1, features.shape[1:])


register(Recipe(
    "gem", "GEM", "Queries, keys and values each gather themselves, in the upper half of the tower.",
    "Bousselham et al., CVPR 2024", family="gem", residual=True, states=("residual",), own=GemConstants(),
))
register(Recipe(
    "clip-surgery", "CLIP Surgery", "A second stream of value-value attention; what all words share is subtracted.",
    "Li et al., Pattern Recognition 2025", family="surgery", residual=True, reader="surgery",
    states=("residual",), own=SurgeryConstants(),
))
