"""Coming back: what a visitor had is found again by the secret that the browser kept. Mixed into `Wiring`."""

from __future__ import annotations

import gradio as gr

from . import actions, keeper
from .layout import Page
from .queues import QUICK
from .screen import attempt
from .session import Session
from .texts import Told

#: A token's characters, at most.
MOST_TOKEN = 100


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
            return token if isinstance(token, str) and len(token) <= MOST_TOKEN else ""

        def ask(event: gr.EventData):
            store = keeper.store()
            return {"state": "no" if store is None else store.offered(token_of(event))}

        def restore(session, request: gr.Request, event: gr.EventData):
            store, back = keeper.store(), session

            def work():
                nonlocal back
                back = store.restore(request.session_hash, token_of(event))
                return Told(back.say("restored", steps=back.count(len(back.history.steps), "step")))

            told = attempt(work, session)
            words = actions.words_of(back) if back is not session else gr.skip()
            return {**self.show(back, told), page.words: words, page.restore: {"state": "no"}}

        def forget(event: gr.EventData):
            store = keeper.store()
            if store is not None:
                store.forget(token_of(event))

        page.restore.ask(ask, None, [page.restore], **QUICK)
        page.restore.restore(restore, [page.session], [*self.outputs, page.words, page.restore], **QUICK)
        page.restore.forget(forget, None, None, **QUICK)
