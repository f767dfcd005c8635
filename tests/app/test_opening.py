"""How visitors' pictures are opened: never in the server's own process, and a hostile one costs its sender a line."""

import asyncio
import threading
import time

import numpy as np
import pytest

import pipeline.decode
from app import actions, arguments, opening
from app.screen import attempt
from app.session import Session
from pipeline.errors import Cancelled, NamebrushError
from pipeline.progress import running

from ..picture_bombs import BOMBS, jpeg_of_scans, picture, saved


@pytest.fixture
def here(monkeypatch):
    """Decoding in this process fails."""

    def decode(*_):
        raise AssertionError("decoded in the server's own process")

    monkeypatch.setattr(pipeline.decode, "decode", decode)
    monkeypatch.setattr("pipeline.photo.decode", decode)


def test_no_visitors_picture_is_decoded_in_the_server(tmp_path, here):
    path = tmp_path / "a.png"
    path.write_bytes(saved("PNG"))
    session = Session()
    actions.open_photo(session, str(path))
    assert np.array_equal(session.step.photo.pixels, picture()) and session.step.photo.name == "a.png"
    assert np.array_equal(arguments.photo(str(path)).pixels, picture())


@pytest.mark.parametrize(
    "name", ["jpeg: 8,000 scans", "png: text that unpacks to 64 MB", "ppm: numbers as text, 3 MB"]
)
def test_a_bomb_is_told_in_the_visitors_language_and_changes_nothing(tmp_path, name):
    (tmp_path / "a.png").write_bytes(saved("PNG"))
    (tmp_path / "bomb").write_bytes(BOMBS[name][0]())
    session = Session(lang="de")
    actions.open_photo(session, tmp_path / "a.png")
    before = session.step
    told = attempt(lambda: actions.open_photo(session, tmp_path / "bomb"), session)
    assert told.kind == "error" and "Speichere es" in told.text and session.step is before
    with pytest.raises(NamebrushError):
        arguments.photo(str(tmp_path / "bomb"))


def test_stopping_ends_the_opening_and_nobody_else_waits_for_a_slow_picture(tmp_path):
    (tmp_path / "a.png").write_bytes(saved("PNG"))
    (tmp_path / "slow.jpg").write_bytes(jpeg_of_scans(80, 5000, 8000))
    first, second, stopped, told = Session(), Session(), threading.Event(), []

    def check():
        if stopped.is_set():
            raise Cancelled

    def open_slow():
        with running(check):
            told.append(attempt(lambda: actions.open_photo(first, tmp_path / "slow.jpg"), first))

    thread = threading.Thread(target=open_slow)
    thread.start()
    actions.open_photo(second, tmp_path / "a.png")
    assert second.step is not None
    stopped.set()
    thread.join(60)
    assert told[0].kind == "stopped" and first.step is None


def test_opening_stops_what_ran_before_and_not_itself(tmp_path):
    (tmp_path / "a.png").write_bytes(saved("PNG"))
    session = Session()
    earlier, own, later = session.begin(), session.begin(), session.begin()
    actions.open_photo(session, tmp_path / "a.png", own)
    with pytest.raises(Cancelled):
        session.check(earlier)
    session.check(own)
    session.check(later)


def test_a_process_is_started_before_anybody_asks():
    opening.warm()
    assert opening.decoder().decoder._starter is not None


def wired(name: str):
    """The page's handler of this name."""
    from app.build import build_demo

    demo = build_demo()
    (handler,) = {id(fn.fn): fn.fn for fn in demo.fns.values() if getattr(fn.fn, "__name__", "") == name}.values()
    return handler


def driven(updates) -> list:
    """What an asynchronous handler yields."""

    async def collect():
        return [update async for update in updates]

    return asyncio.run(collect())


def test_the_page_opens_a_photo_as_a_job_and_keeps_its_outcome(tmp_path):
    (tmp_path / "a.png").write_bytes(saved("PNG"))
    (tmp_path / "bomb.jpg").write_bytes(BOMBS["jpeg: 8,000 scans"][0]())
    session, open_file = Session(), wired("open_file")
    last = driven(open_file(session, str(tmp_path / "a.png")))[-1]
    assert session.step.photo.size == (12, 20) and any("12" in str(v) for v in last.values())
    assert not session.step.told.startswith("Stopped") and session.job > session.stopped
    before = session.step
    last = driven(open_file(session, str(tmp_path / "bomb.jpg")))[-1]
    assert session.step is before and any("scans" in str(value) for value in last.values())


def test_a_page_that_is_closed_ends_the_decoding(tmp_path):
    (tmp_path / "slow.jpg").write_bytes(jpeg_of_scans(80, 5000, 8000))
    session, open_file, decoder = Session(), wired("open_file"), opening.decoder().decoder

    async def leave():
        updates = open_file(session, str(tmp_path / "slow.jpg"))
        await updates.__anext__()  # it says what it does, after a moment
        busy = len(decoder._processes) - len(decoder._free)
        await updates.aclose()
        return busy

    assert asyncio.run(leave()) >= 1
    end = time.monotonic() + 60
    while len(decoder._processes) > len(decoder._free):
        assert time.monotonic() < end
        time.sleep(0.02)
    assert session.step is None
