"""A pool of scenes rendered once to memory-mapped files, so that training never waits for drawing.

    python -m training.pool --scenes 14000 --abstract 4000

Training scenes use the seeds from 0 on; held-out scenes start at `HELD_OUT` and never enter a pool.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from .scenes import make_abstract, make_scene

HELD_OUT = 1_000_000_000
ABSTRACT_SEED = 500_000_000
FOLDER = Path("runs/pool")


@dataclass(frozen=True)
class Pool:
    """Rendered scenes, memory-mapped.

    Attributes:
        images: uint8 [N, S, S, 3] RGB.
        classes: uint8 [N, S, S], index into `scenes.NOUNS`.
        instances: uint8 [N, S, S], 0 for stuff.
        objects: per scene a list of {"id", "noun", "color", "box"}.
        captions: per scene its captions.
        abstract_images, abstract_instances: the abstract pictures, same shapes.
    """

    images: np.ndarray
    classes: np.ndarray
    instances: np.ndarray
    objects: list
    captions: list
    abstract_images: np.ndarray
    abstract_instances: np.ndarray


def _scene(job: tuple[int, int]) -> tuple:
    seed, size = job
    s = make_scene(seed, size, size)
    objects = [{"id": o.id, "noun": o.noun, "color": o.color, "box": list(o.box)} for o in s.objects]
    return s.image, s.classes, s.instances.astype(np.uint8), objects, list(s.captions)


def _abstract(job: tuple[int, int]) -> tuple:
    seed, size = job
    image, instances = make_abstract(seed, size, size)
    return image, instances.astype(np.uint8)


def _map(path: Path, count: int, *shape: int) -> np.ndarray:
    return np.lib.format.open_memmap(path, "w+", np.uint8, (count, *shape))


def render(folder: Path, scenes: int, abstract: int, size: int, workers: int) -> None:
    """Draw everything into `folder`; the text file is written last and marks the pool as complete."""
    folder.mkdir(parents=True, exist_ok=True)
    images, classes, instances = (_map(folder / f"{n}.npy", scenes, size, size, *([3] if n == "images" else []))
                                  for n in ("images", "classes", "instances"))
    texts = []
    with get_context("spawn").Pool(workers) as pool:
        for i, made in enumerate(pool.imap(_scene, [(s, size) for s in range(scenes)], chunksize=32)):
            images[i], classes[i], instances[i] = made[:3]
            texts.append({"objects": made[3], "captions": made[4]})
        images, instances = (_map(folder / f"abstract_{n}.npy", abstract, size, size, *([3] if n == "images" else []))
                             for n in ("images", "instances"))
        jobs = [(ABSTRACT_SEED + s, size) for s in range(abstract)]
        for i, made in enumerate(pool.imap(_abstract, jobs, chunksize=32)):
            images[i], instances[i] = made
    (folder / "texts.json").write_text(json.dumps(texts))


def load_pool(folder: Path = FOLDER) -> Pool:
    """Open a rendered pool.

    Raises:
        SystemExit: there is none yet; the message names the command that makes it.
    """
    if not (folder / "texts.json").exists():
        raise SystemExit("No scenes are rendered yet. Run: python -m training.pool")
    texts = json.loads((folder / "texts.json").read_text())

    def part(name: str) -> np.ndarray:
        return np.load(folder / f"{name}.npy", mmap_mode="r")

    return Pool(part("images"), part("classes"), part("instances"), [t["objects"] for t in texts],
                [t["captions"] for t in texts], part("abstract_images"), part("abstract_instances"))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=14000)
    parser.add_argument("--abstract", type=int, default=4000)
    parser.add_argument("--size", type=int, default=256, help="side of a picture in pixels")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    args = parser.parse_args()
    render(args.folder, args.scenes, args.abstract, args.size, args.workers)


if __name__ == "__main__":
    main()
