"""How visitors' pictures are opened: never in the server's own process, and a hostile one costs its sender a line."""

import threading

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
