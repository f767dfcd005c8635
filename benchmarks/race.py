"""Every stage against the libraries' own forward passes, with the same weights and the same inputs.

    python -m benchmarks.race [--sizes 640x480,1024x768] [--names 1,20,171] [--only sam,text] [--pairs 3]

Base architectures (CLIP ViT-B/16, DINO ViT-B/16, SAM ViT-B) with random weights, relative positions included. The two
sides run in turn in one process, first the library and then we, then the other way round; each pair gives one ratio,
so that what else the machine does meets both. A ratio is given in seconds on the clock and in seconds of the
processors, which other work disturbs less: its middle, least and largest. Memory is the peak above the loaded models
and inputs, measured for each side in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor

from pipeline.dense.affinity import aggregate
from pipeline.dense.dino_features import dino_features
from pipeline.dense.encode import ATTENTION_BYTES, MAX_BATCH
from pipeline.dense.sam_blocks import encode_images
from pipeline.dense.sam_features import SamAttention
from pipeline.dense.trunk import head, run_block, run_trunk
from pipeline.dense.windows import layout_of
from pipeline.models.records import Geometry
from pipeline.text.templates import fill
from pipeline.text.tower import batches, encode_texts

from . import random_weights
from .affinity_memory import aggregate_full, inputs

STAGES = ("sam", "clip", "dino", "affinity", "text")
Race = tuple[str, Callable[[], Tensor], Callable[[], Tensor]]


def races(stage: str, sizes: list[tuple[int, int]], names: list[int], templates: str) -> Iterator[Race]:
    """The races of a stage: title, the library's way and ours."""
    if stage == "sam":
        encoder = random_weights.sam().sam.image_encoder
        for name, weight in encoder.named_parameters():
            if "rel_pos" in name:
                weight.normal_(0, 0.05)
        image = torch.randn(1, 3, 1024, 1024)
        yield "SAM's image encoder, 1024x1024", partial(encoder, image), partial(encode_images, encoder, image)
    if stage == "text":
        clip = random_weights.clip()
        for count in names:
            texts = [text for i in range(count) for text in fill(f"thing {i}", templates)]
            tokens = clip.tokenizer(texts)
            yield (f"words, {count} names, {len(texts)} texts", partial(texts_by_library, clip.model, tokens),
                   partial(texts_by_us, clip.model, tokens))
    if stage in ("clip", "dino"):
        model = random_weights.clip(text=False).model.visual if stage == "clip" else random_weights.dino().model
        sides = (clip_by_library, clip_by_us) if stage == "clip" else (dino_by_library, dino_features)
        for size in sizes:
            windows = torch.randn(windows_of(size), 3, 224, 224)
            yield (f"{stage.upper()}, {size[1]}x{size[0]}, {len(windows)} windows of 224",
                   *(partial(in_batches, partial(side, model), windows) for side in sides))
    if stage == "affinity":
        for size in sizes:
            grid = tuple(64 * length // max(size) for length in size)
            yield (f"affinity, {size[1]}x{size[0]}, {grid[0] * grid[1]} places",
                   *(partial(side, *of_grid(grid)) for side in (aggregate_full, aggregate)))


def windows_of(size: tuple[int, int]) -> int:
    """Windows of 224 at a stride of 112 on a photo whose short side is brought to the preset's."""
    return len(layout_of(size, Geometry.short_side, 224, 112, 16, 16, whole_patches=False, pad=False).boxes)


def of_grid(grid: tuple[int, int]) -> tuple[Tensor, Tensor, SamAttention]:
    """Canvas, values and attention of a last block of 64x64 places of which `grid` holds the photo."""
    canvas, values, attention = inputs(64, 12, 64, 768)
    inside = torch.zeros(64, 64, dtype=torch.bool)
    inside[: grid[0], : grid[1]] = True
    attention = SamAttention(attention.queries, attention.keys, (64, 64), (1, 1), grid, attention.tables)
    return canvas[inside.flatten()], values[:, inside.flatten()].contiguous(), attention


def in_batches(run: Callable[[Tensor], Tensor], windows: Tensor) -> Tensor:
    """Windows through a model in the engine's batches."""
    size = max(1, min(MAX_BATCH, ATTENTION_BYTES // (4 * 12 * 197**2)))
    return torch.cat([run(part) for part in windows.split(size)])


def clip_by_library(visual, windows: Tensor) -> Tensor:
    """open_clip's own forward pass: the class embedding of each window."""
    return visual(windows)


def clip_by_us(visual, windows: Tensor) -> Tensor:
    """The engine's trunk, then the last block untouched and the head, so that both compute the same."""
    return head(visual, run_block(visual, -1, run_trunk(visual, windows).tokens)[:, 0])


def dino_by_library(model, windows: Tensor) -> Tensor:
    """transformers' own forward pass: the patch tokens of each window as a map."""
    patches = model(pixel_values=windows).last_hidden_state[:, 1:]
    return patches.transpose(1, 2).unflatten(-1, (14, 14))


def texts_by_library(model, tokens: Tensor) -> Tensor:
    """open_clip's `encode_text`, 256 texts at a time."""
    return torch.cat([model.encode_text(part) for part in tokens.split(256)])


def texts_by_us(model, tokens: Tensor) -> Tensor:
    """The engine's batches of like length."""
    found = torch.empty(len(tokens), model.text_projection.shape[-1])
    for chosen in batches(model, tokens):
        found[chosen] = encode_texts(model, tokens[chosen])
    return found


def timed(run: Callable[[], Tensor]) -> tuple[Tensor, float, float]:
    """The result, and seconds on the clock and of the processors."""
    clock, processors = time.perf_counter(), time.process_time()
    result = run()
    return result, time.perf_counter() - clock, time.process_time() - processors


def race(theirs: Callable[[], Tensor], ours: Callable[[], Tensor], pairs: int) -> tuple[list, float]:
    """For each pair the two ratios of seconds, and the largest difference over the largest number of the results."""
    ratios, difference = [], 0.0
    for number in range(pairs):
        order = (theirs, ours) if number % 2 == 0 else (ours, theirs)
        results = dict(zip(("theirs", "ours") if number % 2 == 0 else ("ours", "theirs"),
                           (timed(side) for side in order), strict=True))
        (a, *slow), (b, *fast) = results["theirs"], results["ours"]
        ratios.append([x / y for x, y in zip(slow, fast, strict=True)])
        difference = max(difference, float((a - b).abs().max() / a.abs().max()))
    return ratios, difference


def peaks(title: str, stage: str, args: argparse.Namespace) -> list[float]:
    """Peak memory of either side above models and inputs in MB, each in a process of its own."""
    found = []
    for side in ("theirs", "ours"):
        command = [sys.executable, "-m", "benchmarks.race", "--sizes", args.sizes, "--names", args.names,
                   "--templates", args.templates, "--only", stage, "--threads", str(args.threads),
                   "--alone", f"{side}:{title}"]
        lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
        found.append(json.loads(lines[-1]))
    return found


def alone(wanted: str, every: Iterator[Race]) -> None:
    """Run one side once in this process and print its peak in MB."""
    side, title = wanted.split(":", 1)
    _, theirs, ours = next(one for one in every if one[0] == title)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    (theirs if side == "theirs" else ours)()
    print(json.dumps((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024))


@torch.inference_mode()
def main(argv: list[str] | None = None) -> None:
    """Run the races and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.race", description=__doc__)
    parser.add_argument("--sizes", default="640x480,1024x768,2048x1365")
    parser.add_argument("--names", default="1,20,171")
    parser.add_argument("--templates", default="top7")
    parser.add_argument("--only", default=",".join(STAGES))
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--memory", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--alone", help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    sizes = [tuple(int(n) for n in reversed(size.split("x"))) for size in args.sizes.split(",")]
    names = [int(n) for n in args.names.split(",")]
    if args.alone:
        alone(args.alone, races(args.only, sizes, names, args.templates))
        return
    print(f"float32, {args.threads} threads, {args.pairs} pairs; times faster than the library, peak of both in MB\n"
          "| stage | clock: middle (least to largest) | processors | relative difference | theirs | ours |\n"
          "| --- | --- | --- | --- | --- | --- |")
    for stage in args.only.split(","):
        for title, theirs, ours in races(stage, sizes, names, args.templates):
            ratios, difference = race(theirs, ours, args.pairs)
            columns = [f"{statistics.median(r):.2f} ({min(r):.2f} to {max(r):.2f})"
                       for r in zip(*ratios, strict=True)]
            memory = peaks(title, stage, args) if args.memory else [math.nan] * 2
            print(f"| {title} | {columns[0]} | {columns[1]} | {difference:.0e} | {memory[0]:.0f} | {memory[1]:.0f} |",
                  flush=True)


if __name__ == "__main__":
    main()
