"""Kills a page at random instants while visitors make steps; what comes back must be what had been saved.

    python -m benchmarks.kill_server [--kills 100] [--seed 0] [--visitors 4]

Every round the page is started on the folder of the rounds before, visitors come back by their tokens and make steps
(photos opened, masks painted, colours changed), and at a random instant the page is ended by SIGKILL, SIGTERM or
SIGINT. Checked:

- every step that the folder's manifest held at the kill is found by its visitor, with the photo's own pixels; after
  SIGTERM and SIGINT every step that had been answered is;
- the exit status is 143, 130 or the kill's own, within seconds; no process is left;
- nothing of the ended run is left once the next one has started, and after SIGTERM and SIGINT nothing at all beside
  the visitors' folders;
- no file outlives its age, which is shortened for this (an hour becomes `HOUR` seconds).
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import random
import re
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import httpx
import numpy as np

from .load import photos, server
from .load.client import Config, Tab

#: What an hour, half an hour, and the time between two sweeps become, in seconds.
HOUR, HALF, PACE = 120, 60, 2
#: Seconds an ending asked for may take, and a killed one's children.
ENDING = 25
#: Steps after which a visitor begins anew: histories are trimmed at 40.
MOST_STEPS = 24
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
PROGRAM = f"""
import runpy, sys
from app import sweeper
sweeper.VISITOR_AGE, sweeper.CACHE_AGE, sweeper.PACE = {HOUR}, {HALF}, {PACE}
sys.argv = ["app.py"]
runpy.run_path("app.py", run_name="__main__")
"""


@dataclass
class Guest:
    """A visitor over many rounds.

    Attributes:
        token: the secret by which the session is found.
        steps: answered so far; shown[k]: the photo's digest once k steps were answered.
        due: steps that must be found after the next start.
        ids: regions of the current step.
    """

    number: int
    token: str = ""
    steps: int = 0
    due: int = 0
    shown: dict[int, str] = field(default_factory=dict)
    tab: Tab | None = None
    ids: list[int] = field(default_factory=list)

    def forget(self) -> None:
        """Begin anew."""
        self.token, self.steps, self.due, self.shown, self.ids = "", 0, 0, {}, []


def steps_in(answer) -> int:
    """How many steps the page lists after an answer."""
    return len(re.findall(r"data-step=", str(answer.values.get("history", ""))))


def manifest_of(state: Path, token: str) -> int:
    """How many steps are saved for a token."""
    path = state / "visitors" / hashlib.sha256(token.encode()).hexdigest()[:32] / "session.json"
    try:
        return len(json.loads(path.read_bytes())["steps"])
    except OSError:
        return 0


class Round:
    """One life of the page, from its start to its end."""

    def __init__(self, home: Path, guests: list[Guest], rng: random.Random, found: Counter, longest: float):
        self.home, self.guests, self.rng, self.found, self.longest = home, guests, rng, found, longest
        self.state = home / "state"
        self.problems: list[str] = []

    def live(self, program: list[str]) -> None:
        """Start, use, kill, and check what is left."""
        page = server.start(server.ROOT, self.home, program, NAMEBRUSH_STATE=str(self.state))
        try:
            page.wait()
            self.check_start()
            children = asyncio.run(self.use(page))
        except httpx.HTTPError:
            print(f"The page broke off by itself (status {page.process.poll()}):\n{page.log[-2000:]}", file=sys.stderr)
            raise
        finally:
            if page.process.poll() is None:
                page.process.kill()
                page.process.wait()
        self.check_end(page, children)

    async def use(self, page: server.Server) -> list[int]:
        """Visitors come back and make steps until the page is ended under them; its processes just before."""
        async with httpx.AsyncClient(base_url=page.address, timeout=90, trust_env=False) as http:
            config = Config((await http.get("/config")).raise_for_status().json())
            working = [asyncio.create_task(self.visit(http, config, guest)) for guest in self.guests]
            for guest_working in asyncio.as_completed([asyncio.create_task(self.back(http, config, g))
                                                       for g in self.guests]):  # fmt: skip
                await guest_working
            self.ready.set()
            await asyncio.sleep(self.rng.uniform(0.2, self.longest))
            children = server.tree(page.process.pid)[1:]
            self.signal = self.rng.choice(SIGNALS)
            self.answered = {g.number: g.steps for g in self.guests}
            self.saved = {g.number: manifest_of(self.state, g.token) if g.token else 0 for g in self.guests}
            page.process.send_signal(self.signal)
            self.killed = time.monotonic()
            while page.process.poll() is None and time.monotonic() < self.killed + ENDING:
                await asyncio.sleep(0.05)
            self.took = time.monotonic() - self.killed
            for task in working:
                task.cancel()
            await asyncio.gather(*working, return_exceptions=True)
            for guest in self.guests:
                await guest.tab.close()
        return children

    async def back(self, http: httpx.AsyncClient, config: Config, guest: Guest) -> None:
        """Open the page; find what was there before, and compare."""
        guest.tab = Tab(http, config)
        guest.tab.beat()
        if not guest.token:
            return
        due, guest_steps = guest.due, guest.steps
        answer = await guest.tab.send(config.event("restore", "restore"), {"token": guest.token})
        steps = steps_in(answer) if answer.outcome == "ok" else 0
        if not due <= steps <= guest_steps + 1:
            self.problems.append(f"guest {guest.number}: {due} steps were due, {guest_steps} answered, {steps} found: "
                                 f"{answer.sentence}")  # fmt: skip
            guest.forget()
            return
        self.found["steps found"] += steps
        self.found["answered and not yet saved at a kill"] += max(0, guest_steps - steps)
        self.found["saved and not yet answered at a kill"] += steps > guest_steps
        digest = await self.digest(http, config, answer.values["canvas"])
        if guest.shown.setdefault(steps, digest) != digest:
            self.problems.append(f"guest {guest.number}: step {steps} came back with other pixels")
        guest.steps = steps
        guest.ids = [r["id"] for r in answer.values["canvas"]["regions"]]
        if steps >= MOST_STEPS:
            guest.forget()

    async def digest(self, http: httpx.AsyncClient, config: Config, scene: dict) -> str:
        """What the photo of a scene shows."""
        data = (await http.get(f"{config.prefix}/file={scene['photo']['file']['path']}")).raise_for_status().content
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        return hashlib.sha256(pixels.tobytes() + str(pixels.shape).encode()).hexdigest()

    async def visit(self, http: httpx.AsyncClient, config: Config, guest: Guest) -> None:
        """Make one step after the other."""
        await self.ready.wait()
        rng = random.Random(f"{guest.number} {self.rng.random()}")
        while True:
            answer = await self.step(config, guest, rng)
            scene = answer.values.get("canvas") if answer.outcome == "ok" else None
            if scene:
                guest.steps, guest.token = steps_in(answer), scene["token"]
                guest.ids = [r["id"] for r in scene["regions"]]
                guest.shown[guest.steps] = await self.digest(http, config, scene)
            elif answer.outcome == "error":
                return  # the page has ended
            await asyncio.sleep(rng.uniform(0.0, 0.3))

    async def step(self, config: Config, guest: Guest, rng: random.Random):
        """A photo opened, a mask painted, or a colour changed."""
        tab = guest.tab
        if not guest.token:
            drawn = photos.draw(guest.number, 0, 5)
            file = await tab.upload(drawn.png, drawn.name)
            return await tab.send(config.event("open", "upload"), open=file)
        if guest.ids and rng.random() < 0.5:
            asked = {"ids": [rng.choice(guest.ids)], "turn": int(time.monotonic() * 1000)}
            await tab.send(config.event("canvas", "pick"), asked)
            color = f"#{rng.randrange(1 << 24):06x}"
            return await tab.send(config.event("go", "click"), kind="recolor", edit_color=color)
        height, width = photos.size_of(guest.number)
        line = [[rng.uniform(40, width - 40), rng.uniform(40, height - 40)] for _ in range(3)]
        stroke = {"points": line, "radius": rng.uniform(8, 30), "erase": False}
        return await tab.send(config.event("canvas", "ask"), {"strokes": [stroke], "ids": [], "stamp": 0})

    def check_start(self) -> None:
        """Of earlier runs nothing is left, and no file outlived its age."""
        self.ready = asyncio.Event()
        runs = [p.name for p in self.state.glob("*run-*")]
        if len(runs) != 1:
            self.problems.append(f"folders of earlier runs are left: {runs}")
        self.problems += outlived(self.state)

    def check_end(self, page: server.Server, children: list[int]) -> None:
        """Status, time, processes, folders."""
        status, name = page.process.returncode, self.signal.name
        self.found[name] += 1
        expected = -signal.SIGKILL if self.signal == signal.SIGKILL else 128 + self.signal
        if status != expected:
            self.problems.append(f"{name}: status {status}, not {expected}, after {self.took:.1f} s")
        deadline = time.monotonic() + ENDING
        while any(map(alive, children)) and time.monotonic() < deadline:
            time.sleep(0.1)
        if left := [c for c in children if alive(c)]:
            self.problems.append(f"{name}: {len(left)} processes are left")
        orderly = self.signal != signal.SIGKILL
        if orderly and (left := [p.name for p in self.state.iterdir() if p.name != "visitors"]):
            self.problems.append(f"{name}: left behind: {left}")
        if left := [p.name for p in (self.home / "tmp").iterdir()]:
            self.problems.append(f"{name}: temporary files are left: {left[:5]}")
        if "Traceback" in page.log or "Aborted" in page.log:
            lines = re.findall(r"^(?:[\w.]+(?:Error|Exception|Interrupt)\b.*|.*Aborted.*)$", page.log, re.M)
            self.problems.append(f"{name}: the log holds a traceback: {lines[:3] or page.log[-800:]}")
        (self.home / "server.log").unlink()
        for guest in self.guests:
            guest.due = self.answered[guest.number] if orderly else self.saved[guest.number]


def alive(pid: int) -> bool:
    """Whether a process runs (one that has ended and waits to be noticed does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def outlived(state: Path) -> list[str]:
    """Visitors' folders that should have gone."""
    now, slack, left = time.time(), 3 * PACE + 5, []
    for seen in state.glob("visitors/*/seen"):
        if now - seen.stat().st_mtime > HOUR + slack:
            left.append(f"{seen.parent.name}: not seen for {now - seen.stat().st_mtime:.0f} s and still there")
    return left


def last_look(home: Path, program: list[str]) -> list[str]:
    """After all: nobody comes back; everything but the page's own run has gone an `HOUR` later."""
    state = home / "state"
    page = server.start(server.ROOT, home, program, NAMEBRUSH_STATE=str(state))
    try:
        page.wait()
        time.sleep(HOUR + 3 * PACE + 5)
        left = [str(p.relative_to(state)) for p in state.glob("visitors/*")]
        return [f"an hour after their visitors left, still there: {left[:5]}"] if left else []
    finally:
        page.stop()


def main() -> None:
    """Kill, look, tell."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--visitors", type=int, default=4)
    parser.add_argument("--longest", type=float, default=6.0, help="seconds at most until the kill")
    parser.add_argument("--no-last-look", action="store_true", help="do not wait for the files to grow old at the end")
    args = parser.parse_args()
    rng, found, problems = random.Random(args.seed), Counter(), []
    home = Path(tempfile.mkdtemp(prefix="namebrush-kills-"))
    guests = [Guest(i) for i in range(args.visitors)]
    program = ["-c", PROGRAM]
    try:
        for number in range(args.kills):
            one = Round(home, guests, rng, found, args.longest)
            one.live(program)
            problems += [f"kill {number + 1} ({one.signal.name}): {line}" for line in one.problems]
            print(f"{number + 1}: {one.signal.name}, {one.took:.1f} s, steps {[g.steps for g in guests]}"
                  + "".join(f"\n  PROBLEM {line}" for line in one.problems), flush=True)  # fmt: skip
        if not args.no_last_look:
            problems += last_look(home, program)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    print(f"{args.kills} kills: " + ", ".join(f"{count} {name}" for name, count in found.items()))
    print(f"{len(problems)} problems", *problems, sep="\n")
    if problems:
        raise SystemExit(1)


if __name__ == "__main__":
    sys.exit(main())
