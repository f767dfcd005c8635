"""The parts of the page's behaviour beside editing: models, comparison, explanation, language. Mixed into `Wiring`."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from tempfile import TemporaryDirectory

import gradio as gr

from pipeline.errors import NamebrushError
from pipeline.models.catalog import PRESETS

from . import compare, explain, models, needs, texts, words
from . import values as checked
from .controls import Control, read
from .labels import relabelled
from .layout import Page
from .pictures import handed_over
from .queues import LONG, PRIVATE, QUICK, UNQUEUED
from .scheduler import Work
from .screen import attempt, failed
from .session import Session
from .texts import Told
from .working import Job


class Views:
    """Needs what `Wiring` has: the page, its outputs, the controls of a search, and how long work runs."""

    page: Page
    outputs: list
    find_controls: list[Control]
    edit_controls: list[Control]
    save_controls: list[Control]
    find_inputs: list

    def show(self, session: Session, told: Told | None) -> dict:
        """The page after an action; `Wiring` does it."""
        raise NotImplementedError

    def options(self, edges: str, values) -> dict:
        """The settings of a search; `Wiring` knows them."""
        raise NotImplementedError

    def working(self, session: Session, work, job=None, show=None) -> AsyncIterator[dict]:
        """Long work as a job; `Wiring` does it."""
        raise NotImplementedError

    def models(self) -> None:
        """The panel of models, and switching between presets."""
        page = self.page
        method = next((c.component for c in self.find_controls if c.name == "method"), None)

        def listed(session):
            try:
                return models.described(session), gr.skip()
            except NamebrushError as error:
                return None, texts.status(Told(session.heard(str(error)), "error"))

        def switched(session, preset, told):
            """The panel after switching: closed where it went well, else as it was, with what went wrong."""
            if told is None or told.kind in ("done", "hint"):
                return {"done": time.time()}
            failed = {"preset": preset, "text": told.text, "details": told.details} if told.kind == "error" else None
            return {**models.described(session), "failed": failed}

        async def switch(session, event: gr.EventData):
            preset = None

            def check():
                nonlocal preset
                preset = checked.text(checked.entry(event._data, "value"), "The models", 100)

            told = attempt(check, session)
            if preset is None:
                yield self.show(session, told)
                return

            def show(told):
                update = self.show(session, told)
                update[page.models] = switched(session, preset, told)
                done = told is not None and told.kind == "done"
                return {**update, method: PRESETS[session.preset].method} if method and done else update

            job = Job(session, need=lambda: Work("fetch"))
            async for update in self.working(
                session, lambda progress: models.switch(session, preset, progress), job, show
            ):
                yield update

        page.models_button.select(listed, [page.session], [page.models, page.status], **UNQUEUED)
        outputs = [*self.outputs, page.models, page.working, method]
        page.models.select(switch, [page.session], outputs, **LONG)

    def compared(self, session: Session, told: Told | None = None) -> dict:
        """What the view Compare shows: what can be chosen, what was compared, and a line about it."""
        try:
            result = compare.panels(session, self.page.canvas.GRADIO_CACHE) if session.compared else None
        except OSError as error:
            result, told = None, failed(error, session)
        return {"choices": compare.choices(session.lang), "result": result, "told": told and vars(told)}

    def comparison(self) -> None:
        """Several methods, edges and models over the same photo and words, and the figure."""
        page = self.page
        status = page.compare_status

        async def compared(session, edges, event: gr.EventData, *values):
            asked = event._data

            def show(told):
                return {page.session: session, page.compared: self.compared(session, told)}

            def given():
                listed = checked.items(checked.entry(asked, "entries"), "The panels", 100)
                entries = [checked.text(one, "A panel", 200) for one in listed]
                return checked.text(checked.entry(asked, "words"), "The names"), entries, self.options(edges, values)

            def work(progress):
                alone = checked.flag(checked.entry(asked, "alone"), '"alone"')
                return compare.compare(session, *given(), progress, alone)

            job = Job(session, need=lambda: needs.of_comparison(session, *given()))
            async for update in self.working(session, work, job, show):
                yield update

        def figure(session, event: gr.EventData):
            asked = event._data
            with TemporaryDirectory(prefix="namebrush-") as folder:
                try:
                    ending = checked.choice(checked.entry(asked, "ending"), "The ending", compare.FORMATS)
                    width = checked.number(checked.entry(asked, "width"), "The width")
                    faded = checked.text(checked.entry(asked, "differences"), "The differences", 100)
                    path = compare.figure(session, ending, width, folder, faded)
                    told = Told(session.say("figure_ready", name=path.name, width=f"{width:g}"))
                    yield handed_over(path, page.canvas.GRADIO_CACHE), texts.status(told)
                except (NamebrushError, OSError) as error:
                    yield None, texts.status(failed(error, session))

        gr.context.Context.root_block.load(self.compared, [page.session], [page.compared], **QUICK)
        inputs = [page.session, page.edges, *self.find_inputs[2:]]
        page.compared.run(compared, inputs, [page.session, page.compared, page.working], **LONG)
        saved = page.compared.figure(
            figure, [page.session], [page.file, status], show_progress="hidden", concurrency_limit=2, **PRIVATE
        )
        saved.then(None, [page.file], None, js="(file) => namebrush.fetchFile(file)", **PRIVATE)

    def explaining(self) -> None:
        """What decided a point."""
        page = self.page

        async def answer(session, event: gr.EventData, *values):
            data = event._data

            def show(told):
                try:
                    shown = explain.shown(session, page.canvas.GRADIO_CACHE)
                except OSError as error:
                    shown, told = None, failed(error, session)
                return {page.session: session, page.status: texts.status(told), page.explained: shown}

            def work(progress):
                x, y = (checked.number(checked.entry(data, key), f"The point's {key}") for key in ("x", "y"))
                region = checked.entry(data, "region")
                region = None if region is None else checked.whole(region, "The mask")
                return explain.explain(session, x, y, region, read(self.find_controls, values), progress)

            job = Job(session, need=lambda: needs.of_search(session, "", {"refine": "none"}))
            async for update in self.working(session, work, job, show):
                yield update

        inputs = [page.session, *self.find_inputs[2:]]
        page.explained.explain(answer, inputs, [page.session, page.status, page.explained, page.working], **LONG)

    def language(self) -> None:
        """The visitor's language: lines and labels from now on, and what is on the screen again."""
        labelled = relabelled(self.page, [*self.find_controls, *self.edit_controls, *self.save_controls])

        def speak(session, event: gr.EventData):
            lang = event._data.get("value")
            session.lang = lang if isinstance(lang, str) and lang in words.LANGUAGES else session.lang
            return {
                **self.show(session, None),
                **{c: make(session.lang) for c, make in labelled.items()},
                self.page.kind_hint: texts.kind_hint(session.kind, session.preset, session.lang),
                self.page.compared: self.compared(session),
            }

        told = list({*self.outputs, *labelled, self.page.kind_hint, self.page.compared})
        self.page.header.lang(speak, [self.page.session], told, **QUICK)
