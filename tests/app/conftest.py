"""A session whose engine is the stand-in of `helpers`."""

from __future__ import annotations

import pytest

from app import engine
from app.session import Session
from pipeline.history import Step

from .helpers import Engine, photo


@pytest.fixture
def stand_in(monkeypatch):
    made = Engine()
    monkeypatch.setattr(engine, "get_pipeline", lambda progress=None, preset=None: made)
    return made


@pytest.fixture
def session(stand_in):
    made = Session()
    made.push(Step("open", "photo", photo()))
    return made
