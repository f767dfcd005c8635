"""A served page and a real browser.

The page is served once for all tests, as a person would start it, with an empty home folder. Every request any test's
browser makes is watched: none may leave the machine.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from .hands import settle, wait_for_status

ROOT = Path(__file__).resolve().parent.parent.parent
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
PATIENCE = 240_000
"""Milliseconds any step may take, on a machine that is busy with other things."""


def chromium() -> str | None:
    """Debian's chromium, or another one on the path."""
    return next((p for n in ("chromium", "chromium-browser", "google-chrome") if (p := shutil.which(n))), None)


def pytest_collection_modifyitems(items):
    """Mark the tests that drive a browser, and run them last: Playwright keeps an event loop running in this thread,
    in which no other can be started."""
    own = [item for item in items if "tests/browser" in item.path.as_posix()]
    for item in own:
        item.add_marker(pytest.mark.browser)
    items[:] = [item for item in items if item not in own] + own


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@contextmanager
def serving(home: Path, *command: str, **variables: str):
    """The address of a page that `python *command` serves, with further environment variables. Fails with the server's
    own words when it does not."""
    port, log = _free_port(), home / "server.log"
    own = {"PORT": str(port), "HOME": str(home), "GRADIO_TEMP_DIR": str(home / "gradio")}
    environment = {**os.environ, **own, **variables}
    with log.open("wb") as out:
        server = subprocess.Popen([sys.executable, *command], cwd=ROOT, env=environment, stdout=out, stderr=out)
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + PATIENCE / 1000
        while True:
            try:
                urllib.request.urlopen(address, timeout=5).read()
                break
            except OSError:
                if server.poll() is not None or time.monotonic() > deadline:
                    pytest.fail(f"The page did not come up:\n{log.read_text(errors='replace')[-3000:]}")
                time.sleep(0.2)
        yield address
    finally:
        server.terminate()
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()


@pytest.fixture(scope="session")
def served(tmp_path_factory):
    """The page's address, served as a person would start it."""
    with serving(tmp_path_factory.mktemp("home"), "app.py") as address:
        yield address


@pytest.fixture(scope="session")
def offline(tmp_path_factory):
    """The address of a page that may fetch no models."""
    with serving(tmp_path_factory.mktemp("offline"), "app.py", HF_HUB_OFFLINE="1") as address:
        yield address


@pytest.fixture(scope="session")
def painter(tmp_path_factory):
    """The address of a page whose inpainting model takes its time; see `painter`."""
    with serving(tmp_path_factory.mktemp("painter"), "-m", "tests.browser.painter") as address:
        yield address


@pytest.fixture(scope="session")
def browser():
    """One headless browser for all tests; each test gets contexts of its own."""
    path = chromium()
    if path is None:
        pytest.skip("no chromium on this machine (Debian: apt-get install chromium)")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as p:
        started = p.chromium.launch(executable_path=path, args=list(FLAGS))
        yield started
        started.close()


@pytest.fixture
def visit(browser, request):
    """A function that opens the page, or another address, as a new visitor; after the test no request may have left
    the machine."""
    contexts, asked, broken = [], [], []

    def new(path: str = "", ready: str = "#canvas [data-stamp]", **options):
        context = browser.new_context(
            viewport=options.pop("viewport", {"width": 1280, "height": 800}), accept_downloads=True, **options
        )
        context.set_default_timeout(PATIENCE)
        context.on("request", lambda request: asked.append(request.url))
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: broken.append(str(error)))
        page.goto(path if path.startswith("http") else request.getfixturevalue("served") + path)
        page.wait_for_selector(ready)
        return page

    yield new
    for context in contexts:
        context.close()
    outside = [u for u in asked if urlsplit(u).scheme in ("http", "https", "ws", "wss") and not _local(u)]
    assert asked or not contexts, "a page was opened and asked for nothing"
    assert not outside, f"requests left the machine: {outside[:5]}"
    assert not broken, f"the page's own script failed: {broken[:3]}"


def _local(url: str) -> bool:
    return urlsplit(url).hostname in ("127.0.0.1", "localhost", "::1")


@pytest.fixture
def named(visit):
    """The page with the first example named."""
    page = visit()
    wait_for_status(page, "mask")
    settle(page)
    return page
