"""How events run: in which queue, and what of them shows."""

from __future__ import annotations

import gradio as gr

#: The queue of programs that call the endpoints.
MODELS = "models"
#: Marks the argument through which Gradio passes a handler its own progress.
SHOWN = gr.Progress()
PRIVATE = {"api_visibility": "private"}
QUICK = {"queue": False, "show_progress": "hidden", **PRIVATE}
#: In the queue, because only queued events tell the browser that a state changed; it waits for nobody.
UNQUEUED = {"concurrency_limit": None, "show_progress": "hidden", **PRIVATE}
#: Long work of the page. It waits in a line of its own (`working.LINE`), so that a person hears how many are first.
LONG = {"concurrency_id": "page", "concurrency_limit": 24, "show_progress": "hidden", **PRIVATE}
