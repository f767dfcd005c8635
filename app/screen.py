"""What the session looks like on the page, and how what went wrong reaches a person."""

from __future__ import annotations

import logging
from collections.abc import Callable

import gradio as gr

from pipeline.draw import region_titles
from pipeline.edit.kinds import KINDS
from pipeline.errors import Cancelled, NamebrushError

from . import plain, texts
from .layout import Page
from .pictures import is_full
from .scene import scene
from .session import Session
from .texts import Told

log = logging.getLogger("namebrush")


def attempt(work: Callable[[], Told | None], session: Session | None = None) -> Told | None:
    """Run an action; what goes wrong becomes the line that is shown, and everything else on the page stays."""
    session = session or Session()
    told = _attempted(work, session)
    if not session.notices:
        return told
    waiting, session.notices = session.notices, []
    lines = [session.say(key) for key in waiting]
    return Told(" ".join([*lines, *([told.text] if told else [])]), "error" if told is None else told.kind)


def failed(error: Exception, session: Session) -> Told:
    """The line about what went wrong, in the visitor's language; what no person can have caused is logged."""
    if is_full(error) or is_full(error.__cause__):
        return Told(session.say("disk_full"), "error")
    if isinstance(error, NamebrushError):
        return Told(session.heard(str(error)), "error")
    log.error("An action failed", exc_info=error)
    return Told(session.say("failed", name=type(error).__name__), "error")


def _attempted(work: Callable[[], Told | None], session: Session) -> Told | None:
    say = session.say
    try:
        return work()
    except Cancelled:
        return Told(say("stopped"), "stopped")
    except MemoryError:
        return Told(say("no_memory"), "error")
    except Exception as error:
        return failed(error, session)


def outputs(page: Page) -> list:
    """The components `screen` may update."""
    return [
        page.session, page.status, page.canvas, page.plain, page.picture, page.shape, page.slider, page.view,
        page.tool, page.against, page.plain_regions, page.go, page.history, page.undo, page.redo, page.models_button,
    ]  # fmt: skip


def picked_outputs(page: Page) -> list:
    """The components `picked` may update."""
    return [page.session, page.status, page.go]


def picked(page: Page, session: Session, told: Told | None) -> dict:
    """What follows from picking on the canvas, which itself shows the pick already."""
    update = {page.session: session, page.go: go(session)}
    return update if told is None else {**update, page.status: texts.status(told)}


def go(session: Session) -> dict:
    """The button that changes: what it says, and whether there is anything to change."""
    count, without = len(session.picked), not KINDS[session.kind].mask
    name = ""
    if count == 1:
        title = region_titles(session.step.regions)[session.picked[0]]
        unnamed = session.picked_regions[0].name == "by hand"
        name = session.say("what_is_picked") if unnamed else texts.short(title, 18)
    elif count:
        name = session.count(count, "mask")
    named = count > 0 or without
    label = session.say(f"go_{session.kind}", name=name) if named else session.say("change")
    return gr.update(interactive=named, value=label)


def screen(page: Page, session: Session, told: Told | None) -> dict:
    """Everything that shows the session, as updates of the components.

    Args:
        page: the components.
        session: what to show.
        told: the status line, or None to leave it.
    """
    if session.replaced:
        return {page.session: session}
    step = session.step
    update = {page.session: session}
    if told is not None:
        update[page.status] = texts.status(told)
    update[page.models_button] = gr.update(
        value=texts.models_line(step.segmentation if step else None, session.preset, session.lang)
    )
    if step is None:
        return update
    segmentation = step.segmentation
    try:
        surface = _plain(page, session) if session.plain else {page.canvas: scene(session, page.canvas.GRADIO_CACHE)}
    except OSError as error:
        if not is_full(error):
            raise
        return {**update, page.status: texts.status(Told(session.say("disk_full"), "error"))}
    by_words = segmentation is not None and segmentation.method != "by hand"
    return {
        **update,
        **surface,
        page.against: texts.against(segmentation.vocabulary, session.lang) if by_words else "",
        page.go: go(session),
        page.history: texts.history(session),
        page.undo: gr.update(interactive=session.cursor > 0),
        page.redo: gr.update(interactive=session.cursor < len(session.steps) - 1),
    }


def _plain(page: Page, session: Session) -> dict:
    """The plain surface: the canvas as one picture, or before and after."""
    folder, step = page.canvas.GRADIO_CACHE, session.step
    comparing = session.comparing and step.edit is not None
    update = {
        page.plain: gr.update(visible=True),
        page.canvas: gr.update(visible=False, value=scene(session, folder)),
        page.shape: texts.shape(step.photo.size),
        page.view: gr.update(visible=step.edit is not None, value="compare" if comparing else "masks"),
        page.tool: session.tool,
        page.plain_regions: gr.update(
            visible=True, choices=texts.region_choices(step.regions, session.lang), value=list(session.picked)
        ),
    }
    if not comparing:
        path = plain.write_shown(plain.compose(session), folder)
        return {
            **update, page.picture: gr.update(value=path, visible=True), page.slider: gr.update(visible=False),
        }  # fmt: skip
    size = plain.shown_size(step.photo.size)
    before, after = (
        plain.write_shown(plain.scaled(p.pixels, size), folder, lossless=True) for p in (step.edit.photo, step.photo)
    )
    return {
        **update, page.picture: gr.update(visible=False), page.slider: gr.update(value=(before, after), visible=True),
    }  # fmt: skip
