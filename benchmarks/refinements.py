"""Every refinement over dense methods on held-out scenes: mIoU, boundary F1 at 2 px, seconds; prompts; alpha; and
proposals and the hybrid beside them.

    python -m benchmarks.refinements --scenes 100 --kept runs/refinements.jsonl
    python -m benchmarks.refinements --scenes 12 --first 1000005000 --parts prompts,alpha,islands --methods sclip

Each scene is encoded and compared with the names once per method, and all refinements start from there. What was
measured is kept line by line, so that a run that was cut off goes on where it stopped, and a run over more scenes
measures only the new ones; lines that other weights made are not counted.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pipeline import Pipeline
from pipeline.dense.options import asked_recipe
from pipeline.evaluate.metrics import Tally
from pipeline.files import write_atomic
from pipeline.naming import Named, name_pixels
from pipeline.photo import open_photo
from pipeline.progress import Progress
from pipeline.proposals.settings import PROPOSALS
from pipeline.records import ClassName, Photo, Segmentation, Vocabulary
from pipeline.refine.names import REFINEMENTS
from pipeline.refine.settings import RECORDS
from pipeline.refined import Refining
from pipeline.settings import SegmentSettings, split
from training.pool import HELD_OUT
from training.scenes import NOUNS, make_scene

#: What a table's rows are: a name and the settings it stands for.
Rows = list[tuple[str, dict]]
ALPHAS = (0.0005, 0.002, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0)
#: The parts a run has unless it is told otherwise.
PARTS = "refinements,prompts,alpha,proposals"


def refinement_rows(pipe: Pipeline) -> Rows:
    """Every refinement the models at hand allow, and SAM looking twice."""
    unet = pipe.models.has("inpaint")
    rows: Rows = [(name, {"refine": name}) for name, one in REFINEMENTS.items() if one.needs != "unet" or unet]
    return [*rows, ("sam, looking twice", {"refine": "sam", "look_twice": True})]


def prompt_rows(pipe: Pipeline) -> Rows:
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


def alpha_rows(pipe: Pipeline) -> Rows:
    """The strength of the faint mask, embedded both ways."""
    return [
        (f"alpha {alpha:g}{'' if rowwise else ', as SAM embeds'}",
         {"refine": "sam", "use_masks": True, "alpha": alpha, "rowwise_masks": rowwise})
        for rowwise in (True, False) for alpha in ALPHAS
    ]  # fmt: skip


def island_rows(pipe: Pipeline) -> Rows:
    """Smallest islands from none to eight smallest regions, after SAM without mask prompts and without refinement."""
    ways = (("sam, no masks", {"refine": "sam", "use_masks": False}), ("none", {"refine": "none"}))
    sizes = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)
    return [(f"{name}, islands {x:g}", {**way, "islands": x}) for name, way in ways for x in sizes]


KINDS = {"refinements": refinement_rows, "prompts": prompt_rows, "alpha": alpha_rows, "islands": island_rows}


def named_once(pipe: Pipeline, photo: Photo, vocabulary: Vocabulary, method: str) -> Named:
    """Coarse labels and probabilities of a dense method."""
    recipe = asked_recipe(method, "own", "", "")
    return name_pixels(
        photo, pipe.encode(photo, method), vocabulary, recipe, pipe.models, SegmentSettings(method=method), Progress()
    )


def refined(pipe: Pipeline, photo: Photo, vocabulary: Vocabulary, named: Named, method: str, row: dict):
    """The refinement of a row; SAM's view of the photo is made before, so that its seconds do not count."""
    settings = {k: v for k, v in row.items() if k != "refine"}
    if REFINEMENTS[row["refine"]].needs == "sam":
        pipe.sam_embedding(photo)
    chosen = Refining(*split(settings, *RECORDS))
    return pipe._finished(photo, vocabulary, named, method, row["refine"], chosen, Progress(), None)


def answers(
    pipe: Pipeline, photo: Photo, vocabulary: Vocabulary, part: str, methods: list[str], done: set
) -> Iterator[tuple[str, str, Segmentation, float]]:
    """Method, row, segmentation and seconds of everything a part asks about one photo, but for what is `done`."""
    if part == "proposals":
        for method in PROPOSALS:
            if (method, "none") not in done:
                start = time.perf_counter()
                made = pipe.segment(photo, vocabulary, method=method, refine="none")
                yield method, "none", made, time.perf_counter() - start
        return
    for method in methods:
        named = None
        for name, row in KINDS[part](pipe):
            if (method, name) in done:
                continue
            named = named or named_once(pipe, photo, vocabulary, method)
            made = refined(pipe, photo, vocabulary, named, method, row)
            yield method, name, made, made.seconds["refine"]


class Kept:
    """Measurements, one line of JSON each, in a file that only grows; without a file in memory."""

    def __init__(self, path: Path | None, run: dict):
        self.path, self.run, self.lines = path, run, []
        if path is not None and path.exists():
            every = [json.loads(line) for line in path.read_text().splitlines()]
            self.lines = [line for line in every if line["run"] == run]

    def done(self, seed: int, part: str) -> set[tuple[str, str]]:
        """What is known of a scene."""
        return {(x["method"], x["row"]) for x in self.lines if x["seed"] == seed and x["part"] == part}

    def add(self, **line) -> None:
        """Keep one measurement."""
        line["run"] = self.run
        self.lines.append(line)
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a") as file:
                file.write(json.dumps(line) + "\n")


def measure(pipe: Pipeline, kept: Kept, part: str, methods: list[str], seeds: range, names: str) -> None:
    """Measure what is not known yet."""
    for number, seed in enumerate(seeds, 1):
        done = kept.done(seed, part)
        wanted = [(m, "none") for m in PROPOSALS] if part == "proposals" else [
            (m, row) for m in methods for row, _ in KINDS[part](pipe)
        ]  # fmt: skip
        if done.issuperset(wanted):
            continue
        scene = make_scene(seed, 256, 256)
        photo, truth = open_photo(scene.image), scene.classes.astype(np.int32)
        used = np.arange(len(NOUNS)) if names == "all" else np.unique(truth[truth >= 0])
        vocabulary = Vocabulary(tuple(ClassName(NOUNS[i]) for i in used))
        for method, row, made, seconds in answers(pipe, photo, vocabulary, part, methods, done):
            tally = Tally(len(NOUNS))
            tally.add(truth, np.append(used, -1)[made.labels])
            counts = [[int(i), int(j), int(tally.confusion[i, j])] for i, j in np.argwhere(tally.confusion)]
            kept.add(seed=seed, part=part, method=method, row=row, counts=counts, f1=tally.boundary_f1,
                     seconds=round(seconds, 5), regions=len(made.regions))  # fmt: skip
        print(f"{part}: scene {number} of {len(seeds)}", end="\r", flush=True)
    print()


def summed(kept: Kept, part: str, seeds: range) -> list[dict]:
    """One record per method and row: pixels are counted over all scenes, F1, seconds and regions are means."""
    groups: dict[tuple[str, str], list[dict]] = {}
    for line in kept.lines:
        if line["part"] == part and line["seed"] in seeds:
            groups.setdefault((line["method"], line["row"]), []).append(line)
    records = []
    for (method, row), lines in groups.items():
        tally = Tally(len(NOUNS))
        for line in lines:
            for i, j, count in line["counts"]:
                tally.confusion[i, j] += count
        tally.boundary = [line["f1"] for line in lines]
        means = {key: float(np.mean([line[key] for line in lines])) for key in ("seconds", "regions")}
        records.append({"method": method, "row": row, "scenes": len(lines), "miou": tally.miou,
                        "boundary_f1": tally.boundary_f1, **means})  # fmt: skip
    return sorted(records, key=lambda r: r["method"])


def table(records: list[dict]) -> str:
    """Aligned text."""
    lines = [f"{'method':<12}{'refinement':<34}{'mIoU':>8}{'F1@2px':>8}{'s':>8}{'regions':>9}{'scenes':>8}"]
    for r in records:
        lines.append(f"{r['method']:<12}{r['row']:<34}{r['miou']:>8.3f}{r['boundary_f1']:>8.3f}"
                     f"{r['seconds']:>8.3f}{r['regions']:>9.1f}{r['scenes']:>8}")  # fmt: skip
    return "\n".join(lines)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.refinements", description=__doc__.split("\n")[0])
    parser.add_argument("--scenes", type=int, default=100, help="held-out scenes [100]")
    parser.add_argument("--first", type=int, default=HELD_OUT, help=f"seed of the first scene [{HELD_OUT}]")
    parser.add_argument("--methods", default="sclip,trident", help="dense methods [sclip,trident]")
    parser.add_argument("--parts", default=PARTS, help=f"of {PARTS},islands")
    parser.add_argument("--names", default="all", choices=("all", "present"))
    parser.add_argument("--preset", default="tiny")
    parser.add_argument("--inpaint", help="a diffusion model, for the row of its attention")
    parser.add_argument("--kept", type=Path, help="a file of what was measured, to go on from and to add to")
    parser.add_argument("--out", type=Path, help="the tables as JSON")
    args = parser.parse_args()
    pipe = Pipeline.load(args.preset, inpaint=args.inpaint)
    methods = [m.strip() for m in args.methods.split(",")]
    seeds, tables = range(args.first, args.first + args.scenes), {}
    run = {"names": args.names, "clip": pipe.models.clip.name, "dino": pipe.models.dino.name,
           "sam": pipe.models.sam.name, "inpaint": args.inpaint}  # fmt: skip
    kept = Kept(args.kept, run)
    for part in (p.strip() for p in args.parts.split(",")):
        measure(pipe, kept, part, methods, seeds, args.names)
        tables[part] = summed(kept, part, seeds)
        print(f"\n{part}: {args.scenes} scenes from {args.first}, {args.names} names, {pipe.models.sam.name}")
        print(table(tables[part]), flush=True)
    if args.out:
        write_atomic(args.out, (json.dumps(tables, indent=1) + "\n").encode())


if __name__ == "__main__":
    main()
