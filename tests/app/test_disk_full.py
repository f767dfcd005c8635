"""A disk that fills up is told with one sentence wherever something is written, and loses nothing."""

from __future__ import annotations

import asyncio
import errno
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from app import explain, keeper, pictures, screen
from app.presence import Presence
from app.screen import attempt
from app.session_store import SessionStore
from app.views import Views
from pipeline.files import write_atomic

from .test_sessions_kept import pixels_of, work

FULL = "The disk of this server is full"


@pytest.fixture
def full(monkeypatch):
    """No file can be written any more."""

    def refuse(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", refuse)
    monkeypatch.setattr("os.fsync", refuse)


class Part:
    """A component."""

    def __init__(self, folder):
        self.GRADIO_CACHE = folder


class Page:
    """A page's components, whatever is asked for."""

    def __init__(self, folder):
        self.folder = folder

    def __getattr__(self, name):
        made = Part(self.folder)
        setattr(self, name, made)
        return made


@pytest.mark.parametrize("plain", [False, True])
def test_the_page_is_told_and_nothing_is_lost(session, tmp_path, full, plain):
    work(session).plain = plain
    before = pixels_of(session.history)
    page = Page(folder=str(tmp_path))
    update = screen.screen(page, session, None)
    assert FULL in update[page.status] and page.canvas not in update
    assert pixels_of(session.history) == before and list(tmp_path.iterdir()) == []


def test_the_views_are_told(session, tmp_path, full):
    work(session)
    session.compared = (session.history.steps[2].segmentation,) * 2
    session.compared_words = "dog, grass"
    view = SimpleNamespace(page=Page(folder=str(tmp_path)))
    shown = Views.compared(view, session)
    assert shown["result"] is None and FULL in shown["told"]["text"]
    session.explained = (session.step, 1, 1, None, {m: np.eye(4) for m in explain.MODELS})
    with pytest.raises(OSError, match="space"):
        explain.shown(session, str(tmp_path))  # what its event turns into the sentence


def test_downloads_and_actions_are_told(session, tmp_path, full):
    told = attempt(lambda: write_atomic(tmp_path / "photo.png", b"x"), session)
    assert told.text.startswith(FULL) and told.kind == "error" and list(tmp_path.iterdir()) == []
    session.lang = "de"
    assert attempt(lambda: pictures.written(b"x", "x.png", tmp_path), session).text.startswith("Die Festplatte")


def _ask(app, path, store=None) -> tuple[int, bytes]:
    sent = []

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "path": path, "method": "POST", "headers": [], "query_string": b""}
    asyncio.run(Presence(app, lambda: store)(scope, None, send))
    return sent[0]["status"], b"".join(m.get("body", b"") for m in sent[1:])


def test_an_upload_is_told():
    async def upload(scope, receive, send):
        raise OSError(errno.ENOSPC, "No space left on device")

    status, body = _ask(upload, "/gradio_api/upload")
    assert status == 507 and body.decode().startswith(FULL)


def test_an_open_page_counts_until_its_connection_ends():
    store, seen = SessionStore(), []

    async def beat(scope, receive, send):
        seen.append([v.pages for v in store.visits()])
        await send({"type": "http.response.start", "status": 200, "headers": []})

    _ask(beat, "/gradio_api/heartbeat/abc123", store)
    assert seen == [[1]] and [v.pages for v in store.visits()] == [0]


def test_without_a_server_there_is_room(session):
    keeper.room(session, 1 << 50)
