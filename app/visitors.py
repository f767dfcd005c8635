"""Who asks, and whether they are still there: the client address and the session behind an event of Gradio's queue."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Callable
from dataclasses import dataclass

from gradio.context import LocalContext

from . import limits
from .scheduler import Visitor

#: Addresses (or networks) of proxies, which stand for many visitors each.
PROXIES = "NAMEBRUSH_TRUSTED_PROXIES"


@dataclass(frozen=True)
class Caller:
    """Somebody who waits for an answer.

    Attributes:
        visitor: whose share of the line it is.
        local: whether they sit at this machine, which is then their own.
        left: whether the page was closed, or the program that called has gone.
    """

    visitor: Visitor = Visitor()
    local: bool = True
    left: Callable[[], bool] = lambda: False


def proxies() -> list:
    """The networks of `NAMEBRUSH_TRUSTED_PROXIES`.

    Raises:
        ValueError: one that is none; said when the page starts.
    """
    given = os.environ.get(PROXIES, "").replace(",", " ").split()
    return [ipaddress.ip_network(one, strict=False) for one in given]


def is_local(host: str) -> bool:
    """Whether an address is this machine's own."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host in ("", "localhost", "testclient")


def _shared(host: str) -> bool:
    """Whether many visitors come from this address: the machine itself, a known proxy, or a Space's."""
    if limits.hosted() or is_local(host):
        return True
    try:
        return any(ipaddress.ip_address(host) in network for network in proxies())
    except ValueError:
        return False


def caller() -> Caller:
    """Who is behind the event that is being handled; to be asked before the handler waits for anything.

    A caller without a session (plain HTTP) shares the session "" with all such of the same address.
    """
    request, blocks = LocalContext.request.get(None), LocalContext.blocks.get(None)
    if request is None or getattr(request, "request", None) is None:
        return Caller()
    host = request.client.host if request.client else ""
    number = LocalContext.event_id.get(None)
    session = request.session_hash or ""
    # Set where a proxy stands between: then the visitor does not sit here, whatever the proxy's address.
    forwarded = "x-forwarded-for" in request.headers
    event = blocks._queue.event_ids_to_events.get(number) if blocks is not None and number else None
    return Caller(
        Visitor("" if _shared(host) else host, "" if session == number else session),
        is_local(host) and not forwarded and not limits.hosted(),
        (lambda: not event.alive) if event is not None else (lambda: False),
    )
