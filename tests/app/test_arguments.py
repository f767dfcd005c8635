"""What programs may send to the endpoints: every wrong argument gets one sentence before anything is opened or run."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from PIL import Image

from app import api, arguments, values
from pipeline.errors import NamebrushError


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "photo.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)).save(path)
    return str(path)


@pytest.fixture(autouse=True)
def no_engine(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a model was asked for though an argument is wrong")

    monkeypatch.setattr("app.engine.get_pipeline", refuse)


def call(endpoint, *given, **named):
    return list(endpoint(*given, **named))


@pytest.mark.parametrize("name", ["picture", "mask", "minus", "strokes", "what", "photo", "ample", "progress", "kind",
                                  "prompt", "seed", "request", "__class__", "", "a" * 5000])  # fmt: skip
def test_options_of_an_edit_are_an_allow_list(file, tmp_path, name):
    there, missing = tmp_path / "there.png", tmp_path / "missing.png"
    Image.new("RGB", (40, 60)).save(there)
    said = []
    for value in (str(there), str(missing), {"path": str(there), "meta": {"_type": "gradio.FileData"}}):
        with pytest.raises(NamebrushError) as error:
            call(api.edit, file, "background", box=[1, 1, 30, 30], options={name: value})
        said.append(str(error.value))
    assert len(set(said)) == 1, "what is said tells which files exist"
    assert said[0].startswith('There is no setting "') and len(said[0]) < 700 and "\n" not in said[0]


def test_the_allow_list_comes_from_the_declarations():
    assert {"color", "dx", "feather", "shape", "candidates"} <= set(arguments.EDIT_OPTIONS)
    assert not {"kind", "prompt", "seed", "mask", "picture", "ample", "minus"} & set(arguments.EDIT_OPTIONS)


@pytest.mark.parametrize(
    "options",
    [
        {"dx": 10**400}, {"dx": 10**9}, {"dx": 1.5}, {"dx": "1"}, {"dx": True}, {"dx": None}, {"dx": [1]},
        {"scale": float("nan")}, {"scale": float("inf")}, {"blur": -1}, {"candidates": 10**6}, {"steps": 10**6},
        {"color": 5}, {"color": "#" * 10**6}, {"negative_prompt": "x" * 10**6}, {"shape": "x" * 10**6},
        {"method": {"a": 1}}, {"holes": 1}, [], "dx=1", 5, True,
    ],
)  # fmt: skip
def test_options_out_of_kind_or_range_get_one_sentence(file, options):
    if options == []:
        options = [1]
    with pytest.raises(NamebrushError) as error:
        call(api.edit, file, "move", box=[1, 1, 30, 30], options=options)
    assert len(str(error.value)) < 700 and "\n" not in str(error.value)


WRONG = [None, 5, True, 1.5, float("nan"), [1], [[]], {"a": 1}, "x" * 10**6, [None], [["dog"]], 10**400, "\x00", []]


@pytest.mark.parametrize("endpoint", [api.segment, api.select, api.correct, api.compare, api.edit])
@pytest.mark.parametrize("value", WRONG, ids=lambda v: repr(v)[:12])
def test_any_value_in_any_place_is_refused_in_a_sentence_or_taken(file, endpoint, value, monkeypatch):
    """Each parameter in turn gets the value, the others are right; nothing but a sentence may come of it."""

    class Taken(Exception):
        pass

    def engine(*_, **__):
        raise Taken

    monkeypatch.setattr("app.engine.get_pipeline", engine)
    right = {"photo": file, "classes": "dog, sky", "methods": "clip,sclip", "points": None, "box": [1, 1, 30, 30],
             "mask": None if endpoint is api.edit else file}  # fmt: skip
    names = [n for n in inspect.signature(endpoint).parameters if n != "progress"]
    for name in names:
        if name in ("photo", "mask", "picture") and isinstance(value, str):
            continue  # Gradio's own check of uploaded files stands before
        given = {n: v for n, v in right.items() if n in names} | {name: value}
        try:
            call(endpoint, **given)
        except Taken:
            continue
        except NamebrushError as error:
            assert "\n" not in str(error) and len(str(error)) < 1200, str(error)


def test_names_may_be_a_list():
    assert arguments.search(["dog", "cat"], "auto", "sam", "auto")["classes"] == ["dog", "cat"]
    assert values.names("dog, cat", "classes") == "dog, cat"
    with pytest.raises(NamebrushError, match="1001 entries"):
        values.names(["dog"] * 1001, "classes")


@pytest.mark.parametrize(
    "points", [[[1, 2]] * 1001, "abc", [["a", 2]], [[1, 2, 5]], [[float("nan"), 1]], [1], {"a": 1}, [[1]],
               [[1, 2, 1, 1]], [[10**400, 1]], [[True, False]]],
)  # fmt: skip
def test_points_are_counted_and_finite(points):
    with pytest.raises(NamebrushError):
        values.points(points)


def test_quoted_values_are_short_whatever_they_are():
    deep = []
    for _ in range(5000):
        deep = [deep]
    for value in (deep, "x" * 10**7, {"a" * 10**6: 1}, object(), b"\xff" * 10**6, 10**5000):
        assert len(values.quoted(value)) <= values.QUOTED
