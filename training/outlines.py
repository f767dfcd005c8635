"""Draw the outlines that the built-in inpainting model is given the forms of things by.

    python -m training.outlines

They are outlines of things of our own scenes, drawn alone so that nothing hides them, from seeds that no training
window and no held-out scene is drawn from. Of many of a noun those are kept that differ most from each other.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import cv2
import numpy as np

from pipeline.models.painting import OUTLINES
from pipeline.rle import encode_rle

from .inpainting import PAINTED
from .scenes import make_scene
from .words import WORDS

FIRST_SEED = 300_000_000
#: Sides in pixels: of a scene, of an outline's longer side, and of the square two are compared in.
SCENE, SIDE, COARSE = 640, 96, 32
#: Outlines kept of a noun, and the many they are chosen from.
KEPT, MANY = 8, 24


def drawn(seed: int) -> list[tuple[str, np.ndarray]]:
    """The things of a scene that lie wholly inside it, each drawn alone: noun and tight outline, bool [h, w]."""
    found = []
    scene = make_scene(seed, SCENE, SCENE)
    for thing in scene.objects:
        others = {other.id for other in scene.objects} - {thing.id}
        alone = make_scene(seed, SCENE, SCENE, omit=others)
        mask = alone.instances == thing.id
        if mask.sum() < SIDE**2 / 4:
            continue
        rows, cols = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        if min(rows[0], cols[0]) > 1 and max(rows[-1], cols[-1]) < SCENE - 2:
            found.append((thing.noun, mask[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1]))
    return found


def small(mask: np.ndarray) -> np.ndarray:
    """An outline with a longer side of 96 pixels, tight; its largest part alone."""
    scale = SIDE / max(mask.shape)
    sides = [max(1, round(scale * side)) for side in mask.shape[::-1]]
    part = (cv2.resize(mask.astype(np.float32), sides, interpolation=cv2.INTER_AREA) >= 0.5).astype(np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(part)
    part = labels == 1 + stats[1:, cv2.CC_STAT_AREA].argmax()
    rows, cols = np.flatnonzero(part.any(1)), np.flatnonzero(part.any(0))
    return part[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1]


def unlike(masks: list[np.ndarray], count: int) -> list[np.ndarray]:
    """Those of many outlines that differ most: each next one is the farthest, by IoU, from all before it."""
    forms = [cv2.resize(mask.astype(np.uint8), (COARSE, COARSE), interpolation=cv2.INTER_AREA) > 0 for mask in masks]
    middle = np.mean(forms, axis=0) > 0.5
    chosen = [max(range(len(forms)), key=lambda i: _iou(forms[i], middle))]
    while len(chosen) < min(count, len(masks)):
        rest = [i for i in range(len(masks)) if i not in chosen]
        chosen.append(min(rest, key=lambda i: max(_iou(forms[i], forms[j]) for j in chosen)))
    return [masks[i] for i in chosen]


def _iou(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / max(1, (a | b).sum()))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--first", type=int, default=FIRST_SEED, help="seed of the first scene")
    parser.add_argument("--many", type=int, default=MANY, help="outlines of a noun that are chosen from")
    parser.add_argument("--out", type=Path, default=Path("assets/inpainting"))
    args = parser.parse_args()
    found: dict[str, list[np.ndarray]] = {noun: [] for noun in PAINTED}
    seed = args.first
    while min(map(len, found.values())) < args.many:
        for noun, mask in drawn(seed):
            if len(found[noun]) < args.many:
                found[noun].append(small(mask))
        seed += 1
    things = [
        {"words": WORDS[noun], "outlines": [encode_rle(mask) for mask in unlike(masks, KEPT)]}
        for noun, masks in found.items()
    ]
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / OUTLINES).write_text(json.dumps(things) + "\n")
    print(f"{args.out / OUTLINES}: {KEPT} outlines of each of {len(things)} things, from {seed - args.first} scenes")


if __name__ == "__main__":
    main()
