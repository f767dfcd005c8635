"""Who makes the best masks by hand: SAM, grabCut, or grabCut from SAM's mask? What `pipeline.select.GATE` rests on.

On held-out painted scenes, mean IoU with every thing's true mask from a box as a hand draws it, from one point, and
after one correcting point; with the share of things for which each is best, and milliseconds. "auto" is what the page
does, "box" the whole box taken as the mask. Prints a table and the row of `GATE` that follows from it.

With `--root`, a folder of labelled photographs as `python -m pipeline evaluate --dataset folder` takes it: connected
areas of the classes `--things` are the things, and their exact boxes and innermost points the prompts.

With a folder of photographs and boxes it also writes pictures to look at: a mask is right there only where an eye says
so.

    python -m benchmarks.select_gate --scenes 60
    python -m benchmarks.select_gate --scenes 0 --root DIR --things car,pedestrian,bicyclist
    python -m benchmarks.select_gate --scenes 0 --photos DIR --boxes boxes.json --out DIR

`boxes.json` holds {"file.jpg": [[x0, y0, x1, y1], ...]} in photo pixels.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np

from pipeline.dense.sam_features import encode_sam
from pipeline.errors import NamebrushError
from pipeline.evaluate.datasets import open_dataset
from pipeline.models.builtin import load_sam
from pipeline.models.records import SamModel
from pipeline.photo import open_photo
from pipeline.records import Photo, Region, SamEmbedding
from pipeline.select import select
from training.pool import HELD_OUT
from training.scenes import make_scene

MAKERS = ("sam", "grabcut", "sam+grabcut")
#: A photo, the true mask of a thing in it, and a box around that.
Thing = tuple[Photo, np.ndarray, tuple[float, ...]]
#: What is measured beside them.
ROWS = (*MAKERS, "auto", "box")
#: Width and height below which an area of a labelled photograph is no thing, and the width above which it is none.
LEAST_SIDE, MOST_WIDTH = 15, 300
KINDS = ("box", "point", "correct")


def deepest(mask: np.ndarray) -> tuple[float, float]:
    """The pixel of a mask farthest from its edge, x and y."""
    depth = cv2.distanceTransform(np.pad(mask, 1).astype(np.uint8), cv2.DIST_L2, 3)[1:-1, 1:-1]
    y, x = divmod(int(depth.argmax()), mask.shape[1])
    return float(x), float(y)


def hand_drawn(box, rng: np.random.Generator, size: tuple[int, int]) -> tuple[float, ...]:
    """A tight box with the errors of a hand: each side off by a few hundredths of its length."""
    x0, y0, x1, y1 = box
    spread = np.array([x1 - x0, y1 - y0, x1 - x0, y1 - y0])
    off = rng.normal(0, 0.03, 4).clip(-0.08, 0.08) * spread
    return tuple(np.clip(np.array(box) + off, 0, [size[1], size[0], size[1], size[0]]).tolist())


def iou(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two masks."""
    return float((a & b).sum() / max((a | b).sum(), 1))


def correction(made: np.ndarray, true: np.ndarray) -> tuple[float, float, int] | None:
    """The point a person would set next: in the middle of the largest error, with its label."""
    wrong = max((true & ~made, made & ~true), key=np.sum)
    if not wrong.any():
        return None
    return (*deepest(wrong), int((true & ~made).sum() >= (made & ~true).sum()))


def attempt(photo: Photo, sam: SamModel, embedding: SamEmbedding, maker: str, **ask) -> tuple[Region | None, float]:
    """One selection and its milliseconds; None where the maker finds nothing."""
    start = time.perf_counter()
    try:
        region = select(photo, sam, embedding, gate=maker, **ask)
    except NamebrushError:
        region = None
    return region, 1000 * (time.perf_counter() - start)


def scene_things(count: int, size: int, smallest: int) -> Iterator[Thing]:
    """Photo, true mask and a hand's box of every thing in held-out scenes."""
    rng = np.random.default_rng(0)
    for seed in range(HELD_OUT, HELD_OUT + count):
        scene = make_scene(seed, size, size)
        photo = Photo(scene.image, hash=str(seed))
        for thing in scene.objects:
            if thing.area >= smallest:
                yield photo, scene.instances == thing.id, hand_drawn(thing.box, rng, photo.size)


def folder_things(root: Path, names: list[str], smallest: int) -> Iterator[Thing]:
    """Photo, true mask and exact box of every connected area of the named classes in labelled photographs."""
    dataset = open_dataset("folder", str(root))
    wanted = [i for i, one in enumerate(dataset.classes) if set(one.words) & set(names)]
    for sample in dataset:
        for number in wanted:
            found = cv2.connectedComponentsWithStats((sample.truth == number).astype(np.uint8))
            for i, (x, y, width, height, area) in enumerate(found[2][1:], 1):
                if area >= smallest and min(width, height) >= LEAST_SIDE and width <= MOST_WIDTH:
                    yield sample.photo, found[1] == i, (float(x), float(y), float(x + width), float(y + height))


def measure(
    sam: SamModel, things: Iterable[Thing]
) -> dict[str, dict[str, list[tuple[float, float]]]]:
    """(IoU, milliseconds) of every thing, by kind of prompt and maker."""
    results: dict[str, dict[str, list]] = {kind: {row: [] for row in ROWS} for kind in KINDS}
    last = embedding = None

    def noted(kind: str, maker: str, true: np.ndarray, **ask) -> None:
        made, took = attempt(last, sam, embedding, maker, **ask)
        results[kind][maker].append((iou(made.mask, true) if made else 0.0, took))

    for photo, true, box in things:
        if photo is not last:
            last, embedding = photo, encode_sam(sam.sam, photo.pixels).embedding
        point, whole = deepest(true), np.zeros_like(true)
        x0, y0, x1, y1 = (int(round(v)) for v in box)
        whole[y0:y1, x0:x1] = True
        results["box"]["box"].append((iou(whole, true), 0.0))
        for maker in ROWS[:-1]:
            noted("box", maker, true, box=box)
            noted("point", maker, true, points=[point])
        # All correct the same mask: SAM's from one point, since that is what a person has before them.
        start, _ = attempt(photo, sam, embedding, "sam", points=[point])
        mark = correction(start.mask, true) if start else None
        for maker in ROWS[:-1] if mark else ():
            noted("correct", maker, true, points=[mark], region=start)
    return results


def report(results) -> str:
    """The table, and the row of the gate."""
    lines = [f"{'prompt':<10}{'maker':<13}{'things':>8}{'mean IoU':>10}{'median':>8}{'best':>8}{'ms':>8}"]
    row = {}
    for kind, makers in results.items():
        scores = {maker: np.array([r[0] for r in rows]) for maker, rows in makers.items()}
        row[kind] = max(MAKERS, key=lambda m: scores[m].mean())
        best = np.max([scores[maker] for maker in MAKERS], axis=0)
        for maker in (row for row in ROWS if len(scores[row])):
            took = np.mean([r[1] for r in makers[maker]])
            better = (scores[maker] >= best).mean()
            lines.append(
                f"{kind:<10}{maker:<13}{len(scores[maker]):>8}{scores[maker].mean():>10.3f}"
                f"{np.median(scores[maker]):>8.3f}{better:>8.0%}{took:>8.1f}"
            )
    return "\n".join([*lines, f"GATE row: {row}"])


def plates(sam: SamModel, folder: Path, boxes: dict[str, list[list[float]]], out: Path) -> None:
    """One picture per photograph and box: each maker's mask from the box and from the point in its middle."""
    out.mkdir(parents=True, exist_ok=True)
    for name, wanted in boxes.items():
        photo = open_photo(folder / name)
        embedding = encode_sam(sam.sam, photo.pixels).embedding
        for i, box in enumerate(wanted):
            middle = [((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)]
            tiles = []
            for ask in ({"box": box}, {"points": middle}):
                for maker in MAKERS:
                    region, took = attempt(photo, sam, embedding, maker, **ask)
                    title = f"{maker}, {next(iter(ask))}, {took:.0f} ms" + ("" if region else ", nothing found")
                    tiles.append(_tile(photo.pixels, region, ask, title))
            sheet = np.vstack([np.hstack(tiles[: len(MAKERS)]), np.hstack(tiles[len(MAKERS) :])])
            cv2.imwrite(str(out / f"{Path(name).stem}_{i}.png"), sheet[..., ::-1])


def _tile(pixels: np.ndarray, region: Region | None, ask: dict, title: str, width: int = 640) -> np.ndarray:
    shown = pixels.astype(np.float32)
    mask = region.mask if region else np.zeros(pixels.shape[:2], bool)
    shown[~mask] = shown[~mask] * 0.35 + 160
    shown = np.ascontiguousarray(shown.clip(0, 255).astype(np.uint8))
    thick = max(1, round(pixels.shape[1] / 400))
    outline, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(shown, outline, -1, (230, 0, 120), thick)
    if "box" in ask:
        x0, y0, x1, y1 = (int(v) for v in ask["box"])
        cv2.rectangle(shown, (x0, y0), (x1, y1), (0, 90, 255), thick)
    for x, y in ask.get("points", ()):
        cv2.circle(shown, (int(x), int(y)), 4 * thick, (0, 90, 255), -1)
    shown = cv2.resize(shown, (width, round(width * shown.shape[0] / shown.shape[1])), interpolation=cv2.INTER_AREA)
    bar = np.full((26, width, 3), 255, np.uint8)
    cv2.putText(bar, title, (6, 18), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA)
    return np.vstack([bar, shown])


def main() -> None:
    """Measure, print, draw."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.select_gate", description=__doc__.split("\n")[0])
    parser.add_argument("--sam", type=Path, help="folder of a built-in SAM; the one in assets/ if left out")
    parser.add_argument("--scenes", type=int, default=60, help="held-out scenes [60]")
    parser.add_argument("--size", type=int, default=256, help="side of a scene in pixels [256]")
    parser.add_argument("--smallest", type=int, default=150, help="things below this many visible pixels are left out")
    parser.add_argument("--root", type=Path, help="folder of labelled photographs")
    parser.add_argument("--things", default="car,pedestrian,bicyclist", help="classes there whose areas are things")
    parser.add_argument("--least", type=int, default=600, help="areas below so many pixels are no things [600]")
    parser.add_argument("--photos", type=Path, help="folder of photographs")
    parser.add_argument("--boxes", type=Path, help="JSON file of boxes per photograph")
    parser.add_argument("--out", type=Path, default=Path("out/select"), help="where pictures go [out/select]")
    args = parser.parse_args()
    sam = load_sam(args.sam)
    if args.scenes:
        print(f"{sam.name}, {args.scenes} held-out scenes of {args.size} pixels")
        print(report(measure(sam, scene_things(args.scenes, args.size, args.smallest))))
    if args.root:
        print(f"{sam.name}, {args.root.name}, areas of {args.things}")
        print(report(measure(sam, folder_things(args.root, args.things.split(","), args.least))))
    if args.photos and args.boxes:
        plates(sam, args.photos, json.loads(args.boxes.read_text(encoding="utf-8")), args.out)
        print(f"pictures in {args.out}")


if __name__ == "__main__":
    main()
