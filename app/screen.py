"""What the session looks like on the page, and how work and its progress reach a person."""

from __future__ import annotations

import logging
from collections.abc import Callable

import gradio as gr

from pipeline.errors import Cancelled, NamebrushError
from pipeline.progress import Progress

from . import canvas, texts
from .layout import Page
from .session import Session
from .texts import Told

log = logging.getLogger("namebrush")


def bridge(session: Session, job: int, shown: gr.Progress) -> Progress:
    """The engine's progress as the page's: words and a bar; raises `Cancelled` once the job was told to stop."""
    last = 0.0

    def report(message: str, share: float | None = None) -> None:
        nonlocal last
        session.check(job)
        last = last if share is None else min(max(float(share), 0.0), 1.0)
        shown(last, desc=message)

    return Progress(report)


def attempt(work: Callable[[], Told | None]) -> Told | None:
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
        name = type(error).__name__
        return Told(f"Something failed inside ({name}). Nothing was changed; the log says more.", "error")


def outputs(page: Page) -> list:
    """The components `screen` may update."""
    return [
        page.session, page.status, page.canvas, page.shape, page.slider, page.view, page.tool, page.legend,
        page.against, page.regions, page.clear, page.go, page.history, page.undo, page.redo, page.header,
    ]  # fmt: skip


def screen(page: Page, session: Session, told: Told | None) -> dict:
    """Everything that shows the session, as updates of the components.

    Args:
        page: the components.
        session: what to show.
        told: the status line, or None to leave it.
    """
    step = session.step
    update = {page.session: session}
    if told is not None:
        update[page.status] = texts.status(told)
    if step is None:
        return update
    segmentation, comparing = step.segmentation, session.comparing and step.edit is not None
    by_words = segmentation is not None and segmentation.method != "by hand"
    picked = len(session.picked)
    return {
        **update,
        **_picture(page, session, comparing),
        page.shape: texts.shape(step.photo.size),
        page.view: gr.update(visible=step.edit is not None, value="compare" if comparing else "masks"),
        page.tool: session.tool,
        page.legend: texts.legend(segmentation, session.colors()),
        page.against: texts.against(segmentation.vocabulary) if by_words else "",
        page.regions: gr.update(choices=texts.region_choices(step.regions), value=list(session.picked)),
        page.clear: gr.update(visible=picked > 0),
        page.go: gr.update(
            interactive=picked > 0, value=f"Change {texts.several(picked, 'mask')}" if picked else "Change"
        ),
        page.history: texts.history(session),
        page.undo: gr.update(interactive=session.cursor > 0),
        page.redo: gr.update(interactive=session.cursor < len(session.steps) - 1),
        page.header: texts.models_line(segmentation),
    }


def _picture(page: Page, session: Session, comparing: bool) -> dict:
    """The canvas, or before and after."""
    folder, step = page.canvas.GRADIO_CACHE, session.step
    if not comparing:
        path = canvas.write_shown(canvas.compose(session), folder)
        return {page.canvas: gr.update(value=path, visible=True), page.slider: gr.update(visible=False)}
    size = canvas.shown_size(step.photo.size)
    before, after = (
        canvas.write_shown(canvas.scaled(p.pixels, size), folder, lossless=True) for p in (step.edit.photo, step.photo)
    )
    return {page.canvas: gr.update(visible=False), page.slider: gr.update(value=(before, after), visible=True)}
