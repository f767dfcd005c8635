"""The first segmentation of a photo, stage by stage, against the machine's own matrix multiplication.

    python -m benchmarks.first_segmentation [--threads N] [--size 640x480]

Base architectures (CLIP ViT-B/16, DINO ViT-B/16, SAM ViT-B) with random weights, Trident refined by SAM. The photo is
segmented once for the seconds and once for the operations, which torch counts; a stage's share is its operations per
second of those of the fastest large matrix product found on this machine with as many threads.
"""

from __future__ import annotations

import argparse
import time
from contextlib import contextmanager

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from pipeline import Pipeline
from pipeline.progress import Progress

from . import random_weights

#: What the stages are called in the table.
STAGES = {
    "sam": "SAM's image encoder", "encode/dino": "DINO on all windows", "encode/clip": "CLIP on all windows",
    "encode/sam": "affinity and aggregation", "words": "words", "segment": "cosines to labels",
    "refine": "refinement by SAM",
}


def matmul_peak(seconds: float = 2.0) -> float:
    """Operations per second of the fastest of a few large float32 matrix products."""
    best = 0.0
    for side in (1024, 2048, 3072):
        a, b = torch.randn(side, side), torch.randn(side, side)
        a @ b
        stop = time.perf_counter() + seconds / 3
        while time.perf_counter() < stop:
            start = time.perf_counter()
            a @ b
            best = max(best, 2 * side**3 / (time.perf_counter() - start))
    return best


class Watch:
    """Seconds and operations of every stage, by patching `Progress.stage`, which all stages go through."""

    def __init__(self):
        self.found: dict[str, list[float]] = {}
        self._open: list[str] = []

    @contextmanager
    def watching(self, counter: FlopCounterMode | None):
        """Measure while inside; operations where there is a counter, else seconds."""
        original = Progress.stage
        watch = self

        @contextmanager
        def stage(progress, name):
            watch._open.append(name)
            path = "/".join(watch._open)
            before = counter.get_total_flops() if counter else time.perf_counter()
            try:
                with original(progress, name):
                    yield
            finally:
                after = counter.get_total_flops() if counter else time.perf_counter()
                watch._open.pop()
                entry = watch.found.setdefault(path, [0.0, 0.0])
                entry[counter is not None] += after - before

        Progress.stage = stage
        try:
            yield
        finally:
            Progress.stage = original


def main(argv: list[str] | None = None) -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.first_segmentation", description=__doc__)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--size", default="640x480")
    parser.add_argument("--method", default="trident")
    parser.add_argument("--refine", default="sam")
    parser.add_argument("--short-side", type=int, help="the preset's 448 if left out")
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)
    width, height = (int(n) for n in args.size.split("x"))
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    parts = {"clip": random_weights.clip(), "dino": random_weights.dino(), "sam": random_weights.sam()}
    pipe = Pipeline.load("base", **parts, device="cpu")
    settings = {"method": args.method, "refine": args.refine, "templates": "top7", "background": "none",
                "iou_threshold": 0.0, "coarse_threshold": 0.0}
    if args.short_side:
        settings["short_side"] = args.short_side
    watch, peak = Watch(), matmul_peak()
    pipe.segment(pixels[:64, :64], "dog, grass", method="clip", refine="none", background="none", short_side=64)
    with watch.watching(None):
        start = time.perf_counter()
        pipe.segment(pixels, "dog; puppy, grass, sky", **settings)
        total = time.perf_counter() - start
    pipe.cache.clear()
    counter = FlopCounterMode(display=False)
    with watch.watching(counter), counter:
        pipe.segment(pixels, "dog; puppy, grass, sky and earth", **settings)
    peak = max(peak, matmul_peak())  # other work on the machine must not make it look slow
    print(f"{width}x{height}, {args.method} refined by {args.refine}, {args.threads} threads, "
          f"matrix multiplication {peak / 1e9:.0f} GFLOP/s")
    print("| stage | seconds | share of the time | GFLOP | share of the peak |\n| --- | --- | --- | --- | --- |")
    for path, name in STAGES.items():
        seconds, flops = watch.found.get(path, (0.0, 0.0))
        if seconds:
            print(f"| {name} | {seconds:.2f} | {seconds / total:.0%} | {flops / 1e9:.1f} | "
                  f"{flops / seconds / peak:.0%} |")
    flops = sum(watch.found.get(path, (0, 0))[1] for path in STAGES)
    print(f"| all | {total:.2f} | 100% | {flops / 1e9:.1f} | {flops / total / peak:.0%} |")


if __name__ == "__main__":
    main()
