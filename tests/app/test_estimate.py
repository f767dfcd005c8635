"""What work is thought to take, and what is refused before it starts."""

from __future__ import annotations

from functools import partial

import pytest

from app import actions, estimate, words
from app.session import Session
from pipeline.history import Step
from pipeline.progress import Progress

from .helpers import photo

SAY = partial(words.say, "en")
SIZE = (640, 960)
PANELS = [f"base:{m}+{e}" for m in ("clip", "sclip", "proxyclip", "trident") for e in ("vote", "vote-auto")]


@pytest.fixture
def visitor():
    """The bounds of a visitor hold, as in a job of theirs."""
    token = estimate.ALLOWED.set(estimate.allowance(local=False))
    yield
    estimate.ALLOWED.reset(token)


def test_a_search_of_hundreds_of_thousands_of_windows_is_refused_to_everybody():
    with pytest.raises(estimate.TooMuch, match=r"windows.*Lower the short side"):
        estimate.admit_search("tiny", SIZE, "dog", {"short_side": 4096, "window": 32, "stride": 8}, SAY)


def test_windows_are_counted_as_they_are_cut():
    from pipeline.dense.windows import short_side_frame, window_boxes

    for short, window, stride in ((320, 128, 64), (448, 336, 224), (700, 96, 40)):
        cut = window_boxes(short_side_frame(SIZE, short), window, stride)
        asked = {"short_side": short, "window": window, "stride": stride}
        assert estimate.windows("tiny", SIZE, asked) == len(cut)


def test_usual_work_is_let_begin(visitor):
    estimate.admit_search("tiny", SIZE, "dog, grass, sky", {"refine": "sam"}, SAY)
    estimate.admit_search("base", SIZE, "dog, grass, sky", {"refine": "sam"}, SAY)
    estimate.admit_comparison("tiny", SIZE, "dog", ["sclip+none", "trident+sam"], {}, SAY)
    estimate.admit_change("tiny", (4000, 6000), "remove", {}, 500_000, SAY)
    estimate.admit_change("tiny", (4000, 6000), "recolor", {}, None, SAY)


@pytest.mark.parametrize("kind, work, lower", [
    ("steps", lambda: estimate.admit_change("base", SIZE, "replace", {"steps": 500, "candidates": 8}, 9000, SAY),
     "fewer candidates or steps"),
    ("hole", lambda: estimate.admit_change("tiny", (7000, 7000), "remove", {}, 20_000_000, SAY), "Select less"),
    ("panels", lambda: estimate.admit_comparison(
        "tiny", SIZE, "dog", PANELS, {"vote_grid": 64}, SAY), "fewer panels"),
])  # fmt: skip
def test_too_much_is_refused_with_what_to_lower_and_let_begin_on_ones_own_machine(visitor, kind, work, lower):
    with pytest.raises(estimate.TooMuch, match=f"minutes.*{lower}"):
        work()
    estimate.ALLOWED.set(estimate.Allowance(1e9, 1e9))
    work()


def test_ones_own_machine_may_do_more_and_who_runs_it_decides(monkeypatch):
    own, visitors = estimate.allowance(True), estimate.allowance(False)
    assert own.expected > visitors.expected and own.deadline > visitors.deadline
    monkeypatch.setenv("SPACE_ID", "someone/namebrush")
    assert estimate.allowance(False).expected < visitors.expected
    monkeypatch.setenv("NAMEBRUSH_JOB_SECONDS", "7")
    assert estimate.allowance(True).expected == estimate.allowance(False).expected == 7


def test_the_page_says_it_and_changes_nothing(stand_in):
    session = Session()
    session.push(Step("open", "photo", photo(0, 400, 600)))
    with pytest.raises(estimate.TooMuch):
        actions.find(session, "dog", {"short_side": 4096, "window": 32, "stride": 8}, Progress())
    assert len(session.steps) == 1 and not stand_in.asked
