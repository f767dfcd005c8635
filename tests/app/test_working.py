"""Long work as the person sees it: what jobs say, pictures on the way, stopping, and ends without a listener."""

from __future__ import annotations

import asyncio
import threading
import time

import numpy as np
import pytest

from app import engine, estimate, working
from app.scheduler import Scheduler, Work
from app.session import Session
from app.texts import Told
from app.visitors import Caller
from pipeline.errors import Cancelled, NamebrushError
from pipeline.progress import checkpoint, running


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    for name in ("FIRST", "PACE", "WAITING"):
        monkeypatch.setattr(working, name, 0.0)
    monkeypatch.setattr(working, "LOOK", 0.02)


@pytest.fixture
def line():
    return Scheduler({"models": 1, "plain": 1, "quick": 1, "fetch": 1})


def whole(job, work, line, each=lambda told: None, show=lambda told: None):
    """Run a job to its end; what it said on the way."""

    async def listen():
        heard = []
        async for told in working.run(job, work, show, line):
            heard.append(told)
            each(told)
        return heard

    return asyncio.run(asyncio.wait_for(listen(), 60))


def test_what_is_quick_says_nothing_and_its_outcome_is_told(monkeypatch, line):
    monkeypatch.setattr(working, "FIRST", 30.0)
    job = working.Job(Session())
    assert whole(job, lambda progress: Told("ready"), line) == []
    assert job.outcome == Told("ready")


def test_steps_reach_the_reader_while_the_work_goes_on(line):
    job, gate = working.Job(Session()), threading.Semaphore(0)

    def work(progress):
        for message, share in (("Looking, 1 of 2", 0.0), ("Looking, 2 of 2", 0.5)):
            progress.step(message, share)
            assert gate.acquire(timeout=20)
        return Told("done")

    heard = whole(job, work, line, each=lambda told: gate.release())
    assert {("Looking, 1 of 2", 0.0), ("Looking, 2 of 2", 0.5)} & {(told["text"], told["share"]) for told in heard}
    assert job.outcome.text == "done"


def test_stopping_ends_it_at_its_next_step_and_says_so(line):
    session, done, stopped_at = Session(), [], []
    job = working.Job(session)

    def work(progress):
        for i in range(10_000):
            progress.step(f"step {i}", i / 10_000)
            done.append(i)
            time.sleep(0.001)
        return Told("done")

    def stop(told):
        session.stop()
        stopped_at.append(len(done))

    whole(job, work, line, stop)
    assert job.outcome.kind == "stopped" and len(done) <= stopped_at[0] + 2


def test_work_that_says_nothing_stops_too_where_it_asks(line):
    session, began = Session(), threading.Event()
    job = working.Job(session)

    def work(progress):
        began.set()
        while True:
            checkpoint()
            time.sleep(0.001)

    threading.Thread(target=lambda: (began.wait(20), session.stop())).start()
    whole(job, work, line)
    assert job.outcome.kind == "stopped"


def test_what_cannot_be_interrupted_is_left_behind_and_changes_nothing(line, monkeypatch):
    monkeypatch.setattr(working, "STOPPING", 0.0)
    session, began, gate, ended = Session(), threading.Event(), threading.Event(), threading.Event()
    job = working.Job(session)

    def work(progress):
        began.set()
        assert gate.wait(20)
        try:
            checkpoint()  # as every change of the session does
        except Cancelled:
            ended.set()
            raise
        return Told("done")

    threading.Thread(target=lambda: (began.wait(20), session.stop())).start()
    whole(job, work, line)
    assert job.outcome.kind == "stopped" and not ended.is_set()
    gate.set()
    assert ended.wait(20) and job.outcome.kind == "stopped"


def test_a_page_that_was_closed_stops_its_job(line):
    session, ended = Session(), threading.Event()
    job = working.Job(session)

    def work(progress):
        try:
            while True:
                progress.step("on and on")
                time.sleep(0.005)
        except Cancelled:
            ended.set()
            raise

    async def leave():
        heard = working.run(job, work, scheduler=line)
        await anext(heard)
        await heard.aclose()

    asyncio.run(leave())
    assert ended.wait(5)


def test_a_program_that_has_gone_stops_its_job(line, monkeypatch):
    began, ended = threading.Event(), threading.Event()
    monkeypatch.setattr(working, "caller", lambda: Caller(left=began.is_set))
    job = working.Job(Session())

    def work(progress):
        began.set()
        try:
            while True:
                checkpoint()
                time.sleep(0.002)
        except Cancelled:
            ended.set()
            raise

    whole(job, work, line)
    assert ended.is_set() and job.outcome.kind == "stopped"


def test_who_waits_hears_how_many_are_first_and_may_stop_waiting(line):
    jobs = [working.Job(Session()) for _ in range(3)]
    gate, order, said = threading.Event(), [], [[], [], []]

    def work(name):
        def do(progress):
            order.append(name)
            assert gate.wait(20)
            return Told(name)

        return do

    async def listen(i):
        async for told in working.run(jobs[i], work("abc"[i]), scheduler=line):
            said[i].append(told["text"])

    async def until(what):
        for _ in range(2000):
            if what():
                return
            await asyncio.sleep(0.005)
        raise AssertionError(said)

    async def scene():
        one = asyncio.create_task(listen(0))
        await until(lambda: order == ["a"])
        two = asyncio.create_task(listen(1))
        await until(lambda: any("one other is first" in text for text in said[1]))
        three = asyncio.create_task(listen(2))
        await until(lambda: any("2 others are first" in text for text in said[2]))
        jobs[1].session.stop()
        await two
        await until(lambda: said[2] and "one other is first" in said[2][-1])
        gate.set()
        await asyncio.gather(one, three)

    asyncio.run(asyncio.wait_for(scene(), 60))
    assert jobs[1].outcome.kind == "stopped" and order == ["a", "c"] and jobs[2].outcome.text == "c"


def test_a_full_line_refuses_in_a_sentence_and_runs_nothing(line, monkeypatch):
    monkeypatch.setattr(working, "OWN", working.Bounds(session=1))
    gate, ran = threading.Event(), []
    jobs = [working.Job(Session()) for _ in range(3)]

    def work(progress):
        ran.append(1)
        assert gate.wait(20)
        return Told("done")

    async def listen(job):
        async for _ in working.run(job, work, scheduler=line):
            pass

    async def scene():
        first = [asyncio.create_task(listen(job)) for job in jobs[:2]]
        while len(ran) < 1 or not line._waiting:
            await asyncio.sleep(0.005)
        await listen(jobs[2])
        assert jobs[2].outcome.kind == "error" and "Try again in about" in jobs[2].outcome.text
        gate.set()
        await asyncio.gather(*first)

    asyncio.run(asyncio.wait_for(scene(), 60))
    assert len(ran) == 2 and [job.outcome.text for job in jobs[:2]] == ["done", "done"]


def test_an_error_is_told_and_frees_the_line(line):
    def broken(progress):
        raise NamebrushError("That cannot be.")

    job = working.Job(Session())
    whole(job, broken, line)
    assert job.outcome == Told("That cannot be.", "error")
    after = working.Job(Session())
    whole(after, lambda progress: Told("next"), line)
    assert after.outcome.text == "next"


def test_a_job_beyond_its_time_is_ended(line, monkeypatch):
    monkeypatch.setattr(estimate, "allowance", lambda local: estimate.Allowance(10.0, 0.01))
    job = working.Job(Session())

    def work(progress):
        while True:
            checkpoint()
            time.sleep(0.002)

    whole(job, work, line)
    assert job.outcome.kind == "error" and "longer than one job may" in job.outcome.text


def test_what_is_shown_is_made_where_the_work_was_done(line):
    job, threads = working.Job(Session()), []

    def work(progress):
        threads.append(threading.get_ident())
        return Told("done")

    def show(told):
        threads.append(threading.get_ident())
        return {"line": told.text}

    whole(job, work, line, show=show)
    assert job.update == {"line": "done"} and len(set(threads)) == 1


def test_an_error_while_showing_is_not_swallowed(line):
    job = working.Job(Session(), need=lambda: Work("plain"))

    def show(told):
        raise RuntimeError("no picture")

    with pytest.raises(RuntimeError, match="no picture"):
        whole(job, lambda progress: Told("done"), line, show=show)


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


def test_the_time_left_never_grows(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(working.time, "monotonic", lambda: clock[0])
    job, said = working.Job(Session()), []
    job.report("Filling from the photo", 0.0)
    for seconds, share in ((4, 0.25), (8, 0.3), (20, 0.31), (60, 0.5), (70, 0.9)):
        clock[0] = float(seconds)
        job.report("Filling from the photo", share)
        said.append(job.left())
    assert said[0] == pytest.approx(12.0)
    assert all(later <= earlier for earlier, later in zip(said, said[1:], strict=False))


def test_a_picture_on_the_way_lies_where_it_will_be():
    job = working.Job(Session(), shift=(10, 5), inside=False)
    assert job.told()["preview"] is None
    job.show(np.full((8, 8, 3), (255, 0, 0), np.uint8), (20, 30, 60, 80))
    shown = job.told()["preview"]
    assert shown["box"] == (10, 25, 50, 75) and shown["inside"] is False
    assert shown["url"].startswith("data:image/jpeg;base64,")


def test_a_job_that_was_stopped_can_no_longer_add_a_step(session):
    job, before = working.Job(session), len(session.steps)
    job.stop()
    with running(job.check), pytest.raises(Cancelled):
        session.push(session.step)
    assert len(session.steps) == before


def test_work_begins_when_nobody_else_imports_the_libraries(line):
    """Two threads that import them from different ends end with an error in one: the first visitors' after a start."""
    began, job = threading.Event(), working.Job(Session())

    def work(progress):
        began.set()
        return Told("done")

    with engine._importing:
        served = threading.Thread(target=whole, args=(job, work, line))
        served.start()
        assert not began.wait(1.0)
    served.join(60)
    assert began.is_set() and job.outcome == Told("done")
