"""The command line; see the package."""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection, wait
from pathlib import Path

from . import __doc__ as about
from .doors import DOORS, case_of
from .worker import Ending, one, readable, serve

#: What is bad: seconds, megabytes; and seconds after which a case is ended.
SLOW, LARGE, PATIENCE = 5.0, 600.0, 60.0
#: Seconds a worker may take to start, and bad cases of a door that are kept.
START, KEPT = 600.0, 200
OUTCOMES = ("served", "refused", "traceback", "crash", "slow", "large")
_SPAWN = multiprocessing.get_context("spawn")


class Worker:
    """A child process and the case it is at."""

    def __init__(self, doors: list[str], seed: int):
        self.doors, self.seed = doors, seed
        self.start()

    def start(self) -> None:
        """Start it, anew where it has died."""
        self.pipe, theirs = _SPAWN.Pipe()
        self.process = _SPAWN.Process(target=serve, args=(self.doors, self.seed, theirs), daemon=False)
        self.process.start()
        theirs.close()
        self.case: tuple[str, int] | None = None
        self.since = time.monotonic()
        self.ready = False

    def give(self, case: tuple[str, int]) -> None:
        """Hand it a case."""
        self.case, self.since = case, time.monotonic()
        self.pipe.send(case)

    def overdue(self) -> bool:
        """Whether it must be ended."""
        return time.monotonic() - self.since > (PATIENCE if self.ready else START)

    def stop(self) -> None:
        """End it."""
        self.pipe.close()
        self.process.join(5)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


class Tally:
    """What came of all cases; bad ones are written to a folder."""

    def __init__(self, doors: list[str], seed: int, folder: Path):
        self.counts = {door: dict.fromkeys(OUTCOMES, 0) for door in doors}
        self.longest, self.largest = dict.fromkeys(doors, 0.0), dict.fromkeys(doors, 0.0)
        self.seed, self.folder = seed, folder
        self.bad: list[tuple[Path, str]] = []

    def add(self, case: tuple[str, int], ending: Ending) -> None:
        """Count a case."""
        door, index = case
        kinds = [ending.outcome]
        kinds += ["slow"] * (ending.seconds > SLOW) + ["large"] * (ending.megabytes > LARGE)
        for kind in kinds:
            self.counts[door][kind] += 1
        self.longest[door] = max(self.longest[door], ending.seconds)
        self.largest[door] = max(self.largest[door], ending.megabytes)
        faults = [kind for kind in kinds if kind not in ("served", "refused")]
        if faults and sum(path.name.startswith(door) for path, _ in self.bad) < KEPT:
            self.folder.mkdir(parents=True, exist_ok=True)
            path, data = self.folder / f"{door}-{self.seed}-{index}.bin", case_of(door, self.seed, index)
            path.write_bytes(data)
            lines = [line for line in ending.what.strip().splitlines() if line.strip()]
            cost = f"{ending.seconds:.1f} s, {ending.megabytes:.0f} MB"
            told = f"{', '.join(faults)}; {cost}; {' '.join(lines[-3:])[:300]}"
            self.bad.append((path, f"{told}\n    {readable(data)}"))

    def faults(self) -> int:
        """How many cases were bad in some way."""
        return sum(counts[kind] for counts in self.counts.values() for kind in OUTCOMES[2:])

    def table(self) -> str:
        """The counts by door."""
        rows = ["| door | cases | " + " | ".join(OUTCOMES) + " | longest, s | most memory, MB |",
                "| --- " * (len(OUTCOMES) + 4) + "|"]  # fmt: skip
        for door, counts in self.counts.items():
            cases = sum(counts[kind] for kind in OUTCOMES[:4])
            numbers = " | ".join(f"{counts[kind]:,}" for kind in OUTCOMES)
            rows.append(f"| {door} | {cases:,} | {numbers} | {self.longest[door]:.1f} | {self.largest[door]:.0f} |")
        total = sum(counts[kind] for counts in self.counts.values() for kind in OUTCOMES[:4])
        return "\n".join([*rows, f"{total:,} cases, {self.faults()} faults"])


def cases(doors: list[str], first: int) -> Iterator[tuple[str, int]]:
    """Doors and numbers without end, each door by its share."""
    order = [door for place in range(max(DOORS[d].share for d in doors)) for door in doors
             if place < DOORS[door].share]  # fmt: skip
    for turn in itertools.count():
        counts = dict.fromkeys(doors, 0)
        for door in order:
            yield door, first + turn * DOORS[door].share + counts[door]
            counts[door] += 1


def run(doors: list[str], seed: int, first: int, count: int, until: float, jobs: int, folder: Path) -> Tally:
    """Serve cases in child processes until `count` are done or the clock (`time.monotonic`) is at `until`."""
    tally, left = Tally(doors, seed, folder), itertools.islice(cases(doors, first), count)
    workers = [Worker(doors, seed) for _ in range(jobs)]
    try:
        busy = set(workers)
        while busy:
            wait([w.pipe for w in busy] + [w.process.sentinel for w in busy], timeout=1.0)
            for worker in list(busy):
                if not _heard(worker, tally):
                    continue
                case = next(left, None) if time.monotonic() < until else None
                if case is None:
                    busy.discard(worker)
                else:
                    worker.give(case)
    finally:
        for worker in workers:
            worker.stop()
    return tally


def _heard(worker: Worker, tally: Tally) -> bool:
    """Take what a worker has to say, and replace one that died or must be ended; True when it wants a case."""
    died = not worker.process.is_alive()  # looked at first: what it said before is in the pipe then
    said = _received(worker.pipe)
    if said is not None:
        if worker.ready:
            tally.add(worker.case, Ending(**said[0]))
        worker.ready = True
        return True
    if not died and not worker.overdue():
        return False
    if worker.case is None:
        raise RuntimeError("a worker does not start")
    worker.process.kill()
    worker.process.join()
    what = f"ended by signal {-worker.process.exitcode}" if died else "ended after its time"
    tally.add(worker.case, Ending("crash" if died else "traceback", time.monotonic() - worker.since, 0.0, what))
    worker.start()
    return False


def _received(pipe: Connection) -> tuple | None:
    try:
        return (pipe.recv(),) if pipe.poll() else None
    except (EOFError, OSError):
        return None


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.fuzz", description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, help="stop after so long")
    parser.add_argument("--cases", type=int, help="stop after so many [10000 where no minutes are given]")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first case of every door")
    parser.add_argument("--doors", default=",".join(DOORS), help="which, separated by commas")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1), help="child processes")
    parser.add_argument("--out", type=Path, default=Path(tempfile.gettempdir(), "namebrush-fuzz"),
                        help="folder for bad cases")  # fmt: skip
    parser.add_argument("--replay", nargs=2, metavar=("DOOR", "FILE"), help="serve one kept case, in this process")
    args = parser.parse_args()
    if args.replay:
        with tempfile.TemporaryDirectory() as folder:
            ending = one(args.replay[0], Path(args.replay[1]).read_bytes(), Path(folder))
        print(f"{ending.outcome}, {ending.seconds:.2f} s, {ending.megabytes:.0f} MB\n{ending.what}")
        return int(ending.outcome not in OUTCOMES[:2])
    doors = args.doors.split(",")
    if unknown := [door for door in doors if door not in DOORS]:
        parser.error(f"there is no door {unknown[0]!r}; there are {', '.join(DOORS)}")
    until = time.monotonic() + args.minutes * 60 if args.minutes else float("inf")
    count = args.cases or (10**12 if args.minutes else 10_000)
    tally = run(doors, args.seed, args.first, count, until, args.jobs, args.out)
    for path, told in tally.bad:
        print(f"{path}: {told}")
    print(tally.table())
    return int(tally.faults() > 0)


if __name__ == "__main__":
    sys.exit(main())
