"""A download that never ends holds nobody but who waits for it."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import numpy as np
import pytest

from app import engine
from app.scheduler import Scheduler, Visitor, Work
from pipeline.device import holds_device, on_device
from pipeline.edit.painters import painter_for
from pipeline.errors import NamebrushError
from pipeline.progress import Progress
from pipeline.records import EditRequest


@pytest.fixture
def hub(monkeypatch):
    """Presets whose weights never arrive, until `answer` is set; then there are none."""
    answer, asked = threading.Event(), threading.Event()

    def load(progress):
        asked.set()
        assert answer.wait(20)
        raise NamebrushError("No answer.")

    made = {}

    def pipeline(preset):
        models = SimpleNamespace(load=lambda progress: load(progress), describe=lambda: [])
        return made.setdefault(preset, SimpleNamespace(preset=preset, models=models))

    monkeypatch.setattr(engine, "_load", pipeline)
    monkeypatch.setattr(engine, "_pipelines", {})
    yield SimpleNamespace(answer=answer, asked=asked)
    answer.set()


def test_switching_holds_nobody(hub):
    failed = []

    def switch():
        try:
            engine.switch("base", Progress())
        except NamebrushError as error:
            failed.append(str(error))

    waiting = threading.Thread(target=switch)
    waiting.start()
    assert hub.asked.wait(20)
    done = threading.Event()

    def others():
        assert engine.get_pipeline(preset="tiny").preset == "tiny"
        assert engine.get_pipeline(preset="large").preset == "large"
        assert engine.beside("large", Progress()).preset == "large"
        engine.models_of("base")
        done.set()

    threading.Thread(target=others, daemon=True).start()
    assert done.wait(20), "others wait for the download"
    hub.answer.set()
    waiting.join(20)
    assert failed == ["No answer."] and engine.held("base") is None


def test_a_model_that_is_fetched_within_a_job_gives_its_place_to_others():
    from pipeline.device import loading
    from pipeline.progress import running

    line, lock = Scheduler({"models": 1}), threading.RLock()
    fetching, answer, served = threading.Event(), threading.Event(), threading.Event()

    def job(ticket):
        with running(None, lambda: line.aside(ticket)), loading(lock, Progress()):
            fetching.set()
            answer.wait(20)

    line.submit(Visitor(session="a"), Work(), job)
    assert fetching.wait(20)
    line.submit(Visitor(session="b"), Work(), lambda ticket: served.set())
    assert served.wait(20)
    answer.set()


def test_a_painter_is_fetched_before_the_device_is_held():
    held = []

    class Models:
        def inpaint(self, progress=None):
            held.append(holds_device())
            raise NamebrushError("No answer.")

        def title(self, kind):
            return kind

    request = EditRequest("replace", np.ones((4, 4), bool), "a fox")
    with pytest.raises(NamebrushError, match="No answer"):
        painter_for(request, "diffusion", Models(), Progress(), lambda: on_device("cpu", Progress(), "inpaint"))
    assert held == [False]
