"""What may be used of the machine's memory, and what goes when it is too much."""

from __future__ import annotations

import numpy as np
import pytest

from app import account, engine, limits
from app.account import Account
from app.session_store import SessionStore
from pipeline.cache import ByteCache
from pipeline.errors import NamebrushError
from pipeline.history import Step
from pipeline.progress import Progress

from .helpers import mask, photo, region, segmentation
from .test_sessions_kept import pixels_of, work


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A machine of 16 GB without control groups."""
    (tmp_path / "meminfo").write_text("MemTotal: 16777216 kB\n")
    monkeypatch.setattr(limits, "_MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(limits, "_CGROUP", tmp_path / "cgroup")
    monkeypatch.setattr(limits, "_OWN_CGROUP", tmp_path / "own")
    monkeypatch.delenv(limits.VARIABLE, raising=False)
    return tmp_path


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_the_least_limit_counts(machine, monkeypatch):
    assert limits.memory() == 16 << 30
    write(machine / "cgroup" / "memory.max", "max\n")
    assert limits.memory() == 16 << 30
    write(machine / "cgroup" / "memory.max", f"{8 << 30}\n")
    assert limits.memory() == 8 << 30
    write(machine / "own", "0::/pods/one\n")
    write(machine / "cgroup" / "pods" / "memory.max", f"{6 << 30}\n")
    assert limits.memory() == 6 << 30
    write(machine / "own", "12:memory:/docker/x\n")
    write(machine / "cgroup" / "memory" / "docker" / "x" / "memory.limit_in_bytes", f"{4 << 30}\n")
    assert limits.memory() == 4 << 30
    monkeypatch.setenv(limits.VARIABLE, "1.5 GB")
    assert limits.memory() == 3 << 29


def test_without_any_word_on_memory_a_little_is_assumed(machine, monkeypatch):
    monkeypatch.setattr(limits, "_MEMINFO", machine / "none")
    assert limits.memory() == limits.UNKNOWN


@pytest.mark.parametrize("text", ["", "much", "-1GB", "0", "4 PB", "1e9", "nan"])
def test_no_amount_of_memory(text):
    with pytest.raises(ValueError, match="no amount"):
        limits.parse_bytes(text)


def test_what_a_process_holds_is_seen():
    before = limits.used()
    block = np.ones(200 << 20, np.uint8)
    assert limits.used() - before > 150 << 20
    assert block[-1] == 1 and limits.used() > 50 << 20


class Machine:
    """Counts what sessions and features really hold, and nothing else."""

    def __init__(self, store, cache):
        self.store, self.cache, self.other = store, cache, 0

    def __call__(self):
        held = {}
        for visit in self.store.visits():
            held.update(visit.session.holds())
        return sum(held.values()) + self.cache.nbytes + self.other


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """Ten visitors with work, seen one after the other, a cache of features, and an account of half their memory."""
    store, cache = SessionStore(tmp_path), ByteCache(1 << 30)
    monkeypatch.setattr(engine, "_pipelines", {"tiny": type("Pipe", (), {"cache": cache})()})
    now = iter(range(1, 1000))
    store.clock = lambda: float(next(now))
    for i in range(10):
        work(store.session(f"v{i}"), i)
    for i in range(8):
        cache.put(i, np.zeros(2000, np.uint8))
    assert store.writer.flush(60)
    machine = Machine(store, cache)
    return store, cache, machine


def test_features_go_first_then_the_steps_of_those_not_seen_for_longest(kept):
    store, cache, machine = kept
    before = {v.session: pixels_of(v.session.history) for v in store.visits()}
    sessions = machine() - cache.nbytes
    for i in range(8):
        cache.put(i, np.zeros(sessions // 8, np.uint8))
    assert Account(store, int(machine() / account.MARK) + 10, machine).settle() and len(cache) == 8  # all fits
    assert Account(store, int(machine() / account.MARK) - 10, machine).settle()
    assert 0 < len(cache) < 8 and machine() - cache.nbytes == sessions
    few = int(0.4 * sessions / account.REST)
    assert Account(store, few, machine).settle() and machine() <= account.REST * few and len(cache) == 0
    first, *_, last = store.visits()
    assert not first.session.step.in_memory and last.session.step.in_memory
    assert all(pixels_of(session.history) == pixels for session, pixels in before.items())


def test_nothing_unsaved_goes_and_a_new_photo_is_refused_in_words(kept, monkeypatch):
    store, cache, machine = kept
    mine = store.session("v9")
    monkeypatch.setattr(store.writer, "flush", lambda seconds: False)
    monkeypatch.setattr(store.writer, "mark", lambda session: None)
    mine.push(Step("open", "new", photo(77)))
    unsaved = mine.step
    machine.other = 10 << 20
    books = Account(store, 10 << 20, machine)
    with pytest.raises(NamebrushError, match="no memory left"):
        books.room(mine, 1000)
    assert unsaved.in_memory and cache.nbytes == 0
    machine.other = 0
    books.room(mine, 1000)


def test_the_account_names_what_is_held(kept, monkeypatch):
    store, cache, machine = kept
    monkeypatch.setattr(engine, "model_bytes", lambda: 7)
    held = Account(store, 1 << 30, machine).held()
    assert held["features"] == cache.nbytes and held["models"] == 7
    assert held["sessions"] + held["features"] == held["process"] == machine()


def test_exif_and_profiles_count():
    from dataclasses import replace

    step = Step("open", "p", replace(photo(), exif=b"x" * 5000, icc=b"y" * 300))
    assert sum(step.holds().values()) == step.photo.pixels.nbytes + 5300


def test_the_process_can_be_asked_by_any_system(monkeypatch):
    monkeypatch.setattr(limits, "_resident", lambda pid: (_ for _ in ()).throw(OSError))
    assert limits.used() >= 0


def test_fourteen_panels_of_a_large_photo_take_few_megabytes(session, monkeypatch):
    """At 50 megapixels they took 3.1 GB; here one of 6 megapixels, labels and masks and all."""
    from app import compare

    from . import helpers

    monkeypatch.setattr(helpers, "segmentation", _wide)
    session.push(Step("open", "large", photo(1, 2000, 3000)))
    entries = [f"{m}+{e}" for m in ("clip", "maskclip", "sclip", "trident", "proxyclip", "clearclip", "gem")
               for e in ("none", "crf")]  # fmt: skip
    compare.compare(session, "dog, grass", entries, {}, Progress())
    assert len(session.compared) == 14
    held = {}
    for one in session.compared:
        arrays = (one.photo.pixels, one.labels, one.scores, *(r.crop for r in one.regions))
        held.update({id(array): array.nbytes for array in arrays})
    assert sum(held.values()) < 14 * 16e6 and max(session.compared[0].labels.shape) == 1600
    assert session.compared[0].labels[10, 10] == 0 and len(session.compared[0].regions) == 2
    assert sum(session.holds().values()) >= sum(held.values()) - 14 * 4


def _wide(picture, *regions, names):
    """As `helpers.segmentation`, its regions at the photo's own size."""
    height, width = picture.size
    own = [region(i, mask(2, 2, 200, 200, height, width)) for i in range(2)]
    return segmentation(picture, *own, names=names)
