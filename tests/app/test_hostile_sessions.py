"""A session file from anybody on the page: it is refused and nothing has changed, or all that the page shows works."""

from __future__ import annotations

import html.parser
import json

import pytest

from app import actions, texts
from app.plain import compose
from app.scene import scene
from app.screen import attempt
from app.session import Session
from pipeline.history import History, save_session
from pipeline.progress import Progress
from tests.crafted_sessions import CRAFTED


def show_everything(session: Session, folder) -> None:
    """All that the page makes of every step, with all regions picked."""
    for step in session.history.steps:
        actions.jump(session, step.id)
        actions.pick(session, [r.id for r in session.step.regions])
        made = json.dumps(scene(session, str(folder)), allow_nan=False)
        assert made.encode("utf-8")
        line = texts.history(session)
        assert line.count("data-step") >= len(session.steps)
        html.parser.HTMLParser().feed(line)
        found = session.step.segmentation
        for text in (
            texts.models_line(found, session.preset), texts.against(found and found.vocabulary),
            texts.status(actions.picked_line(session)), actions.words_of(session), session.step.told,
        ):  # fmt: skip
            text.encode("utf-8")
        texts.region_choices(session.step.regions)
        compose(session)
        if session.step.edit is not None:
            actions.choose(session, len(session.step.edit.images) - 1)
            json.dumps(scene(session, str(folder)), allow_nan=False)
            actions.go(session, session.cursor - 1)
    while session.history.can_redo:
        actions.go(session, session.cursor + 1)


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
