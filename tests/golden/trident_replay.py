"""Replays Trident's window splice and SAM affinity: `trident_*`, `trident_halves`, `trident_samfeat`."""

from __future__ import annotations

import re

import torch

from pipeline.dense.affinity import affinity_blocks
from pipeline.dense.cosines import patch_cosines
from pipeline.dense.sam_features import encode_sam
from pipeline.dense.trident import aggregate_canvas, window_pass
from pipeline.dense.trunk import head, run_trunk
from pipeline.dense.windows import window_boxes

from .registry import Check, Golden, replays
from .weights import build_clip, build_sam

#: Small enough that every recorded case is computed in several blocks of rows.
BLOCK_BYTES = 20_000


class RecordedAttention:
    """Recorded attention [heads, n, n], given row by row as SAM's own is."""

    def __init__(self, weights: torch.Tensor):
        self.weights = weights
        self.heads, self.columns = weights.shape[0], weights.shape[-1]

    def rows(self, start: int, stop: int) -> torch.Tensor:
        """A copy of some rows."""
        return self.weights[:, start:stop].clone()


def recorded_sam(golden: Golden) -> list[tuple[torch.Tensor, RecordedAttention, tuple[int, int]]]:
    """Values [heads, n, c], attention and grid of each recorded SAM run: one, or one per half of the photo."""
    half = r"(_?(\d+|left|right|l|r|a|b))?"
    names = {kind: sorted(n for n in golden.arrays if re.fullmatch(f"sam_{kind}{half}", n)) for kind in ("v", "attn")}
    values = [v for n in names["v"] for v in torch.from_numpy(golden.input(n))]
    attention = [a for n in names["attn"] for a in torch.from_numpy(golden.input(n))]
    return [(v.flatten(1, 2), RecordedAttention(a), tuple(v.shape[1:3]))
            for v, a in zip(values, attention, strict=True)]


@replays("trident")
@torch.no_grad()
def trident(golden: Golden, check: Check) -> None:
    """Windows with joint proxy attention, spliced, aggregated by the affinity, under both threshold rules."""
    visual, hyper = build_clip(golden), golden.hyper
    image = torch.from_numpy(golden.input("pixel"))[0]
    patch = visual.patch_size[0]
    boxes = window_boxes(tuple(image.shape[-2:]), hyper["crop"], hyper["stride"])
    check.equal("dst_coords", torch.tensor([[y0, x0, y1, x1] for x0, y0, x1, y1 in boxes]) // patch)
    windows = torch.stack([image[:, y0:y1, x0:x1] for x0, y0, x1, y1 in boxes])
    foundation = torch.from_numpy(golden.input("vfm_feats"))
    outputs = window_pass(visual, run_trunk(visual, windows), foundation, hyper["beta"], hyper["gamma"], batch=2)
    check.values("window_attn_out", outputs.transpose(0, 1))
    sams = recorded_sam(golden)
    text = torch.from_numpy(golden.input("text"))
    for prefix in sorted({n.split(".")[0] for n in golden.arrays if "." in n and not n.startswith("sam_")}):
        options = {"cos_fac": hyper["cos_fac"], "refine_neg_cos": prefix == "neg_true", "budget": BLOCK_BYTES}
        blocks = [torch.cat([b for _, _, b in affinity_blocks(v, a, **options)]) for v, a, _ in sams]
        compare_affinity(golden, check, prefix, blocks)
        grid = (image.shape[-2] // patch, image.shape[-1] // patch)
        mixed, onto = aggregate_canvas(outputs, tuple(foundation.shape[-2:]), boxes, patch, grid, sams, **options)
        check.values(f"{prefix}.aggregated", mixed)
        check.values(f"{prefix}.feat", head(visual, mixed))
        check.values(f"{prefix}.cos", patch_cosines(head(visual, mixed), text, onto))


def compare_affinity(golden: Golden, check: Check, prefix: str, blocks: list[torch.Tensor]) -> None:
    """Check the recorded affinity: one array, one with an axis of halves, or one array per half."""
    names = sorted(n for n in golden.arrays if n.startswith(f"{prefix}.affinity"))
    if len(names) == len(blocks):
        for name, block in zip(names, blocks, strict=True):
            check.values(name, block)
    else:
        check.values(f"{prefix}.affinity", torch.stack(blocks))


@replays("trident_samfeat")
@torch.no_grad()
def samfeat(golden: Golden, check: Check) -> None:
    """Values, attention rows and the image embedding of one run of the small SAM."""
    features = encode_sam(build_sam(golden), golden.input("image"))
    check.equal("valid", torch.tensor(features.grid))
    rows = [features.attention.rows(int(i), int(i) + 1) for i in golden.input("row_index")]
    check.values("attn_rows", torch.cat(rows, dim=1))
    check.values("v", features.values.unflatten(1, features.grid))
    h, w = features.grid
    check.values("enc_feats", features.embedding.features[..., :h, :w])
