"""What happens when something on the page is used: components in, `actions` on the visitor's session, components out.

Looking, picking and switching layers run no model and wait in no queue. Everything that runs a model goes through one
queue (`MODELS`), says in words what it does, and can be stopped both while it waits and between its steps.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import gradio as gr

from pipeline.errors import Cancelled, NamebrushError
from pipeline.progress import Progress

from . import actions, canvas, examples, files, texts
from .controls import Control, read
from .layout import Page
from .session import Session
from .texts import Told

log = logging.getLogger("namebrush")

MODELS = "models"
#: Marks the argument through which Gradio passes a handler its own progress.
SHOWN = gr.Progress()
PRIVATE = {"api_visibility": "private"}
QUICK = {"queue": False, "show_progress": "hidden", **PRIVATE}


def bridge(session: Session, job: int, shown: gr.Progress) -> Progress:
    """The engine's progress as the page's: words and a bar; raises `Cancelled` once the job was told to stop."""
    last = 0.0

    def report(message: str, share: float | None = None) -> None:
        nonlocal last
        session.check(job)
        last = last if share is None else min(max(float(share), 0.0), 1.0)
        shown(last, desc=message)

    return Progress(report)


def attempt(work: Callable[[], Told]) -> Told:
    """Run an action; what goes wrong becomes the line that is shown, and everything else on the page stays."""
    try:
        return work()
    except Cancelled:
        return Told("Stopped. Everything is as it was.", "stopped")
    except NamebrushError as error:
        return Told(str(error), "error")
    except MemoryError:
        return Told("There is not enough memory for that. Try a smaller photo.", "error")
    except Exception as error:
        log.exception("An action failed")
        return Told(f"Something failed inside ({type(error).__name__}). Nothing was changed; the log says more.", "error")


def screen(page: Page, session: Session, told: Told | None, picture: bool = True) -> dict:
    """Everything that shows the session, as updates of the components.

    Args:
        page: the components.
        session: what to show.
        told: the status line, or None to leave it.
        picture: False where the picture cannot have changed.
    """
    step = session.step
    folder = page.canvas.GRADIO_CACHE
    update = {page.session: session}
    if told is not None:
        update[page.status] = texts.status(told)
    if step is None:
        return update
    segmentation = step.segmentation
    comparing = session.comparing and step.edit is not None
    if picture:
        if comparing:
            size = canvas.shown_size(step.photo.size)
            pair = (step.edit.photo.pixels, step.photo.pixels)
            pair = tuple(canvas.write_shown(canvas.scaled(p, size), folder, lossless=True) for p in pair)
            update[page.slider] = gr.update(value=pair, visible=True)
            update[page.canvas] = gr.update(visible=False)
        else:
            update[page.slider] = gr.update(visible=False)
            update[page.canvas] = gr.update(value=canvas.write_shown(canvas.compose(session), folder), visible=True)
    by_words = segmentation is not None and segmentation.method != "by hand"
    update |= {
        page.view: gr.update(visible=step.edit is not None, value="compare" if comparing else "masks"),
        page.tool: session.tool,
        page.legend: texts.legend(segmentation, session.colors()),
        page.against: texts.against(segmentation.vocabulary) if by_words else "",
        page.regions: gr.update(choices=texts.region_choices(step.regions), value=list(session.picked)),
        page.clear: gr.update(visible=bool(session.picked)),
        page.go: gr.update(interactive=bool(session.picked), value=_change_label(session)),
        page.history: texts.history(session),
        page.shape: texts.shape(step.photo.size),
        page.undo: gr.update(interactive=session.cursor > 0),
        page.redo: gr.update(interactive=session.cursor < len(session.steps) - 1),
        page.header: texts.models_line(segmentation),
    }
    return update


def _change_label(session: Session) -> str:
    return f"Change {texts.several(len(session.picked), 'mask')}" if session.picked else "Change"


def wire(page: Page, find_controls: list[Control], edit_controls: list[Control]) -> None:
    """Give the page its behaviour; called inside the `gr.Blocks` that holds it."""
    outputs = [
        page.session, page.status, page.canvas, page.slider, page.view, page.tool, page.legend, page.against, page.regions,
        page.clear, page.go, page.history, page.undo, page.redo, page.header,
        page.shape,
    ]  # fmt: skip

    def show(session, told, picture=True):
        return screen(page, session, told, picture)

    def quick(work, redraw=True):
        """A handler without a model: `work(session, *values)` returns a `Told` or None."""

        def handler(session, *values):
            return show(session, attempt(lambda: work(session, *values)), redraw)

        return handler

    def started(dependency, work, inputs):
        """After `dependency`: number the job, then run `work(session, progress, *values)` in the models' queue."""

        def handler(session, job, *values, progress=SHOWN):
            told = attempt(lambda: (session.check(job), work(session, bridge(session, job, progress), *values))[1])
            return show(session, told)

        begun = dependency(lambda session: session.begin(), [page.session], [page.job], **QUICK)
        return begun.then(
            handler, [page.session, page.job, *inputs], outputs, concurrency_id=MODELS, concurrency_limit=1,
            show_progress="full", show_progress_on=[page.canvas], **PRIVATE,
        )  # fmt: skip

    # Opening photos ---------------------------------------------------------------------------------------------------

    def open_example(session, index):
        example = examples.examples()[index]
        told = attempt(lambda: actions.open_photo(session, example.path))
        return {**show(session, told), page.words: example.words}

    def first(session):
        return open_example(session, 0) if examples.examples() and session.step is None else show(session, None)

    def chosen(session, event: gr.EventData):
        return open_example(session, int(event._data["value"]))

    def opened(session, path):
        return show(session, attempt(lambda: actions.open_photo(session, path)))

    def look(session, progress, words, edges, *values):
        if not words.strip():
            return Told(session.step.told if session.step else "Open a photo to begin.", "hint")
        return actions.find(session, words, {"refine": edges, **read(find_controls, values)}, progress)

    def find(session, progress, words, edges, *values):
        return actions.find(session, words, {"refine": edges, **read(find_controls, values)}, progress)

    find_inputs = [page.words, page.edges, *(c.component for c in find_controls)]
    blocks = gr.context.Context.root_block
    loaded = blocks.load(first, [page.session], [*outputs, page.words], **QUICK)
    started(loaded.then, look, find_inputs)
    clicked = page.examples.select(chosen, [page.session], [*outputs, page.words], **QUICK)
    started(clicked.then, look, find_inputs)
    page.open.upload(opened, [page.session, page.open], outputs, **QUICK)

    late = [c for c in (*find_controls, *edit_controls) if c.late]
    if late:
        listed = [c.component for c in late]
        blocks.load(lambda: {c.component: gr.update(choices=list(c.late())) for c in late}, None, listed, **QUICK)

    # Names, masks, layers ---------------------------------------------------------------------------------------------

    started(page.find.click, find, find_inputs)

    def set_layers(session, layers):
        session.layers = tuple(layers)

    def set_tool(session, tool):
        session.tool, session.corner = tool, None
        return {page.hint: f'<p class="nb-hint">{texts.TOOL_HINTS[tool]}</p>'}

    def set_view(session, view):
        session.comparing = view == "compare"

    page.layers.input(quick(set_layers), [page.session, page.layers], outputs, trigger_mode="always_last", **QUICK)
    page.view.input(quick(set_view), [page.session, page.view], outputs, **QUICK)
    page.tool.input(set_tool, [page.session, page.tool], [page.hint], **QUICK)
    page.regions.input(quick(actions.pick), [page.session, page.regions], outputs, trigger_mode="always_last", **QUICK)
    page.clear.click(quick(lambda session: actions.pick(session, [])), [page.session], outputs, **QUICK)

    def pick_class(session, event: gr.EventData):
        return show(session, attempt(lambda: actions.pick_class(session, event._data["value"])))

    page.legend.select(pick_class, [page.session], outputs, **QUICK)

    def click(session, event: gr.SelectData):
        asked = None

        def work():
            nonlocal asked
            told, asked = actions.click(session, *event.index)
            return told

        told = attempt(work)
        ask = {**asked, "job": session.begin()} if asked else gr.skip()
        return {**show(session, told), page.ask: ask}

    def draw_mask(session, ask, progress=SHOWN):
        def work():
            session.check(ask["job"])
            return actions.draw_mask(session, ask, bridge(session, ask["job"], progress))

        return show(session, attempt(work))

    # In the queue, because only queued events tell the browser that a state changed; but there it waits for nobody.
    page.canvas.select(
        click, [page.session], [*outputs, page.ask], concurrency_limit=None, show_progress="hidden", **PRIVATE
    )
    page.ask.change(
        draw_mask, [page.session, page.ask], outputs, concurrency_id=MODELS, concurrency_limit=1, show_progress="full",
        show_progress_on=[page.canvas], **PRIVATE,
    )  # fmt: skip

    # Changing, going back, saving -------------------------------------------------------------------------------------

    def set_kind(kind):
        return gr.update(visible=kind != "remove"), f'<p class="nb-hint">{texts.KIND_HINTS[kind]}</p>'

    def change(session, progress, kind, prompt, *values):
        return actions.change(session, kind, prompt, read(edit_controls, values), progress)

    page.kind.input(set_kind, [page.kind], [page.prompt, page.kind_hint], **QUICK)
    started(page.go.click, change, [page.kind, page.prompt, *(c.component for c in edit_controls)])

    def visit(session, event: gr.EventData):
        return show(session, attempt(lambda: actions.go(session, int(event._data["value"]))))

    page.undo.click(quick(lambda s: actions.go(s, s.cursor - 1)), [page.session], outputs, **QUICK)
    page.redo.click(quick(lambda s: actions.go(s, s.cursor + 1)), [page.session], outputs, **QUICK)
    page.history.select(visit, [page.session], outputs, **QUICK)
    page.stop.click(lambda session: session.stop(), [page.session], None, **QUICK)

    for kind in files.KINDS:
        _wire_download(page, kind)


def _wire_download(page: Page, kind: str) -> None:
    """Write the file when its button is pressed, then let the browser fetch it.

    The page's own copy is handed to Gradio, which keeps it until its cache is cleaned; ours is deleted at once.
    """

    def save(session):
        error: Told | None = None
        try:
            with files.written(session, kind) as path:
                yield {page.file: str(path), page.status: texts.status(Told(f"{path.name} is ready."))}
        except NamebrushError as failed:
            error = Told(str(failed), "error")
        if error is not None:
            yield {page.status: texts.status(error), page.file: None}

    saved = getattr(page, f"save_{kind}").click(
        save, [page.session], [page.file, page.status], show_progress="hidden", concurrency_limit=4, **PRIVATE
    )
    saved.then(None, [page.file], None, js="(file) => namebrush.fetchFile(file)", **PRIVATE)
