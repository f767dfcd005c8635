"""What happens when something on the page is used: components in, `actions` on the visitor's session, components out.

Looking, picking and switching layers run no model and wait in no queue. Everything that runs a model goes through one
queue (`MODELS`), says in words what it does, and can be stopped both while it waits and between its steps.
"""

from __future__ import annotations

import gradio as gr

from pipeline.errors import NamebrushError

from . import actions, engine, examples, files, texts
from .controls import Control, read
from .layout import Page
from .screen import attempt, bridge, outputs, screen
from .session import Session
from .texts import Told

MODELS = "models"
#: Marks the argument through which Gradio passes a handler its own progress.
SHOWN = gr.Progress()
PRIVATE = {"api_visibility": "private"}
QUICK = {"queue": False, "show_progress": "hidden", **PRIVATE}


class Wiring:
    """Gives a page its behaviour; made inside the `gr.Blocks` that holds the page."""

    def __init__(self, page: Page, find_controls: list[Control], edit_controls: list[Control]):
        self.page, self.outputs = page, outputs(page)
        self.find_controls, self.edit_controls = find_controls, edit_controls
        self.find_inputs = [page.words, page.edges, *(c.component for c in find_controls)]
        # The one place that long work shows itself: a plate on the photo.
        self.slow = {
            "concurrency_id": MODELS, "concurrency_limit": 1, "show_progress": "full",
            "show_progress_on": [page.canvas], **PRIVATE,
        }  # fmt: skip
        self.photos()
        self.masks()
        self.changes()
        self.downloads()

    def show(self, session: Session, told: Told | None) -> dict:
        """The page after an action."""
        return screen(self.page, session, told)

    def quick(self, trigger, work, inputs=(), **options) -> None:
        """On `trigger`, run `work(session, *values)`, which needs no model and returns a `Told` or None."""

        def handler(session, *values):
            return self.show(session, attempt(lambda: work(session, *values)))

        trigger(handler, [self.page.session, *inputs], self.outputs, **QUICK, **options)

    def pressed(self, component, work) -> None:
        """On a press of one of the buttons inside an HTML component, run `work(session, the button's value)`."""

        def handler(session, event: gr.EventData):
            return self.show(session, attempt(lambda: work(session, event._data["value"])))

        component.select(handler, [self.page.session], self.outputs, **QUICK)

    def long(self, trigger, work, inputs) -> None:
        """On `trigger`, number a job, then run `work(session, progress, *values)` in the models' queue."""

        def handler(session, job, *values, progress=SHOWN):
            def checked():
                session.check(job)
                return work(session, bridge(session, job, progress), *values)

            return self.show(session, attempt(checked))

        begun = trigger(lambda session: session.begin(), [self.page.session], [self.page.job], **QUICK)
        begun.then(handler, [self.page.session, self.page.job, *inputs], self.outputs, **self.slow)

    def photos(self) -> None:
        """Opening photos, and the names of the examples."""
        page, blocks = self.page, gr.context.Context.root_block

        def open_example(session, index):
            example = examples.examples()[index]
            told = attempt(lambda: actions.open_photo(session, example.path))
            return {**self.show(session, told), page.words: example.words}

        def first(session):
            fresh = session.step is None and examples.examples()
            return open_example(session, 0) if fresh else self.show(session, None)

        def chosen(session, event: gr.EventData):
            return open_example(session, int(event._data["value"]))

        def look(session, progress, words, *values):
            if session.step is None or not words.strip():
                return Told("Open a photo to begin.", "hint")
            return self.find(session, progress, words, *values)

        loaded = blocks.load(first, [page.session], [*self.outputs, page.words], **QUICK)
        self.long(loaded.then, look, self.find_inputs)
        clicked = page.examples.select(chosen, [page.session], [*self.outputs, page.words], **QUICK)
        self.long(clicked.then, look, self.find_inputs)
        self.quick(page.open.upload, actions.open_photo, [page.open])
        late = [c for c in (*self.find_controls, *self.edit_controls) if c.late]
        if late:
            listed = [c.component for c in late]
            blocks.load(lambda: {c.component: gr.update(choices=list(c.late())) for c in late}, None, listed, **QUICK)

    def find(self, session, progress, words, edges, *values):
        """Look for the names with the settings of the second layer."""
        return actions.find(session, words, {"refine": edges, **read(self.find_controls, values)}, progress)

    def masks(self) -> None:
        """Names, layers, picking, and masks by hand."""
        page = self.page

        def set_layers(session, layers):
            session.layers = tuple(layers)

        def set_view(session, view):
            session.comparing = view == "compare"

        def set_tool(session, tool):
            session.tool, session.corner = tool, None
            return {page.hint: texts.hint(texts.TOOL_HINTS[tool])}

        def click(session, event: gr.SelectData):
            asked = None

            def work():
                nonlocal asked
                told, asked = actions.click(session, *event.index)
                return told

            told = attempt(work)
            return {**self.show(session, told), page.ask: {**asked, "job": session.begin()} if asked else gr.skip()}

        def draw_mask(session, ask, progress=SHOWN):
            def work():
                session.check(ask["job"])
                return actions.draw_mask(session, ask, bridge(session, ask["job"], progress))

            return self.show(session, attempt(work))

        self.long(page.find.click, self.find, self.find_inputs)
        self.quick(page.layers.input, set_layers, [page.layers], trigger_mode="always_last")
        self.quick(page.view.input, set_view, [page.view])
        self.quick(page.regions.input, actions.pick, [page.regions], trigger_mode="always_last")
        self.quick(page.clear.click, lambda session: actions.pick(session, []))
        self.pressed(page.legend, actions.pick_class)
        page.tool.input(set_tool, [page.session, page.tool], [page.hint], **QUICK)
        # In the queue, because only queued events tell the browser that a state changed; it waits for nobody.
        page.canvas.select(
            click, [page.session], [*self.outputs, page.ask], concurrency_limit=None, show_progress="hidden", **PRIVATE
        )
        page.ask.change(draw_mask, [page.session, page.ask], self.outputs, **self.slow)

    def changes(self) -> None:
        """Changing what is picked, stopping, and going back and forth in the history."""
        page = self.page

        def set_kind(kind):
            return gr.update(visible=kind != "remove"), texts.kind_hint(kind, engine.PRESET)

        def change(session, progress, kind, prompt, *values):
            return actions.change(session, kind, prompt, read(self.edit_controls, values), progress)

        page.kind.input(set_kind, [page.kind], [page.prompt, page.kind_hint], **QUICK)
        self.long(page.go.click, change, [page.kind, page.prompt, *(c.component for c in self.edit_controls)])
        page.stop.click(lambda session: session.stop(), [page.session], None, **QUICK)
        self.quick(page.undo.click, lambda session: actions.go(session, session.cursor - 1))
        self.quick(page.redo.click, lambda session: actions.go(session, session.cursor + 1))
        self.pressed(page.history, lambda session, step: actions.go(session, int(step)))

    def downloads(self) -> None:
        """Write a file when its button is pressed, then let the browser fetch it.

        Gradio keeps a copy for the browser until its cache is cleaned; ours is deleted at once.
        """
        page = self.page

        def saver(kind):
            def save(session):
                told = Told("")
                try:
                    with files.written(session, kind) as path:
                        yield {page.file: str(path), page.status: texts.status(Told(f"{path.name} is ready."))}
                        return
                except NamebrushError as error:
                    told = Told(str(error), "error")
                yield {page.file: None, page.status: texts.status(told)}

            return save

        for kind in files.KINDS:
            button = getattr(page, f"save_{kind}")
            saved = button.click(
                saver(kind), [page.session], [page.file, page.status], show_progress="hidden", concurrency_limit=4,
                **PRIVATE,
            )  # fmt: skip
            saved.then(None, [page.file], None, js="(file) => namebrush.fetchFile(file)", **PRIVATE)
