"""Replacing and restyling by the built-in inpainting model on held-out scenes, told by a judge trained apart.

    python -m training.closeups && python -m training.judge
    python -m benchmarks.replacement [--tries 60] [--sheet SHEET.png] [--folder WEIGHTS]

Replacing: a thing of a held-out scene is replaced by another noun in a random one of its colours; the judge says what
is there now. Restyling: a thing is asked for in another colour; the judge says the colour, and the outline that
the built-in SAM finds from the thing's box before and after is compared (IoU), since the truth after is not known.
The judge's own errors are in the first line: it can't tell more than it knows.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image

from pipeline import Pipeline
from pipeline.photo import open_photo
from pipeline.rle import decode_rle
from training.inpainting import PAINTED
from training.judge import THINGS, cut, judge, load_judge, measure
from training.pool import HELD_OUT
from training.scenes import COLORS, make_scene
from training.scenes.cast import KINDS

SIDE, TILE = 512, 192


def cases(first: int, count: int) -> Iterator[tuple[int, np.ndarray, np.ndarray, str, str, str]]:
    """Seed, image uint8 [512, 512, 3], mask bool, its noun, and the noun and the colour to ask for."""
    seed = first - 1
    while count:
        seed += 1
        scene = make_scene(seed, SIDE, SIDE)
        things = [thing for thing in scene.objects if 4500 <= thing.area <= 60_000 and _whole(thing.box)]
        if not things:
            continue
        rng = np.random.default_rng(seed)
        thing = things[rng.integers(len(things))]
        others = [noun for noun in PAINTED if noun != thing.noun]
        noun = others[rng.integers(len(others))]
        colors = KINDS[noun].colors
        yield seed, scene.image, scene.instances == thing.id, thing.noun, noun, colors[rng.integers(len(colors))]
        count -= 1


def _whole(box: tuple[int, int, int, int]) -> bool:
    return min(box[:2]) > 2 and max(box[2:]) < SIDE - 2


def says_color(noun: str) -> bool:
    """Whether a noun comes in several colours, so that asking for one means something."""
    return len(set(KINDS[noun].colors)) > 1


def _outline(pipe: Pipeline, pixels: np.ndarray, mask: np.ndarray) -> np.ndarray:
    ys, xs = np.nonzero(mask)
    box = (float(xs.min()), float(ys.min()), float(xs.max() + 1), float(ys.max() + 1))
    return pipe.select(open_photo(pixels), box=box, gate="sam").mask


def _tile(pixels: np.ndarray, text: str) -> np.ndarray:
    tile = cv2.resize(pixels, (TILE, TILE), interpolation=cv2.INTER_AREA)
    tile = cv2.copyMakeBorder(tile, 18, 0, 0, 0, cv2.BORDER_CONSTANT, value=(255, 255, 255))
    cv2.putText(tile, text, (3, 13), cv2.FONT_HERSHEY_SIMPLEX, 0.36, (20, 20, 20), 1, cv2.LINE_AA)
    return tile


def _around(mask: np.ndarray) -> tuple[slice, slice]:
    """The square about twice as large as a mask, inside the picture."""
    ys, xs = np.nonzero(mask)
    side = min(SIDE, 2 * max(np.ptp(ys), np.ptp(xs)))
    y, x = (int(np.clip((a.min() + a.max() - side) // 2, 0, SIDE - side)) for a in (ys, xs))
    return slice(y, y + side), slice(x, x + side)


def replace(pipe: Pipeline, model: torch.nn.Module, first: int, tries: int, options: dict) -> list[np.ndarray]:
    """Print how many replacements the judge recognises; gives pairs of tiles, before and after."""
    nouns, colors, tiles, by_noun, began = [], [], [], Counter(), time.time()
    for seed, image, mask, old, noun, color in cases(first, tries):
        asked = f"{color} {noun}" if says_color(noun) else noun
        result = pipe.edit(open_photo(image), mask, kind="replace", prompt=f"a {asked}", subject=old, seed=seed % 1000,
                           **options)  # fmt: skip
        after = result.images[0].pixels
        where = decode_rle(result.things[0]) if result.things else result.mask
        told_noun, told_color = judge(model, [cut(after, where)])[0]
        nouns.append(told_noun == noun)
        by_noun[noun, nouns[-1]] += 1
        if says_color(noun):
            colors.append(told_color == color)
        part = _around(result.mask)
        told = f"{asked}: {told_color} {told_noun}" if not nouns[-1] or told_color != color else asked
        tiles.append(np.hstack([_tile(image[part], old), _tile(after[part], told)]))
    print(f"replaced: {np.mean(nouns):.2f} of {len(nouns)} nouns and {np.mean(colors):.2f} of {len(colors)} colours "
          f"recognised; {(time.time() - began) / tries:.1f} s each")  # fmt: skip
    print("  " + ", ".join(f"{n} {by_noun[n, True]}/{by_noun[n, True] + by_noun[n, False]}" for n in THINGS
                           if by_noun[n, True] + by_noun[n, False]))  # fmt: skip
    return tiles


def restyle(pipe: Pipeline, model: torch.nn.Module, first: int, tries: int, options: dict) -> list[np.ndarray]:
    """Print how many restyled things have the asked colour and keep their outline; gives pairs of tiles."""
    colors, kept, nouns, tiles, seed = [], [], [], [], first
    while len(colors) < tries:
        seed, image, mask, noun, _, _ = next(cases(seed, 1))
        rng = np.random.default_rng([seed, 1])
        seed += 1
        if not says_color(noun):
            continue
        before = judge(model, [cut(image, mask)])[0]
        choice = sorted(set(KINDS[noun].colors) - {before[1]}, key=COLORS.index)
        color = choice[rng.integers(len(choice))]
        result = pipe.edit(open_photo(image), mask, kind="restyle", prompt=color, subject=noun, seed=seed % 1000,
                           **options)  # fmt: skip
        after = result.images[0].pixels
        told = judge(model, [cut(after, mask)])[0]
        colors.append(told[1] == color)
        nouns.append(told[0] == noun)
        one, two = (_outline(pipe, pixels, mask) for pixels in (image, after))
        kept.append((one & two).sum() / max(1, (one | two).sum()))
        part = _around(mask)
        tiles.append(np.hstack([_tile(image[part], noun), _tile(after[part], f"{color}: {told[1]}, {kept[-1]:.2f}")]))
    print(f"restyled: {np.mean(colors):.2f} of {len(colors)} colours recognised, still the noun {np.mean(nouns):.2f}; "
          f"outline kept at IoU {np.mean(kept):.2f} on average, median {np.median(kept):.2f}")  # fmt: skip
    return tiles


def sheet(tiles: list[np.ndarray], path: Path) -> None:
    """Write pairs of tiles, four a row."""
    rows = [np.hstack(tiles[i : i + 4]) for i in range(0, len(tiles) - 3, 4)]
    Image.fromarray(np.vstack(rows)).save(path)
    print(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--tries", type=int, default=60)
    parser.add_argument("--first", type=int, default=HELD_OUT, help="seed of the first scene")
    parser.add_argument("--sheet", type=Path, help="where to write the contact sheet of replacements")
    parser.add_argument("--restyled", type=Path, help="where to write the contact sheet of restyled things")
    parser.add_argument("--folder", type=Path, help="another model than the built-in one")
    for name, type_ in (("steps", int), ("guidance", float), ("strength", float), ("candidates", int), ("shape", str)):
        parser.add_argument(f"--{name}", type=type_, help="as the product chooses if left out")
    parser.add_argument("--only", choices=("replace", "restyle"))
    args = parser.parse_args()
    model = load_judge()
    right_nouns, right_colors, count = measure(model, 40)
    print(f"the judge tells {right_nouns:.3f} of the nouns and {right_colors:.3f} of the colours of {count} things")
    pipe = Pipeline.load("tiny", **({"inpaint": str(args.folder)} if args.folder else {}))
    names = ("steps", "guidance", "strength", "candidates", "shape")
    options = {name: getattr(args, name) for name in names if getattr(args, name) is not None}
    for name, run, path in (("replace", replace, args.sheet), ("restyle", restyle, args.restyled)):
        if args.only in (None, name):
            tiles = run(pipe, model, args.first, args.tries, options)
            if path:
                sheet(tiles, path)


if __name__ == "__main__":
    main()
