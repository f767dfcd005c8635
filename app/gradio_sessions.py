"""Where Gradio looks for a page's state: the session is ours (`session_store`), the rest is small and Gradio's own.

Gradio keeps at most `state_session_capacity` states and drops the one used longest ago, whatever is in it. Here a
state holds nothing that could be lost: the session is looked up by the page's name whenever an event asks for it.
"""

from __future__ import annotations

from copy import copy
from typing import Any

from gradio.components import State
from gradio.state_holder import SessionState, StateHolder

from .session_store import SessionStore

#: States kept; one takes some ten kilobytes and holds which choices its page was given since it was opened.
CAPACITY = 5_000


class PageState(SessionState):
    """The state of one page: updates its components were given, and the visitor's session.

    Gradio copies every component's configuration for every page (.4 MB and 40 ms), for links that reopen a page as it
    was; this page offers none, so that is left out.
    """

    def __init__(self, blocks, key: str, store: SessionStore):
        self.blocks_config = copy(blocks.default_config)
        self.config_values: dict = {}
        self.state_data: dict[int, Any] = {}
        self._state_ttl: dict = {}
        self.is_closed = False
        self._key, self._store = key, store

    def __getitem__(self, key: int) -> Any:
        block = self.blocks_config.blocks[key]
        return self._store.session(self._key) if isinstance(block, State) else block

    def __setitem__(self, key: int, value: Any) -> None:
        if not isinstance(self.blocks_config.blocks.get(key), State):
            self.blocks_config.blocks[key] = value

    def __contains__(self, key: int) -> bool:
        return key in self.blocks_config.blocks

    def _update_config(self, key: int) -> None:
        """Nothing: see the class."""

    def _update_value_in_config(self, key: int, value: Any) -> None:
        """Nothing: see the class."""


class PageStates(StateHolder):
    """All pages' states."""

    def __init__(self, store: SessionStore):
        super().__init__()
        self.store = store

    def set_blocks(self, blocks) -> None:
        """As of `StateHolder`, with a capacity that flushes nobody's work."""
        super().set_blocks(blocks)
        self.capacity = CAPACITY

    def update(self, session_id: str) -> None:
        """Note a use; of too many states goes the one used longest ago whose page holds no work."""
        with self.lock:
            if session_id in self.session_data:
                self.session_data.move_to_end(session_id)
            if len(self.session_data) > self.capacity:
                spare = next((key for key in self.session_data if not self.store.has_work(key)), None)
                self.session_data.pop(spare or next(iter(self.session_data)), None)

    def __getitem__(self, session_id: str) -> SessionState:
        with self.lock:
            if session_id not in self.session_data:
                self.session_data[session_id] = PageState(self.blocks, session_id, self.store)
        self.update(session_id)
        return self.session_data[session_id]

    def delete_all_expired_state(self) -> None:
        """Nothing expires here; `SessionStore.expire` does."""


def install(app, store: SessionStore) -> None:
    """Give a served page's application our states in place of Gradio's."""
    states = PageStates(store)
    states.set_blocks(app.get_blocks())
    app.state_holder = states
