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
#: Seconds between two looks for children.
_LOOK = 3.0


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
    """The most memory that this process and its children held, since `begin`.

    Children are looked for every few seconds, since that reads of every process on the machine: one that replaced
    another a moment ago is not counted yet.
    """

    def __init__(self):
        self._looked, self._pids = float("-inf"), [os.getpid()]

    def begin(self) -> None:
        """Count from now on."""
        if time.monotonic() - self._looked > _LOOK:
            self._pids = [os.getpid(), *(child.pid for child in psutil.Process().children(recursive=True))]
            self._looked = time.monotonic()
        self._before = {}
        for pid in self._pids:
            try:
                Path(f"/proc/{pid}/clear_refs").write_text("5")  # the peak is counted anew
                self._before[pid] = _kilobytes(pid, "VmRSS")
            except (OSError, StopIteration):  # it ended
                continue

    def grown(self) -> float:
        """Megabytes by which they grew at most, together."""
        total = 0
        for pid, before in self._before.items():
            try:
                total += max(0, _kilobytes(pid, "VmHWM") - before)
            except (OSError, StopIteration):
                continue
        return total * 1024 / 1e6


def _kilobytes(pid: int, what: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(what))


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
