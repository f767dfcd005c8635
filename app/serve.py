"""Serves the page on this machine."""

from __future__ import annotations

import logging
import os
import sys

import gradio as gr
from starlette.middleware import Middleware

from . import (
    endings,
    engine,
    examples,
    folders,
    gradio_sessions,
    guard,
    keeper,
    opening,
    permissions,
    queues,
    theme,
    visitors,
    zero,
)
from .flags import Flags
from .presence import Presence


def launch_options(given: Flags | None = None) -> dict:
    """What `Blocks.launch` is told: look, manners, limits; nothing is fetched from or sent to anywhere.

    Args:
        given: None: as `permissions` knows them.
    """
    given = permissions.served() if given is None else given
    rules = guard.Rules.of(given, os.environ.get("SPACE_HOST", ""))
    return {
        "server_name": given.host,
        "server_port": given.port,
        "root_path": given.root_path or None,
        "auth": list(given.auth) or None,
        "app_kwargs": with_presence(guard.app_options(rules)),
        "theme": theme.theme(),
        "css_paths": list(theme.STYLES),
        "head": theme.head(),
        "js": "() => namebrush.start()",
        "favicon_path": str(theme.HERE / "favicon.svg"),
        "footer_links": [],
        "run_history": False,
        "max_file_size": "200mb",
        "ssr_mode": False,
        "share": False,
        "enable_monitoring": False,
        "pwa": False,
        "mcp_server": given.mcp,
        "max_threads": queues.EVENTS,
    }


def with_presence(options: dict) -> dict:
    """Options of the application, with who is here noted for every request that passes the others."""
    return {**options, "middleware": [*options.get("middleware", ()), Middleware(Presence, keeper.store)]}


def _first_example(pipeline) -> None:
    """Look for the first example's names once, so that the first visitor finds its features in the cache."""
    if examples.examples():
        example = examples.examples()[0]
        pipeline.segment(example.path, example.words)


def serve(demo: gr.Blocks, given: Flags | None = None) -> None:
    """Serve until SIGINT or SIGTERM, then end in order with status 130 or 143; the models load meanwhile.

    Does not return.
    """
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    endings.install()
    try:
        visitors.proxies()  # a wrong one is said now
        keeper.start(None if given is None else given.memory)
        demo.launch(prevent_thread_lock=True, **launch_options(given))
    except (OSError, ValueError) as error:
        sys.stderr.write(f"The page cannot be served: {error}\n")
        folders.leave()
        raise SystemExit(2) from None
    gradio_sessions.install(demo.app, keeper.store())
    demo.limiter.total_tokens = queues.THREADS  # the events that wait hold no thread
    # Only now: the first page shall not wait for it. A lent card is nobody's before a visitor asks for something.
    opening.warm()
    engine.warm(*([] if zero.active() else [_first_example]))
    code = endings.wait()
    endings.finish(code, lambda seconds: close(demo), keeper.end, lambda seconds: folders.leave())


def close(demo: gr.Blocks) -> None:
    """Take no more requests."""
    if demo.server is not None:
        demo.server.should_exit = True
