"""A session file from anybody on the page: it is refused and nothing has changed, or all that the page shows works."""

from __future__ import annotations

import pytest

from app import actions
from app.screen import attempt
from benchmarks.fuzz.doors import show_everything
from pipeline.history import History, save_session
from pipeline.progress import Progress
from tests.crafted_sessions import CRAFTED


@pytest.mark.parametrize("name", CRAFTED)
def test_a_crafted_session_changes_nothing_or_shows_whole(name, session, tmp_path):
    path = tmp_path / "a.namebrush.zip"
    path.write_bytes(CRAFTED[name]())
    before = {**vars(session)}
    told = attempt(lambda: actions.open_session(session, path, Progress()), session)
    if told.kind == "error":
        assert {**vars(session)} == before, "something has changed"
        assert "failed inside" not in told.text and "Error" not in told.text
        return
    assert name.startswith("opens") and told.kind == "done"
    show_everything(session, tmp_path)
    save_session(session.history, tmp_path / "again.zip")
    assert isinstance(actions.read_session(tmp_path / "again.zip"), History)
