"""Trident's affinity (ICCV 2025): which places belong together, from the values and attention of SAM's last block.

Unit values per head u_h; C_h(m, n) = u_h(m) . u_h(n). The threshold of row m, shared by the heads, is

    t_m = cos_fac * mean over n and h of C_h(m, n) = cos_fac * mean over h of u_h(m) . (mean over n of u_h(n)),

so it needs row m and one mean vector per head, never the whole matrix. With `refine_neg_cos` off a negative t becomes
0.6; t is at most 0.9. SAM's attention is kept where C_h > t (strictly), else 0; the mean over heads is divided by its
row sum.

Memory: rows are computed in blocks of R. At a time there live at most `LIVE_ARRAYS` float32 arrays of
[heads, R, N] (N: places of SAM's whole padded grid, which the attention's softmax runs over), so

    working set <= LIVE_ARRAYS * 4 * heads * R * N bytes <= `budget`, with R >= 1 (`rows_per_block`),

besides the inputs and the result. Full attention of all heads, [heads, N, N], is never held: for SAM ViT-B it would
be 805 MB, here a block is 64 MiB by default.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

COS_FAC = 1.2
BLOCK_BYTES = 64 * 2**20
LIVE_ARRAYS = 5
KINDS = ("affinity", "attention", "cosine")


class AttentionRows(Protocol):
    """Softmaxed attention of SAM's last block, given row by row.

    Attributes:
        heads: number of heads.
        columns: places the softmax runs over, at least the number of valid places n.
    """

    heads: int
    columns: int

    def rows(self, start: int, stop: int) -> Tensor:
        """Float32 [heads, stop - start, n] of valid rows and columns, not renormalised after cropping; a new array."""
        ...


def rows_per_block(heads: int, columns: int, budget: int = BLOCK_BYTES) -> int:
    """Rows of a block so that `LIVE_ARRAYS` arrays of [heads, rows, columns] float32 fit the budget in bytes."""
    return max(1, budget // (LIVE_ARRAYS * 4 * heads * columns))


def unit_values(values: Tensor) -> Tensor:
    """Values of SAM's last block, float [heads, n, c], as float32 unit vectors."""
    return F.normalize(values.float(), dim=-1)


def row_thresholds(unit: Tensor, cos_fac: float = COS_FAC, refine_neg_cos: bool = True) -> Tensor:
    """t_m of every row, float32 [n], from unit values [heads, n, c]."""
    centre = unit.double().mean(1, keepdim=True)
    threshold = cos_fac * (unit.double() * centre).sum(-1).mean(0)
    if not refine_neg_cos:
        threshold = torch.where(threshold < 0, 0.6, threshold)
    return threshold.clamp(max=0.9).float()


def affinity_blocks(
    values: Tensor,
    attention: AttentionRows,
    cos_fac: float = COS_FAC,
    refine_neg_cos: bool = True,
    kind: str = "affinity",
    epsilon: float = 0.0,
    budget: int = BLOCK_BYTES,
) -> Iterator[tuple[int, int, Tensor]]:
    """The affinity in blocks of rows.

    Args:
        values: float [heads, n, c] of the n valid places in raster order.
        attention: rows of the same places.
        kind: "affinity"; or the paper's variants "attention" (the attention alone, mean over heads, row-normalised)
            and "cosine" (softmax of the head mean of C where it is at least `epsilon`).
        budget: bytes of the working set, see the module.

    Yields:
        start, stop and float32 [stop - start, n], whose rows sum to 1.
    """
    if kind not in KINDS:
        raise ValueError(f"no affinity {kind!r}; known: {', '.join(KINDS)}")
    unit = unit_values(values)
    heads, n = unit.shape[:2]
    thresholds = row_thresholds(unit, cos_fac, refine_neg_cos)
    step = rows_per_block(heads, max(n, attention.columns), budget)
    for start in range(0, n, step):
        stop = min(start + step, n)
        if kind == "cosine":
            cosine = (unit[:, start:stop] @ unit.mT).mean(0)
            yield start, stop, cosine.masked_fill_(cosine < epsilon, -torch.inf).softmax(-1)
            continue
        rows = attention.rows(start, stop)
        if kind == "affinity":
            cosine = unit[:, start:stop] @ unit.mT
            rows.masked_fill_(cosine <= thresholds[start:stop, None], 0)
        mixed = rows.mean(0)
        yield start, stop, mixed.div_(mixed.sum(-1, keepdim=True))


def aggregate(canvas: Tensor, values: Tensor, attention: AttentionRows, **options) -> Tensor:
    """Affinity times features, block by block.

    Args:
        canvas: float [n, width], features on SAM's valid grid in raster order.
        values, attention, options: see `affinity_blocks`.

    Returns:
        float32 [n, width]; the full affinity is not held either.
    """
    mixed = torch.empty_like(canvas, dtype=torch.float32)
    for start, stop, rows in affinity_blocks(values, attention, **options):
        mixed[start:stop] = rows @ canvas.float()
    return mixed
