"""Many visitors with large photos within a limit of memory: does the server keep to it, and is anything lost?

    python -m benchmarks.visitors_memory --visitors 30 --megapixels 12 --limit 4GB --out curve.png

Every visitor opens a photo of their own, looks for names, removes what was found, undoes that, and stays. Afterwards
everyone saves their session, and its pixels are compared with the photo that was sent: the first step must be that
photo bit for bit, the edit must equal it outside the mask that was used, and no step may be missing. The server's
resident memory, and that of the processes it started, is read five times a second; with `--kill` it is killed when it
is above the limit, as a container would do it.

`--case compare` has visitors compare many panels, `--case exif` sends
photos with EXIF as long as a JPEG can hold.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import sys
import tempfile
import time
from pathlib import Path

import cv2
import httpx
import numpy as np
from PIL import Image

from app.limits import parse_bytes
from pipeline.errors import NamebrushError
from pipeline.history import open_session
from pipeline.photo import open_photo, pixel_hash

from .load import server, table
from .load.client import Answer, Config, Tab

NAMES = "house; cottage, tree, sky, grass, sun"
PACE = 0.2


def draw(number: int, megapixels: float, exif: int = 0) -> bytes:
    """A visitor's own photo as a JPEG: a drawn scene, enlarged, with a grain of its own.

    Args:
        number: whose.
        megapixels: its size.
        exif: bytes of a comment in its EXIF, at most 65,000.
    """
    from training.scenes import make_scene

    height = round((megapixels * 1e6 * 3 / 4) ** 0.5)
    width = round(megapixels * 1e6 / height)
    small = make_scene(4_200_000 + number, 600, 800).image
    large = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    grain = np.random.default_rng(number).integers(-6, 7, (height // 4, width // 4, 3), dtype=np.int8)
    grain = cv2.resize(grain.astype(np.float32), (width, height), interpolation=cv2.INTER_NEAREST)
    image, buffer = Image.fromarray(np.clip(large + grain, 0, 255).astype(np.uint8)), io.BytesIO()
    options = {}
    if exif:
        tags = Image.Exif()
        tags[0x9286] = "x" * min(exif, 65_000)
        options["exif"] = tags
    image.save(buffer, "JPEG", quality=90, **options)
    return buffer.getvalue()


class Person:
    """A visitor with one photo."""

    def __init__(self, number: int, http: httpx.AsyncClient, config: Config, data: bytes, edges: str = "sam"):
        self.number, self.data, self.edges = number, data, edges
        self.tab = Tab(http, config, None, f"198.18.{number // 250}.{number % 250 + 1}")
        self.seconds: dict[str, float] = {}
        self.refused: list[str] = []
        self.steps = 0
        self.scene: dict = {}

    async def use(self, action: str, name: str, kind: str, data=None, **values) -> Answer:
        """Use something on the page, and note how long it took and whether it was refused."""
        answer = await self.tab.send(self.tab.config.event(name, kind), data, **values)
        self.seconds[action] = answer.seconds
        if answer.outcome != "ok":
            self.refused.append(f"{action}: {answer.sentence}")
        scene = answer.values.get("canvas") if isinstance(answer.values, dict) else None
        if isinstance(scene, dict) and scene.get("photo"):
            self.scene = scene
        return answer

    async def open(self) -> bool:
        """Arrive and open the photo; whether it was taken."""
        self.tab.beat()
        self.tab.set("edges", self.edges)
        file = await self.tab.upload(self.data, f"visitor-{self.number:03d}.jpg")
        answer = await self.use("open", "open", "upload", open=file)
        self.steps = answer.outcome == "ok"
        return bool(self.steps)

    async def work(self) -> None:
        """Find, remove, undo."""
        if not await self.open():
            return
        self.steps += (await self.use("find", "find", "click", words=NAMES)).outcome == "ok"
        regions = [r for r in self.scene.get("regions", ()) if r["area"] > 1000]
        if not regions:
            box = [v // 4 for v in (self.scene["photo"]["width"], self.scene["photo"]["height"])]
            asked = {"box": [*box, box[0] * 2, box[1] * 2], "ids": [], "stamp": self.scene["stamp"]}
            self.steps += (await self.use("mask", "canvas", "ask", asked)).outcome == "ok"
            regions = self.scene.get("regions", ())
        chosen = min(regions, key=lambda r: r["area"])
        await self.use("pick", "canvas", "pick", {"ids": [chosen["id"]], "turn": 1})
        self.steps += (await self.use("remove", "go", "click")).outcome == "ok"
        await self.use("undo", "undo", "click")

    async def check(self) -> str:
        """Save the session and compare it with the photo; what is wrong with it, or ""."""
        answer = await self.use("save", "save-session", "click")
        if answer.outcome != "ok" or not answer.values.get("file"):
            return f"could not be saved: {answer.sentence}"
        file = answer.values["file"]["path"]
        got = await self.tab.http.get(f"{self.tab.config.prefix}/file={file}", headers=self.tab.headers, timeout=120)
        if got.status_code != 200:
            return f"could not be fetched: {got.status_code} {got.text[:200]}"
        return await asyncio.to_thread(self.compare, got.content)

    def compare(self, session: bytes) -> str:
        """What a session's pixels have lost against the photo; "" where nothing is."""
        own = open_photo(self.data)
        with tempfile.NamedTemporaryFile(suffix=".zip") as file:
            file.write(session)
            file.flush()
            try:
                history = open_session(file.name, max_bytes=8 << 30)
            except NamebrushError as error:
                return f"{error} ({len(session)} bytes, {session[:40]!r}) {error.__cause__!r}"
        mine = [s for s in history.steps if s.photo.size == own.size]
        if len(mine) != self.steps:
            return f"{len(mine)} of {self.steps} steps are there"
        if mine[0].photo.hash != own.hash or pixel_hash(mine[0].photo.pixels) != own.hash:
            return "the photo is another"
        for step in (s for s in mine if s.edit is not None):
            outside = ~step.edit.mask
            if not np.array_equal(step.photo.pixels[outside], own.pixels[outside]):
                return "the edit differs outside its mask"
        return ""


class Watch:
    """Memory of a server over time."""

    def __init__(self, pid: int, limit: int, kill: bool):
        self.pid, self.limit, self.kill = pid, limit, kill
        self.rows: list[tuple[float, float]] = []
        self.killed = False

    async def run(self) -> None:
        """Look until cancelled."""
        begin = time.monotonic()
        while True:
            held, _ = server.usage(self.pid)
            self.rows.append((time.monotonic() - begin, held))
            if self.kill and held > self.limit and not self.killed:
                self.killed = True
                server.os.kill(self.pid, server.signal.SIGKILL)
            await asyncio.sleep(PACE)

    @property
    def most(self) -> float:
        """Bytes at most."""
        return max((row[1] for row in self.rows), default=0.0)


async def compare_panels(person: Person, panels: int) -> None:
    """Open, then compare many panels."""
    if not await person.open():
        return
    methods = ("clip", "maskclip", "sclip", "clearclip", "proxyclip", "trident", "gem")
    entries = [f"{m}+{e}" for e in ("none", "sam") for m in methods][:panels]
    asked = {"entries": entries, "words": NAMES, "alone": False}
    await person.use("compare", "compare", "run", asked)


async def crowd(address: str, args: argparse.Namespace, watch: Watch) -> dict:
    """All visitors, one or several at a time; what came of it."""
    limits = httpx.Limits(max_connections=4 * args.visitors + 20)
    async with httpx.AsyncClient(base_url=address, limits=limits, timeout=300) as http:
        config = Config((await http.get("/config")).json())
        turn, people = asyncio.Semaphore(args.together), []

        async def one(number: int) -> None:
            async with turn:
                exif = 65_000 if args.case == "exif" else 0
                data = await asyncio.to_thread(draw, number, args.megapixels, exif)
                person = Person(number, http, config, data, args.edges)
                people.append(person)
                await (compare_panels(person, args.panels) if args.case == "compare" else person.work())
                held = watch.rows[-1][1] / 2**20 if watch.rows else 0
                print(f"visitor {number:3d}: {held:6.0f} MiB, {person.steps} steps, "
                      f"{sum(person.seconds.values()):5.1f} s {' '.join(person.refused)}", flush=True)  # fmt: skip

        await asyncio.gather(*(one(i) for i in range(args.visitors)))
        lost = {}
        for person in people:
            if args.case != "compare" and person.steps:
                wrong = await person.check()
                if wrong:
                    lost[person.number] = wrong
                    print(f"visitor {person.number:3d}: {wrong}", flush=True)
        for person in people:
            await person.tab.close()
    return {
        "visitors": len(people), "opened": sum(p.steps > 0 for p in people), "lost": lost,
        "refused": [f"{p.number}: {line}" for p in people for line in p.refused],
        "seconds": {a: round(max(p.seconds.get(a, 0) for p in people), 1) for a in ("open", "find", "remove", "undo")},
    }  # fmt: skip


async def measure(args: argparse.Namespace) -> dict:
    """Serve, let the visitors come, and watch."""
    limit = parse_bytes(args.limit)
    with server.served(NAMEBRUSH_MEMORY=args.limit) as running:
        watch = Watch(running.process.pid, limit, args.kill)
        watching = asyncio.create_task(watch.run())
        result = await crowd(running.address, args, watch)
        watching.cancel()
        code = running.stop()
    result |= {"limit": limit, "most": watch.most, "killed": watch.killed, "exit": code, "memory": watch.rows}
    result["title"] = f"{args.visitors} visitors, {args.megapixels:g} megapixels, limit {args.limit}"
    if args.out:
        table.picture([result], args.out)
    return result


def main() -> int:
    """The command line; see the module."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--visitors", type=int, default=30)
    parser.add_argument("--megapixels", type=float, default=12)
    parser.add_argument("--limit", default="4GB")
    parser.add_argument("--together", type=int, default=3, help="visitors who work at the same time")
    parser.add_argument("--case", choices=("work", "compare", "exif"), default="work")
    parser.add_argument("--panels", type=int, default=14)
    parser.add_argument("--edges", default="sam", help="what finds the edges; none is quicker")
    parser.add_argument("--kill", action="store_true", help="kill the server when it is above the limit")
    parser.add_argument("--out", type=Path, help="a picture of memory over time")
    args = parser.parse_args()
    result = asyncio.run(measure(args))
    told = {k: v for k, v in result.items() if k not in ("memory", "title")}
    print(json.dumps(told, indent=1))
    return int(bool(result["lost"]) or result["killed"] or result["most"] > result["limit"])


if __name__ == "__main__":
    sys.exit(main())
