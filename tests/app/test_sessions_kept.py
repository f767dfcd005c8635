"""Visitors' sessions: found again by page and by token, written to the disk, let go by time and never by strangers."""

from __future__ import annotations

import errno
import json
from dataclasses import replace

import numpy as np
import pytest

from app import examples, flags, permissions, session_store, visitor_folder
from app.screen import attempt
from app.session import MAX_STEPS, Session
from app.session_store import SessionStore, folder_name
from app.visitor_folder import PAGE
from pipeline.errors import NamebrushError
from pipeline.history import Step, edited, segmented
from pipeline.photo import open_photo
from pipeline.records import EditResult

from .helpers import mask, photo, region, segmentation


class Clock:
    """A clock that is set by hand."""

    now = 1_000_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def store(tmp_path, clock):
    return SessionStore(tmp_path / "visitors", clock)


def changed(picture, seed=3):
    """An edit of a photo."""
    used = mask(5, 5, 20, 20)
    pixels = picture.pixels.copy()
    pixels[used] = seed
    return EditResult(picture, (open_photo(pixels), open_photo(255 - pixels)), used, (seed, seed + 1), "fill", 0)


def work(session, seed=0):
    """Open a photo, find, change: three steps."""
    picture = replace(photo(seed), exif=b"Exif\0\0" + bytes([seed]), name=f"mine {seed}.jpg")
    session.push(Step("open", picture.name, picture, told="opened"))
    found = segmentation(picture, region(0, mask(2, 2, 12, 12)), region(1, mask(30, 5, 50, 30), 1, "grass"))
    session.push(segmented(found, "dog, grass", {"refine": "sam"}, "found"))
    session.push(edited(changed(picture), told="changed"), picked=(1,))
    return session


def pixels_of(history):
    """All that a history holds, as bytes."""
    return [
        (
            s.id, s.parent, s.label, s.told, s.photo.pixels.tobytes(), s.photo.exif, s.photo.name,
            None if s.segmentation is None else s.segmentation.labels.tobytes(),
            [(r.id, r.name, r.mask.tobytes()) for r in s.regions],
            None if s.edit is None else [i.pixels.tobytes() for i in s.edit.images],
        )
        for s in history.steps
    ]  # fmt: skip


def test_strangers_evict_nobodys_work(store, monkeypatch):
    """Seventy fresh names in two seconds left another visitor with "No photo is open"."""
    monkeypatch.setattr(session_store, "MOST_EMPTY", 50)
    mine = work(store.session("me"))
    for i in range(500):
        store.session(f"stranger{i}")
    assert store.session("me") is mine and len(store.visits()) <= 52


def test_every_step_is_on_the_disk_and_comes_back_by_its_token(store, tmp_path, clock):
    mine = work(store.session("me"))
    mine.lang, mine.kind = "de", "blur"
    mine.go(1)
    before = pixels_of(mine.history)
    assert store.writer.flush(20)
    again = SessionStore(tmp_path / "visitors", clock)
    assert again.offered(mine.token) == "yes"
    back = again.restore("another page", mine.token)
    assert pixels_of(back.history) == before and back.cursor == 1 and back.kind == "blur"
    assert back.history.ahead == mine.history.ahead and back.token == mine.token
    assert again.session("another page") is back
    back.push(edited(changed(back.step.photo, 9)))
    assert again.writer.flush(20)
    third = SessionStore(tmp_path / "visitors", clock).restore("x", mine.token)
    assert len(third.history.steps) == 4 and third.step.photo.pixels[6, 6, 0] == 9


def test_steps_that_come_back_use_models_that_are_still_offered(store, tmp_path, clock, monkeypatch):
    mine = work(store.session("me"))
    mine.preset = "huge"
    assert store.writer.flush(20)
    monkeypatch.setattr(permissions, "_served", flags.parse(["--host", "0.0.0.0"], {}))
    back = SessionStore(tmp_path / "visitors", clock).restore("x", mine.token)
    assert back.preset == "tiny" and len(back.history.steps) == 3


def test_a_killed_writer_leaves_the_last_complete_steps(store, tmp_path, clock):
    mine = work(store.session("me"))
    assert store.writer.flush(20)
    before = pixels_of(mine.history)
    folder = tmp_path / "visitors" / folder_name(mine.token)
    # what a kill in the middle of the next step leaves
    (folder / "g0" / "photos" / "0123456789abcdef.png").write_bytes(b"half a pict")
    (folder / f".{PAGE}.part").write_bytes(b'{"edition": 1, "ste')
    assert pixels_of(SessionStore(tmp_path / "visitors", clock).restore("x", mine.token).history) == before


def test_folders_are_private_and_do_not_tell_the_token(store, tmp_path):
    mine = work(store.session("me"))
    assert store.writer.flush(20)
    (folder,) = (tmp_path / "visitors").iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700 and mine.token not in folder.name
    assert mine.token not in (folder / PAGE).read_text()


def test_dropped_steps_are_read_back_when_they_are_undone(store):
    mine = work(store.session("me"))
    before = pixels_of(mine.history)
    assert store.writer.flush(20)
    held = sum(mine.holds().values())
    assert all(step.drop() for step in mine.history.steps)
    visit = store.visits()[0]
    visit.folder.forget_recent()
    assert sum(mine.holds().values()) == 0 < held
    assert [s.label for s in mine.steps] == ["mine 0.jpg", "dog, grass", "edit"] and mine.has_work  # reads nothing
    assert not any(step.in_memory for step in mine.history.steps)
    base = mine.step
    mine.go(1)
    assert mine.step.in_memory and not base.in_memory
    assert pixels_of(mine.history) == before


def test_unsaved_steps_are_never_dropped(tmp_path):
    mine = work(Session())
    assert not any(step.drop() for step in mine.history.steps) and pixels_of(mine.history)


def test_steps_share_their_photos_when_they_are_read_back(store):
    mine = work(store.session("me"))
    assert store.writer.flush(20)
    for step in mine.history.steps:
        step.drop()
    first, second, third = mine.history.steps
    photo_, found = first.photo, second.segmentation
    assert second.photo is photo_ and found.photo is photo_ and third.edit.photo is photo_


def test_files_of_steps_that_are_no_more_go(store, tmp_path):
    mine = store.session("me")
    for i in range(MAX_STEPS + 6):
        mine.push(Step("open", str(i), photo(seed=i)))
    assert store.writer.flush(60)
    (folder,) = (tmp_path / "visitors").iterdir()
    assert len(list((folder / "g0" / "photos").iterdir())) == MAX_STEPS


def test_a_page_that_only_shows_the_example_is_not_written(store, tmp_path):
    arriving = store.session("me")
    for key in ("one", "two"):
        store.session(key).push(Step("open", "example", examples.opened(0)))
    assert store.session("one").step.photo is store.session("two").step.photo
    assert store.writer.flush(5) and not (tmp_path / "visitors").exists() and not arriving.token
    store.session("one").push(edited(changed(photo())))
    assert store.writer.flush(20) and len(list((tmp_path / "visitors").iterdir())) == 1


def test_what_is_not_used_is_let_go_and_its_visitor_told(store, clock, tmp_path):
    mine = work(store.session("me"))
    store.arrived("me")
    assert store.writer.flush(20)
    clock.now += 5 * 3600
    store.expire()
    assert store.session("me") is mine  # a page shows it
    store.left("me")
    clock.now += 3500
    store.expire()
    assert (tmp_path / "visitors" / folder_name(mine.token)).exists()
    clock.now += 200
    store.expire()
    assert not (tmp_path / "visitors" / folder_name(mine.token)).exists() and store.offered(mine.token) == "no"
    other = store.session("me")
    told = attempt(lambda: None, other)
    assert other is not mine and "let go" in told.text
    assert attempt(lambda: None, other) is None  # once


def test_six_hours_without_use_end_a_session_that_a_page_shows(store, clock):
    mine = work(store.session("me"))
    store.arrived("me")
    clock.now += 6 * 3600 + 60
    store.expire()
    assert store.session("me") is not mine


def test_what_another_page_shows_is_not_taken_from_it(store):
    mine = work(store.session("me"))
    store.arrived("me")
    assert store.offered(mine.token) == "open"
    with pytest.raises(NamebrushError, match="another page"):
        store.restore("second", mine.token)
    store.left("me")
    assert store.restore("second", mine.token) is mine and store.session("me") is not mine


@pytest.mark.parametrize("token", ["", "../../etc", "x" * 5000, "ä\0"])
def test_a_wrong_token_gives_nothing(store, token):
    work(store.session("me"))
    assert store.offered(token) == "no"
    with pytest.raises(NamebrushError):
        store.restore("second", token)


def test_a_damaged_folder_is_told_and_changes_nothing(store, tmp_path, clock):
    mine = work(store.session("me"))
    assert store.writer.flush(20)
    manifest = tmp_path / "visitors" / folder_name(mine.token) / PAGE
    told = json.loads(manifest.read_text())
    for damage in (b"{", b"[]", json.dumps({**told, "at": 99}).encode(), json.dumps({**told, "steps": 3}).encode()):
        manifest.write_bytes(damage)
        again = SessionStore(tmp_path / "visitors", clock)
        own = again.session("page")
        with pytest.raises(NamebrushError):
            again.restore("page", mine.token)
        assert again.session("page") is own


def test_a_full_disk_is_told_once_and_loses_nothing(store, monkeypatch, tmp_path, clock):
    full = True

    def write(path, data, original=visitor_folder._write):
        if full:
            raise OSError(errno.ENOSPC, "No space left on device")
        original(path, data)

    monkeypatch.setattr(visitor_folder, "_write", write)
    monkeypatch.setattr("app.writer.AGAIN", 0.05)
    mine = work(store.session("me"))
    assert not store.writer.flush(0.5)
    told = attempt(lambda: None, mine)
    assert told.text.startswith("The disk of this server is full") and not any(s.drop() for s in mine.history.steps)
    full = False
    assert store.writer.flush(20)
    assert len(SessionStore(tmp_path / "visitors", clock).restore("x", mine.token).history.steps) == 3


def test_one_address_holds_a_bounded_number_of_sessions(store, monkeypatch):
    monkeypatch.setattr(session_store, "MOST_OF_ADDRESS", 3)
    for i in range(3):
        one = store.session(f"page{i}")
        store.check_address(one, "198.51.100.7")
        work(one)
    with pytest.raises(NamebrushError, match="from your network"):
        store.check_address(store.session("fourth"), "198.51.100.7")
    store.check_address(store.session("other"), "198.51.100.8")


def test_scores_that_come_back_are_close(store):
    mine = work(store.session("me"))
    scores = mine.history.steps[1].segmentation.scores.copy()
    assert store.writer.flush(20)
    for step in mine.history.steps:
        step.drop()
    assert np.allclose(mine.history.steps[1].segmentation.scores, scores, atol=1e-3)


def test_another_session_opened_in_place_of_this_one_is_what_comes_back(store, tmp_path, clock):
    """Its steps have the same numbers, and so the same names of files."""
    mine, other = work(store.session("me"), 1), work(Session(), 2)
    assert store.writer.flush(20)
    mine.put(other.history)
    assert store.writer.flush(20)
    before = pixels_of(other.history)
    for step in mine.history.steps:
        step.drop()
    assert pixels_of(mine.history) == before
    (folder,) = (tmp_path / "visitors").iterdir()
    assert [p.name for p in folder.glob("g*")] == ["g1"]
    assert pixels_of(SessionStore(tmp_path / "visitors", clock).restore("x", mine.token).history) == before


def test_damaged_pictures_on_the_disk_are_told(store, tmp_path):
    mine = work(store.session("me"))
    assert store.writer.flush(20)
    (folder,) = (tmp_path / "visitors").iterdir()
    for step in mine.history.steps:
        step.drop()
    for path in (folder / "g0" / "photos").iterdir():
        path.write_bytes(b"damaged")
    with pytest.raises(NamebrushError, match="damaged"):
        mine.go(0)
    assert mine.cursor == 2  # nothing has changed


def test_results_are_the_same_record_for_steps_that_share_them(store):
    """Choosing another result and going back finds the step that is there."""
    from app import actions

    mine = work(store.session("me"))
    actions.choose(mine, 1)
    assert store.writer.flush(20)
    for step in mine.history.steps:
        step.drop()
    actions.choose(mine, 0)
    assert len(mine.history.steps) == 4 and mine.step.choice == 0


def test_a_dropped_step_is_decoded_once_for_all_that_ask(store):
    mine = work(store.session("me"))
    assert store.writer.flush(20)
    reads = []

    def counted(self, packed, original=visitor_folder.VisitorFolder.read):
        reads.append(packed["id"])
        return original(self, packed)

    step = mine.history.steps[1]
    step.drop()
    folder = store.visits()[0].folder
    step.saved(step.packed, lambda: counted(folder, step.packed))
    assert step.photo is step.photo and step.segmentation is step.segmentation and len(step.regions) == 2
    assert reads == [1]
    folder.forget_recent()
    assert step.photo.size and reads == [1, 1]
