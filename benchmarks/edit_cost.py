"""What an edit costs in photos of different sizes with the same mask: the cost shall follow the mask.

    python -m benchmarks.edit_cost [--kind remove] [--megapixels 1,24] [--mask 200] [--repeats 3] [--command]

Every size is measured in a process of its own. Told are the processor seconds of the edit (best of the repeats), its
wall seconds, and memory: the peak of the whole process, and what the edit needed on top of what was there before it,
with the new picture (which is as large as the photo, and is what was asked for) and without it.

With `--command` it is what a person waits for: `python -m pipeline edit` as a whole, from a JPEG and a mask file to a
JPEG, with loading, reading and writing; told are its processor seconds and its peak of resident memory.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import cv2
import numpy as np
from PIL import Image


def _photo(megapixels: float, seed: int) -> np.ndarray:
    """Blotches with grain, 4:3; the same picture around the middle whatever its size."""
    height = round((megapixels * 1e6 * 3 / 4) ** 0.5)
    width = round(height * 4 / 3)
    rng = np.random.default_rng(seed)
    patch = cv2.resize(rng.integers(0, 256, (65, 65, 3), np.uint8), (1040, 1040), interpolation=cv2.INTER_CUBIC)
    patch = np.clip(patch.astype(np.int16) + rng.integers(-8, 9, patch.shape), 0, 255).astype(np.uint8)
    around = np.tile(patch, (-(-height // 1040) + 2, -(-width // 1040) + 2, 1))
    top, left = 1040 - (height // 2) % 1040 + 520, 1040 - (width // 2) % 1040 + 520
    return np.ascontiguousarray(around[top % 1040 :][:height, left % 1040 :][:, :width])


def _resident() -> int:
    """Bytes of memory this process holds now."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def measure(kind: str, megapixels: float, side: int, repeats: int) -> dict[str, float]:
    """Seconds and bytes of one size, in this process."""
    from pipeline.edit import edit
    from pipeline.photo import open_photo
    from pipeline.records import EditRequest

    cv2.setNumThreads(1)
    photo = open_photo(_photo(megapixels, 0))
    height, width = photo.size
    mask = np.zeros(photo.size, bool)
    y, x = np.mgrid[:side, :side] - side // 2
    top, left = (height - side) // 2, (width - side) // 2
    mask[top : top + side, left : left + side] = y**2 + x**2 <= (side / 2) ** 2
    more = {"recolor": {"color": "teal"}, "move": {"dx": side // 2}}.get(kind, {})
    request = EditRequest(kind, mask, **more)
    small = open_photo(np.ascontiguousarray(photo.pixels[:64, :64]))  # what is imported and made at the first use
    edit(small, EditRequest(kind, np.pad(np.ones((16, 16), bool), 24), **more), None)
    before, peak, running = _resident(), [0], [True]

    def watch() -> None:
        while running[0]:
            peak[0] = max(peak[0], _resident())
            time.sleep(0.002)

    watcher = threading.Thread(target=watch)
    watcher.start()
    times = []
    for _ in range(repeats):
        wall, own = time.perf_counter(), time.process_time()
        result = edit(photo, request, None)
        times.append((time.process_time() - own, time.perf_counter() - wall))
        assert result.changed_outside == 0
        del result
    running[0] = False
    watcher.join()
    return {
        "cpu_s": min(t[0] for t in times), "wall_s": min(t[1] for t in times), "process_peak": peak[0],
        "edit_peak": peak[0] - before, "picture": photo.pixels.nbytes,
    }  # fmt: skip


def measure_command(kind: str, megapixels: float, side: int, repeats: int) -> dict[str, float]:
    """Processor seconds (best of the repeats) and peak bytes of the whole command."""
    pixels = _photo(megapixels, 0)
    mask = np.zeros(pixels.shape[:2], np.uint8)
    cv2.circle(mask, (mask.shape[1] // 2, mask.shape[0] // 2), side // 2, 255, -1)
    more = {"recolor": ["--color", "teal"], "move": ["--dx", str(side // 2)]}.get(kind, [])
    with tempfile.TemporaryDirectory() as scratch:
        photo, drawn, out = (str(Path(scratch) / name) for name in ("photo.jpg", "mask.png", "out.jpg"))
        Image.fromarray(pixels).save(photo, quality=92)
        Image.fromarray(mask).save(drawn)
        command = [sys.executable, "-m", "pipeline", "edit", photo, "--kind", kind, "--mask", drawn, "--out", out]
        times = []
        for _ in range(repeats):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run([*command, "--quiet", *more], check=True, capture_output=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return {"cpu_s": min(times), "peak": after.ru_maxrss * 1024}  # the largest child of this process, which has one


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--kind", default="remove")
    parser.add_argument("--megapixels", default="1,24")
    parser.add_argument("--mask", type=int, default=200, help="diameter of the mask in pixels")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--alone", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--command", action="store_true", help="measure the whole command")
    args = parser.parse_args()
    if args.alone is not None:
        how = measure_command if args.command else measure
        print(json.dumps(how(args.kind, args.alone, args.mask, args.repeats)))
        return
    rows = {}
    for size in map(float, args.megapixels.split(",")):
        command = [sys.executable, "-m", "benchmarks.edit_cost", "--kind", args.kind, "--mask", str(args.mask),
                   "--repeats", str(args.repeats), "--alone", str(size)]  # fmt: skip
        command += ["--command"] if args.command else []
        told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        rows[size] = json.loads(told)
    first = next(iter(rows.values()))
    if args.command:
        print(f"python -m pipeline edit --kind {args.kind}, mask {args.mask} px")
        for size, row in rows.items():
            print(f"{size:5g} MP: {row['cpu_s']:6.2f} CPU s ({row['cpu_s'] / first['cpu_s']:.2f} times), "
                  f"peak {row['peak'] / 1e6:6.0f} MB ({row['peak'] / first['peak']:.2f} times)")  # fmt: skip
        return
    print(f"{args.kind}, mask {args.mask} px")
    print(f"{'MP':>5} {'CPU s':>7} {'wall s':>7} {'process MB':>11} {'edit MB':>8} {'less picture':>13}   ratios")
    for size, row in rows.items():
        rest = lambda r: max(1, r["edit_peak"] - r["picture"])  # noqa: E731
        ratios = [row[k] / max(first[k], 1e-9) for k in ("cpu_s", "process_peak", "edit_peak")]
        ratios.append(rest(row) / rest(first))
        shown = " ".join(f"{ratio:.2f}" for ratio in ratios)
        print(f"{size:5g} {row['cpu_s']:7.2f} {row['wall_s']:7.2f} {row['process_peak'] / 1e6:11.0f} "
              f"{row['edit_peak'] / 1e6:8.0f} {rest(row) / 1e6:13.0f}   {shown}")  # fmt: skip


if __name__ == "__main__":
    main()
