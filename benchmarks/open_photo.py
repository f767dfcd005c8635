"""What it costs to open a photo in a process of its own, beside opening it in this one.

    python -m benchmarks.open_photo --pairs 15
    python -m benchmarks.open_photo --before ../earlier    # beside the code of another checkout, in this process

Files of 0.3, 3, 12 and 24 megapixels, JPEG and PNG, are opened alternately both ways; what is printed is the median of
each, and the median of the pairs' ratios with the quarter and three-quarter points.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from pipeline.decoding.pool import Decoder
from pipeline.photo import open_photo

SIZES = {"0.3": (480, 640), "3": (1500, 2000), "12": (3000, 4000), "24": (4000, 6000)}
#: Opens the files it is told on its standard input, one a line, and answers with the seconds each took.
_OTHER = """
import sys, time
from pipeline.photo import open_photo
for line in sys.stdin:
    start = time.perf_counter()
    open_photo(line.strip())
    print(time.perf_counter() - start, flush=True)
"""


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Soft shapes under grain like a camera's, uint8 [H, W, 3]: compresses about as photos do."""
    rng = np.random.default_rng(seed)
    soft = cv2.resize(rng.uniform(0, 255, (height // 40, width // 40, 3)).astype(np.float32), (width, height))
    return np.clip(soft + rng.normal(0, 4, (height, width, 1)), 0, 255).astype(np.uint8)


class Other:
    """Opens files with the code of another checkout, in a process that stays."""

    def __init__(self, folder: Path):
        self._popen = subprocess.Popen(
            [sys.executable, "-c", _OTHER], cwd=folder, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def seconds(self, path: Path) -> float:
        """Seconds it took to open one file."""
        print(path, file=self._popen.stdin, flush=True)
        return float(self._popen.stdout.readline())

    def close(self) -> None:
        """End the process."""
        self._popen.stdin.close()
        self._popen.wait()


def timed(path: Path, decoder: Decoder | None) -> float:
    """Seconds it takes to open one file."""
    start = time.perf_counter()
    open_photo(path, decoder=decoder)
    return time.perf_counter() - start


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--before", type=Path, help="another checkout to compare with, instead of this one's code")
    parser.add_argument("--sizes", default=",".join(SIZES))
    args = parser.parse_args()
    decoder, other = Decoder(), Other(args.before.resolve()) if args.before else None
    print("| megapixels | format | in this process, ms | in its own, ms | ratio (quarters) |")
    print("| --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        for size in args.sizes.split(","):
            image = Image.fromarray(picture(*SIZES[size]))
            for name, options in (("jpg", {"quality": 92}), ("png", {"compress_level": 3})):
                path = Path(folder, f"photo.{name}")
                image.save(path, **options)
                pairs = []
                for pair in range(args.pairs + 1):
                    ways = [
                        lambda path=path: other.seconds(path) if other else timed(path, None),
                        lambda path=path: timed(path, decoder),
                    ]
                    if pair % 2:
                        second = ways[1]()
                        pairs.append((ways[0](), second))
                    else:
                        pairs.append((ways[0](), ways[1]()))
                before, after = np.array(pairs[1:]).T * 1e3  # the first pair warms both
                low, middle, high = np.percentile(after / before, [25, 50, 75])
                print(f"| {size} | {name} | {np.median(before):.1f} | {np.median(after):.1f} "
                      f"| {middle:.2f} ({low:.2f} to {high:.2f}) |", flush=True)  # fmt: skip
    decoder.close()
    if other:
        other.close()


if __name__ == "__main__":
    main()
