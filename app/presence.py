"""Who is here: the connection that every open page holds, and uploads that meet a full disk."""

from __future__ import annotations

import errno
import re
from collections.abc import Callable

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from .session_store import SessionStore
from .words import say

_HEARTBEAT = re.compile(r"/heartbeat/([A-Za-z0-9_-]{1,64})/?$")


class Presence:
    """Middleware that notes the connections of pages.

    Args:
        app: what answers.
        store: gives the sessions, once there are any.
    """

    def __init__(self, app: ASGIApp, store: Callable[[], SessionStore | None]):
        self.app, self.store = app, store

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI wants it."""
        store = self.store()
        found = _HEARTBEAT.search(scope.get("path", "")) if scope["type"] == "http" and store else None
        if found is not None:
            store.arrived(found[1])
            try:
                await self.app(scope, receive, send)
            finally:
                store.left(found[1])
        elif scope["type"] == "http" and scope.get("path", "").rstrip("/").endswith("/upload"):
            try:
                await self.app(scope, receive, send)
            except OSError as error:
                if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                    raise
                await PlainTextResponse(say("en", "disk_full"), status_code=507)(scope, receive, send)
        else:
            await self.app(scope, receive, send)
