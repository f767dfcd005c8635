"""What happens when something on the page is used: components in, `actions` on the visitor's session, components out.

Looking, picking and switching layers happen in the browser or run no model, and wait in no queue. What takes long is a
job (`working`): it stands in a fair line with all visitors' jobs, says in words what it does, shows what it paints,
and can be stopped both while it waits and within its steps.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from functools import partial

import gradio as gr

from pipeline.edit.kinds import KINDS
from pipeline.edit.settings import EditSettings
from pipeline.errors import NamebrushError

from . import actions, engine, examples, files, masks, needs, permissions, plain, texts
from . import values as checked
from .controls import Control, read
from .layout import Page
from .pictures import handed_over
from .queues import LONG, PRIVATE, QUICK, UNQUEUED
from .returning import Returning
from .scheduler import Work
from .screen import attempt, failed, go, outputs, picked, picked_outputs, screen
from .session import LAYERS, TOOLS, Session
from .texts import Told
from .views import Views
from .working import Job, run

#: The settings of a change that are asked for at once, where its kind reads them; the others lie in the second layer.
NEAR = ("color", "amount", "blur", "dx", "dy", "scale", "left", "top", "right", "bottom")


class Wiring(Views, Returning):
    """Gives a page its behaviour; made inside the `gr.Blocks` that holds the page."""

    def __init__(self, page: Page, *made: list[Control]):
        """`made`: the controls of a search, of a change, and of files."""
        self.page, self.outputs = page, outputs(page)
        self.find_controls, self.edit_controls, self.save_controls = made
        self.find_inputs = [page.words, page.edges, *(c.component for c in self.find_controls)]
        self.photos()
        self.canvas()
        self.plain()
        self.changes()
        self.downloads()
        self.models()
        self.comparison()
        self.explaining()
        self.language()
        self.returning()

    def show(self, session: Session, told: Told | None) -> dict:
        """The page after an action."""
        return screen(self.page, session, told)

    def quick(self, trigger, work, inputs=(), **options) -> None:
        """On `trigger`, run `work(session, *values)`, which needs no model and returns a `Told` or None."""

        def handler(session, *given):
            return self.show(session, attempt(lambda: work(session, *given), session))

        trigger(handler, [self.page.session, *inputs], self.outputs, **QUICK, **options)

    def long(self, trigger, work, inputs, need: Callable[..., Work] | None = None, **options):
        """On `trigger`, run `work(session, progress, *values)` as a job; returns the event, for what follows it.

        `need(session, *values)` says what the work will need.
        """

        async def handler(session, *values):
            job = Job(session, need=need and partial(need, session, *values))
            async for told in self.working(session, lambda progress: work(session, progress, *values), job):
                yield told

        return trigger(handler, [self.page.session, *inputs], [*self.outputs, self.page.working], **LONG, **options)

    async def working(self, session: Session, work, job: Job | None = None, show=None) -> AsyncIterator[dict]:
        """Do `work(progress)` as a job: updates of the plate that shows it, then of the page by `show(told)`."""
        job = job or Job(session)
        async with aclosing(run(job, work, show or partial(self.show, session))) as heard:
            async for told in heard:
                yield {self.page.working: told}
        yield {**job.update, self.page.working: None}

    def photos(self) -> None:
        """Opening photos, the names of the examples, and what is likely in them."""
        page, blocks = self.page, gr.context.Context.root_block

        def open_example(session, index):
            example = examples.examples()[index]
            told = attempt(lambda: actions.open_example(session, index), session)
            return {**self.show(session, told), page.words: example.words}

        def first(session):
            fresh = session.step is None and examples.examples()
            return open_example(session, 0) if fresh else self.show(session, None)

        def chosen(session, event: gr.EventData):
            index = None

            def check():
                nonlocal index
                last = len(examples.examples()) - 1
                index = checked.whole(checked.from_digits(checked.entry(event._data, "value")), "The example", 0, last)

            told = attempt(check, session)
            return self.show(session, told) if index is None else open_example(session, index)

        def look(session, progress, words, *values):
            if session.step is None or not words.strip():
                return Told(session.say("open_first"), "hint")
            return self.find(session, progress, words, *values)

        def suggest(session, progress, words, edges, *values):
            if examples.drawings_only(session):
                return None
            return actions.suggest(session, read(self.find_controls, values), progress)

        for trigger, work in ((blocks.load, first), (page.examples.select, chosen)):
            opened = trigger(work, [page.session], [*self.outputs, page.words], **QUICK)
            found = self.long(opened.then, look, self.find_inputs, self.find_need)
            self.long(found.then, suggest, self.find_inputs, self.look_need)

        async def open_file(session, path):
            before, job = session.step, Job(session, need=lambda: Work("quick", 0.5, urgent=True))

            def show(told):
                words = gr.skip() if session.step is before else ""  # the last photo's names say nothing of this one
                return {**self.show(session, told), page.words: words}

            async for update in self.working(
                session, lambda progress: actions.open_photo(session, path, job.number), job, show
            ):
                yield update

        shown = [*self.outputs, page.words, page.working]
        opened = page.open.upload(open_file, [page.session, page.open], shown, **LONG)
        self.long(opened.then, suggest, self.find_inputs, self.look_need)

        async def reopen(session, path):
            def show(told):
                done = told is not None and told.kind == "done"
                return {**self.show(session, told), page.words: actions.words_of(session) if done else gr.skip()}

            job = Job(session, need=lambda: Work("plain"))
            async for update in self.working(
                session, lambda progress: actions.open_session(session, path, progress, job.number), job, show
            ):
                yield update

        asked, shown = [page.session, page.open_session], [*self.outputs, page.words, page.working]
        page.open_session.upload(reopen, asked, shown, **LONG)
        late = [c for c in (*self.find_controls, *self.edit_controls) if c.late]
        if late:
            listed = [c.component for c in late]

            def choices():
                engine.libraries()
                return {c.component: gr.update(choices=list(c.late())) for c in late}

            blocks.load(choices, None, listed, **QUICK)

    def find(self, session, progress, words, edges, *values):
        """Look for the names with the settings of the second layer."""
        return actions.find(session, words, self.options(edges, values), progress)

    def find_need(self, session, words, edges, *values) -> Work:
        """What a search needs."""
        return needs.of_search(session, words, self.options(edges, values))

    def look_need(self, session, words, edges, *values) -> Work:
        """What it needs to look at the photo without naming anything."""
        return needs.of_look(session, self.options(edges, values))

    def options(self, edges: str, values) -> dict:
        """The settings of a search: the second layer's word on edges counts where it has one."""
        options = permissions.check_search(read(self.find_controls, values))
        return {**options, "refine": options["refine"] or edges}

    def canvas(self) -> None:
        """Names, picking, and masks by hand."""
        page = self.page

        def pick(session, event: gr.EventData):
            def work():
                ids = checked.ids(checked.entry(event._data, "ids"))
                turn = checked.whole(checked.entry(event._data, "turn"), "The turn", high=2**53)
                if turn < session.turn:
                    return None
                session.turn = turn
                return actions.pick(session, ids)

            return picked(page, session, attempt(work, session))

        async def ask(session, event: gr.EventData):
            async for update in self.drawn(session, event._data):
                yield update

        def tidy(session, event: gr.EventData):
            def work():
                what, name, points = (checked.entry(event._data, key) for key in ("what", "name", "points"))
                what = checked.choice(what, "What to do with a mask", masks.TIDY)
                points = [point[:2] for point in checked.points(points)]
                return masks.tidy(session, what, checked.text(name or "", "The name", 1000), points)

            return self.show(session, attempt(work, session))

        def candidate(session, event: gr.EventData):
            def work():
                return actions.choose(session, checked.whole(checked.entry(event._data, "number"), "The result"))

            return self.show(session, attempt(work, session))

        page.candidates.candidate(candidate, [page.session], self.outputs, **UNQUEUED)
        page.tidy.tidy(tidy, [page.session], self.outputs, **UNQUEUED)
        self.long(page.find.click, self.find, self.find_inputs, self.find_need)
        page.canvas.pick(pick, [page.session], picked_outputs(page), trigger_mode="multiple", **UNQUEUED)
        page.canvas.ask(ask, [page.session], [*self.outputs, page.working], trigger_mode="multiple", **LONG)

    async def drawn(self, session, data) -> AsyncIterator[dict]:
        """Check what the canvas wants drawn, and draw it as a job; what is refused is said."""
        asked = None

        def check():
            nonlocal asked
            asked = masks.asked(session, data)

        told = attempt(check, session)
        if asked is None:
            yield self.show(session, told)
            return
        job = Job(session, need=partial(needs.of_mask, session, asked))
        job.text = masks.hint_of(session, asked)
        async for update in self.working(session, lambda progress: masks.draw_mask(session, asked, progress), job):
            yield update

    def plain(self) -> None:
        """The plain surface, for browsers whose canvas cannot be read back."""
        page = self.page

        def to_plain(session):
            session.plain = True
            return Told(session.say("all_masks_plain"), "hint")

        def pick(session, ids):
            return actions.pick(session, checked.ids(ids))

        def set_layers(session, layers):
            layers = checked.items(layers, "Layers", len(LAYERS))
            session.layers = tuple(checked.choice(one, "A layer", LAYERS) for one in layers)

        def set_view(session, view):
            session.comparing = view == "compare"

        def set_tool(session, tool):
            if tool in TOOLS:
                session.tool, session.corner = tool, None

        async def click(session, event: gr.EventData):
            asked = None

            def work():
                nonlocal asked
                x, y, _ = checked.point(checked.entry(event._data, "index"))
                told, asked = plain.click(session, x, y)
                return told

            told = attempt(work, session)
            if asked is None:
                yield self.show(session, told)
            else:
                async for update in self.drawn(session, asked):
                    yield update

        self.quick(page.canvas.plain, to_plain)
        self.quick(page.layers.input, set_layers, [page.layers], trigger_mode="always_last")
        self.quick(page.view.input, set_view, [page.view])
        self.quick(page.plain_regions.input, pick, [page.plain_regions], trigger_mode="always_last")
        page.tool.input(set_tool, [page.session, page.tool], None, **QUICK)
        page.picture.select(click, [page.session], [*self.outputs, page.working], **LONG)

    def changes(self) -> None:
        """Changing what is picked, stopping, and going back and forth in the history."""
        page = self.page

        near = [c for c in self.edit_controls if c.name in NEAR]

        def set_kind(session, kind):
            fields = KINDS[kind].fields
            session.kind = kind
            return [
                gr.update(visible=KINDS[kind].prompt),
                texts.kind_hint(kind, session.preset, session.lang),
                go(session),
                *(gr.update(visible=c.name in fields) for c in near),
            ]  # fmt: skip

        async def remove(session, event: gr.EventData, *given):
            def pick():
                ids = checked.entry(event._data, "ids")
                if ids is not None and session.step is not None:  # None: what the server knows as picked
                    actions.pick(session, checked.ids(ids))

            wrong = attempt(pick, session)
            if wrong is not None:
                yield self.show(session, wrong)
                return
            async for update in change(session, "remove", "", *given):
                yield update

        async def change(session, kind, prompt, *given):
            asked = None

            def check():
                nonlocal asked
                read_values = read(self.edit_controls, given)
                EditSettings(**read_values)  # in range before anything is shown of it
                checked.choice(kind, "The change", tuple(KINDS))
                checked.text(prompt, "Words", 2000)
                asked = read_values

            told = attempt(check, session)
            if asked is None:
                yield self.show(session, told)
                return
            corner = (asked["left"], asked["top"]) if kind == "extend" else (0, 0)
            job = Job(session, corner, not asked["invert"], partial(needs.of_change, session, kind, asked))
            async for update in self.working(
                session, lambda progress: actions.change(session, kind, prompt, asked, progress), job
            ):
                yield update

        def step(session, event: gr.EventData):
            def work():
                number = checked.from_digits(checked.entry(event._data, "value"))
                return actions.jump(session, checked.whole(number, "The step"))

            return self.show(session, attempt(work, session))

        shown = [page.prompt, page.kind_hint, page.go, *(c.component for c in near)]
        page.kind.input(set_kind, [page.session, page.kind], shown, **QUICK)
        asked = [page.session, page.kind, page.prompt, *(c.component for c in self.edit_controls)]
        page.go.click(change, asked, [*self.outputs, page.working], **LONG)
        page.canvas.remove(remove, [asked[0], *asked[3:]], [*self.outputs, page.working], **LONG)
        page.working.stop(lambda session: session.stop(), [page.session], None, **QUICK)
        self.quick(page.undo.click, lambda session: actions.go(session, session.cursor - 1))
        self.quick(page.redo.click, lambda session: actions.go(session, session.cursor + 1))
        page.history.select(step, [page.session], self.outputs, **QUICK)

    def downloads(self) -> None:
        """Write a file when its button is pressed, then let the browser fetch it.

        It lies in Gradio's folder until the sweeper finds it old.
        """
        page = self.page

        def saver(kind):
            def save(session, *values):
                if kind == "session":
                    yield {page.status: texts.status(Told(session.say("writing_session"), "hint"))}
                try:
                    saving = files.SaveSettings(**read(self.save_controls, values))
                    with files.written(session, kind, saving) as path:
                        told = Told(session.say("ready", name=path.name))
                        yield {
                            page.file: handed_over(path, page.canvas.GRADIO_CACHE), page.status: texts.status(told),
                            page.history: texts.history(session),
                        }  # fmt: skip
                        return
                except (NamebrushError, OSError) as error:
                    told = failed(error, session)
                yield {page.file: None, page.status: texts.status(told)}

            return save

        for kind in files.KINDS:
            button = getattr(page, f"save_{kind}")
            saved = button.click(
                saver(kind), [page.session, *(c.component for c in self.save_controls)],
                [page.file, page.status, page.history], show_progress="hidden", concurrency_limit=4, **PRIVATE,
            )  # fmt: skip
            saved.then(None, [page.file], None, js="(file) => namebrush.fetchFile(file)", **PRIVATE)
