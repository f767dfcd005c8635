"""Windows around one thing, with a hole to paint and the words for it: what the inpainting model learns from.

    python -m training.closeups

A window is what the edit stage would cut out around a selection: the hole covers about six tenths of its side. The
hole is mostly the thing's own outline, a little grown, since replacing paints in an outline of what is asked for
(`training.outlines`) and restyling in that of what is there; at times its hull, an ellipse, or a box it need not fill.
One window in five has the thing left out of the scene: there the hole hides only what lies behind, as in a removal.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np

from .scenes import NOUNS, STUFF, make_scene
from .words import WORDS

SIDE = 256
FOLDER = Path("runs/closeups")
#: Seeds of their own, apart from the pool's and from the held-out scenes'.
FIRST_SEED = 100_000_000
#: Share of the window's side that the hole covers.
FILL = (0.46, 0.74)
#: A window smaller than this is left out: it would be blown up into a blur.
LEAST_WINDOW = 170
#: Words for "what is around", used where nothing shall be there.
SURROUNDINGS = ("background", "nothing", "the background")


@dataclass(frozen=True)
class Closeup:
    """A window of a scene with a hole.

    Attributes:
        image: uint8 [256, 256, 3], what the hole shall look like when painted, and its surroundings.
        hole: bool [256, 256].
        thing: bool [256, 256], the thing's own pixels; empty where it was left out.
        noun: what is in the hole, or None where only the ground is.
        color: its colour's word, or None where it says nothing.
        ground: nouns of the stuff in the hole, commonest first.
    """

    image: np.ndarray
    hole: np.ndarray
    thing: np.ndarray
    noun: str | None
    color: str | None
    ground: tuple[str, ...]


def hole_around(rng: np.random.Generator, thing: np.ndarray) -> np.ndarray:
    """A hole that covers a thing, bool [H, W]: mostly its outline, grown; else its hull, an ellipse or a box."""
    ys, xs = np.nonzero(thing)
    box = np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1], float)
    size = np.array([box[2] - box[0], box[3] - box[1]])
    draw = rng.random()
    hole = thing.astype(np.uint8)
    if draw < 0.84:
        grow = 1 + round(float(size.max()) * rng.uniform(0.0, 0.045))
        hole = cv2.dilate(hole, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * grow + 1, 2 * grow + 1)))
    elif draw < 0.9:
        hull = cv2.convexHull(np.stack([xs, ys], 1).astype(np.int32))
        cv2.fillConvexPoly(hole, hull, 1)
        grow = 2 + round(float(size.max()) * rng.uniform(0.0, 0.06))
        hole = cv2.dilate(hole, np.ones((2 * grow + 1, 2 * grow + 1), np.uint8))
    else:
        room = rng.uniform(0.01, 0.09, 4) * size.max()
        if rng.random() < 0.6:  # a box of another form than the thing; most things stand on the ground
            wide = rng.random() < 0.5
            extra = rng.uniform(0.1, 0.9) * size[0 if wide else 1]
            share = 0.5 if wide else 1.0  # in the middle, standing at the bottom
            room[0 if wide else 1] += extra * share
            room[2 if wide else 3] += extra * (1 - share)
        x0, y0 = np.floor(box[:2] - room[:2]).astype(int)
        x1, y1 = np.ceil(box[2:] + room[2:]).astype(int)
        if draw < 0.92:
            center, axes = ((x0 + x1) // 2, (y0 + y1) // 2), ((x1 - x0) * 5 // 8, (y1 - y0) * 5 // 8)
            cv2.ellipse(hole, center, axes, 0, 0, 360, 1, -1)
        else:
            hole[max(0, y0) : max(0, y1), max(0, x0) : max(0, x1)] = 1
    return hole.astype(bool)


def window_of(rng: np.random.Generator, hole: np.ndarray) -> tuple[int, int, int] | None:
    """Corner and side in pixels of a square window that the hole covers as `FILL` says, or None where none fits."""
    ys, xs = np.nonzero(hole)
    x0, y0, x1, y1 = xs.min(), ys.min(), xs.max() + 1, ys.max() + 1
    h, w = hole.shape
    side = round(max(x1 - x0, y1 - y0) / rng.uniform(*FILL))
    if side < LEAST_WINDOW:
        return None
    if side > min(h, w):
        side = min(h, w)
        if max(x1 - x0, y1 - y0) > 0.8 * side:
            return None
    play = 0.06 * side
    x = int(np.clip((x0 + x1) / 2 - side / 2 + rng.uniform(-play, play), 0, w - side))
    y = int(np.clip((y0 + y1) / 2 - side / 2 + rng.uniform(-play, play), 0, h - side))
    return x, y, side


def closeups(seed: int, form: int | None = None, nouns: Collection[str] = NOUNS) -> list[Closeup]:
    """The windows of one scene: one for every thing that is large enough, one of them without its thing.

    Args:
        seed: of the scene.
        form: gives every noun one form, see `make_scene`; None: forms vary as in all scenes.
        nouns: only windows of these things.
    """
    rng = np.random.default_rng([seed, 7])
    size = int(rng.integers(420, 760))
    scene = make_scene(seed, size, size, form=form)
    order = rng.permutation(len(scene.objects))
    found = []
    for place, k in enumerate(order):
        thing = scene.objects[k]
        x0, y0, x1, y1 = thing.box
        if (min(x0, y0) <= 1 or max(x1, y1) >= size - 1) and rng.random() < 0.85:
            continue  # what the picture's edge cuts teaches little about form
        mask = scene.instances == thing.id
        hole = hole_around(rng, mask)
        window = window_of(rng, hole)
        if window is None:
            continue
        gone = place == 0 and len(order) > 2
        if not gone and thing.noun not in nouns:
            continue
        shown = make_scene(seed, size, size, omit={thing.id}, form=form) if gone else scene
        found.append(_cut(shown, hole, None if gone else thing, window))
    return found


def _cut(scene, hole: np.ndarray, thing, window: tuple[int, int, int]) -> Closeup:
    x, y, side = window
    part = np.s_[y : y + side, x : x + side]
    way = cv2.INTER_AREA if side > SIDE else cv2.INTER_CUBIC
    image = cv2.resize(scene.image[part], (SIDE, SIDE), interpolation=way)

    def small(mask: np.ndarray) -> np.ndarray:
        return cv2.resize(mask[part].astype(np.uint8), (SIDE, SIDE), interpolation=cv2.INTER_NEAREST).astype(bool)

    inside = scene.classes[part][hole[part] & (scene.instances[part] == 0)]
    counts = np.bincount(inside, minlength=len(NOUNS))
    ground = [NOUNS[i] for i in np.argsort(-counts) if NOUNS[i] in STUFF and counts[i] > 0.12 * max(1, counts.sum())]
    own = scene.instances == thing.id if thing is not None else np.zeros_like(hole)
    return Closeup(image, small(hole), small(own), thing and thing.noun, thing and thing.color, tuple(ground))


def caption(rng: np.random.Generator, noun: str | None, color: str | None, ground: tuple[str, ...]) -> str:
    """Words for a hole: the thing in it, with its colour or its ground or bare; or its surroundings; or nothing."""
    if noun is None:
        if not ground or rng.random() < 0.4:
            return SURROUNDINGS[rng.integers(len(SURROUNDINGS))]
        return " and ".join(ground[: 1 + int(rng.random() < 0.5)])
    words = WORDS[noun]
    word = words[0] if rng.random() < 0.75 else words[rng.integers(len(words))]
    if color is not None and rng.random() < 0.8:
        word = f"{color} {word}"
    draw = rng.random()
    article = "an" if word[0] in "aeiou" else "a"
    text = word if draw < 0.15 else f"the {word}" if draw < 0.22 else f"{article} {word}"
    if draw > 0.9:
        text = f"a photo of {article} {word}"
    if ground and rng.random() < 0.15:
        text += f" on {ground[0]}" if ground[0] not in ("sky", "cloud") else f" in the {ground[0]}"
    return text


def render(folder: Path, windows: int, first: int, workers: int, form: int | None = None, nouns=NOUNS) -> None:
    """Draw windows into memory-mapped files; the text file is written last and marks the set as complete."""
    folder.mkdir(parents=True, exist_ok=True)
    images = np.lib.format.open_memmap(folder / "images.npy", "w+", np.uint8, (windows, SIDE, SIDE, 3))
    masks = np.lib.format.open_memmap(folder / "masks.npy", "w+", np.uint8, (windows, SIDE, SIDE))
    texts: list[dict] = []
    with get_context("spawn").Pool(workers) as pool:
        for made in pool.imap(partial(closeups, form=form, nouns=nouns), range(first, first + windows), chunksize=8):
            for one in made[: windows - len(texts)]:
                images[len(texts)], masks[len(texts)] = one.image, one.hole + 2 * one.thing
                texts.append({"noun": one.noun, "color": one.color, "ground": one.ground})
            if len(texts) == windows:
                break
    (folder / "texts.json").write_text(json.dumps(texts))


def load(folder: Path = FOLDER) -> tuple[np.ndarray, np.ndarray, list[dict]]:
    """Images uint8 [N, 256, 256, 3], masks uint8 [N, 256, 256] (1 hole, 2 thing, summed) and what is in each hole.

    Raises:
        SystemExit: nothing is rendered yet; the message names the command that does it.
    """
    if not (folder / "texts.json").exists():
        raise SystemExit("No windows are rendered yet. Run: python -m training.closeups")
    images, masks = (np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("images", "masks"))
    return images, masks, json.loads((folder / "texts.json").read_text())


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--windows", type=int, default=40000)
    parser.add_argument("--first", type=int, default=FIRST_SEED, help="seed of the first scene")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--form", type=int, help="give every noun one form; left out, forms vary")
    parser.add_argument("--nouns", nargs="+", default=NOUNS, help="only windows of these things")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    args = parser.parse_args()
    render(args.folder, args.windows, args.first, args.workers, args.form, args.nouns)


if __name__ == "__main__":
    main()
