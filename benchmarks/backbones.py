"""Every backbone of the papers with random weights of the true shapes: `python -m benchmarks.backbones [NAME ...]`.

Runs methods on a small photo that is not square and prints what they gave, the seconds and the peak memory of the
process so far. One backbone is in memory at a time.
"""

from __future__ import annotations

import argparse
import gc
import resource
import time
from types import SimpleNamespace

import numpy as np
import torch

from pipeline.cache import ByteCache
from pipeline.dense.encode import encode
from pipeline.dense.recipes import get_recipe
from pipeline.models.records import Geometry
from pipeline.records import Photo

from . import random_weights

#: `open_clip` architectures and the side of the images they were trained on.
BACKBONES = {
    "ViT-B-32-quickgelu": 224, "ViT-B-16-quickgelu": 224, "ViT-L-14-quickgelu": 224, "ViT-L-14-336-quickgelu": 336,
    "ViT-H-14": 224,
}  # fmt: skip


def check(name: str, side: int, methods: list[str], size: tuple[int, int]) -> None:
    """One backbone: a line per method."""
    models = SimpleNamespace(
        preset="random", clip=random_weights.clip(name, text=False), dino=random_weights.dino(16, 384, 6),
        geometry=Geometry(side, side, side),
    )
    photo = Photo(np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8), name)
    cache = ByteCache(1 << 30)
    for method in methods:
        start = time.perf_counter()
        encoded = encode(photo, get_recipe(method), models, shared=cache)
        shapes = "x".join(map(str, encoded.maps[0].features.shape))
        finite = all(np.isfinite(one.features).all() for one in encoded.maps)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(f"| {name} | {method} | {len(encoded.maps)} x {shapes} | {'yes' if finite else 'NO'} | "
              f"{time.perf_counter() - start:.1f} | {peak:.1f} |", flush=True)


def main(argv: list[str] | None = None) -> None:
    """Check the named backbones, or all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.backbones", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*BACKBONES, []])
    parser.add_argument("--methods", default="sclip,naclip,proxyclip,multilayer,s2clip")
    parser.add_argument("--size", default="90x64", help="width x height of the photo")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)
    width, height = (int(n) for n in args.size.split("x"))
    print("| backbone | method | maps | finite | seconds | peak GiB |\n| --- | --- | --- | --- | --- | --- |")
    for name in args.names or BACKBONES:
        check(name, BACKBONES[name], args.methods.split(","), (height, width))
        gc.collect()


if __name__ == "__main__":
    main()
