"""A server of its own for a measurement, and what it uses while it runs."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 180
_TICKS, _PAGE = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")


def free_port() -> int:
    """A port of the loopback address that nobody uses."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def tree(pid: int) -> list[int]:
    """A process and all its descendants."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, IndexError, ValueError):
                continue
            parents.setdefault(parent, []).append(int(entry.name))
    found = [pid]
    for one in found:
        found += parents.get(one, [])
    return found


def usage(pid: int) -> tuple[float, float]:
    """Resident bytes and seconds of processor time of a process and its descendants, now."""
    resident = seconds = 0.0
    for one in tree(pid):
        try:
            resident += int(Path(f"/proc/{one}/statm").read_text().split()[1]) * _PAGE
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
            seconds += (int(fields[11]) + int(fields[12])) / _TICKS
        except (OSError, IndexError):
            continue
    return resident, seconds


def machine_seconds() -> float:
    """Seconds of processor time that everything on the machine has used since it started."""
    first = Path("/proc/stat").read_text().split("\n")[0]
    user, nice, system, _, _, interrupts, soft, *_ = map(int, first.split()[1:])
    return (user + nice + system + interrupts + soft) / _TICKS


class Server:
    """A page that runs: its address, its process, and what it said."""

    def __init__(self, process: subprocess.Popen, address: str, home: Path):
        self.process, self.address, self.home = process, address, home

    @property
    def log(self) -> str:
        """What it wrote so far."""
        return (self.home / "server.log").read_text(errors="replace")

    def wait(self) -> None:
        """Until the page answers.

        Raises:
            SystemExit: it does not come up.
        """
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                urllib.request.urlopen(self.address, timeout=5).read()
                return
            except OSError:
                time.sleep(0.2)
        raise SystemExit(f"The page did not come up:\n{self.log[-3000:]}")

    def stop(self, seconds: float = 20) -> int:
        """End it as an operator does; the exit code, or the negative signal that had to be used."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.process.kill()
        return self.process.wait()


def start(checkout: Path, home: Path, program: Sequence[str] = ("app.py",), **variables: str) -> Server:
    """Start a program of a checkout (the page) with everything it writes below `home`; it reaches no network."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    environment = {
        **os.environ, "PORT": str(port), "HOME": str(home), "TMPDIR": str(home / "tmp"),
        "GRADIO_TEMP_DIR": str(home / "gradio"), "NAMEBRUSH_CACHE": str(home / "cache"),
        "HF_ENDPOINT": f"http://127.0.0.1:{free_port()}", **variables,
    }  # fmt: skip
    (home / "tmp").mkdir(parents=True, exist_ok=True)
    with (home / "server.log").open("ab") as out:
        process = subprocess.Popen([sys.executable, *program], cwd=checkout, env=environment, stdout=out, stderr=out)
    return Server(process, address, home)


@contextmanager
def served(checkout: Path = ROOT, **variables: str):
    """A `Server` that is stopped at the end, with all its files gone."""
    home = Path(tempfile.mkdtemp(prefix="namebrush-load-"))
    server = start(checkout, home, **variables)
    try:
        server.wait()
        yield server
    finally:
        server.stop()
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def checkout_of(state: str):
    """The folder of a state: a folder as it is, or a commit as a worktree that is gone afterwards."""
    if Path(state, "app.py").exists():
        yield Path(state).resolve()
        return
    with tempfile.TemporaryDirectory(prefix="namebrush-state-") as parent:
        folder = Path(parent, "state")
        subprocess.run(["git", "worktree", "add", "--quiet", "--detach", folder, state], cwd=ROOT, check=True)
        try:
            yield folder
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", folder], cwd=ROOT, check=True)


async def watch(pid: int, every: float = 0.5) -> list[tuple[float, float, float]]:
    """Rows (seconds since the start, resident bytes, processor seconds) until cancelled."""
    rows, begin = [], time.monotonic()
    try:
        while True:
            rows.append((time.monotonic() - begin, *usage(pid)))
            await asyncio.sleep(every)
    except asyncio.CancelledError:
        return rows
