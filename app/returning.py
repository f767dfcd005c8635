"""Coming back: what a visitor had is found again by the secret that the browser kept. Mixed into `Wiring`."""

from __future__ import annotations

import re

import gradio as gr

from pipeline.errors import NamebrushError

from . import actions, keeper
from .layout import Page
from .queues import QUICK
from .screen import attempt
from .session import Session
from .texts import Told

#: What a token is made of.
TOKEN = re.compile(r"[A-Za-z0-9_-]{1,100}")


class Returning:
    """Needs what `Wiring` has: the page, its outputs, and `show`."""

    page: Page
    outputs: list

    def show(self, session: Session, told: Told | None) -> dict:
        """The page after an action; `Wiring` does it."""
        raise NotImplementedError

    def returning(self) -> None:
        """Offering, restoring and deleting what was there before the page was opened."""
        page = self.page

        def token_of(event: gr.EventData) -> str:
            token = event._data.get("token") if isinstance(event._data, dict) else None
            return token if isinstance(token, str) and TOKEN.fullmatch(token) else ""

        def ask(event: gr.EventData):
            token, store = token_of(event), keeper.store()
            return {"state": "no" if store is None else store.offered(token)}

        def restore(session, request: gr.Request, event: gr.EventData):
            token, store, back = token_of(event), keeper.store(), session

            def work():
                nonlocal back
                if store is None:
                    raise NamebrushError(session.say("let_go"))
                back = store.restore(request.session_hash, token)
                return Told(back.say("restored", steps=back.count(len(back.history.steps), "step")))

            told = attempt(work, session)
            words = actions.words_of(back) if back is not session else gr.skip()
            return {**self.show(back, told), page.words: words, page.restore: {"state": "no"}}

        def forget(event: gr.EventData):
            token, store = token_of(event), keeper.store()
            if store is not None:
                store.forget(token)

        page.restore.ask(ask, None, [page.restore], **QUICK)
        page.restore.restore(restore, [page.session], [*self.outputs, page.words, page.restore], **QUICK)
        page.restore.forget(forget, None, None, **QUICK)
