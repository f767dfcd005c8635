"""CLIPtrase: patches are clustered by self-correlation, and every cluster votes for one name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ..cliptrase import MEDIAN, PUBLISHED, SMOOTH, cliptrase_tokens, cluster_map, dbscan, denoised
from ..cosines import resize_bilinear
from ..families import Found, Window, as_map
from ..recipe import Recipe, register, window_family, word_reader
from ..trunk import head
from ..words import Asked, patch_scores, vote_scores


@dataclass(frozen=True)
class CliptraseConstants:
    """Whether clusters vote; radius and least neighbours of the clustering (None: the line through the two published
    pairs, by the number of patches on a side); how finely cluster maps are drawn and the side of their median."""

    vote: bool = True
    radius: float | None = None
    least: int | None = None
    smooth: int = SMOOTH
    median: int = MEDIAN


def published_radius(patches: int) -> tuple[float, int]:
    """Radius and least neighbours for a window of so many patches, by its side: (0.7, 3) for 14 patches of 16 pixels,
    (1.1, 7) for 21, on the line through both elsewhere, but never below 0.1 and 3."""
    (low, (r0, n0)), (high, (r1, n1)) = ((side / 16, pair) for side, pair in sorted(PUBLISHED.items()))
    along = (patches**0.5 - low) / (high - low)
    return max(0.1, r0 + along * (r1 - r0)), max(3, round(n0 + along * (n1 - n0)))


@window_family("cliptrase")
def cliptrase(window: Window) -> Found:
    """Three self attentions in the last block, and the clusters of the window's pixels."""
    own = window.recipe.own
    tokens, correlation, grid = cliptrase_tokens(window.visual, window.pixels, window.recipe.residual)
    features = as_map(head(window.visual, tokens[0, 1:]), grid)
    if not own.vote:
        return Found(features)
    affinity = denoised(correlation[0].float()).cpu()
    radius, least = published_radius(len(affinity))
    labels = dbscan(affinity.numpy(), own.radius or radius, own.least or least)
    size = tuple(window.pixels.shape[-2:])
    if labels.max() < 0:
        return Found(features, {"clusters": torch.full(size, -1, dtype=torch.int16)})
    clusters = cluster_map(affinity, labels, grid, size, own.smooth, own.median)
    return Found(features, {"clusters": torch.from_numpy(clusters).to(torch.int16)})


@word_reader("clusters")
def read_clusters(windows, asked: Asked) -> Iterator[Tensor]:
    """Cosines at the window's pixels, every cluster of pixels taking the class most of them have."""
    for one in windows:
        scores = patch_scores(one, asked)
        if "clusters" not in one.extras:
            yield scores
            continue
        clusters = torch.from_numpy(one.extras["clusters"]).long()
        yield vote_scores(resize_bilinear(scores, tuple(clusters.shape)), clusters, asked)


register(Recipe(
    "cliptrase", "CLIPtrase", "Patches that correlate in the last block but one form clusters; each takes one name.",
    "Shao et al., ECCV 2024", family="cliptrase", residual=True, reader="clusters", logit_scale=100.0, window=336,
    stride=336, states=("residual",), own=CliptraseConstants(),
))
