"""How events run: in which queue, and what of them shows."""

from __future__ import annotations

import gradio as gr

#: Marks the argument through which Gradio passes a handler its own progress.
SHOWN = gr.Progress()
PRIVATE = {"api_visibility": "private"}
QUICK = {"queue": False, "show_progress": "hidden", **PRIVATE}
#: In the queue, because only queued events tell the browser that a state changed; it waits for nobody.
UNQUEUED = {"concurrency_limit": None, "show_progress": "hidden", **PRIVATE}
#: Long work of the page. Gradio's queue hands it on at once: it waits in our own line (`scheduler`), which is fair and
#: has bounds of its own, so that a person hears how many are first and nobody finds Gradio's queue full.
LONG = {"concurrency_id": "page", "concurrency_limit": None, "show_progress": "hidden", **PRIVATE}
#: Events handled at once at most, those that wait in our line included; more than may wait there, so that picking,
#: undo and saving always find a place.
EVENTS = 512
#: Bound of Gradio's own queue, out of reach: on ZeroGPU it would take 1 where none is given.
MOST_QUEUED = 1_000_000
#: Threads for what is handled at once in Gradio's own threads: picking, undo, opening, saving.
THREADS = 16
