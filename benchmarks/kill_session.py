"""Kills a program at random instants while it edits and saves; what reopens must be the last complete step.

    python -m benchmarks.kill_session [--kills 50] [--seed 0]

A child edits a photo and saves the session after every edit, telling over a pipe when a save has returned. It is
killed (SIGKILL) after a random time; then the session is opened and compared with what the child had told: it must
hold that step, or the one whose save was about to return, pixel by pixel.
"""

from __future__ import annotations

import argparse
import os
import signal
import tempfile
import time
from pathlib import Path

import numpy as np

from pipeline.edit import edit
from pipeline.history import History, edited, open_session, opened, save_session
from pipeline.photo import open_photo
from pipeline.records import EditRequest

SIZE = 96
_COLORS = ("#c03020", "#2040c0", "#20a040", "#e0c020")


def steps_of(seed: int, count: int):
    """The histories after opening and after every edit, one after the other; the same for the same seed."""
    rng = np.random.default_rng(seed)
    history = History().add(opened(open_photo(rng.integers(0, 256, (SIZE, SIZE, 3), np.uint8))))
    yield history
    for index in range(count):
        mask = np.zeros((SIZE, SIZE), bool)
        y, x = rng.integers(0, SIZE - 24, 2)
        mask[y : y + 20, x : x + 20] = True
        request = EditRequest("recolor", mask, color=_COLORS[index % len(_COLORS)])
        history = history.add(edited(edit(history.current.photo, request, None)))
        yield history


def _write(path: Path, seed: int, pipe: int) -> None:
    for history in steps_of(seed, 10_000):
        save_session(history, path)
        os.write(pipe, b".")


def kill_once(folder: Path, seed: int, seconds: float) -> tuple[int, int]:
    """Start a writer, kill it so many seconds after its first save, reopen.

    Returns:
        The saves that had returned, and the steps found.

    Raises:
        AssertionError: what was found is not a complete step.
    """
    path = folder / f"{seed}.namebrush.zip"
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.close(reading)
            _write(path, seed, writing)
        finally:
            os._exit(1)
    os.close(writing)
    told = os.read(reading, 1)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    while more := os.read(reading, 4096):
        told += more
    os.close(reading)
    history = open_session(path)
    found = len(history.steps)
    assert found in (len(told), len(told) + 1), f"{len(told)} saves had returned, {found} steps were found"
    *_, expected = steps_of(seed, found - 1)
    for one, other in zip(history.steps, expected.steps, strict=True):
        assert (one.id, one.parent, one.label) == (other.id, other.parent, other.label)
        assert np.array_equal(one.photo.pixels, other.photo.pixels), f"step {one.id} has other pixels"
    save_session(history, path)  # the next writer clears away what the killed one left
    left = [entry.name for entry in folder.iterdir() if entry.name != path.name and path.stem in entry.name]
    assert not left, f"left behind: {left}"
    return len(told), found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--longest", type=float, default=1.0, help="seconds at most from the first save to the kill")
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)
    with tempfile.TemporaryDirectory() as folder:
        found = [kill_once(Path(folder), i, rng.uniform(0, args.longest)) for i in range(args.kills)]
    steps = [f for _, f in found]
    print(f"{args.kills} kills, {args.kills} times the last complete step was found "
          f"(between {min(steps)} and {max(steps)} steps; {sum(f > t for t, f in found)} times one step further than "
          "was told)")  # fmt: skip


if __name__ == "__main__":
    main()
