"""An answer that mentions few of many outputs is the same as Gradio's, and makes no component for the others."""

import asyncio
from copy import deepcopy

import gradio as gr
import pytest
from gradio.state_holder import SessionState

from app.build import build_demo
from app.lean import LeanBlocks


def _demo(kind):
    with kind(analytics_enabled=False) as demo:
        parts = {
            "state": gr.State(1), "text": gr.Textbox("a"), "html": gr.HTML("b"), "button": gr.Button("c"),
            "radio": gr.Radio(["x", "y"], value="x"),
        }  # fmt: skip
        parts["button"].click(lambda: None, None, list(parts.values()))
    return demo, parts


ANSWERS = [
    {"text": "new"}, {"html": None}, {"state": 5}, {"state": 5, "text": ""}, {"button": gr.update(interactive=False)},
    {"radio": gr.update(choices=["p", "q"], value="q"), "html": "<b>"}, {"text": gr.skip()},
    {"text": gr.skip(), "html": "z"}, {"button": gr.Button("other"), "text": "t"}, {"state": gr.skip()},
]  # fmt: skip


@pytest.mark.parametrize("answer", ANSWERS)
def test_the_answer_is_gradios(answer):
    def given(kind):
        demo, parts = _demo(kind)
        state = SessionState(demo)
        values = {parts[name]: deepcopy(value) for name, value in answer.items()}  # Gradio takes them apart
        made = asyncio.run(demo.postprocess_data(demo.fns[0], values, state))
        for one in made:  # of its own HTML that stays, Gradio says that "props" stay, too
            if isinstance(one, dict) and one.get("props") == gr.skip():
                del one["props"]
        return made, state[parts["state"]._id], state[parts["radio"]._id].choices

    assert given(LeanBlocks) == given(gr.Blocks)


def test_no_component_is_made_for_what_stays(monkeypatch):
    demo, parts = _demo(LeanBlocks)
    made = []
    for kind in (gr.Textbox, gr.HTML, gr.Button, gr.Radio):
        monkeypatch.setattr(kind, "__init__", lambda self, *_, **__: made.append(type(self)))
    asyncio.run(demo.postprocess_data(demo.fns[0], {parts["text"]: "new"}, SessionState(demo)))
    assert not made


def test_the_page_is_made_of_it():
    assert isinstance(build_demo(), LeanBlocks)
