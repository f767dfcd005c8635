"""Files leave the disk: by age, by bytes, after kills; never what a present visitor's page shows, never another's."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from app import folders, sweeper
from app.scene import scene
from app.session_store import SessionStore
from app.sweeper import CACHE_AGE, VISITOR_AGE, Sweeper

from .test_sessions_kept import work

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def where(tmp_path):
    made = folders.Folders(tmp_path / "base", tmp_path / "base" / "run-1-a", tmp_path / "base" / "visitors", tmp_path)
    for folder in (made.cache, made.tmp, made.visitors):
        folders.private(folder)
    return made


def put(path: Path, age: float = 0.0, size: int = 10) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    os.utime(path, (time.time() - age,) * 2)
    return path


def later(seconds):
    return lambda: time.time() + seconds


def test_thousands_of_old_files_go_while_others_arrive(where):
    """Gradio's cleaner died when a file arrived meanwhile: 3,000 of 3,000 stayed."""
    for i in range(1500):
        put(where.cache / f"{i:04d}" / "photo.jpg")

    def shown():
        put(where.cache / "arrives" / "while it sweeps.jpg")
        return ()

    Sweeper(where, shown, clock=later(CACHE_AGE + 5)).sweep()
    assert list(where.cache.rglob("*.jpg")) == []
    assert len(list(where.cache.iterdir())) == 0


def test_what_a_present_page_shows_stays_and_is_forgotten_with_it(where):
    clock = later(0)
    store = SessionStore(where.visitors, clock)
    session = work(store.session("me"))
    scene(session, str(where.cache))
    old = put(where.cache / "old" / "photo.jpg")
    store.arrived("me")
    store.clock = later(CACHE_AGE + 5)
    Sweeper(where, store.shown_files, clock=later(CACHE_AGE + 5)).sweep()
    assert not old.exists() and session.showing and all(Path(path).exists() for path in session.showing)
    store.left("me")
    store.clock = later(2 * CACHE_AGE + 10)
    Sweeper(where, store.shown_files, clock=later(CACHE_AGE + 5)).sweep()
    assert not any(Path(path).exists() for path in session.showing)
    scene(session, str(where.cache))  # who comes back is shown everything anew
    assert all(Path(path).exists() for path in session.showing)


def test_broken_off_uploads_and_temporary_files_go(where):
    upload, scratch = put(where.cache / "tmpab12cd"), put(where.tmp / "namebrush-x" / "out.png")
    Sweeper(where, clock=later(CACHE_AGE + 5)).sweep()
    assert not upload.exists() and not scratch.exists() and where.cache.is_dir() and where.tmp.is_dir()


def test_a_visitors_steps_go_an_hour_after_the_visitor(where):
    store = SessionStore(where.visitors)
    session = work(store.session("me"))
    assert store.writer.flush(20)
    folder = store.visits()[0].folder.path
    gone = []
    Sweeper(where, gone=gone.append, clock=later(VISITOR_AGE - 60)).sweep()
    assert folder.exists() and not gone
    Sweeper(where, gone=gone.append, clock=later(VISITOR_AGE + 60)).sweep()
    assert not folder.exists() and gone == [folder.name] and session.token


def test_the_oldest_go_when_all_is_too_much(where, monkeypatch):
    monkeypatch.setattr(sweeper, "MOST_BYTES", 2500)
    files = [put(where.cache / str(i) / "p.jpg", age=1000 - 100 * i, size=1000) for i in range(5)]
    for file in files:  # the time of the last change of name is now, whatever a file says
        assert file.stat().st_ctime > time.time() - 60
    Sweeper(where, lambda: [str(files[0])], clock=later(120)).sweep()
    assert files[0].exists() and sum(file.exists() for file in files) == 2


def test_what_a_killed_server_left_goes_and_a_living_ones_stays(tmp_path):
    script = (
        "import os, sys, time\nfrom app import folders\nmade = folders.prepare()\n"
        "(made.cache / 'photo.jpg').write_bytes(b'x')\nprint(made.run, flush=True)\ntime.sleep(60)\n"
    )
    environment = {**os.environ, folders.VARIABLE: str(tmp_path / "base")}
    running = [
        subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    try:
        runs = [Path(one.stdout.readline().strip()) for one in running]
        assert all((run / "cache" / "photo.jpg").exists() for run in runs) and runs[0] != runs[1]
        assert runs[0].stat().st_mode & 0o777 == 0o700
        assert folders.dead_runs(tmp_path / "base") == []
        running[0].kill()
        running[0].wait()
        assert folders.dead_runs(tmp_path / "base") == [runs[0]]
        own = folders.Folders(tmp_path / "base", tmp_path / "base" / "run-0-b", tmp_path / "visitors", tmp_path)
        Sweeper(own).sweep()
        assert not runs[0].exists() and (runs[1] / "cache" / "photo.jpg").exists()
    finally:
        for one in running:
            one.kill()
            one.wait()


def test_leftovers_of_dead_programs_go_and_a_persons_own_folder_stays(where, tmp_path):
    for name in ("namebrush-ab12_cd3", "namebrush-photos", "namebrush-holidays2026"):
        put(tmp_path / name / "x.png")
        os.utime(tmp_path / name, (time.time(),) * 2)
    Sweeper(where, clock=later(VISITOR_AGE + 60)).sweep()
    assert sorted(p.name for p in tmp_path.glob("namebrush-*")) == ["namebrush-holidays2026", "namebrush-photos"]


def test_a_base_folder_of_somebody_else_is_refused(tmp_path, monkeypatch):
    (tmp_path / "target").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "target")
    with pytest.raises(PermissionError, match="own"):
        folders.private(tmp_path / "link")


def test_the_own_folder_goes_though_a_thread_writes_one_more_file(tmp_path, monkeypatch):
    run = tmp_path / "run-1-a"
    (run / "cache").mkdir(parents=True)
    made = folders.Folders(tmp_path, run, tmp_path / "visitors", tmp_path)
    monkeypatch.setattr(folders, "_current", made)
    late, original = [1, 2, 3], folders.remove

    def remove(folder):
        original(folder)
        if late:
            late.pop()
            (folder / "cache").mkdir(parents=True)

    monkeypatch.setattr(folders, "remove", remove)
    folders.leave()
    assert not run.exists()
