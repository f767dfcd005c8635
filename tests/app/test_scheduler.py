"""The fair line: whose turn it is, what waits for what, how many may wait."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

from app.scheduler import Bounds, LineFull, Scheduler, Visitor, Work, places


class Held:
    """A line whose jobs run until they are let go, so that the order in which they are served can be told."""

    def __init__(self, **places):
        self.now = 0.0
        self.line = Scheduler({"models": 1, "plain": 1, "quick": 1, "fetch": 1, **places}, lambda: self.now)
        self.order, self.gates, self.began = [], {}, threading.Condition()

    def put(self, name, session="one", address="", seconds=1.0, pool="models", urgent=False, bounds=None):
        gate = self.gates[name] = threading.Event()

        def call(ticket):
            with self.began:
                self.order.append(name)
                self.began.notify_all()
            gate.wait(20)

        return self.line.submit(Visitor(address, session), Work(pool, seconds, urgent), call, bounds)

    def running(self, *names):
        """Wait until these have begun."""
        with self.began:
            assert self.began.wait_for(lambda: set(names) <= set(self.order), 20), (names, self.order)

    def finish(self, ticket, name, took=None):
        """Let a job end, having taken some seconds."""
        self.now += ticket.work.seconds if took is None else took
        self.gates[name].set()
        for _ in range(4000):
            if ticket.state == "done":
                return
            threading.Event().wait(0.005)
        raise AssertionError(f"{name} does not end")

    def drain(self, first, *rest):
        """Let jobs of pool models end one by one; the order in which they were served."""
        tickets = dict([first, *rest])
        served = []
        while len(served) < len(tickets):
            self.running(*[n for n in self.order])
            with self.began:
                assert self.began.wait_for(lambda: len(self.order) > len(served), 20)
            name = self.order[len(served)]
            served.append(name)
            self.finish(tickets[name], name)
        return served


def test_visitors_take_turns_whoever_came_first_with_many():
    held = Held()
    tickets = [(f"greedy {i}", held.put(f"greedy {i}", "greedy")) for i in range(5)]
    tickets += [(name, held.put(name, name)) for name in ("a", "b", "c")]
    served = held.drain(*tickets)
    assert served[0] == "greedy 0" and served[1:4] == ["a", "b", "c"]


def test_many_sessions_of_one_address_get_one_share():
    held = Held()
    tickets = [(f"many {i}", held.put(f"many {i}", f"session {i}", "10.0.0.1")) for i in range(6)]
    tickets += [(f"other {i}", held.put(f"other {i}", "other", "10.0.0.2")) for i in range(3)]
    served = held.drain(*tickets)
    assert [name.split()[0] for name in served[1:6]].count("other") == 3


def test_on_the_machine_itself_sessions_count():
    held = Held()
    tickets = [(f"a{i}", held.put(f"a{i}", "a")) for i in range(4)]
    tickets.append(("b", held.put("b", "b")))
    assert held.drain(*tickets)[1] == "b"


def test_the_short_goes_first_and_the_long_is_not_starved():
    held = Held()
    tickets = [("running", held.put("running", "r"))]
    tickets += [("long", held.put("long", "l", seconds=5.0)), ("short", held.put("short", "s", seconds=0.2))]
    assert held.drain(*tickets) == ["running", "short", "long"]

    held = Held()
    tickets = [("running", held.put("running", "r")), ("long", held.put("long", "l", seconds=5.0))]
    served, name = [], "running"
    for i in range(200):  # visitors with short work keep coming
        tickets.append((f"short {i}", held.put(f"short {i}", f"s{i}", seconds=0.5)))
        held.running(name)
        held.finish(dict(tickets)[name], name)
        served.append(name)
        with held.began:
            assert held.began.wait_for(lambda: len(held.order) > len(served), 20)
        name = held.order[len(served)]
        if name == "long":
            break
    assert name == "long" and len(served) < 100


def test_a_click_goes_before_whole_photos():
    held = Held()
    tickets = [("running", held.put("running", "r"))]
    tickets += [(f"photo {i}", held.put(f"photo {i}", f"p{i}")) for i in range(3)]
    tickets.append(("click", held.put("click", "c", seconds=0.4, urgent=True)))
    assert held.drain(*tickets)[1] == "click"


def test_pools_do_not_wait_for_each_other():
    held = Held()
    held.put("photo", "a", pool="models", seconds=500)
    held.put("download", "b", pool="fetch", seconds=500)
    held.put("removal", "c", pool="plain")
    held.put("opening", "d", pool="quick")
    held.running("photo", "download", "removal", "opening")
    for gate in held.gates.values():
        gate.set()


def test_long_jobs_leave_a_place_for_short_ones():
    held = Held(models=2)
    for i in range(3):
        held.put(f"long {i}", f"l{i}", seconds=300)
    held.running("long 0")
    held.put("short", "s", seconds=1)
    held.running("short")
    assert held.order == ["long 0", "short"]
    for gate in held.gates.values():
        gate.set()


def test_so_many_may_wait_of_one_and_of_all():
    held, bounds = Held(), Bounds(session=2, address=3, everybody=4)
    held.put("running", "r", bounds=bounds)
    held.running("running")
    held.put("a1", "a", "10.0.0.1", bounds=bounds)
    held.put("a2", "a", "10.0.0.1", bounds=bounds)
    with pytest.raises(LineFull) as full:
        held.put("a3", "a", "10.0.0.1", bounds=bounds)
    assert full.value.own and full.value.count == 2 and full.value.seconds > 0
    held.put("b1", "b", "10.0.0.1", bounds=bounds)
    with pytest.raises(LineFull) as full:
        held.put("c1", "c", "10.0.0.1", bounds=bounds)
    assert full.value.own and full.value.count == 3
    held.put("d1", "d", "10.0.0.2", bounds=bounds)
    with pytest.raises(LineFull) as full:
        held.put("e1", "e", "10.0.0.3", bounds=bounds)
    assert not full.value.own
    for gate in held.gates.values():
        gate.set()


def test_who_leaves_the_line_is_never_served():
    held = Held()
    running, waiting = held.put("running", "r"), held.put("waiting", "w")
    held.running("running")
    assert held.line.cancel(waiting) and not held.line.cancel(waiting) and not held.line.cancel(running)
    assert held.line.ahead(waiting) == 0
    held.finish(running, "running")
    assert held.order == ["running"]


def test_who_waits_for_something_else_gives_the_place_to_others():
    line = Scheduler({"models": 1})
    inside, go_on, second = threading.Event(), threading.Event(), threading.Event()

    def first(ticket):
        with line.aside(ticket), line.aside(ticket):
            inside.set()
            assert go_on.wait(20)

    one = line.submit(Visitor(), Work(), first)
    assert inside.wait(20)
    line.submit(Visitor(session="b"), Work(), lambda ticket: second.set())
    assert second.wait(20) and one.state == "aside"
    go_on.set()


def test_what_is_said_of_those_ahead_never_grows():
    held = Held()
    held.put("running", "r")
    held.running("running")
    ticket = held.put("long", "l", seconds=4.0)
    before = held.line.ahead(ticket)
    for i in range(4):
        held.put(f"short {i}", f"s{i}", seconds=0.1)
        assert held.line.ahead(ticket) <= before
    for gate in held.gates.values():
        gate.set()


def test_a_line_that_served_many_remembers_few():
    line, done = Scheduler({"models": 2}), threading.Semaphore(0)
    for i in range(500):
        line.submit(Visitor("", f"visitor {i}"), Work(seconds=0.0), lambda ticket: done.release())
        assert done.acquire(timeout=20)
    assert len(line._sessions) < 200 and len(line._addresses) < 200 and len(line._idle) <= 3


@pytest.mark.parametrize("count", [1, 2, 16])
def test_every_pool_serves_a_short_job_beside_a_long_one(count):
    assert all(number >= 2 for number in places(count).values())


def test_opening_a_photo_and_painting_a_stroke_wait_for_no_removal():
    from app.needs import of_mask

    stroke = of_mask(SimpleNamespace(step=object()), {"strokes": [{}]})
    assert stroke.pool != "plain" and places(2)[stroke.pool] > 2
