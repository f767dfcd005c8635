"""How a layer's features spread over the photo: spatial entropy, and two measures reported beside it (S2CLIP)."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def spatial_probabilities(features: Tensor) -> Tensor:
    """Every channel of [B, C, N] as a distribution over its N places, float64.

    Standardised per channel, exp of what is left to its maximum, divided by the sum, and no place below eps, where
    eps = max(least standard deviation / 100, 1e-6).
    """
    features = features.double()
    deviation = features.std(-1, keepdim=True)
    eps = max(float(deviation.min()) * 1e-2, 1e-6)
    scaled = (features - features.mean(-1, keepdim=True)) / (deviation + eps)
    raised = (scaled - scaled.amax(-1, keepdim=True)).exp()
    shares = (raised / (raised.sum(-1, keepdim=True) + eps)).clamp(min=eps)
    return shares / shares.sum(-1, keepdim=True)


def spatial_entropy(features: Tensor) -> float:
    """Mean entropy, in nats, of the channels of [B, C, N]; 0 where it is no real number. Low: few places stand out."""
    if features.shape[-1] < 2:
        return 0.0
    shares = spatial_probabilities(features)
    value = float(-(shares * shares.log()).sum(-1).mean())
    return value if math.isfinite(value) else 0.0


def gini(features: Tensor) -> float:
    """Mean Gini coefficient of the channels' distributions: 0 all places alike, near 1 one place has all.

    1 - 2 / N * sum of the cumulative sums of the sorted shares + 1 / N, the shares having the sum 1.
    """
    shares = spatial_probabilities(features).sort(-1).values
    count = shares.shape[-1]
    return float((1 - 2 / count * shares.cumsum(-1).sum(-1) + 1 / count).mean())


def channel_correlation(features: Tensor) -> float:
    """Mean correlation between the distributions of different channels of [B, C, N]."""
    shares = spatial_probabilities(features)
    unit = torch.nn.functional.normalize(shares - shares.mean(-1, keepdim=True), dim=-1)
    channels = unit.shape[1]
    # The sum of all entries of the correlation matrix is the squared length of the sum of the unit rows.
    total = unit.sum(1).square().sum(-1) - unit.square().sum((1, 2))
    return float((total / max(1, channels * (channels - 1))).mean())
