"""How events run: in which queue, and what of them shows."""

from __future__ import annotations

import gradio as gr

MODELS = "models"
#: Marks the argument through which Gradio passes a handler its own progress.
SHOWN = gr.Progress()
PRIVATE = {"api_visibility": "private"}
QUICK = {"queue": False, "show_progress": "hidden", **PRIVATE}
#: In the queue, because only queued events tell the browser that a state changed; it waits for nobody.
UNQUEUED = {"concurrency_limit": None, "show_progress": "hidden", **PRIVATE}
