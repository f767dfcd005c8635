"""Following docs/methods.md adds a method: the page's own file is installed and used like any other."""

import sys
from pathlib import Path

import numpy as np
import pytest

from pipeline.__main__ import main
from pipeline.dense import methods
from pipeline.dense.recipe import RECIPES, WINDOW_FAMILIES
from pipeline.dense.recipes import load_methods
from tests.small_models import SMALL, picture, small_pipeline

PAGE = Path(__file__).resolve().parents[1] / "docs" / "methods.md"


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """The page's file in a folder where methods are looked for."""
    section = PAGE.read_text(encoding="utf-8").split("## Add a method", 1)[1]
    code = section.split("```python\n", 1)[1].split("```", 1)[0]
    (tmp_path / "neighbour.py").write_text(code, encoding="utf-8")
    monkeypatch.setattr(methods, "__path__", [*methods.__path__, str(tmp_path)])
    load_methods()
    yield
    RECIPES.pop("neighbour"), WINDOW_FAMILIES.pop("neighbour")
    sys.modules.pop("pipeline.dense.methods.neighbour")
    vars(methods).pop("neighbour")


def test_the_pages_file_is_a_method_like_any_other(installed, capsys):
    assert len(PAGE.read_text().split("```python\n")[1].split("```")[0].splitlines()) < 50, "one short file"
    pipe, pixels = small_pipeline(), picture()
    settings = {"background": "none", "refine": "none", **SMALL}
    found = pipe.segment(pixels, "dog, grass", method="neighbour", **settings)
    assert found.method == "neighbour" and found.labels.shape == pixels.shape[:2]
    alone = pipe.segment(pixels, "dog, grass", method="neighbour", options="side=1", **settings)
    mask = pipe.segment(pixels, "dog, grass", method="maskclip", **settings)
    np.testing.assert_allclose(alone.scores, mask.scores, atol=1e-5)
    assert np.abs(found.scores - mask.scores).max() > 1e-4
    assert main(["methods"]) == 0
    told = capsys.readouterr().out
    assert "neighbour" in told and "side 3" in told


def test_the_page_tells_of_every_method():
    page = PAGE.read_text(encoding="utf-8")
    assert page.count("```mermaid") >= 9
    for name in RECIPES:
        assert f"`{name}`" in page, name
