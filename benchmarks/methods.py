"""mIoU of methods and variants on held-out scenes, side by side: `python -m benchmarks.methods SPEC ... [options]`.

A SPEC is a method's name, options after a colon: `trident:aggregation=none,splice=features`. Every name of the scenes'
world is offered for every picture, nothing refines. The seeds are held out from training, and by default others than
those of the reported tables, so that what is chosen here is not chosen on what is reported.
"""

from __future__ import annotations

import argparse
import json
import time

import numpy as np
import torch

from pipeline import Pipeline
from pipeline.dense.recipes import RECIPES
from pipeline.evaluate.datasets import FIRST_HELD_OUT_SEED, SCENE_SIDE
from pipeline.evaluate.metrics import Tally
from pipeline.files import write_atomic
from pipeline.photo import open_photo
from pipeline.records import ClassName, Vocabulary
from training.scenes import NOUNS, make_scene


def measure(pipe: Pipeline, specs: list[str], first: int, count: int, refine: str, proxy: str) -> list[dict]:
    """One row per spec: mIoU, pixel accuracy, boundary F1, seconds a picture."""
    vocabulary = Vocabulary(tuple(ClassName(noun) for noun in NOUNS), (), 0.0)
    tallies = {spec: Tally(len(NOUNS)) for spec in specs}
    seconds = dict.fromkeys(specs, 0.0)
    for seed in range(first, first + count):
        scene = make_scene(seed, SCENE_SIDE, SCENE_SIDE)
        photo, truth = open_photo(scene.image), scene.classes.astype(np.int32)
        for spec in specs:
            method, _, options = spec.partition(":")
            borrowed = {"proxy": proxy} if proxy != "own" and RECIPES[method].foundation else {}
            start = time.perf_counter()
            found = pipe.segment(photo, vocabulary, method=method, options=options, refine=refine, **borrowed)
            seconds[spec] += time.perf_counter() - start
            tallies[spec].add(truth, found.labels)
        pipe.cache.clear()
        print(f"scene {seed}", {s: round(float(t.miou), 4) for s, t in tallies.items()}, flush=True)
    return [{"spec": s, "miou": round(float(t.miou), 4), "pixel_accuracy": round(float(t.pixel_accuracy), 4),
             "boundary_f1": round(float(t.boundary_f1), 4), "seconds": round(seconds[s] / count, 3)}
            for s, t in tallies.items()]


def main(argv: list[str] | None = None) -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.methods", description=__doc__)
    parser.add_argument("specs", nargs="*", help="methods with options; all methods if left out")
    parser.add_argument("--first", type=int, default=FIRST_HELD_OUT_SEED + 500_000, help="seed of the first scene")
    parser.add_argument("--count", type=int, default=12)
    parser.add_argument("--refine", default="none")
    parser.add_argument("--proxy", default="own")
    parser.add_argument("--preset", default="tiny")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", help="table as JSON")
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)
    pipe = Pipeline.load(args.preset)
    rows = measure(pipe, args.specs or list(RECIPES), args.first, args.count, args.refine, args.proxy)
    for row in rows:
        print(f"| {row['spec']} | {row['miou']:.4f} | {row['pixel_accuracy']:.4f} | {row['boundary_f1']:.4f} |")
    if args.out:
        about = {"preset": args.preset, "first": args.first, "count": args.count, "refine": args.refine,
                 "proxy": args.proxy, "clip": pipe.models.clip.name, "dino": pipe.models.dino.name,
                 "sam": pipe.models.sam.name}
        write_atomic(args.out, (json.dumps({**about, "rows": rows}, indent=1) + "\n").encode())


if __name__ == "__main__":
    main()
