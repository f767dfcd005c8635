"""Who may ask this page what: names and origins, the paths there are, and what browsers are told of every answer.

`Guard` stands outside of all else. It refuses a `Host` that is not this page's, so that a name an attacker points at
this machine opens nothing, and an `Origin` of another site; paths that this page does not need do not exist. `Headers`
stands inside of compression and tells browsers what the page may load and run.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import Headers as Given
from starlette.datastructures import MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from . import limits, theme
from .bounds import Bounds
from .call_checks import Calls
from .flags import Flags, is_loopback

#: Whole paths and beginnings of paths that the page, its client and `gradio_client` need.
PATHS = {
    "", "/", "/config", "/theme.css", "/favicon.ico", "/robots.txt", "/login", "/logout",
    "/gradio_api/info", "/gradio_api/app_id", "/gradio_api/startup-events", "/gradio_api/upload",
    "/gradio_api/upload_progress", "/gradio_api/queue/join", "/gradio_api/queue/data", "/gradio_api/cancel",
    "/gradio_api/reset", "/gradio_api/login_check", "/gradio_api/user", "/gradio_api/theme.css",
}  # fmt: skip
BEGINNINGS = (
    "/assets/", "/static/", "/svelte/", "/gradio_api/file=", "/gradio_api/heartbeat/", "/gradio_api/run/",
    "/gradio_api/api/", "/gradio_api/call/",
)  # fmt: skip
PAGE_POLICY = "Content-Security-Policy"
TOOLS = "/gradio_api/mcp"
#: Sites that show a Space in a frame of theirs.
HUB = "https://huggingface.co"
#: Pictures a browser may show in place; everything else that is served as a file is saved, never opened as a page.
SHOWN = {"image/png", "image/jpeg", "image/webp", "image/gif", "image/avif"}
_RANGE = re.compile(r"bytes=(\d{1,15}-\d{0,15}|-\d{1,15})")
_SCRIPT = re.compile(r"<script(?![^>]*\ssrc=)[^>]*>(.*?)</script>", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True)
class Rules:
    """The names by which a page is reached.

    Attributes:
        names: lower case, without port; "*" is any, "*.example.org" any below.
        addresses: every numeric address is one of this machine's, as where it is bound to all of them.
        origins: whole origins of other sites that may call and frame the page.
        root: path under which a proxy passes the page on.
        tools: the tools for assistants are offered.
    """

    names: tuple[str, ...]
    addresses: bool = False
    origins: tuple[str, ...] = ()
    root: str = ""
    tools: bool = False

    @classmethod
    def of(cls, flags: Flags, space_host: str = "") -> Rules:
        """The rules of a page served with these flags; `space_host` is the name the hub gave a Space."""
        bound = [] if flags.host in ("0.0.0.0", "::") else [flags.host]
        space = space_host.split(",") if flags.hosted and space_host else []
        names = [name.strip("[]").lower() for name in (*bound, *flags.trusted_hosts, *space)]
        root = urlsplit(flags.root_path)
        if root.hostname:
            names.append(root.hostname.lower())
        addresses = not is_loopback(flags.host)
        return cls(tuple(names), addresses, (HUB,) if flags.hosted else (), root.path.rstrip("/"), flags.mcp)

    def knows(self, host: str) -> bool:
        """Whether a `Host` header, with or without port, is a name of this page."""
        name = hostname(host)
        if name is None:
            return False
        if is_loopback(name) or (self.addresses and re.fullmatch(r"[0-9.]+|[0-9a-f:]+", name)):
            return True
        return any(_matches(name, known) for known in self.names)

    def admits(self, origin: str, host: str) -> bool:
        """Whether a page of `origin` may call what is reached as `host`: the same place, or another name of it."""
        if origin in self.origins:
            return True
        parts = urlsplit(origin)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            return False
        if parts.netloc.lower() == host.lower():
            return True
        name = hostname(parts.netloc)
        if name is not None and is_loopback(name):  # 127.0.0.1 and localhost are one place, on one port
            return is_loopback(hostname(host) or "") and _port(parts.netloc) == _port(host)
        return name is not None and any(_matches(name, known) for known in self.names if known != "*")


def hostname(host: str) -> str | None:
    """The name or address of a `Host` header in lower case, without port and brackets; None for what is none."""
    found = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::\d{1,5})?", host)
    return None if found is None else (found[1] or found[2]).lower().rstrip(".")


def _port(host: str) -> str:
    return host.rpartition("]")[2].partition(":")[2] or "80"


def _matches(name: str, known: str) -> bool:
    return known == "*" or name == known or (known.startswith("*.") and name.endswith(known[1:]))


class Guard:
    """Refuses what `Rules` does not admit before any of the page's code sees it."""

    def __init__(self, app: ASGIApp, rules: Rules):
        self.app, self.rules = app, rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        headers = Given(scope=scope)
        hosts, origin = headers.getlist("host"), headers.get("origin")
        if len(hosts) != 1 or not self.rules.knows(hosts[0]):
            await self._refuse(scope, receive, send, 421, "This page is not served under this name.")
        elif origin is not None and not self._admits(origin, hosts[0], headers):
            await self._refuse(scope, receive, send, 403, "This page takes no calls from another site.")
        elif not self._there(scope):
            await self._refuse(scope, receive, send, 404, "There is nothing at this address.")
        elif scope["type"] == "http" and scope["method"] == "OPTIONS":
            answer = PlainTextResponse("", headers=_cors(origin, headers.get("access-control-request-headers")))
            await answer(scope, receive, send)
        else:
            await self.app(self._cleaned(scope, headers), receive, self._answering(send, origin))

    def _admits(self, origin: str, host: str, headers: Given) -> bool:
        forwarded = headers.get("x-forwarded-host", "")
        return self.rules.admits(origin, host) or (
            bool(forwarded) and self.rules.knows(forwarded) and self.rules.admits(origin, forwarded)
        )

    def _there(self, scope: Scope) -> bool:
        path = scope["path"]
        for root in dict.fromkeys((self.rules.root, scope.get("root_path", ""))):
            if root and path.startswith(root.rstrip("/") + "/"):
                path = path[len(root.rstrip("/")) :]
        if ".." in path.split("/"):
            return False
        if path.startswith(TOOLS):
            return self.rules.tools
        return path.rstrip("/") in PATHS or path.startswith(BEGINNINGS)

    def _cleaned(self, scope: Scope, headers: Given) -> Scope:
        """Without a forwarded name that is not this page's: links are made of it. And without a range that Gradio
        breaks on, which may be ignored: the whole file is answered then."""
        dropped = set()
        forwarded = headers.get("x-forwarded-host")
        if forwarded is not None and not self.rules.knows(forwarded):
            dropped.add(b"x-forwarded-host")
        if not _RANGE.fullmatch(headers.get("range", "bytes=0-")):
            dropped.add(b"range")
        return {**scope, "headers": [p for p in scope["headers"] if p[0] not in dropped]} if dropped else scope

    @staticmethod
    def _answering(send: Send, origin: str | None) -> Send:
        """`send` with the answer's permissions for other sites replaced by ours."""

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                kept = [p for p in message.get("headers", []) if not p[0].lower().startswith(b"access-control-")]
                message["headers"] = [*kept, *((k.encode(), v.encode()) for k, v in _cors(origin).items())]
            await send(message)

        return answer

    @staticmethod
    async def _refuse(scope: Scope, receive: Receive, send: Send, status: int, line: str) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": line})
            return
        await PlainTextResponse(line + "\n", status, _common())(scope, receive, send)


def _cors(origin: str | None, asked: str | None = None) -> dict[str, str]:
    """Headers for an origin that was admitted."""
    if origin is None:
        return {}
    allowed = {"Access-Control-Allow-Origin": origin, "Vary": "Origin"}
    if asked is not None:
        allowed |= {"Access-Control-Allow-Headers": asked, "Access-Control-Allow-Methods": "GET, HEAD, POST"}
    return allowed


def _common() -> dict[str, str]:
    return {
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
        "Cross-Origin-Opener-Policy": "same-origin",
    }


class Headers:
    """Tells browsers what the page may load and run, and that files are data."""

    def __init__(self, app: ASGIApp, frames: Iterable[str] = (), head: str = ""):
        """`frames`: sites that may frame the page; `head`: the page's own scripts, which Gradio puts in later."""
        self.app, self.head = app, head
        self.frames = " ".join(("'self'", *frames))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started: Message | None = None
        body = b""
        file = "/gradio_api/file=" in scope["path"]

        async def answer(message: Message) -> None:
            nonlocal started, body
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(_common())
                if headers.get("content-type", "").startswith("text/html") and not file:
                    started = message  # its scripts are hashed before the headers go out
                    return
                headers["Content-Security-Policy"] = "default-src 'none'; frame-ancestors 'none'; sandbox"
                if file:
                    _as_file(headers)
            elif started is not None and message["type"] == "http.response.body":
                body += message.get("body", b"")
                if message.get("more_body"):
                    return
                MutableHeaders(scope=started)[PAGE_POLICY] = self.policy(body.decode("utf-8", "replace"))
                await send(started)
                message = {"type": "http.response.body", "body": body}
                started = None
            await send(message)

        await self.app(scope, receive, answer)

    def policy(self, html: str) -> str:
        """The policy of a page: its own inline scripts by their hashes, and nothing from or to elsewhere.

        Gradio makes functions of the events' scripts, which needs 'unsafe-eval', and styles elements one by one.
        """
        scripts = " ".join(
            f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
            for text in dict.fromkeys(_SCRIPT.findall(html) + _SCRIPT.findall(self.head))
        )
        return "; ".join((
            "default-src 'self'", f"script-src 'self' 'unsafe-eval' {scripts}", "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:", "font-src 'self' data:", "connect-src 'self' blob: data:",
            "worker-src 'self' blob:", "object-src 'none'", "base-uri 'self'", "form-action 'self'",
            f"frame-ancestors {self.frames}",
        ))  # fmt: skip


def _as_file(headers: MutableHeaders) -> None:
    """Only pictures of pixels are shown in place; whatever could run as a page is saved."""
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in SHOWN:
        name = re.search(r"filename\*?=[^;]+", headers.get("content-disposition", ""))
        headers["Content-Disposition"] = "attachment" + (f"; {name[0]}" if name else "")


def app_options(rules: Rules) -> dict:
    """Arguments of the web application (`Blocks.launch(app_kwargs=...)`) that put both in their places."""
    from starlette.middleware import Middleware

    @asynccontextmanager
    async def outermost(app):
        # Gradio adds its own layers after ours; this one has to come before them all.
        app.middleware_stack = Guard(Bounds(app.middleware_stack, counted=not limits.hosted()), rules)
        yield

    inner = [Middleware(Headers, frames=rules.origins, head=theme.head()), Middleware(Calls, addresses=rules.tools)]
    return {"middleware": inner, "lifespan": outermost}
