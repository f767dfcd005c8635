"""Finding regions: the published way, one full-size map after another, against `refine.regions.find_components`.

    python -m benchmarks.splitting --size 1024 --classes 171 --regions 300
"""

from __future__ import annotations

import argparse
import time

import cv2
import numpy as np

from pipeline.refine.regions import find_components


def plain_regions(labels: np.ndarray, scores: np.ndarray, least: float, coarse: float) -> list[dict]:
    """Regions step by step as section 4 of Trident has them, with whole maps for every class and region."""
    found = []
    for c in range(len(scores)):
        if scores[c].max() < np.float32(coarse):
            continue
        _, marked = cv2.connectedComponents((labels == c).astype(np.uint8), connectivity=8)
        # Raster order of the first pixel, whatever way OpenCV numbers areas.
        order = [n for n in dict.fromkeys(marked.ravel().tolist()) if n] if marked.any() else []
        for number in order:
            mask = marked == number
            area = int(mask.sum())
            if area < least:
                continue
            ys, xs = np.nonzero(mask)
            inside = np.where(mask, scores[c], -np.inf)
            row, col = divmod(int(inside.argmax()), labels.shape[1])
            found.append({
                "class": c, "area": area, "mask": mask, "point": (col, row),
                "box": (int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1),
                "score": float(scores[c][mask].mean(dtype=np.float64)),
            })  # fmt: skip
    return found


def scattered(size: int, classes: int, regions: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A label map of about so many regions (nearest of random seeds) and probabilities that favour it."""
    rng = np.random.default_rng(seed)
    points, names = rng.random((regions, 2)) * size, rng.integers(0, classes, regions)
    names[: min(classes, regions)] = rng.permutation(classes)[: min(classes, regions)]
    nearest, labels = np.full((size, size), np.inf, np.float32), np.zeros((size, size), np.int32)
    ys, xs = np.mgrid[:size, :size].astype(np.float32)
    for (y, x), name in zip(points, names, strict=True):
        away = (ys - np.float32(y)) ** 2 + (xs - np.float32(x)) ** 2
        wins = away < nearest
        nearest[wins], labels[wins] = away[wins], name
    scores = rng.random((classes, size, size), dtype=np.float32) * np.float32(0.3)
    np.put_along_axis(scores, labels[None].astype(np.int64), np.float32(0.6), axis=0)
    return labels, scores


def main() -> None:
    """Time both, compare, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.splitting", description=__doc__.split("\n")[0])
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--classes", type=int, default=171)
    parser.add_argument("--regions", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    labels, scores = scattered(args.size, args.classes, args.regions)
    seconds: dict[str, list[float]] = {"plain": [], "optimized": []}
    for _ in range(args.rounds):
        start = time.perf_counter()
        plain = plain_regions(labels, scores, 1, 0.1)
        middle = time.perf_counter()
        fast = find_components(labels, scores, 1, 0.1)
        seconds["plain"].append(middle - start)
        seconds["optimized"].append(time.perf_counter() - middle)
    equal = len(fast) == len(plain)
    for a, b in zip(fast, plain, strict=False):
        mask = np.zeros(labels.shape, bool)
        mask[a.slices] = a.crop
        equal &= (a.class_index, a.area, a.box, a.point) == (b["class"], b["area"], b["box"], b["point"])
        equal &= bool((mask == b["mask"]).all()) and abs(a.score - b["score"]) < 1e-5
    best = {name: min(values) for name, values in seconds.items()}
    print(f"{args.size} x {args.size}, {args.classes} classes, {len(fast)} regions, best of {args.rounds}")
    print(f"plain {best['plain']:.3f} s, optimized {best['optimized']:.4f} s, "
          f"{best['plain'] / best['optimized']:.1f}x, "
          f"{'identical' if equal else 'DIFFERENT'}")  # fmt: skip


if __name__ == "__main__":
    main()
