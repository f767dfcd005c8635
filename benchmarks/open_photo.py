"""What it costs to open a photo in a process of its own, beside opening it in this one.

    python -m benchmarks.open_photo --pairs 15
    python -m benchmarks.open_photo --before ../earlier    # beside the code of another checkout, in this process

Files of 0.3, 3, 12 and 24 megapixels, JPEG and PNG, are opened alternately both ways. Printed are the median of each
on the clock, and the median of the pairs' ratios with the quarter and three-quarter points: on the clock, and of
processor time (of both processes; on Linux), which other work on the machine disturbs less.
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
    start = time.perf_counter(), time.process_time()
    open_photo(line.strip())
    print(time.perf_counter() - start[0], time.process_time() - start[1], flush=True)
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

    def seconds(self, path: Path) -> tuple[float, float]:
        """Seconds it took to open one file, on the clock and of the processor."""
        print(path, file=self._popen.stdin, flush=True)
        clock, processor = map(float, self._popen.stdout.readline().split())
        return clock, processor

    def close(self) -> None:
        """End the process."""
        self._popen.stdin.close()
        self._popen.wait()


def _worked(pids: list[int]) -> float:
    """Processor seconds these processes have had; 0 where the system does not tell."""
    try:
        return sum(int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) for pid in pids) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0


def timed(path: Path, decoder: Decoder | None) -> tuple[float, float]:
    """Seconds it takes to open one file, on the clock and of the processor."""
    pids = [] if decoder is None else decoder.pids()
    start, worked, own = time.perf_counter(), _worked(pids), time.process_time()
    open_photo(path, decoder=decoder)
    return time.perf_counter() - start, time.process_time() - own + _worked(pids) - worked


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--before", type=Path, help="another checkout to compare with, instead of this one's code")
    parser.add_argument("--sizes", default=",".join(SIZES))
    args = parser.parse_args()
    decoder, other = Decoder(), Other(args.before.resolve()) if args.before else None
    print("| megapixels | format | in this process, ms | in its own, ms | ratio (quarters) | of processor time |")
    print("| --- | --- | --- | --- | --- | --- |")
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
                times = np.array(pairs[1:])  # the first pair warms both: [pair, way, clock or processor]
                clock, processor = (
                    "{1:.2f} ({0:.2f} to {2:.2f})".format(*np.percentile(ratio, [25, 50, 75]))
                    for ratio in (times[:, 1] / times[:, 0]).T
                )
                before, after = np.median(times[:, :, 0], axis=0) * 1e3
                print(f"| {size} | {name} | {before:.1f} | {after:.1f} | {clock} | {processor} |", flush=True)
    decoder.close()
    if other:
        other.close()


if __name__ == "__main__":
    main()
