"""Long work as the person sees it: the line of jobs, what they say, pictures on the way, stopping."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from app import working
from app.session import Session
from app.texts import Told
from pipeline.errors import Cancelled, NamebrushError


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(working, "FIRST", 0.0)
    monkeypatch.setattr(working, "PACE", 0.0)
    monkeypatch.setattr(working, "LINE", working.Line())


def _step(job, gate, *steps):
    """Work that says its steps, waiting for the reader between them."""

    def work(progress):
        for message, share in steps:
            progress.step(message, share)
            gate.acquire()
        return Told("done")

    return work


def test_what_is_quick_says_nothing_and_its_outcome_is_told(monkeypatch):
    monkeypatch.setattr(working, "FIRST", 30.0)
    job = working.Job(Session())
    assert list(working.run(job, lambda progress: Told("ready"))) == []
    assert job.outcome == Told("ready")


def test_steps_reach_the_reader_while_the_work_goes_on():
    job, gate = working.Job(Session()), threading.Semaphore(0)
    heard = []
    for told in working.run(job, _step(job, gate, ("Looking, 1 of 2", 0.0), ("Looking, 2 of 2", 0.5))):
        heard.append((told["text"], told["share"]))
        gate.release()
    assert ("Looking, 1 of 2", 0.0) in heard or ("Looking, 2 of 2", 0.5) in heard
    assert job.outcome.text == "done"


def test_stopping_ends_it_at_its_next_step_and_says_so():
    session = Session()
    job, done = working.Job(session), []

    def work(progress):
        for i in range(10_000):
            progress.step(f"step {i}", i / 10_000)
            done.append(i)
            time.sleep(0.001)
        return Told("done")

    for _ in working.run(job, work):
        session.stop()
        stopped_at = len(done)
    assert job.outcome.kind == "stopped" and len(done) <= stopped_at + 2


def test_a_page_that_was_closed_stops_its_job():
    session, gate = Session(), threading.Event()
    job, ended = working.Job(session), threading.Event()

    def work(progress):
        try:
            while True:
                progress.step("on and on")
                gate.wait(0.01)
        except Cancelled:
            ended.set()
            raise

    heard = working.run(job, work)
    next(heard)
    heard.close()
    assert ended.wait(5)


def test_who_waits_hears_how_many_are_first_and_is_served_in_order():
    first, second, third = (working.Job(Session()) for _ in range(3))
    gate, order = threading.Event(), []

    def work(name):
        def do(progress):
            progress.step(name)
            order.append(name)
            assert gate.wait(20)
            return Told(name)

        return do

    def wait_until(heard, words):
        while words not in next(heard)["text"]:
            pass

    one, two, three = (working.run(j, work(n)) for j, n in ((first, "a"), (second, "b"), (third, "c")))
    wait_until(one, "a")
    wait_until(two, "one other is first")
    wait_until(three, "2 others are first")
    second.session.stop()
    list(two)
    assert second.outcome.kind == "stopped"
    wait_until(three, "one other is first")
    gate.set()
    list(one), list(three)
    assert order == ["a", "c"] and third.outcome.text == "c"


def test_an_error_is_told_and_frees_the_line():
    def broken(progress):
        raise NamebrushError("That cannot be.")

    job = working.Job(Session())
    list(working.run(job, broken))
    assert job.outcome == Told("That cannot be.", "error")
    after = working.Job(Session())
    list(working.run(after, lambda progress: Told("next")))
    assert after.outcome.text == "next"


def test_the_time_left_comes_from_how_fast_it_went(monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(working.time, "monotonic", lambda: clock[0])
    job = working.Job(Session())
    job.report("Painting, step 1 of 20", 0.0)
    assert job.left() is None
    clock[0] += 8
    job.report("Painting, step 1 of 20", 0.0)  # still at the start: waiting does not count
    clock[0] += 4
    job.report("Painting, step 5 of 20", 0.25)
    assert job.left() == pytest.approx(12.0) and job.told()["left"] == 12
    job.report("Something that cannot be told")
    assert job.left() is None and job.told()["share"] is None


def test_a_picture_on_the_way_lies_where_it_will_be():
    job = working.Job(Session(), shift=(10, 5), inside=False)
    assert job.told()["preview"] is None
    job.show(np.full((8, 8, 3), (255, 0, 0), np.uint8), (20, 30, 60, 80))
    shown = job.told()["preview"]
    assert shown["box"] == (10, 25, 50, 75) and shown["inside"] is False
    assert shown["url"].startswith("data:image/jpeg;base64,")
