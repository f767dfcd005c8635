"""CLIP Surgery's steps that need words: feature surgery, and the points it gives SAM."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def feature_surgery(features: Tensor, text: Tensor) -> Tensor:
    """Similarity without what all classes share.

    w = softmax(2 * class * text^T) divided by its mean; E_c = feature * text_c * w_c per channel; the mean over
    classes is subtracted, channels are summed.

    Args:
        features: float [N, D] unit rows, the class token first.
        text: float [C, D] unit rows, C of at least 2.

    Returns:
        float [N, C].
    """
    share = (2 * features[:1] @ text.T).softmax(-1)
    weighted = text * (share / share.mean()).T
    # Subtracting the mean over classes from feature * weighted_c is multiplying with the centred weighted_c.
    return features @ (weighted - weighted.mean(0)).T


def without_redundant(features: Tensor, text: Tensor, redundant: Tensor) -> Tensor:
    """Similarity of features [N, D] with texts [C, D] freed of a redundant text [1, D] (that of the empty word)."""
    return features @ (text - redundant).T


def min_max(maps: Tensor) -> Tensor:
    """Each column of [n, C] brought to 0..1."""
    low, high = maps.amin(0), maps.amax(0)
    return (maps - low) / (high - low)


def similarity_points(
    similarity: Tensor, grid: tuple[int, int], size: tuple[int, int], threshold: float = 0.8, halve: int = 2
) -> tuple[Tensor, Tensor]:
    """Points for SAM from one class's similarity.

    The grid is halved bilinearly and brought to 0..1; n = min(cells at or above the threshold, half of them); the top
    and the bottom n cells give their centres, positives first, each in rising order.

    Args:
        similarity: float [h * w].
        size: height and width of the photo.

    Returns:
        int64 [2 n, 2] x and y, and int64 [2 n] of 1 and 0.
    """
    down = (grid[0] // halve, grid[1] // halve)
    small = F.interpolate(similarity.reshape(1, 1, *grid), size=down, mode="bilinear", align_corners=False).flatten()
    small = min_max(small[:, None])[:, 0]
    order = small.argsort(stable=True)
    count = min(int((small >= threshold).sum()), len(small) // 2)
    chosen = torch.cat([order[len(order) - count :], order[:count]])
    x = ((chosen % down[1] + 0.5) * (size[1] / down[1])).clamp(max=size[1] - 1).long()
    y = ((chosen // down[1] + 0.5) * (size[0] / down[0])).clamp(max=size[0] - 1).long()
    return torch.stack([x, y], dim=1), (torch.arange(2 * count) < count).long()
