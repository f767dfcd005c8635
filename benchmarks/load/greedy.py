"""Visitors who take more than their share: what one of them asks for while others work."""

from __future__ import annotations

import asyncio
import io
import itertools
import secrets
import time

import httpx

from .client import Answer, Api, Tab
from .visitors import Crowd, address_of

#: Requests one greedy visitor makes at most, whatever the time.
MOST = 600


class Greedy:
    """One visitor of a kind of `KINDS`; what it does is noted under the name of its kind."""

    def __init__(self, kind: str, crowd: Crowd, drawn):
        self.kind, self.crowd, self.drawn, self.made = kind, crowd, drawn, 0
        self.number = crowd.visitors - 1
        self.address = address_of(self.number)

    async def live(self) -> None:
        """From five seconds after the start until the time is over."""
        await asyncio.sleep(5)
        while not self.crowd.log.over() and self.made < MOST:
            start = time.perf_counter()
            try:
                await asyncio.wait_for(getattr(self, self.kind)(), max(1.0, self.crowd.log.until - time.monotonic()))
            except (TimeoutError, httpx.HTTPError) as error:
                self.note(Answer("error", f"{type(error).__name__}", time.perf_counter() - start))
            await asyncio.sleep(0.2)

    def note(self, answer: Answer) -> None:
        """Count an answer."""
        self.made += 1
        self.crowd.log.add(f"greedy {self.kind}", self.number, answer)

    def api(self) -> Api:
        """The named endpoints."""
        return Api(self.crowd.http, self.crowd.config, self.address)

    async def tab(self) -> Tab:
        """A tab with a photo opened."""
        tab = Tab(self.crowd.http, self.crowd.config, None, self.address)
        file = await tab.upload(self.drawn.png, self.drawn.name)
        self.note(await tab.send(self.crowd.config.event("open", "upload"), open=file))
        return tab

    async def flood(self) -> None:
        """65 calls of `/edit` at once."""
        api = self.api()
        file = await api.upload(self.drawn.png, self.drawn.name)
        asked = [api.call("edit", photo=file, box=list(b)) for b in itertools.islice(
            itertools.cycle(self.drawn.boxes), 65)]  # fmt: skip
        for answer in await asyncio.gather(*asked):
            self.note(answer)

    async def wide(self) -> None:
        """The most windows the settings can be asked for."""
        tab = await self.tab()
        try:
            tab.set("find-short-side", "4096")
            tab.set("find-window", "32")
            tab.set("find-stride", "8")
            self.note(await tab.send(self.crowd.config.event("find", "click"), words="tree, sky"))
        finally:
            await tab.close()
        await asyncio.sleep(1)

    async def scans(self) -> None:
        """A small JPEG that takes long to decode."""
        api = self.api()
        file = await api.upload(many_scans(), "scans.jpg", "image/jpeg")
        self.note(await api.call("select", photo=file, points=[[5, 5]]))

    async def ids(self) -> None:
        """Seventy visitors' numbers in two seconds, each opening a photo."""
        tab = Tab(self.crowd.http, self.crowd.config, None, self.address)
        file = await tab.upload(self.drawn.png, self.drawn.name)
        event = self.crowd.config.event("open", "upload")

        async def one(wait: float) -> None:
            await asyncio.sleep(wait)
            fresh = Tab(self.crowd.http, self.crowd.config, secrets.token_hex(6), self.address)
            self.note(await fresh.send(event, open=file))

        await asyncio.gather(*(one(i * 2 / 70) for i in range(70)))
        await asyncio.sleep(10)

    async def preset(self) -> None:
        """Switches between presets whose weights a hub that never answers should send."""
        tab = await self.tab()
        try:
            for name in ("base", "large"):
                self.note(await tab.send(self.crowd.config.event("models", "select"), {"value": name}))
        finally:
            await tab.close()

    async def leaver(self) -> None:
        """Starts a search or a call with a fresh photo and goes away at once."""
        tab = await self.tab()
        work = asyncio.create_task(tab.send(self.crowd.config.event("find", "click"), words="tree, sky, house"))
        await asyncio.sleep(0.4)
        work.cancel()
        await tab.close()
        api = self.api()
        file = await api.upload(self.drawn.png, self.drawn.name)
        await api.begin("edit", {"photo": file, "box": list(self.drawn.boxes[0])})
        self.made += 1


#: What a greedy visitor may be.
KINDS = tuple(name for name in ("flood", "wide", "scans", "ids", "preset", "leaver") if hasattr(Greedy, name))


def many_scans(count: int = 8000, side: int = 4096) -> bytes:
    """A progressive JPEG of a plain grey square whose last scan is there so many times; under a megabyte."""
    from PIL import Image

    out = io.BytesIO()
    Image.new("L", (side, side), 128).save(out, "JPEG", progressive=True, quality=50)
    data = out.getvalue()
    start = data.rindex(b"\xff\xda")
    scan, head = data[start:-2], data[:start]
    table = head.rfind(b"\xff\xc4")  # the last scan's Huffman table stays before the first copy
    assert table > 0
    return head + scan * count + data[-2:]
