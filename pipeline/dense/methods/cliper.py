"""CLIPer before its diffusion step: the inner blocks' attention, fused, reads every block's features."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..cliper import SCALE, THRESHOLD, CliperFeatures, cliper_features, cliper_logits, cliper_maps
from ..families import Found, Window, as_map
from ..recipe import Recipe, register, window_family, word_reader
from ..words import Asked, as_scores


@dataclass(frozen=True)
class CliperConstants:
    """In the last reading, what is below this share of its class's maximum becomes 0."""

    threshold: float = THRESHOLD


@window_family("cliper")
def cliper(window: Window) -> Found:
    """The last reading as the map; all readings and the fused attention for the words."""
    result = cliper_features(window.visual, window.pixels)
    extras = {"readings": result.features, "spread": result.spread}
    return Found(as_map(result.features[-1, 1:], result.grid), extras)


@word_reader("readings")
def read_readings(windows, asked: Asked) -> Iterator[Tensor]:
    """Probabilities over all words and the mean of the classes' words, spread along the fused attention.

    Background names keep their maps beside the classes', where the published code compares with a threshold.
    """
    wanted, others = asked.words[: asked.foreground], asked.words[asked.foreground :]
    for one in windows:
        spread = F.pad(torch.from_numpy(one.extras["spread"]), (1, 0, 1, 0))  # the class token takes no part
        grid = (one.features.shape[1], one.features.shape[2])
        result = CliperFeatures(torch.from_numpy(one.extras["readings"]), spread, spread[None], grid)
        logits = cliper_logits(result.features, wanted, others, asked.scale)
        maps = cliper_maps(result, logits, len(asked.words), asked.recipe.own.threshold)
        yield as_scores(maps / maps.sum(0, keepdim=True).clamp(min=1e-12), asked.scale)


register(Recipe(
    "cliper", "CLIPer", "Every block's features are read through the fused attention of the inner blocks.",
    "Sun et al., ICCV 2025", family="cliper", reader="readings", logit_scale=SCALE, own=CliperConstants(),
))
