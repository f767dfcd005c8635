"""Session files from anybody: whole, or refused in one sentence, and never more memory than a session needs."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.fuzz.bases import good_history
from pipeline.errors import NamebrushError
from pipeline.history import History, Step, open_session, save_session
from pipeline.history.session import MANIFEST
from pipeline.photo import open_photo

from .crafted_sessions import CRAFTED, files_of, good_bytes, zipped


@pytest.mark.parametrize("name", CRAFTED)
def test_a_crafted_session_is_refused_or_opens(name, tmp_path):
    path = tmp_path / "a.zip"
    path.write_bytes(CRAFTED[name]())
    tracemalloc.start()
    try:
        history = open_session(path)
    except NamebrushError as error:
        assert not name.startswith("opens"), error
        assert len(str(error).splitlines()) == 1 and len(str(error)) < 400
    else:
        assert name.startswith("opens"), "it must be refused"
        assert len(history.path()) >= 1 and [s.id for s in history.steps] == [0, 1, 2]
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 400 << 20


def test_the_sentences_tell_what_can_be_done(tmp_path):
    def refusal(name):
        path = tmp_path / "a.zip"
        path.write_bytes(CRAFTED[name]())
        with pytest.raises(NamebrushError) as caught:
            open_session(path)
        return str(caught.value)

    assert "encrypted" in refusal("encrypted")
    assert "megapixels" in refusal("photo of 100 megapixels")
    assert "more than a session needs" in refusal("a bomb beside")
    assert "asks for future, which this edition does not know" in refusal("a field of tomorrow")
    assert "between -512 and 512" in refusal("request grows without end")
    assert "no session file" in refusal("redo loops on itself")


def test_the_limit_on_megapixels_and_memory_is_the_callers(tmp_path):
    path = tmp_path / "a.zip"
    save_session(good_history(), path)
    assert len(open_session(path, max_megapixels=0.00192).steps) == 3
    with pytest.raises(NamebrushError, match="48 x 40 pixels; the limit is 0.001 megapixels"):
        open_session(path, max_megapixels=0.001)
    with pytest.raises(NamebrushError, match="more than 0 MB of memory"):
        open_session(path, max_bytes=10_000)


def test_no_history_has_a_loop_or_a_step_without_its_parent():
    photo = open_photo(np.zeros((8, 8, 3), np.uint8))
    steps = (Step("open", "a", photo, id=0), Step("hand", "b", photo, id=1, parent=0))
    assert History(steps, 1, {0: 1}).redo().at == 1
    for bad in (
        lambda: History(steps, 1, {0: 0}), lambda: History(steps, 1, {1: 0}), lambda: History(steps, 2),
        lambda: History(steps, 1, {0: 5}), lambda: History(steps[::-1], 1), lambda: History((*steps, steps[0]), 0),
    ):  # fmt: skip
        with pytest.raises(ValueError):
            bad()


def test_what_steps_share_is_shared_again(tmp_path):
    """Forty steps by hand on one photo wrote forty label maps; opened they held forty times the memory."""
    history = good_history()
    found = history.step(1)
    for _ in range(5):
        history = history.add(Step("hand", "accepted", found.photo, found.segmentation))
    save_session(history, tmp_path / "a.zip")
    again = open_session(tmp_path / "a.zip")
    labels = [step.segmentation.labels for step in again.steps if step.segmentation is not None]
    crops = [step.regions[0].crop for step in again.steps if step.regions]
    assert len(labels) == 6 and all(np.shares_memory(one, labels[0]) for one in labels)
    assert all(np.shares_memory(one, crops[0]) for one in crops)
    assert again.nbytes <= history.nbytes


def test_saving_over_a_damaged_session_takes_nothing_from_it(tmp_path):
    path, history = tmp_path / "a.zip", good_history()
    for change in (lambda data: data[:40] + bytes([data[40] ^ 255]) + data[41:], lambda data: b"PK" + data[2:-30]):
        save_session(history, path)
        data = path.read_bytes()
        at = data.index(b"IDAT")
        path.write_bytes(data[:at] + change(data[at:]))
        save_session(history, path)
        assert len(open_session(path).steps) == 3
    path.write_bytes(CRAFTED["encrypted"]())
    save_session(history, path)
    assert len(open_session(path).steps) == 3


GOOD = good_bytes()


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_damaged_bytes_are_refused_or_make_no_difference(data, tmp_path_factory):
    mutated = bytearray(GOOD)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(mutated) - 1))
        mutated[at] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        del mutated[data.draw(st.integers(0, len(mutated))) :]
    _opened_or_refused(bytes(mutated), tmp_path_factory)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_damaged_parts_in_a_sound_zip_are_refused_or_make_no_difference(data, tmp_path_factory):
    files = files_of(GOOD)
    name = data.draw(st.sampled_from([MANIFEST, *files]))
    mutated = bytearray(files[name])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(mutated) - 1))
        mutated[at] = data.draw(st.integers(0, 255) | st.sampled_from(b'0123456789[]{}",:.-e'))
    files[name] = bytes(mutated)
    _opened_or_refused(zipped(files), tmp_path_factory)


def _opened_or_refused(data, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "mutated.zip"
    path.write_bytes(data)
    try:
        history = open_session(path)
    except NamebrushError:
        return
    for step in history.steps:
        assert history.jump(step.id).path()[-1] is step
        assert all(region.mask.any() for region in step.regions)
