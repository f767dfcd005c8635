"""Trident's aggregation by blocks of rows against holding the full attention: `python -m benchmarks.affinity_memory`.

Shapes are those of SAM ViT-B: 12 heads of 64 channels on a 64x64 grid with relative positions, features of CLIP
ViT-B/16 (768). Each way runs in a process of its own, whose peak resident memory is compared with what it held before
the aggregation began. Both give the same numbers, which is checked.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import subprocess
import sys
import time

import torch

from pipeline.dense.affinity import BLOCK_BYTES, aggregate, row_thresholds, unit_values
from pipeline.dense.sam_features import SamAttention

WAYS = ("blocks", "full")


def inputs(grid: int, heads: int, channels: int, width: int) -> tuple[torch.Tensor, torch.Tensor, SamAttention]:
    """Canvas [n, width], values [heads, n, channels] and the attention of a last block with random weights."""
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator)

    n = grid * grid
    tables = (0.1 * draw(grid, grid, channels), 0.1 * draw(grid, grid, channels))
    attention = SamAttention(draw(1, heads, n, channels), draw(1, heads, n, channels), (grid, grid), (1, 1),
                             (grid, grid), tables)
    return draw(n, width), draw(heads, n, channels) + draw(heads, 1, channels), attention


def aggregate_full(canvas: torch.Tensor, values: torch.Tensor, attention: SamAttention) -> torch.Tensor:
    """The same with attention and cosines of all heads held at once, as the published code does."""
    weights = attention.rows(0, len(canvas))
    unit = unit_values(values)
    weights.masked_fill_(unit @ unit.mT <= row_thresholds(unit)[:, None], 0)
    mixed = weights.mean(0)
    return mixed.div_(mixed.sum(-1, keepdim=True)) @ canvas


@torch.no_grad()
def run(args: argparse.Namespace) -> None:
    """One way in this process; prints a JSON line."""
    torch.set_num_threads(args.threads)
    given = inputs(args.grid, args.heads, args.channels, args.width)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds = []
    for _ in range(args.repeat):
        start = time.perf_counter()
        result = aggregate(*given, budget=args.budget) if args.way == "blocks" else aggregate_full(*given)
        seconds.append(time.perf_counter() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    sample = result[:: max(1, len(result) // 7), :5].double()
    print(json.dumps({"way": args.way, "peak_mb": (peak - before) * 1024 / 1e6, "seconds": min(seconds),
                      "sample": sample.tolist(), "hash": hashlib.sha256(result.numpy().tobytes()).hexdigest()[:8]}))


def main(argv: list[str] | None = None) -> None:
    """Run both ways in processes of their own and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.affinity_memory", description=__doc__)
    for name, default in (("grid", 64), ("heads", 12), ("channels", 64), ("width", 768), ("repeat", 3),
                          ("threads", torch.get_num_threads()), ("budget", BLOCK_BYTES)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--way", choices=WAYS, help="one way only, in this process")
    args = parser.parse_args(argv)
    if args.way:
        run(args)
        return
    found = {}
    for way in WAYS:
        flags = [f"--{n}={getattr(args, n)}" for n in ("grid", "heads", "channels", "width", "repeat", "threads")]
        command = [sys.executable, "-m", "benchmarks.affinity_memory", "--way", way, *flags, f"--budget={args.budget}"]
        found[way] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    blocks, full = (found[way] for way in WAYS)
    error = (torch.tensor(blocks["sample"]) - torch.tensor(full["sample"])).abs().max().item()
    attention = args.heads * args.grid**4 * 4 / 1e6
    print(f"grid {args.grid}x{args.grid}, {args.heads} heads, {args.threads} threads; the full attention alone is "
          f"{attention:.0f} MB")
    print("| way | peak above the inputs | of the full attention | seconds |\n| --- | --- | --- | --- |")
    for way, one in found.items():
        print(f"| {way} | {one['peak_mb']:.0f} MB | {one['peak_mb'] / attention:.2f} | {one['seconds']:.2f} |")
    print(f"largest difference of a sample of the results: {error:.1e}")


if __name__ == "__main__":
    main()
