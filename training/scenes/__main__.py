"""Writes a contact sheet: `python -m training.scenes --out sheet.png --count 24 --seed 0 [--labels] [--abstract]`."""

from __future__ import annotations

import argparse
import colorsys

import cv2
import numpy as np

from . import NOUNS, STYLES, TIMES, make_abstract, make_scene


def _palette(n: int) -> np.ndarray:
    """n colours that neighbours in the list do not share, uint8 [n, 3]."""
    return np.array(
        [
            [int(255 * v) for v in colorsys.hsv_to_rgb(k * 0.618 % 1, 0.45 + 0.4 * (k % 2), 0.95 - 0.3 * (k % 3 == 2))]
            for k in range(n)
        ],
        np.uint8,
    )


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m training.scenes", description="a contact sheet of painted scenes")
    parser.add_argument("--out", required=True)
    parser.add_argument("--count", type=int, default=24)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--height", type=int, default=256)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--columns", type=int, default=6)
    parser.add_argument("--time", choices=TIMES)
    parser.add_argument("--style", choices=STYLES)
    parser.add_argument("--labels", action="store_true", help="put the label map beside each picture")
    parser.add_argument("--abstract", action="store_true", help="shapes without meaning in place of scenes")
    args = parser.parse_args()
    colors, cells = _palette(len(NOUNS)), []
    for seed in range(args.seed, args.seed + args.count):
        if args.abstract:
            image, labels = make_abstract(seed, args.height, args.width)
        else:
            scene = make_scene(seed, args.height, args.width, time=args.time, style=args.style)
            image, labels = scene.image, scene.classes
        cells.append(np.hstack([image, colors[labels]]) if args.labels else image)
    while len(cells) % args.columns:
        cells.append(np.full_like(cells[0], 255))
    rows = [np.hstack(cells[k : k + args.columns]) for k in range(0, len(cells), args.columns)]
    if not cv2.imwrite(args.out, np.vstack(rows)[..., ::-1]):
        raise SystemExit(f"could not write {args.out}")


if __name__ == "__main__":
    main()
