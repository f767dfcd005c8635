"""Correcting one region by one click: seconds from the event to the new segmentation, everything included.

    python -m benchmarks.correction                       # the built-in models: under 150 ms on two cores
    python -m benchmarks.correction --sam vit_b           # SAM ViT-B's shape, random weights: under 400 ms

A photo is segmented with the built-in models; then region after region is corrected with one point through
`Pipeline.correct`: its prompt changed, its mask decoded from its own logits, edges redrawn where the models at hand
gain from it, and labels and regions updated. With ViT-B's shape only SAM is exchanged, and its image encoder, which a
click never runs, stands aside; regions are made from coarse labels then.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace

import numpy as np
import torch

from pipeline import NamebrushError, Pipeline
from pipeline.models.records import SamModel
from pipeline.photo import open_photo
from pipeline.records import Photo, Region, SamEmbedding, Segmentation
from pipeline.refine.sam import input_size, low_side, mask_to_logits, side
from training.scenes import NOUNS, make_scene

from .many_regions import model

#: Longest seconds a correction may take.
BARS = {"tiny": 0.15, "vit_b": 0.4}


def segmented(pipe: Pipeline, height: int, width: int, seed: int, refine: str) -> Segmentation:
    """A held-out scene of a size, segmented and refined."""
    photo = open_photo(make_scene(seed, height, width).image)
    return pipe.segment(photo, ", ".join(NOUNS), method="sclip", refine=refine, background="none")


def answered(pipe: Pipeline, found: Segmentation, sam: SamModel) -> Segmentation:
    """Coarse regions given answers of SAM's size, and the pipeline an embedding of the photo."""
    grid, dim = sam.sam.prompt_encoder.image_embedding_size, sam.sam.prompt_encoder.embed_dim
    features = np.random.default_rng(0).normal(0, 0.3, (1, dim, *grid)).astype(np.float32)
    embedding = SamEmbedding(features, input_size(found.photo.size, side(sam)), found.photo.size)
    pipe.sam_embedding = lambda photo, progress=None: embedding
    regions = tuple(
        replace(r, logits=mask_to_logits(r.mask, embedding, low_side(sam))) for r in found.regions
    )
    return replace(found, regions=regions)


def clicks(photo: Photo, region: Region, rng: np.random.Generator) -> list[tuple[float, float, int]]:
    """A point inside the region that belongs, and one in its box that does not, where there is one."""
    ys, xs = np.nonzero(region.crop)
    i = rng.integers(len(ys))
    made = [(float(region.box[0] + xs[i]), float(region.box[1] + ys[i]), 1)]
    ys, xs = np.nonzero(~region.crop)
    if len(ys):
        i = rng.integers(len(ys))
        made.append((float(region.box[0] + xs[i]), float(region.box[1] + ys[i]), 0))
    return made


def timed(pipe: Pipeline, found: Segmentation, count: int) -> np.ndarray:
    """Seconds of each correction."""
    rng, seconds = np.random.default_rng(0), []
    pipe.correct(found, found.regions[0].id, add=clicks(found.photo, found.regions[0], rng)[:1])
    while len(seconds) < count:
        region = found.regions[rng.integers(len(found.regions))]
        for point in clicks(found.photo, region, rng):
            start = time.perf_counter()
            try:
                pipe.correct(found, region.id, add=[point])
            except NamebrushError:  # a click may leave nothing of a small region; that is said as quickly
                pass
            seconds.append(time.perf_counter() - start)
    return np.array(seconds)


def main() -> None:
    """Time and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.correction", description=__doc__.split("\n")[0])
    parser.add_argument("--sam", default="tiny", choices=("tiny", "vit_b", "vit_l", "vit_h"))
    parser.add_argument("--sizes", default="640x480,1600x1200", help="of photos, width x height")
    parser.add_argument("--clicks", type=int, default=40)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1_000_000_003, help="of the scene")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    bar = f", bar {1000 * BARS[args.sam]:.0f} ms" if args.sam in BARS else ""
    for size in args.sizes.split(","):
        width, height = (int(n) for n in size.split("x"))
        sam = None if args.sam == "tiny" else model(args.sam)
        pipe = Pipeline.load("tiny", sam=sam)
        found = segmented(pipe, height, width, args.seed, "none" if sam else "sam")
        if sam:
            found = answered(pipe, found, sam)
        seconds = timed(pipe, found, args.clicks)
        middle, most, longest = (1000 * np.quantile(seconds, q) for q in (0.5, 0.9, 1.0))
        print(f"{pipe.models.sam.name}, {size}, {args.threads} threads, {len(found.regions)} regions, {len(seconds)} "
              f"clicks: median {middle:.0f} ms, nine in ten within {most:.0f} ms, longest {longest:.0f} ms{bar}",
              flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
