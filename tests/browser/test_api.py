"""The named endpoints, called as a program would call them."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app.examples import examples

from .hands import pixels_of

gradio_client = pytest.importorskip("gradio_client")
SIZE = (640, 960)
#: On a machine that is busy with other things.
PATIENT = {"timeout": 240}


@pytest.fixture(scope="module")
def client(served):
    made = gradio_client.Client(served, verbose=False, httpx_kwargs=PATIENT)
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


def test_no_picture_of_the_server_comes_into_an_answer(client, photo, tmp_path):
    there, missing = tmp_path / "private.png", tmp_path / "missing.png"
    Image.new("RGB", (64, 64), "red").save(there)
    said = []
    for path in (there, missing):
        with pytest.raises(gradio_client.exceptions.AppError) as error:
            client.predict(photo, "background", **BOX, options={"picture": str(path)}, api_name="/edit")
        said.append(str(error.value))
    assert said[0] == said[1] and 'no setting "picture"' in said[0]
    upload = gradio_client.handle_file(str(there))
    edited, used, _ = client.predict(photo, "background", **BOX, picture=upload, api_name="/edit")
    assert (pixels_of(edited)[400:] == (255, 0, 0)).all()


def test_classes_may_be_a_list(client, photo):
    info = client.predict(photo, ["tree", "sky"], refine="none", api_name="/segment")[2]
    assert [c["name"] for c in info["classes"]] == ["tree", "sky"]


BOX = {"box": [1, 1, 50, 50]}


@pytest.mark.parametrize(
    ("name", "values", "options", "said"),
    [
        ("/segment", (None, "dog"), {}, "Send a photo"),
        ("/segment", ("TEXT", "dog"), {}, "not a photo that can be read"),
        ("/segment", ("PHOTO", None), {}, "classes must be text"),
        ("/segment", ("PHOTO", "dog"), {"threshold": "much"}, "between 0 and 1"),
        ("/select", ("PHOTO", "abc"), {}, "A point must be"),
        ("/select", ("PHOTO", [[1, 2, 5]]), {}, "label is 1"),
        ("/select", ("PHOTO", [[1e9, 2]]), {}, "outside the photo"),
        ("/correct", ("PHOTO", None, [[1, 2, 1]]), {}, "Send a mask"),
        ("/edit", ("PHOTO", "replace"), BOX, "needs a prompt"),
        ("/edit", ("PHOTO", "remove"), {**BOX, "seed": "q"}, "seed must be a whole number"),
        ("/edit", ("PHOTO", "remove"), {**BOX, "options": {"nonsense": 1}}, 'no setting "nonsense"'),
        ("/compare", ("PHOTO", "dog", "clip+x"), {}, 'no edges "x"'),
        ("/compare", ("PHOTO", "dog", "clip,sclip"), {"differences": "z"}, 'no panel "z"'),
        ("/compare", ("PHOTO", "dog", "clip,sclip"), {"width_mm": "wide"}, "number of millimetres"),
        ("/compare", ("PHOTO", "dog", "clip,sclip"), {"ending": "../exe"}, "The ending must be one of"),
    ],
)  # fmt: skip
def test_bad_input_gets_one_sentence(client, photo, name, values, options, said):
    known = {"PHOTO": photo, "TEXT": gradio_client.handle_file(str(Path(__file__)))}
    given = [known[v] if isinstance(v, str) and v in known else v for v in values]
    with pytest.raises(gradio_client.exceptions.AppError) as error:
        client.predict(*given, api_name=name, **options)
    line = str(error.value)
    assert said in line and "\n" not in line and "Traceback" not in line and len(line) < 700


def test_two_clients_at_once_each_get_their_own(served, photo):
    other = gradio_client.handle_file(str(examples()[1].path))
    clients = [gradio_client.Client(served, verbose=False, httpx_kwargs=PATIENT) for _ in range(2)]
    asked = [((photo, "tree, sky"), [100, 100, 400, 400]), ((other, "car, palm"), [50, 300, 300, 500])]
    jobs = [c.submit(*a, refine="none", api_name="/segment") for c, (a, _) in zip(clients, asked, strict=True)]
    jobs += [c.submit(a[0], None, b, api_name="/select") for c, (a, b) in zip(clients, asked, strict=True)]
    first, second, mask, another = (job.result(timeout=240) for job in jobs)
    assert [[c["name"] for c in answer[2]["classes"]] for answer in (first, second)] == [
        ["tree", "sky"], ["car", "palm"],
    ]  # fmt: skip
    assert mask[1]["box"][0] >= 80 and another[1]["box"][2] <= 320
    alone = clients[0].predict(*asked[0][0], refine="none", api_name="/segment")
    assert np.array_equal(pixels_of(alone[1]), pixels_of(first[1])), "another visitor's job changed the labels"
    for one in clients:
        one.close()


def test_compare_tells_what_was_measured(client, photo):
    figure, info = client.predict(photo, "tree, car", "clip+none,sclip+pamr", "zip", 90, api_name="/compare")
    with zipfile.ZipFile(figure) as archive:
        assert {"figure.tex", "panels/c-sclip-pamr.png"} <= set(archive.namelist())
    assert [(p["method"], p["refine"]) for p in info["panels"]] == [("clip", "none"), ("sclip", "pamr")]
    assert all(p["seconds"]["encode"] > 0 and p["memory"]["process"] > 0 for p in info["panels"])


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
