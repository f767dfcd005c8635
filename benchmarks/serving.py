"""How model calls of several visitors are best served on this machine's processor.

    python -m benchmarks.serving batches     photos in one batch against one by one: processor seconds of each
    python -m benchmarks.serving places      requests a second: calls at once and threads of each, exemplar fill beside
"""

from __future__ import annotations

import argparse
import os
import threading
import time

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as `app.py` sets it

import numpy as np
import torch

from pipeline import Pipeline, device
from pipeline.dense.sam_features import prepare
from pipeline.dense.trunk import run_trunk

BATCHES = (1, 2, 4, 8)
#: (calls at once, threads of each) that are compared.
PLACES = ((1, 1), (1, 2), (2, 1), (2, 2), (3, 1))


def _picture(seed: int, height: int = 600, width: int = 900) -> np.ndarray:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (height // 30, width // 30, 3), dtype=np.uint8)
    return np.kron(coarse, np.ones((30, 30, 1), np.uint8)) ^ rng.integers(0, 8, (height, width, 3), dtype=np.uint8)


def batches(repeats: int) -> None:
    """Print processor seconds a photo of one thread, by photos in a batch: SAM's encoder, and 28 windows of CLIP."""
    torch.set_num_threads(1)
    models = Pipeline.load("tiny").models
    encoder, visual = models.sam.sam.image_encoder, models.clip.model.visual
    inputs = torch.cat([prepare(models.sam.sam, _picture(i))[0] for i in range(max(BATCHES))])
    side = models.geometry.window
    windows = torch.randn(28 * max(BATCHES), 3, side, side)
    for title, run in (
        ("SAM's encoder", lambda n: encoder(inputs[:n])),
        ("CLIP's windows", lambda n: run_trunk(visual, windows[: 28 * n])),
    ):
        alone = None
        for count in BATCHES:
            times = []
            with torch.inference_mode():
                run(count)
                for _ in range(repeats):
                    start = time.thread_time()
                    run(count)
                    times.append((time.thread_time() - start) / count)
            took = float(np.median(times))
            alone = alone or took
            print(f"{title}, {count} photos in a batch: {took:.3f} s a photo, {alone / took:.2f} times as fast")


def places(seconds: float) -> None:
    """Print requests a second under mixed load, by calls at once and threads of each."""
    pipe = Pipeline.load("tiny")
    words = "dog, grass, sky, tree"
    photos = [pipe.open(_picture(i)) for i in range(40)]
    hole = np.zeros(photos[0].size, bool)
    hole[200:300, 300:420] = True
    pipe.segment(photos[0], words)
    for calls, threads in PLACES:
        device.share_processor(calls, lambda threads=threads: threads)
        pipe.cache.clear()
        counts, end = {"search": [], "mask": [], "removal": []}, time.monotonic() + seconds
        numbers = iter(range(10**9))

        def look(counts=counts, end=end, numbers=numbers):
            while time.monotonic() < end:
                photo = photos[next(numbers) % len(photos)]
                for kind, run in (
                    ("search", lambda photo=photo: pipe.segment(photo, words)),
                    ("mask", lambda photo=photo: pipe.select(photo, points=[(450, 300, 1)])),
                ):
                    start = time.monotonic()
                    run()
                    counts[kind].append(time.monotonic() - start)
                if next(numbers) % 80 > 78:
                    pipe.cache.clear()

        def fill(counts=counts, end=end):
            while time.monotonic() < end:
                start = time.monotonic()
                pipe.edit(photos[0], hole, kind="remove")
                counts["removal"].append(time.monotonic() - start)

        workers = [threading.Thread(target=look) for _ in range(calls)] + [threading.Thread(target=fill)]
        begin = time.monotonic()
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        took = time.monotonic() - begin
        done = sum(map(len, counts.values()))
        means = ", ".join(f"{kind} {np.mean(v):.2f} s" for kind, v in counts.items() if v)
        print(f"{calls} calls of {threads} threads: {done / took:.2f} requests a second ({means})", flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("batches", "places"))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=12.0)
    args = parser.parse_args()
    batches(args.repeats) if args.what == "batches" else places(args.seconds)


if __name__ == "__main__":
    main()
