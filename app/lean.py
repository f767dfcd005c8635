"""Gradio's `Blocks` with less to do per event, where many visitors' events are answered by one loop.

Measured with fifty visitors: that loop was busy for three quarters of the time, and half of it, with the interpreter's
lock in hand, went into making new components for outputs that an event leaves as they are, a dozen for every line of
progress.
"""

from __future__ import annotations

import importlib.util
import sys
from copy import copy
from typing import Any

import gradio as gr

if importlib.util.find_spec("matplotlib") is None:
    # Gradio tries to import it around every event, which looks through all folders each time where it is not there.
    sys.modules.setdefault("matplotlib", None)


def _left(value: Any) -> bool:
    """Whether an output stays as it is: `gr.skip()`."""
    return isinstance(value, dict) and value == gr.skip()


class LeanBlocks(gr.Blocks):
    """`gr.Blocks` that does nothing for the outputs that an answer, given by component, does not mention."""

    async def postprocess_data(self, block_fn, predictions, state) -> list[Any]:
        """As of `gr.Blocks`, with the same answer."""
        outputs = list(block_fn.outputs)
        by_component = isinstance(predictions, dict) and predictions and all(one in outputs for one in predictions)
        if not by_component or len(outputs) < 2:
            return await super().postprocess_data(block_fn, predictions, state)
        told = [one for one in outputs if one in predictions and not _left(predictions[one])]
        answer = {}
        if told:
            lean = copy(block_fn)
            lean.outputs = told
            made = await super().postprocess_data(lean, {one: predictions[one] for one in told}, state)
            answer = dict(zip(told, made, strict=True))
        return [answer[one] if one in answer else None if one.stateful else gr.skip() for one in outputs]
