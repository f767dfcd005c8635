"""What visitors do, one thing after the other, with a moment between: half of them on the page, half by programs."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter
from dataclasses import dataclass, field

import httpx

from . import photos
from .client import Answer, Api, Config, Tab, forwarded
from .photos import Drawn

#: Seconds between an answer and the next thing a visitor does.
THINKING = (0.2, 1.0)
#: What visitors of the page do, and how often of a hundred times.
PAGE_MIX = {"find": 32, "hand mask": 22, "remove": 22, "undo": 10, "open": 6, "save photo": 5, "save session": 3}
#: The same for programs.
API_MIX = {"/segment": 40, "/select": 35, "/edit": 25}


@dataclass
class Log:
    """What happened: rows (action, visitor, end, seconds, outcome), and every kind of refusal, error and mix-up."""

    until: float
    rows: list[tuple[str, int, float, float, str]] = field(default_factory=list)
    sentences: Counter = field(default_factory=Counter)
    mixed: list[str] = field(default_factory=list)
    outstanding: dict[int, tuple[str, int, float]] = field(default_factory=dict)

    def finish(self) -> None:
        """Note what was never answered."""
        for action, visitor, start in self.outstanding.values():
            self.add(action, visitor, Answer("error", "no answer by the end", time.monotonic() - start))

    async def timed(self, action: str, visitor: int, request) -> Answer:
        """Note the answer of a request, or that there was none by the end."""
        self.outstanding[id(request)] = action, visitor, time.monotonic()
        answer = await request
        self.outstanding.pop(id(request))
        return self.add(action, visitor, answer)

    def add(self, action: str, visitor: int, answer: Answer) -> Answer:
        """Note an answer."""
        self.rows.append((action, visitor, time.monotonic(), answer.seconds, answer.outcome))
        if answer.outcome != "ok":
            self.sentences[f"{action}: {answer.outcome}: {answer.sentence}"] += 1
        return answer

    def over(self) -> bool:
        """Whether visitors shall begin nothing more."""
        return time.monotonic() >= self.until


@dataclass
class Crowd:
    """What all visitors share: the connection, the page's events, and the log."""

    http: httpx.AsyncClient
    config: Config
    log: Log
    visitors: int


def address_of(visitor: int) -> str:
    """The address a visitor seems to come from, through a proxy on this machine."""
    return f"198.18.{visitor // 250}.{visitor % 250 + 1}"


class Visitor:
    """Somebody with photos of their own."""

    mix: dict[str, int] = {}

    def __init__(self, crowd: Crowd, number: int, drawn: list[Drawn], seed: int):
        self.crowd, self.number, self.drawn = crowd, number, drawn
        self.random = random.Random(seed * 1000 + number)
        self.photo, self.address = drawn[0], address_of(number)

    async def live(self) -> None:
        """Do one thing after the other until the time is over; what breaks is noted, and the visitor goes on."""
        await asyncio.sleep(self.random.uniform(0, 3))
        await self.arrive()
        while not self.crowd.log.over():
            (action,) = self.random.choices(list(self.mix), list(self.mix.values()))
            await self.guarded(action)
            await asyncio.sleep(self.random.uniform(*THINKING))
        await self.leave()

    async def guarded(self, action: str) -> None:
        """Do it; a mix-up, or a connection that breaks, is noted."""
        try:
            await self.do(action)
        except photos.Mixed as error:
            self.crowd.log.mixed.append(f"{action}: {error}")
        except (TimeoutError, httpx.HTTPError) as error:
            self.crowd.log.add(action, self.number, Answer("error", f"{type(error).__name__} {error}"[:160], 0.0))

    async def arrive(self) -> None:
        """Before the first action."""

    async def leave(self) -> None:
        """After the last."""

    async def do(self, action: str) -> None:
        """One action of the mix."""
        raise NotImplementedError

    def words(self) -> str:
        """Names to look for: some that are there, one that may not be, and one that only this visitor types."""
        there = self.random.sample(self.photo.nouns, min(3, len(self.photo.nouns)))
        there[-1] += f"; visitor-{self.number:03d}"
        return ", ".join([*there, self.random.choice(("dog", "cat", "snow", "boat", "cactus"))])

    def place(self) -> tuple[list[int], list[int]]:
        """A point and a box around one of the things in the photo."""
        x0, y0, x1, y1 = self.random.choice(self.photo.boxes)
        return [(x0 + x1) // 2, (y0 + y1) // 2], [x0, y0, x1, y1]

    async def fetched(self, file: dict) -> bytes:
        """A file an answer names, as the browser fetches it."""
        prefix = self.crowd.config.prefix
        answer = await self.crowd.http.get(f"{prefix}/file={file['path']}", headers=self.headers(), timeout=120)
        answer.raise_for_status()
        return answer.content

    def headers(self) -> dict:
        """What goes with requests for files."""
        return forwarded(self.address)

    def check(self, answer: Answer) -> None:
        """No answer may name another."""
        photos.check_text(answer.text, self.number)


class Person(Visitor):
    """Somebody on the page."""

    mix = PAGE_MIX

    async def arrive(self) -> None:
        self.tab, self.scene, self.turn = Tab(self.crowd.http, self.crowd.config, None, self.address), None, 0
        self.depth = 0  # steps since the first photo of one's own: beyond them lies the page's example
        self.kept: set[str] = set()
        self.behind: set[asyncio.Task] = set()
        start = time.perf_counter()
        try:
            for answer in await self.tab.open():
                if answer.outcome == "error":
                    self.crowd.log.add("arrive", self.number, answer)
            self.crowd.log.add("arrive", self.number, Answer("ok", "", time.perf_counter() - start))
        except httpx.HTTPError as error:
            self.crowd.log.add("arrive", self.number, Answer("error", repr(error)[:160], time.perf_counter() - start))
        await self.guarded("open")

    async def leave(self) -> None:
        await asyncio.gather(*self.behind, return_exceptions=True)
        await self.tab.close()

    def headers(self) -> dict:
        return self.tab.headers

    async def do(self, action: str) -> None:
        if self.scene is None and action != "open":
            action = "open"
        await getattr(self, action.replace(" ", "_"))()

    async def event(self, action: str, name: str, kind: str, data=None, **values) -> Answer:
        """Use something on the page; the answer is noted and checked, and its scene kept."""
        event = self.crowd.config.event(name, kind)
        answer = await self.crowd.log.timed(action, self.number, self.tab.send(event, data, **values))
        self.check(answer)
        scene = answer.values.get("canvas") if isinstance(answer.values, dict) else None
        if isinstance(scene, dict) and scene.get("photo"):
            if answer.outcome == "ok":
                self.depth += -1 if action == "undo" else 1
            await self.look(scene, action)
        return answer

    async def look(self, scene: dict, action: str) -> None:
        """Check a scene, and fetch its pictures that were not seen yet."""
        photo, who = scene["photo"], self.number
        photos.check_size((photo["height"], photo["width"]), who, f"{action}: the scene")
        self.scene = scene
        index = (scene.get("index") or {}).get("file")
        for file, marked in ((photo["file"], True), (scene.get("before"), True), (index, False)):
            if file and file["path"] not in self.kept:
                self.kept.add(file["path"])
                data = await self.fetched(file)
                photos.check_picture(data, who, self.crowd.visitors, f"{action}: a picture", marked)
        height, width = self.photo.size
        for region in scene.get("regions", ()):
            x0, y0, x1, y1 = region["box"]
            if not (0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height):
                raise photos.Mixed(f"{action}: visitor {who} has a region outside the photo")

    async def open(self) -> None:
        """Another photo of one's own."""
        self.photo = self.random.choice(self.drawn)
        start = time.perf_counter()
        file = await self.tab.upload(self.photo.png, self.photo.name)
        self.crowd.log.add("upload", self.number, Answer("ok", "", time.perf_counter() - start))
        answer = await self.event("open", "open", "upload", open=file)
        if self.photo.name.split(".")[0] not in answer.text and answer.outcome == "ok":
            raise photos.Mixed(f"open: visitor {self.number} is not told of {self.photo.name}")
        # What the browser does by itself afterwards goes on while the person looks.
        for after in self.crowd.config.following(self.crowd.config.event("open", "upload")["id"]):
            task = asyncio.create_task(self._behind(after))
            self.behind.add(task)
            task.add_done_callback(self.behind.discard)

    async def _behind(self, event: dict) -> None:
        answer = await self.crowd.log.timed("suggest", self.number, self.tab.send(event))
        try:
            self.check(answer)
        except photos.Mixed as error:
            self.crowd.log.mixed.append(f"suggest: {error}")

    async def find(self) -> None:
        """Type names and press Find."""
        await self.event("find", "find", "click", words=self.words())

    async def hand_mask(self) -> None:
        """A point or a box on the canvas."""
        point, box = self.place()
        asked = {"points": [[*point, 1]]} if self.random.random() < 0.5 else {"box": box}
        await self.event("hand mask", "canvas", "ask", {**asked, "ids": [], "stamp": self.scene["stamp"]})

    def _small(self) -> list[dict]:
        height, width = self.photo.size
        return [r for r in self.scene.get("regions", ()) if r["area"] < height * width / 5
                and photos.clear(r["box"], height, width)]  # fmt: skip

    async def remove(self) -> None:
        """Pick a region, or make one by hand where there is none, and press Remove."""
        if not self._small():
            await self.hand_mask()
        regions = self._small()
        if not regions:
            return
        self.turn += 1
        await self.event("pick", "canvas", "pick", {"ids": [self.random.choice(regions)["id"]], "turn": self.turn})
        await self.event("remove", "go", "click")

    async def undo(self) -> None:
        """One step back, where there is one that is one's own."""
        if self.depth < 2:
            return await self.hand_mask()
        await self.event("undo", "undo", "click")

    async def save_photo(self) -> None:
        """The photo's file."""
        answer = await self.event("save photo", "save-photo", "click")
        if answer.outcome == "ok":
            data = await self.fetched(answer.values["file"])
            photos.check_picture(data, self.number, self.crowd.visitors, "the saved photo")

    async def save_session(self) -> None:
        """The session's file; its first bytes tell that it is one, and its text whose."""
        answer = await self.event("save session", "save-session", "click")
        if answer.outcome == "ok":
            data = await self.fetched(answer.values["file"])
            photos.check_text(data.decode("latin-1"), self.number)
            if data[:2] != b"PK":
                raise photos.Mixed(f"the session of visitor {self.number} is no session file")


class Program(Visitor):
    """A program that sends one photo after the other."""

    mix = API_MIX

    async def arrive(self) -> None:
        self.api = Api(self.crowd.http, self.crowd.config, self.address)

    async def do(self, action: str) -> None:
        if self.random.random() < 0.06:
            self.photo = self.random.choice(self.drawn)
        start = time.perf_counter()
        file = await self.api.upload(self.photo.png, self.photo.name)
        self.crowd.log.add("upload", self.number, Answer("ok", "", time.perf_counter() - start))
        point, box = self.place()
        way = {"points": [point]} if self.random.random() < 0.5 else {"box": box}
        if action == "/segment":
            way = {"classes": self.words()}
        answer = await self.crowd.log.timed(action, self.number, self.api.call(action[1:], photo=file, **way))
        self.check(answer)
        if answer.outcome == "ok":
            await self._check(action, answer.values)

    async def _check(self, action: str, values: list) -> None:
        *files, told = values
        for place, file in enumerate(files):
            marked = action == "/edit" and place == 0
            data = await self.fetched(file)
            photos.check_picture(data, self.number, self.crowd.visitors, f"{action}: picture {place + 1}", marked)
        if action == "/select":
            photos.check_size(told["rle"]["size"], self.number, f"{action}: the mask")
        elif action == "/edit" and told["changed_outside"]:
            raise photos.Mixed(f"{action}: {told['changed_outside']} pixels outside the mask changed")
        elif action == "/segment" and f"visitor-{self.number:03d}" not in json.dumps(told):
            raise photos.Mixed(f"{action}: the names of visitor {self.number} are not in the answer")
