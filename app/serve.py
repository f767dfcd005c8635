"""Serves the page on this machine."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import logging
import os
import sys

import gradio as gr

from . import engine, examples, limits, opening, theme, zero


def port() -> int | None:
    """The port from `PORT`, or None to take the first free one from 7860.

    Ends the program with status 2 and one line when `PORT` is not a port.
    """
    given = os.environ.get("PORT", "").strip()
    if not given:
        return None
    if not given.isdigit() or not 0 < int(given) < 65536:
        sys.stderr.write(f"PORT must be a number between 1 and 65535, got {given!r}.\n")
        raise SystemExit(2)
    return int(given)


def mcp() -> bool:
    """Whether the endpoints are offered as tools too (`NAMEBRUSH_MCP=1`).

    Ends the program with status 2 and one line when the package for it is missing, or is one that Gradio offers no
    tools with.
    """
    if os.environ.get("NAMEBRUSH_MCP", "") != "1":
        return False
    if importlib.util.find_spec("mcp") is None:
        sys.stderr.write('NAMEBRUSH_MCP=1 needs one more package: pip install "gradio[mcp]".\n')
        raise SystemExit(2)
    found = importlib.metadata.version("mcp")
    if not (1, 21) <= tuple(map(int, found.split(".")[:2])) < (2,):  # with 2 Gradio drops the tools and says nothing
        sys.stderr.write(f'NAMEBRUSH_MCP=1 needs mcp 1.21 or later, below 2; {found} is installed: '
                         'pip install "gradio[mcp]".\n')  # fmt: skip
        raise SystemExit(2)
    return True


def launch_options() -> dict:
    """What `Blocks.launch` is told: look, manners, limits; nothing is fetched from or sent to anywhere."""
    return {
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
        "state_session_capacity": limits.visitors(),
        "mcp_server": mcp(),
    }


def _first_example(pipeline) -> None:
    """Look for the first example's names once, so that the first visitor finds its features in the cache."""
    if examples.examples():
        example = examples.examples()[0]
        pipeline.segment(example.path, example.words)


def serve(demo: gr.Blocks) -> None:
    """Serve until interrupted; the models load meanwhile."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        demo.launch(server_port=port(), prevent_thread_lock=True, **launch_options())
    except OSError as error:
        sys.stderr.write(f"The page cannot be served: {error}\n")
        raise SystemExit(2) from None
    # Only now: the first page shall not wait for it. A lent card is nobody's before a visitor asks for something.
    opening.warm()
    engine.warm(*([] if zero.active() else [_first_example]))
    demo.block_thread()
