"""How long work goes on after Stop: the longest time between two points where a job asks whether to stop.

    python -m benchmarks.stopping remove --megapixels 24 --hole .05
    python -m benchmarks.stopping segment --refine crf --megapixels 24

Prints the seconds of the whole work, the longest gaps, and the line of this repository that ended each.
"""

from __future__ import annotations

import argparse
import time
import traceback
from pathlib import Path

import cv2
import numpy as np

from pipeline import Pipeline
from pipeline.edit.kinds import KINDS
from pipeline.progress import running

EXAMPLE = Path(__file__).resolve().parent.parent / "assets" / "examples"


class Gaps:
    """Called at every point where work may stop; notes how long it was since the one before."""

    def __init__(self):
        self.last = time.perf_counter()
        self.gaps: list[tuple[float, str]] = []

    def __call__(self) -> None:
        now = time.perf_counter()
        if now - self.last > 0.05:
            frames = [f for f in traceback.extract_stack() if "/pipeline/" in f.filename]
            place = next((f for f in reversed(frames) if not f.filename.endswith("progress.py")), None)
            where = "?" if place is None else f"{'/'.join(Path(place.filename).parts[-2:])}:{place.lineno}"
            self.gaps.append((now - self.last, where))
        self.last = time.perf_counter()


def picture(megapixels: float) -> np.ndarray:
    """An example, enlarged to so many millions of pixels and made rough again; uint8 [H, W, 3]."""
    found = cv2.imread(str(next(p for p in sorted(EXAMPLE.iterdir()) if p.suffix in (".jpg", ".png"))))[..., ::-1]
    factor = (megapixels * 1e6 / (found.shape[0] * found.shape[1])) ** 0.5
    size = round(found.shape[1] * factor), round(found.shape[0] * factor)
    large = cv2.resize(np.ascontiguousarray(found), size, interpolation=cv2.INTER_CUBIC).astype(np.int16)
    noise = np.random.default_rng(0).normal(0, 4, large.shape[:2])[..., None]
    return (large + noise.astype(np.int16)).clip(0, 255).astype(np.uint8)


def main() -> None:
    """Do one piece of work and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("segment", "select", *KINDS))
    parser.add_argument("--megapixels", type=float, default=24.0)
    parser.add_argument("--hole", type=float, default=0.04, help="share of the photo that is selected")
    parser.add_argument("--refine", default="sam")
    parser.add_argument("--method", default="trident")
    parser.add_argument("--words", default="dog, grass, sky, tree, house, car")
    args = parser.parse_args()
    pipe = Pipeline.load("tiny")
    pipe.models.load()
    photo = pipe.open(picture(args.megapixels))
    height, width = photo.size
    side = (args.hole * height * width) ** 0.5
    box = (width * 0.4, height * 0.4, width * 0.4 + side, height * 0.4 + side)
    mask = np.zeros(photo.size, np.uint8)
    centre, half = (int(box[0] + side / 2), int(box[1] + side / 2)), int(side / 2)
    cv2.ellipse(mask, centre, (half, half), 0, 0, 360, 1, -1)
    gaps, start = Gaps(), time.perf_counter()
    with running(gaps):
        if args.what == "segment":
            pipe.segment(photo, args.words, method=args.method, refine=args.refine)
        elif args.what == "select":
            pipe.select(photo, box=box, points=[(box[0] + side / 2, box[1] + side / 2, 1)])
        else:
            more = {"recolor": {"color": "#c03020"}, "move": {"dx": 100}, "extend": {"right": 200}}.get(args.what, {})
            pipe.edit(photo, mask > 0, kind=args.what, prompt="a red ball" * KINDS[args.what].prompt, **more)
        gaps()
    print(f"{args.what}, {args.megapixels:g} megapixels: {time.perf_counter() - start:.1f} s")
    for seconds, where in sorted(gaps.gaps, reverse=True)[:12]:
        print(f"  {seconds:.2f} s until {where}")


if __name__ == "__main__":
    main()
