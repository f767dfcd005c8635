"""The child process that serves cases: it says how each ended, or dies of it."""

from __future__ import annotations

import json
import os
import resource
import socket
import sys
import tempfile
import time
import traceback
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import psutil

from .doors import DOORS, case_of

#: Bytes of address space of a worker and each of its children, so that no case takes the machine's memory.
_ADDRESSES = 16 << 30


@dataclass(frozen=True)
class Ending:
    """How a case ended.

    Attributes:
        outcome: "served", "refused", "traceback", or, told by the parent, "crash".
        seconds: on the clock.
        megabytes: by which the memory of the process and its children grew at most.
        what: of a fault, its last lines.
    """

    outcome: str
    seconds: float
    megabytes: float
    what: str = ""


class _Memory:
    """The most memory that this process and its children held, since `begin`."""

    def __init__(self):
        self._own = psutil.Process()

    def begin(self) -> None:
        self._before = {}
        for process in self._all():
            try:
                with open(f"/proc/{process.pid}/clear_refs", "w") as file:
                    file.write("5")  # the peak is counted anew
                self._before[process.pid] = process.memory_info().rss
            except (OSError, psutil.Error):
                continue

    def grown(self) -> float:
        total = 0
        for process in self._all():
            try:
                lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
                peak = next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM"))
            except (OSError, StopIteration, psutil.Error):
                continue
            # A decoding process that was started meanwhile counts by what it holds beyond its libraries.
            before = self._before.get(process.pid, min(peak, 96 << 20))
            total += max(0, peak - before)
        return total / 1e6

    def _all(self) -> list[psutil.Process]:
        try:
            return [self._own, *self._own.children(recursive=True)]
        except psutil.Error:
            return [self._own]


def _nobody_else(connect):
    """No case may talk to another machine."""

    def checked(self, address):
        if isinstance(address, tuple) and address[0] not in ("127.0.0.1", "::1", "localhost"):
            raise OSError("cases talk to this machine alone")
        return connect(self, address)

    return checked


def _warm(doors: list[str], folder: Path) -> None:
    """Serve what is not damaged: it imports what the doors need, so that the first cases are not charged for it."""
    for door in doors:
        for data in DOORS[door].good():
            DOORS[door].serve(data, folder)


def serve(doors: list[str], seed: int, pipe: Connection) -> None:
    """Serve the cases whose door and number come through the pipe, until it is closed."""
    resource.setrlimit(resource.RLIMIT_AS, (_ADDRESSES, _ADDRESSES))
    socket.socket.connect = _nobody_else(socket.socket.connect)
    os.environ.update(HF_HUB_OFFLINE="1", OMP_NUM_THREADS="1")
    sys.stdout = open(os.devnull, "w")
    with tempfile.TemporaryDirectory(prefix="namebrush-fuzz-") as name:
        folder = Path(name)
        _warm(doors, folder)
        pipe.send(None)
        memory, done = _Memory(), 0
        while True:
            try:
                door, index = pipe.recv()
            except EOFError:
                break
            pipe.send(asdict(one(door, case_of(door, seed, index), folder, memory)))
            done += 1
            if done % 200 == 0:
                _emptied(folder)


def one(door: str, data: bytes, folder: Path, memory: _Memory | None = None) -> Ending:
    """Serve one case."""
    memory = memory or _Memory()
    memory.begin()
    start, what = time.perf_counter(), ""
    try:
        outcome = DOORS[door].serve(data, folder)
    except Exception:
        outcome, what = "traceback", "".join(traceback.format_exc().splitlines(keepends=True)[-8:])
    return Ending(outcome, time.perf_counter() - start, memory.grown(), what)


def _emptied(folder: Path) -> None:
    import shutil

    for entry in folder.iterdir():
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


def readable(data: bytes) -> str:
    """A case in one line, as far as it can be read."""
    try:
        return json.dumps(json.loads(data))[:160]
    except ValueError:
        return repr(data[:80])
