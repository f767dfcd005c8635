"""ResCLIP: inner blocks' attention in the last block (RCS), and feedback from a first labelling (SFR)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ...refine.pamr import pamr
from ..attention import last_block
from ..cosines import map_size, patch_cosines, resize_bilinear
from ..families import Found, Window, as_map
from ..recipe import Recipe, register, window_family, word_reader
from ..resclip import feedback_attention, inner_attention, patch_labels, resclip_tokens
from ..trunk import head, run_trunk
from ..words import Asked, patch_scores


@dataclass(frozen=True)
class ResConstants:
    """RCS and SFR, each on or off; their (tau, lambda); the least probability of a label that is fed back; whether
    pairs whose straight path leaves the label count less. Published per data set: RCS (2.0, 0.2 to 0.6), SFR (1.8 to
    2.2, 0.6 to 0.7), threshold 0.10 to 0.50."""

    rcs: bool = True
    sfr: bool = True
    rcs_weights: tuple[float, ...] = (2.0, 0.3)
    sfr_weights: tuple[float, ...] = (2.1, 0.7)
    label_threshold: float = 0.1
    apart: bool = True


@dataclass(frozen=True)
class SimpleConstants:
    """Share of the features gathered by their own similarity."""

    gathered: float = 0.3


@window_family("resclip")
def resclip(window: Window) -> Found:
    """The last block with RCS; for SFR also what a second pass over it needs."""
    recipe, own = window.recipe, window.recipe.own
    inner, tokens, grid = inner_attention(window.visual, window.pixels)
    options = {"inner": inner if own.rcs else None, "rcs": own.rcs_weights, "sigma": recipe.sigma}
    first = resclip_tokens(window.visual, tokens, grid, recipe.attention, recipe.residual, **options)
    extras = {"tokens": tokens[0], "pixels": window.pixels[0]} if own.sfr else {}
    if own.sfr and own.rcs:
        extras["inner"] = inner[0]
    return Found(as_map(head(window.visual, first[0, 1:]), grid), extras)


@word_reader("feedback")
@torch.no_grad()
def read_feedback(windows, asked: Asked) -> Iterator[Tensor]:
    """A first labelling, smoothed by PAMR, tells the last block which patches belong together."""
    recipe, own = asked.recipe, asked.recipe.own
    if not own.sfr:
        yield from (patch_scores(one, asked) for one in windows)
        return
    weight = asked.visual.conv1.weight
    for number, one in enumerate(windows):
        asked.progress.step("Comparing the photo with the words", number / len(windows))
        grid = (one.features.shape[1], one.features.shape[2])
        pixels = torch.from_numpy(one.extras["pixels"])
        smooth = pamr(pixels, resize_bilinear(patch_scores(one, asked), tuple(pixels.shape[-2:])))
        labels = patch_labels((asked.scale * smooth).softmax(0), grid, own.label_threshold)
        tokens, inner = (
            torch.from_numpy(one.extras[name])[None].to(weight.device, weight.dtype) if name in one.extras else None
            for name in ("tokens", "inner")
        )
        feedback = feedback_attention(labels, recipe.sigma, own.apart).to(weight.device, weight.dtype)
        second = resclip_tokens(
            asked.visual, tokens, grid, recipe.attention, recipe.residual, inner, own.rcs_weights, feedback,
            own.sfr_weights, recipe.sigma,
        )
        features = head(asked.visual, second[0, 1:]).float().cpu()
        yield resize_bilinear(patch_cosines(features, asked.words, grid), map_size(one))


@window_family("rcs-simple")
def rcs_simple(window: Window) -> Tensor:
    """F + share * softmax(F F^T) F of NACLIP's unit features F."""
    recipe = window.recipe
    trunk = run_trunk(window.visual, window.pixels)
    tokens = last_block(
        window.visual, trunk.tokens, trunk.grid, recipe.attention, recipe.residual, recipe.mlp, recipe.sigma)
    unit = as_map(head(window.visual, tokens[0, 1:]), trunk.grid).flatten(1).T
    return as_map(unit + recipe.own.gathered * (unit @ unit.T).softmax(-1) @ unit, trunk.grid)


register(Recipe(
    "resclip", "ResCLIP", "NACLIP with inner blocks' attention mixed in, and feedback from its own first labels.",
    "Yang et al., CVPR 2025", family="resclip", attention="kk+near", reader="feedback", pamr=True,
    states=("sigma",), own=ResConstants(),
))
register(Recipe(
    "rcs-simple", "RCS, short form", "NACLIP's features plus a share of themselves gathered by similarity.",
    "RCS as a thesis writes it, after Yang et al., CVPR 2025", family="rcs-simple", attention="kk+near",
    states=("sigma",), own=SimpleConstants(),
))
