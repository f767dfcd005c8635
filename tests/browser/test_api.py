"""The named endpoints, called as a program would call them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from app.examples import examples

from .hands import pixels_of

gradio_client = pytest.importorskip("gradio_client")
SIZE = (640, 960)


@pytest.fixture(scope="module")
def client(served):
    made = gradio_client.Client(served, verbose=False)
    yield made
    made.close()


@pytest.fixture
def photo():
    return gradio_client.handle_file(str(examples()[0].path))


def test_exactly_these_endpoints_are_named(client):
    named = client.view_api(return_format="dict", print_info=False)
    assert set(named["named_endpoints"]) == {"/segment", "/select", "/correct", "/edit", "/compare"}
    assert not named["unnamed_endpoints"]


def test_segment(client, photo):
    overlay, labels, info = client.predict(photo, "tree, sky", refine="none", api_name="/segment")
    assert pixels_of(overlay).shape == (*SIZE, 3)
    assert pixels_of(labels).shape[:2] == SIZE
    assert [c["name"] for c in info["classes"]] == ["tree", "sky"] and info["refine"] == "none"
    assert info["photo"]["width"], info["photo"]["height"] == SIZE[::-1]


def test_select_by_box(client, photo):
    mask, info = client.predict(photo, None, [100, 100, 400, 400], api_name="/select")
    inside = pixels_of(mask)[:, :, 0] > 0
    assert inside.shape == SIZE and inside.sum() == info["area"] > 0
    assert info["made_by"] in ("sam", "grabcut")


def test_edit_by_box_is_exact_outside(client, photo):
    edited, mask, info = client.predict(photo, "remove", box=[300, 200, 420, 300], api_name="/edit")
    used = pixels_of(mask)[:, :, 0] > 0
    plain, new = pixels_of(examples()[0].path), pixels_of(edited)
    assert info["changed_outside"] == 0 and used.any()
    assert np.array_equal(new[~used], plain[~used]) and not np.array_equal(new, plain)


def test_what_is_wrong_is_said(client, photo):
    with pytest.raises(gradio_client.exceptions.AppError, match="one way"):
        client.predict(photo, "remove", api_name="/edit")
    with pytest.raises(gradio_client.exceptions.AppError, match="x0, y0, x1, y1"):
        client.predict(photo, None, [1, 2], api_name="/select")


def test_the_session_in_the_documentation_runs(served, capsys):
    text = (Path(__file__).resolve().parents[2] / "docs" / "api.md").read_text(encoding="utf-8")
    code = text.split("```python\n")[1].split("```")[0]
    exec(compile(code, "docs/api.md", "exec"), {"ADDRESS": served, "PHOTO": str(examples()[0].path)})
    said = capsys.readouterr().out
    assert "['tree', 'car', 'fence']" in said and "Names: tree, car" in said and "Made with Namebrush" in said


def test_every_endpoint_says_what_it_takes(client):
    named = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    for name, info in named.items():
        assert len(info.get("description") or "") > 20, name
        assert all(p["parameter_name"] for p in info["parameters"])
