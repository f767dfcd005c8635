"""The parts of the page's behaviour beside editing: models, comparison, explanation, language. Mixed into `Wiring`."""

from __future__ import annotations

from tempfile import TemporaryDirectory

import gradio as gr

from pipeline.errors import NamebrushError
from pipeline.models.catalog import PRESETS

from . import compare, explain, models, texts
from .controls import Control, read
from .labels import relabelled
from .layout import Page
from .queues import PRIVATE, QUICK, SHOWN, UNQUEUED
from .screen import attempt, bridge
from .session import Session
from .texts import Told


class Views:
    """Needs what `Wiring` has: the page, its outputs, the controls of a search, and how slow events run."""

    page: Page
    outputs: list
    find_controls: list[Control]
    find_inputs: list
    slow: dict

    def show(self, session: Session, told: Told | None) -> dict:
        """The page after an action; `Wiring` does it."""
        raise NotImplementedError

    def options(self, edges: str, values) -> dict:
        """The settings of a search; `Wiring` knows them."""
        raise NotImplementedError

    def models(self) -> None:
        """The panel of models, and switching between presets."""
        page = self.page
        method = next((c.component for c in self.find_controls if c.name == "method"), None)

        def listed(session):
            try:
                return models.described(session), gr.skip()
            except NamebrushError as error:
                return None, texts.status(Told(str(error), "error"))

        def chosen(session, event: gr.EventData):
            return {"preset": str(event._data["value"]), "job": session.begin()}

        def switch(session, wanted, progress=SHOWN):
            def work():
                session.check(wanted["job"])
                return models.switch(session, wanted["preset"], bridge(session, wanted["job"], progress))

            update = self.show(session, attempt(work, session))
            return {**update, method: PRESETS[session.preset].method} if method else update

        page.models_button.select(listed, [page.session], [page.models, page.status], **UNQUEUED)
        page.models.select(chosen, [page.session], [page.wanted], **UNQUEUED)
        page.wanted.change(switch, [page.session, page.wanted], [*self.outputs, method], **self.slow)

    def comparison(self) -> None:
        """Several methods over the same photo and words, and the figure."""
        page = self.page
        status = page.compare_status

        def listed():
            names = [r.name for r in compare.recipes()]
            return gr.update(choices=names, value=[n for n in compare.FIRST if n in names])

        def run(session, job, words, edges, methods, *values, progress=SHOWN):
            def work():
                session.check(job)
                report = bridge(session, job, progress)
                return compare.compare(session, words, methods, self.options(edges, values), report)

            told = attempt(work, session)
            panels = compare.panels(session, page.canvas.GRADIO_CACHE) if session.compared else None
            return session, texts.status(told), panels

        def figure(session, ending, width):
            with TemporaryDirectory(prefix="namebrush-") as folder:
                try:
                    path = compare.figure(session, ending, width, folder)
                    told = Told(session.say("figure_ready", name=path.name, width=f"{width:g}"))
                    yield str(path), texts.status(told)
                except NamebrushError as error:
                    yield None, texts.status(Told(str(error), "error"))

        gr.context.Context.root_block.load(listed, None, page.methods, **QUICK)
        begun = page.run_compare.click(lambda session: session.begin(), [page.session], [page.job], **QUICK)
        inputs = [page.session, page.job, page.words, page.edges, page.methods, *self.find_inputs[2:]]
        slow = {**self.slow, "show_progress_on": [page.compared]}
        begun.then(run, inputs, [page.session, status, page.compared], **slow)
        saved = page.save_figure.click(
            figure, [page.session, page.figure_ending, page.figure_width], [page.file, status],
            show_progress="hidden", concurrency_limit=2, **PRIVATE,
        )  # fmt: skip
        saved.then(None, [page.file], None, js="(file) => namebrush.fetchFile(file)", **PRIVATE)

    def explaining(self) -> None:
        """What decided a point."""
        page = self.page

        def asked(session, event: gr.EventData):
            data = event._data
            region = None if data.get("region") is None else int(data["region"])
            return {"x": float(data["x"]), "y": float(data["y"]), "region": region, "job": session.begin()}

        def answer(session, point, *values, progress=SHOWN):
            def work():
                session.check(point["job"])
                options = read(self.find_controls, values)
                report = bridge(session, point["job"], progress)
                return explain.explain(session, point["x"], point["y"], point["region"], options, report)

            told = attempt(work, session)
            return session, texts.status(told), explain.shown(session, page.canvas.GRADIO_CACHE)

        page.explained.explain(asked, [page.session], [page.point], **UNQUEUED)
        inputs = [page.session, page.point, *self.find_inputs[2:]]
        page.point.change(answer, inputs, [page.session, page.status, page.explained], **self.slow)

    def language(self) -> None:
        """The visitor's language: lines and labels from now on, and what is on the screen again."""
        labelled = relabelled(self.page)

        def speak(session, event: gr.EventData):
            session.lang = str(event._data["value"])
            return {
                **self.show(session, None),
                **{c: make(session.lang) for c, make in labelled.items()},
                self.page.kind_hint: texts.kind_hint(session.kind, session.preset, session.lang),
            }

        told = list({*self.outputs, *labelled, self.page.kind_hint})
        self.page.header.lang(speak, [self.page.session], told, **QUICK)
