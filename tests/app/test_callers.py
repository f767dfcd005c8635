"""Behind a running server: whoever goes away stops their job, and a full line refuses nobody's quick events."""

from __future__ import annotations

import json
import threading
import time

import gradio as gr
import httpx
import pytest

from app import queues, working
from app.calls import as_job
from app.queues import UNQUEUED
from app.scheduler import Bounds, Scheduler, Visitor, Work
from app.visitors import caller
from pipeline.errors import Cancelled, NamebrushError
from pipeline.progress import checkpoint


class Server:
    """A page with one endpoint that works until it is stopped, one that refuses, and a quick event."""

    def __init__(self):
        self.began, self.ended, self.callers = threading.Semaphore(0), threading.Semaphore(0), []

        def endless(text="", progress=queues.SHOWN):
            self.began.release()
            try:
                while text != "go":
                    checkpoint()
                    time.sleep(0.002)
                yield f"did {text}"
            except Cancelled:
                self.ended.release()
                raise

        def refusing(text="", progress=queues.SHOWN):
            raise NamebrushError("That cannot be.")
            yield

        def quick(text):
            self.callers.append(caller())
            return text

        with gr.Blocks() as demo:
            given, made, button = gr.Textbox(), gr.Textbox(), gr.Button()
            usual = {**UNQUEUED, "api_visibility": "public"}
            button.click(as_job(endless, lambda **_: Work()), given, made, api_name="endless", **usual)
            button.click(as_job(refusing, lambda **_: Work()), given, made, api_name="refusing", **usual)
            button.click(quick, given, made, api_name="quick", **usual)
        demo.queue(max_size=None, api_open=False)
        _, address, _ = demo.launch(prevent_thread_lock=True, quiet=True, max_threads=queues.EVENTS)
        demo.limiter.total_tokens = queues.THREADS
        self.demo, self.http = demo, httpx.Client(base_url=f"{address}gradio_api", timeout=30, trust_env=False)

    def call(self, name, text="", **more):
        """Ask an endpoint; the number of its event."""
        answer = self.http.post(f"/call/{name}", json={"data": [text], **more})
        return answer.raise_for_status().json()["event_id"]

    def answer(self, name, number):
        """The kind and data of an event's last message."""
        with self.http.stream("GET", f"/call/{name}/{number}") as stream:
            kind = ""
            for line in stream.iter_lines():
                if line.startswith("event: "):
                    kind = line[7:]
                elif line.startswith("data: ") and kind in ("complete", "error"):
                    return kind, json.loads(line[6:])
        return None


@pytest.fixture(scope="module")
def server():
    made = Server()
    yield made
    made.demo.close()


@pytest.fixture
def line(monkeypatch):
    made = Scheduler({"models": 1})
    monkeypatch.setattr(working, "SCHEDULER", made)
    return made


def test_an_answer_comes_and_a_refusal_is_one_sentence(server, line):
    assert server.answer("endless", server.call("endless", "go")) == ("complete", ["did go"])
    assert server.began.acquire(timeout=20)
    kind, said = server.answer("refusing", server.call("refusing"))
    assert kind == "error" and said["error"] == "That cannot be."


def test_a_job_ends_when_its_caller_goes_away(server, line):
    number = server.call("endless", "on and on")
    with server.http.stream("GET", f"/call/endless/{number}"):
        assert server.began.acquire(timeout=20)
    assert server.ended.acquire(timeout=20)


def test_a_job_ends_when_it_is_cancelled(server, line):
    number = server.call("endless", "on", session_hash="one")
    assert server.began.acquire(timeout=20)
    fn = next(i for i, f in server.demo.fns.items() if f.api_name == "endless")
    server.http.post("/cancel", json={"session_hash": "one", "fn_index": fn, "event_id": number}).raise_for_status()
    assert server.ended.acquire(timeout=20)


def test_many_who_wait_keep_nobody_from_quick_events(server, line, monkeypatch):
    monkeypatch.setattr(working, "OWN", Bounds(100, 100, 100))
    gate = threading.Event()
    line.submit(Visitor("", "first"), Work(), lambda ticket: gate.wait(60))
    for i in range(90):
        server.call("endless", "go", session_hash=f"waiting {i}")
    deadline = time.monotonic() + 60
    while len(line._waiting) < 90 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert len(line._waiting) == 90
    assert server.answer("quick", server.call("quick", "now")) == ("complete", ["now"])
    for i in range(90, 100):
        server.call("endless", "go", session_hash=f"waiting {i}")
    while len(line._waiting) < 100 and time.monotonic() < deadline:
        time.sleep(0.02)
    kind, said = server.answer("endless", server.call("endless", "go", session_hash="one too many"))
    assert kind == "error" and "Try again in about" in said["error"]
    gate.set()
    while line._waiting and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not line._waiting


def test_a_visitor_is_a_session_within_an_address(server, line, monkeypatch):
    server.callers.clear()
    server.answer("quick", server.call("quick", "x"))
    server.call("quick", "x", session_hash="mine")
    deadline = time.monotonic() + 20
    while len(server.callers) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    anonymous, named = server.callers
    assert anonymous.visitor == Visitor("", "") and named.visitor == Visitor("", "mine")
    assert named.local and not named.left()


@pytest.mark.parametrize("host, shared", [("127.0.0.1", True), ("::1", True), ("203.0.113.9", False),
                                          ("10.1.2.3", True), ("not an address", False)])  # fmt: skip
def test_addresses_that_stand_for_many(monkeypatch, host, shared):
    from app import visitors

    monkeypatch.setenv(visitors.PROXIES, "10.0.0.0/8, 192.0.2.1")
    assert visitors._shared(host) is shared


def test_a_proxy_that_is_no_address_is_said_when_the_page_starts(monkeypatch):
    from app import visitors

    monkeypatch.setenv(visitors.PROXIES, "10.0.0.0/99")
    with pytest.raises(ValueError, match=r"10\.0\.0\.0/99"):
        visitors.proxies()


def test_gradios_own_queue_refuses_nobody_even_where_it_would_choose_its_bound_itself(monkeypatch):
    monkeypatch.setattr("gradio.utils.is_zero_gpu_space", lambda: True)
    from app.build import build_demo

    assert build_demo()._queue.max_size > 10_000
