"""What a browser, or somebody in its place, sends with the page's events: a sentence at most, never an exception."""

from __future__ import annotations

import asyncio
import inspect

import gradio as gr
import numpy as np
import pytest
from gradio.helpers import EventData, special_args

from app import actions, controls, masks, values
from app.build import build_demo
from app.session import Session
from pipeline.edit.settings import EditSettings
from pipeline.errors import NamebrushError
from pipeline.history import Step
from pipeline.progress import Progress
from pipeline.settings import SegmentSettings

from .helpers import photo

#: Near what a browser sends, so that the wrong value is reached and not something before it.
RIGHT = {"value": 0, "ids": [0], "turn": 1, "what": "split", "name": "x", "points": [[3, 3, 1]], "number": 0,
         "index": [3, 3], "entries": ["clip", "sclip"], "words": "dog", "alone": False, "ending": "pdf", "width": 90,
         "differences": "", "x": 3, "y": 3, "region": None, "token": "a"}  # fmt: skip
WRONG = [None, "", "x" * 300_000, -1, 10**30, 1.5, 1e308, True, [], [[]], [None], ["a"], [[1]], [[1, 2, 3, 4, 5]],
         {}, {"a": {}}, "nan", "__class__", [10**30], [[1e308, -1e308]], [True], [{}], [{"points": 3}],
         [{"points": [[1, 1]], "radius": "x"}], [{"points": [[1e9, 1]], "radius": 3}], [1, 2, 3, 4], [9, 9, 1, 1],
         ["huge:clip", "/etc:x"], "</script>", "../../x", "\ud800", 10**400]  # fmt: skip


class Watched(dict):
    """Notes which of its entries an event reads."""

    def __init__(self, *given):
        super().__init__(*given)
        self.read = []

    def get(self, key, default=None):
        self.read.append(key)
        return super().get(key, default)


@pytest.fixture(scope="module")
def demo():
    return build_demo()


def events(demo):
    return [e for e in demo.fns.values() if e.fn is not None and e.api_visibility == "private"]


def run(event, session, data, changed=None):
    """The event's own function with its components' first values, `changed` by place."""
    given = [session if isinstance(c, gr.State) else getattr(c, "value", None) for c in event.inputs]
    for place, value in (changed or {}).items():
        given[place] = value
    given, *_ = special_args(event.fn, given, None, EventData(None, data))
    answer = event.fn(*given)
    if inspect.isasyncgen(answer):
        return asyncio.run(everything(answer))
    return list(answer) if inspect.isgenerator(answer) else [answer]


async def everything(updates):
    return [one async for one in updates]


def opened():
    session = Session()
    session.push(Step("open", "photo", photo()))
    actions.find(session, "dog, grass", {}, Progress())
    session.picked = (0,)
    return session


@pytest.mark.parametrize("value", WRONG, ids=lambda v: repr(v)[:24])
def test_no_event_breaks_on_what_comes_with_it(demo, stand_in, value, caplog, monkeypatch):
    monkeypatch.setattr("app.engine.switch", lambda *_: pytest.fail("a preset was loaded"))
    maps = {name: np.ones((4, 4), np.float32) for name in ("clip", "dino", "sam")}
    monkeypatch.setattr("pipeline.explain.correlations", lambda *_, **__: maps)
    found = [e for e in events(demo) if e.collects_event_data]
    assert len(found) >= 10
    for event in found:
        right = Watched(RIGHT)
        run(event, opened(), right)
        assert right.read, event.name
        for data in ({}, *({**RIGHT, key: value} for key in dict.fromkeys(right.read))):
            run(event, opened(), data)
            assert not caplog.records, (event.name, data, caplog.records[-1].exc_text)
        run(event, Session(), {**RIGHT, "value": value})
        assert not caplog.records, (event.name, caplog.records[-1].exc_text)


@pytest.mark.parametrize("value", [None, [], {}, "x" * 100_000, "nan", "inf", "-1e400", True, [1], 10**400, -5, 1e300],
                         ids=lambda v: repr(v)[:16])  # fmt: skip
@pytest.mark.parametrize("record", [SegmentSettings, EditSettings])
def test_no_control_breaks_on_its_value(record, value):
    for one in controls.controls(record, "t"):
        try:
            record(**{one.name: one.read(value)})
        except NamebrushError as error:
            assert "\n" not in str(error) and len(str(error)) < 1000, one.name


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e999", float("nan"), float("inf")])
def test_numbers_are_finite_wherever_they_are_set(value):
    made = {c.name: c for c in controls.controls(EditSettings, "t")}
    with pytest.raises(NamebrushError, match="must be a number"):
        EditSettings(scale=made["scale"].read(value))
    with pytest.raises(NamebrushError):
        EditSettings(blur=float(value))


def test_a_colour_picker_gives_a_colour_or_a_sentence():
    for value in ("rgba(1.2.3, 4, 5, 1)", "rgb(", "rgb(1,2", "rgba(999999999999999999999, 1, 1, 1)"):
        assert len(controls.hex_of(value)) <= 7


def test_strokes_are_counted_and_stay_near_the_photo(session):
    many = [{"points": [[1, 1]], "radius": 2, "erase": False}] * (masks.MAX_STROKES + 1)
    with pytest.raises(NamebrushError, match=f"at most {masks.MAX_STROKES}"):
        masks.asked(session, {"strokes": many})
    far = masks.asked(session, {"strokes": [{"points": [[1e9, 5], [3, 3]], "radius": 1e5, "erase": 0}]})["strokes"][0]
    assert far["points"][0] == (values.FAR, 5) and far["radius"] == 4096 and far["erase"] is False
    masks.draw_mask(session, {"strokes": [far]}, Progress())


def test_picks_of_steps_that_are_gone_pick_nothing(session):
    session.push(Step("open", "again", photo(seed=2)))
    actions.pick(session, values.ids([0, 5, 10**6]))
    assert session.picked == ()


def test_buttons_bring_their_numbers_as_text(demo, stand_in):
    """The numbers of examples and steps are attributes of buttons: browsers send them as text."""
    session = opened()
    (select,) = [e for e in demo.fns.values() if e.name == "step" and e.collects_event_data]
    first = session.history.steps[0]
    run(select, session, {"value": str(first.id)})
    assert session.step is first
    for wrong in ("", "-1", "1e3", "٣", "9" * 11):
        run(select, session, {"value": wrong})
        assert session.step is first
