"""How much one request may bring and how long it may take to bring it, and how many may be open at once.

Gradio reads a request's JSON whole, whatever its size, and parses it where everybody's requests are served; a body
that trickles in, or a stream that is only held open, keeps a socket for as long as its sender likes.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .flags import is_loopback

log = logging.getLogger("namebrush")

#: Bytes of a request's body: of an upload (the form around a file of 200 MB included), of a call to a tool (which may
#: hold a photo as a data address), and of anything else; a long stroke on the canvas takes some hundred kilobytes.
MOST_UPLOAD, MOST_TOOL, MOST_OTHER = 205 << 20, 64 << 20, 4 << 20
#: Seconds without a byte, and bytes a second on average once a body has taken that long.
PATIENCE, LEAST_RATE = 30.0, 2048
#: Share of the requests that may be open that one address can have; a page holds two, and six more for a moment.
SHARE_OF_ADDRESS = 0.25
#: Files a process should be allowed to hold open, sockets included.
FILES = 65_536


def most_bytes(path: str) -> int:
    """Bytes the body of a request for this path may have."""
    if path.rstrip("/").endswith("/gradio_api/upload"):
        return MOST_UPLOAD
    return MOST_TOOL if "/gradio_api/mcp" in path else MOST_OTHER


def raise_open_files() -> int:
    """Let this process hold as many sockets as the system allows it to; returns how many files that is."""
    try:
        import resource
    except ImportError:  # a system without such a limit
        return FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            return wanted
        except (OSError, ValueError):
            log.warning("This process may hold only %d files and connections open.", soft)
    return wanted if soft == resource.RLIM_INFINITY else max(soft, wanted)


class Bounds:
    """Middleware that refuses bodies that are too large or too slow, and more open requests than there is room for.

    Args:
        app: what answers.
        most_open: requests open at once, of all visitors together; None: two thirds of the files that may be open.
        counted: whether addresses tell visitors apart; behind a proxy all come from one.
    """

    def __init__(self, app: ASGIApp, most_open: int | None = None, counted: bool = True):
        self.app, self.counted = app, counted
        self.most_open = raise_open_files() * 2 // 3 if most_open is None else most_open
        self.open: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI wants it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        address = (scope.get("client") or ("",))[0]
        counted = self.counted and not is_loopback(address or "localhost")
        most = self.most_open * SHARE_OF_ADDRESS if counted else self.most_open
        if self.open.total() >= self.most_open or self.open[address] >= most:
            await PlainTextResponse("Too many requests are open. Try again in a moment.\n", 503)(scope, receive, send)
            return
        self.open[address] += 1
        try:
            await self._bounded(scope, receive, send)
        finally:
            self.open[address] -= 1
            if not self.open[address]:
                del self.open[address]

    async def _bounded(self, scope: Scope, receive: Receive, send: Send) -> None:
        most, length = most_bytes(scope["path"]), Headers(scope=scope).get("content-length", "")
        if length.isdigit() and int(length) > most:
            await _refused(413, most)(scope, receive, send)
            return
        body, started = _Body(receive, most), False

        async def answer(message: Message) -> None:
            nonlocal started
            if body.refusal and not started:
                return  # the application's own words about a body that broke off
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, body.receive, answer)
        except Exception:
            if not body.refusal:
                raise
        if body.refusal and not started:
            await _refused(body.refusal, most)(scope, receive, send)


def _refused(status: int, most: int) -> PlainTextResponse:
    line = f"A request here may have {most >> 20} MB at most." if status == 413 else "The request came too slowly."
    return PlainTextResponse(line + "\n", status, {"connection": "close"})


class _Body:
    """A request's body on its way to the application, which hears of a broken connection where it is refused."""

    def __init__(self, receive: Receive, most: int):
        self._receive, self.most = receive, most
        self.refusal = self.bytes = 0
        self.complete = False
        self.begin = time.monotonic()

    async def receive(self) -> Message:
        """As ASGI's `receive`."""
        if self.complete:  # what comes now is that the visitor has gone; it may take hours
            return await self._receive()
        if self.refusal:
            return {"type": "http.disconnect"}
        try:
            message = await asyncio.wait_for(self._receive(), PATIENCE)
        except TimeoutError:
            return self._refuse(408)
        self.bytes += len(message.get("body", b""))
        self.complete = message["type"] != "http.request" or not message.get("more_body", False)
        took = time.monotonic() - self.begin
        if self.bytes > self.most:
            return self._refuse(413)
        if not self.complete and took > PATIENCE and self.bytes < LEAST_RATE * took:
            return self._refuse(408)
        return message

    def _refuse(self, status: int) -> Message:
        self.refusal, self.complete = status, False
        return {"type": "http.disconnect"}
