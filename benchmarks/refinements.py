"""Every refinement over dense methods on held-out scenes: mIoU, boundary F1 at 2 px, seconds; prompts; alpha.

    python -m benchmarks.refinements --scenes 100
    python -m benchmarks.refinements --scenes 20 --first 1000005000 --parts prompts,alpha,islands --methods sclip
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np

from pipeline import Pipeline
from pipeline.evaluate.metrics import Tally
from pipeline.files import write_atomic
from pipeline.models.records import Sam2
from pipeline.photo import open_photo
from pipeline.records import ClassName, Vocabulary
from pipeline.refine.names import REFINEMENTS
from training.pool import HELD_OUT
from training.scenes import NOUNS, make_scene

#: What a table's rows are: a name and the settings it stands for.
Rows = list[tuple[str, dict]]
ALPHAS = (0.0005, 0.002, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0)


def refinement_rows(pipe: Pipeline) -> Rows:
    """Every refinement the models at hand allow."""
    unet = pipe.models.has("inpaint")
    return [(name, {"refine": name}) for name, one in REFINEMENTS.items() if one.needs != "unet" or unet]


def prompt_rows() -> Rows:
    """All seven kinds of questions, one question per name, and SAM's own way of embedding masks."""
    rows: Rows = []
    for points in (True, False):
        for boxes in (True, False):
            for masks in (True, False):
                if points or boxes or masks:
                    parts = [n for n, on in (("points", points), ("boxes", boxes), ("masks", masks)) if on]
                    asked = {"use_points": points, "use_boxes": boxes, "use_masks": masks}
                    rows.append(("+".join(parts), {"refine": "sam", **asked}))
    rows.append(("advised, no components", {"refine": "sam", "use_components": False}))
    rows.append(("masks as SAM embeds them", {"refine": "sam", "use_masks": True, "rowwise_masks": False}))
    rows.append(("rejected protected", {"refine": "sam", "protect_failed": True}))
    return rows


def alpha_rows() -> Rows:
    """The strength of the faint mask, embedded both ways."""
    return [
        (f"alpha {alpha:g}{'' if rowwise else ', as SAM embeds'}",
         {"refine": "sam", "use_masks": True, "alpha": alpha, "rowwise_masks": rowwise})
        for rowwise in (True, False) for alpha in ALPHAS
    ]  # fmt: skip


def island_rows() -> Rows:
    """Smallest islands from none to eight smallest regions, after SAM without mask prompts and without refinement."""
    ways = (("sam, no masks", {"refine": "sam", "use_masks": False}), ("none", {"refine": "none"}))
    sizes = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)
    return [(f"{name}, islands {x:g}", {**way, "islands": x}) for name, way in ways for x in sizes]


def measure(pipe: Pipeline, methods: list[str], rows: Rows, seeds: range, names: str) -> list[dict]:
    """One record per method and row."""
    found = {}
    for done, seed in enumerate(seeds):
        scene = make_scene(seed, 256, 256)
        photo, truth = open_photo(scene.image), scene.classes.astype(np.int32)
        used = np.arange(len(NOUNS)) if names == "all" else np.unique(truth[truth >= 0])
        vocabulary = Vocabulary(tuple(ClassName(NOUNS[i]) for i in used))
        for method in methods:
            for name, settings in rows:
                start = time.perf_counter()
                made = pipe.segment(photo, vocabulary, method=method, **settings)
                took = time.perf_counter() - start
                tally, seconds, regions = found.setdefault((method, name), (Tally(len(NOUNS)), [], []))
                tally.add(truth, np.append(used, -1)[made.labels])
                seconds.append(made.seconds.get("refine", took))
                regions.append(len(made.regions))
        print(f"scene {done + 1} of {len(seeds)}", end="\r", flush=True)
    print()
    return [
        {"method": method, "row": name, "miou": float(t.miou), "boundary_f1": float(t.boundary_f1),
         "seconds": float(np.mean(s)), "regions": float(np.mean(r))}
        for (method, name), (t, s, r) in sorted(found.items(), key=lambda f: methods.index(f[0][0]))
    ]  # fmt: skip


def table(records: list[dict]) -> str:
    """Aligned text."""
    lines = [f"{'method':<12}{'refinement':<34}{'mIoU':>8}{'F1@2px':>8}{'s':>8}{'regions':>9}"]
    for r in records:
        lines.append(f"{r['method']:<12}{r['row']:<34}{r['miou']:>8.3f}{r['boundary_f1']:>8.3f}"
                     f"{r['seconds']:>8.3f}{r['regions']:>9.1f}")  # fmt: skip
    return "\n".join(lines)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.refinements", description=__doc__.split("\n")[0])
    parser.add_argument("--scenes", type=int, default=100, help="held-out scenes [100]")
    parser.add_argument("--first", type=int, default=HELD_OUT, help=f"seed of the first scene [{HELD_OUT}]")
    parser.add_argument("--methods", default="sclip,trident", help="dense methods [sclip,trident]")
    parser.add_argument("--parts", default="refinements,prompts,alpha", help="of refinements,prompts,alpha,islands")
    parser.add_argument("--names", default="all", choices=("all", "present"))
    parser.add_argument("--preset", default="tiny")
    parser.add_argument("--inpaint", help="a diffusion model, for the row of its attention")
    parser.add_argument("--out", type=Path, help="the tables as JSON")
    args = parser.parse_args()
    pipe = Pipeline.load(args.preset, inpaint=args.inpaint)
    methods = [m.strip() for m in args.methods.split(",")]
    kinds = {"refinements": lambda: refinement_rows(pipe), "prompts": prompt_rows, "alpha": alpha_rows,
             "islands": island_rows}  # fmt: skip
    seeds, tables = range(args.first, args.first + args.scenes), {}
    who = pipe.models.sam.name if not isinstance(pipe.models.sam, Sam2) else f"SAM 2 {pipe.models.sam.name}"
    for part in args.parts.split(","):
        tables[part] = measure(pipe, methods, kinds[part.strip()](), seeds, args.names)
        print(f"\n{part}: {args.scenes} scenes from {args.first}, {args.names} names, {who}")
        print(table(tables[part]), flush=True)
    if args.out:
        write_atomic(args.out, (json.dumps(tables, indent=1) + "\n").encode())


if __name__ == "__main__":
    main()
