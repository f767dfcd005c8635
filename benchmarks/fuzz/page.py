"""Events of the page: what the canvas and the controls send, to the page's own handlers, with a stand-in engine."""

from __future__ import annotations

import asyncio
import inspect
import logging
import random
from functools import cache
from typing import Any

from pipeline.errors import NamebrushError

from .mutate import odd_value

#: What the browser sends, by the event's name: `_data` of a `gr.EventData`.
GOOD: dict[str, list[Any]] = {
    "pick": [{"ids": [0], "turn": 1}, {"ids": [], "turn": 9}],
    "ask": [
        {"ids": [], "points": [[10.5, 8.0, 1]]}, {"ids": [0], "points": [[10.5, 8.0, 0]]},
        {"ids": [], "box": [3, 4, 30, 20]}, {"ids": [0], "frame": [3, 4, 30, 20]}, {"ids": [0], "frame": False},
        {"ids": [0], "remove": [10.5, 8.0]},
        {"ids": [], "strokes": [{"points": [[3, 4], [30, 20]], "radius": 4.5, "erase": False}]},
    ],
    "tidy": [{"what": what, "name": "cat", "points": points}
             for what in ("accept", "drop", "merge", "split", "rename") for points in ([], [[8, 8], [20, 10]])],
    "candidate": [{"number": 1}], "select": [{"value": 1, "index": [10, 8]}], "click": [{}], "input": [{}],
    "change": [{}], "run": [{"entries": ["sclip+none", "trident+sam"], "words": "dog, grass", "alone": True}],
    "figure": [{"ending": "svg", "width": 100, "differences": ""}], "explain": [{"x": 10.0, "y": 8.0, "region": 0}],
    "lang": [{"value": "de"}], "stop": [{}],
}  # fmt: skip


class _Failures(logging.Handler):
    """Keeps what the page logged as failed inside."""

    def __init__(self):
        super().__init__(logging.ERROR)
        self.found: list[BaseException] = []

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        self.found.append(error or RuntimeError(record.getMessage()))


@cache
def _page():
    """The handlers by event, with what they are given; no model is loaded and nobody but this machine is asked."""
    from app import engine, session
    from app.build import build_demo
    from tests.app.helpers import Engine

    class StandIn(Engine):
        """Has no more of an engine than the page's tests need."""

        def __getattr__(self, name):
            raise NamebrushError("There are no models here.")

    made = StandIn()
    engine.get_pipeline = lambda progress=None, preset=None: made
    demo, handlers = build_demo(), {}
    for function in demo.fns.values():
        inputs = list(function.inputs)
        if function.fn is None or not inputs or not isinstance(getattr(inputs[0], "value", None), session.Session):
            continue
        for _, event in function.targets:
            handlers.setdefault(event, []).append((function.fn, inputs[1:]))
    failures = _Failures()
    log = logging.getLogger("namebrush")
    log.addHandler(failures)
    log.propagate = False
    return handlers, failures


@cache
def _history():
    """One history for all cases, since records are immutable; its photo has the size the stand-in knows."""
    from tests.app.helpers import W

    from .bases import good_history

    return good_history(W)


def _session(rng: random.Random):
    """A visitor's session, now and then without a photo."""
    from app.session import Session

    session = Session()
    if rng.random() < 0.95:
        session.put(_history().jump(rng.choice(_history().steps).id))
        session.picked = tuple(region.id for region in session.step.regions)
    return session


def _value(component, rng: random.Random) -> Any:
    """What a control sends: mostly what it shows, now and then something odd, as Gradio hands it on."""
    import gradio as gr

    value = component.value
    if rng.random() < 0.2:
        value = odd_value(rng)
        try:
            if component.data_model is not None:
                value = component.data_model(**value) if isinstance(value, dict) else component.data_model(value)
            value = component.preprocess(value)
        except Exception as error:  # Gradio itself refuses it, before anything of ours runs
            raise NamebrushError("Gradio refused a value.") from (error if isinstance(error, gr.Error) else None)
    return value


async def _finished(result: Any) -> None:
    """Take everything a handler has to give."""
    if inspect.isasyncgen(result):
        async for _ in result:
            pass
    elif inspect.iscoroutine(result):
        await result
    elif inspect.isgenerator(result):
        for _ in result:
            pass


def send(name: str, data: Any, which: int, rng: random.Random | None) -> None:
    """Send an event to one of the handlers of its name.

    Args:
        name, data: the event.
        which: of the handlers, counted round.
        rng: draws odd values of the controls; None: those they show.

    Raises:
        NamebrushError: it is refused.
    """
    import gradio as gr

    handlers, failures = _page()
    found = handlers.get(name)
    if not found:
        return
    handler, inputs = found[which % len(found)]
    failures.found.clear()
    values = [_value(one, rng) if rng is not None else one.value for one in inputs]
    arguments: list[Any] = [_session(rng or random.Random(0)), *values]
    for place, parameter in enumerate(inspect.signature(handler).parameters.values()):
        if parameter.annotation == "gr.EventData":
            arguments.insert(place, gr.EventData(None, data))
        elif parameter.annotation == "gr.SelectData":
            index = data.get("index") if isinstance(data, dict) else data
            arguments.insert(place, gr.SelectData(None, {"index": index, "value": None}))
    if not isinstance(data, dict):  # `app.call_checks` answers such calls before any handler
        raise NamebrushError("event_data must be an object.")
    try:
        asyncio.run(_finished(handler(*arguments)))
    except gr.Error as error:
        raise NamebrushError(str(error.message)[:200]) from error
    if failures.found:
        raise failures.found[0]
