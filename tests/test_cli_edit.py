"""The command line's edits: every kind that needs no model, session files, and doing them again."""

import json

import cv2
import numpy as np
import pytest
from PIL import Image

import pipeline.pipeline
from pipeline.__main__ import main
from pipeline.history import open_session, save_session
from tests.small_models import SMALL, picture, small_pipeline

GEOMETRY = [f"--{n.replace('_', '-')}={v}" for n, v in SMALL.items()]


@pytest.fixture(scope="module")
def pipe():
    return small_pipeline(5)


@pytest.fixture(autouse=True)
def loaded(pipe, monkeypatch):
    """The command line finds small models loaded."""
    monkeypatch.setattr(pipeline.pipeline.Pipeline, "load", classmethod(lambda cls, **_: pipe))


@pytest.fixture
def files(tmp_path):
    """A photo, a mask, another mask and another photo, as paths."""
    pixels = picture(5)
    cv2.circle(pixels, (50, 35), 12, (230, 30, 20), -1)
    mask = np.zeros((96, 128), np.uint8)
    mask[23:48, 38:63] = 255
    minus = np.zeros((96, 128), np.uint8)
    minus[23:48, 50:63] = 255
    paths = {name: tmp_path / f"{name}.png" for name in ("photo", "mask", "minus", "other")}
    for name, array in (("photo", pixels), ("mask", mask), ("minus", minus), ("other", picture(6, 50, 50))):
        Image.fromarray(array).save(paths[name])
    return paths


@pytest.mark.parametrize(
    ("kind", "options", "size", "inside"),
    [
        ("recolor", ["--color", "#2040d0"], (128, 96), True),
        ("blur", ["--blur", "3"], (128, 96), False),
        ("background", ["--color", "teal"], (128, 96), False),
        ("background", ["--picture", "OTHER"], (128, 96), False),
        ("cutout", [], (128, 96), False),
        ("move", ["--dx", "30", "--dy", "20", "--resize", "1.5"], (128, 96), True),
        ("remove", ["--shadow", "0.5", "--no-holes"], (128, 96), True),
        ("recolor", ["--color", "red", "--invert"], (128, 96), False),
    ],
)
def test_every_kind_without_a_model(files, tmp_path, capsys, kind, options, size, inside):
    out = tmp_path / "out.png"
    options = [str(files["other"]) if o == "OTHER" else o for o in options]
    argv = ["edit", str(files["photo"]), "--kind", kind, "--mask", str(files["mask"]), "--out", str(out), *options]
    assert main([*argv, "--quiet"]) == 0
    assert ", 0 outside the mask" in capsys.readouterr().out
    before, after = (np.asarray(Image.open(p)) for p in (files["photo"], out))
    assert after.shape == (size[1], size[0], 4 if kind == "cutout" else 3)
    differs = (after[..., :3] != before).any(axis=2)
    core = np.zeros((96, 128), bool)
    core[26:45, 41:60] = True
    far = np.ones((96, 128), bool)
    far[15:90, 30:115] = False
    assert differs[core].any() == inside and differs[far].any() != inside


def test_extending_needs_no_selection_and_minus_takes_away(files, tmp_path, capsys):
    out = tmp_path / "out.png"
    argv = ["edit", str(files["photo"]), "--out", str(out), "--quiet"]
    assert main([*argv, "--kind", "extend", "--left", "10", "--bottom", "6"]) == 0
    told, before, after = capsys.readouterr(), np.asarray(Image.open(files["photo"])), np.asarray(Image.open(out))
    assert "no new things are invented" in told.err and after.shape == (102, 138, 3)
    assert np.array_equal(after[:96, 10:], before)
    argv += ["--kind", "recolor", "--color", "blue", "--mask", str(files["mask"])]
    assert main([*argv, "--minus", str(files["minus"])]) == 0
    differs = (np.asarray(Image.open(out)) != before).any(axis=2)
    assert differs[23:48, 38:48].mean() > 0.9 and not differs[:, 52:].any()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--kind", "recolor", "--mask", "MASK"], "Choose the new colour"),
        (["--kind", "recolor", "--color", "blurple", "--mask", "MASK"], '"blurple" is no colour'),
        (["--kind", "background", "--mask", "MASK"], "Give the new background"),
        (["--kind", "move", "--mask", "MASK"], "Say where it goes"),
        (["--kind", "move", "--dx", "500", "--mask", "MASK"], "out of the photo altogether"),
        (["--kind", "extend"], "by how many pixels"),
        (["--kind", "blur"], "Say what is changed"),
        (["--kind", "blur", "--painter", "exemplar", "--mask", "MASK"], "nothing is painted"),
        (["--kind", "remove", "--grow", "3", "--grow-share", "0.1", "--mask", "MASK"], "not by both"),
        (["--kind", "remove", "--mask", "MASK", "--minus", "MASK"], "Nothing is left of the selection"),
        (["--kind", "remove", "--mask", "MASK", "--session", "no/where.zip"], "does not exist"),
    ],
)
def test_what_cannot_be_done(files, tmp_path, capsys, options, said):
    options = [str(files["mask"]) if o == "MASK" else o for o in options]
    assert main(["edit", str(files["photo"]), "--out", str(tmp_path / "out.png"), "--quiet", *options]) == 2
    told = capsys.readouterr().err
    assert said in told and told.count("\n") == 1 and not (tmp_path / "out.png").exists()


def test_a_session_is_done_again_with_the_same_pixels(pipe, files, tmp_path, capsys):
    session, words = tmp_path / "work.namebrush.zip", "dog; puppy, sky, rock, sea, tree"
    options = {"method": "sclip", "background": "none", "refine": "none", **SMALL}
    name = pipe.segment(files["photo"], words, **options).regions[-1].name
    argv = ["edit", str(files["photo"]), "--out", str(tmp_path / "out.png"), "--quiet", "--session", str(session)]
    argv += ["--classes", words, "--select", name, "--method", "sclip", "--background", "none", "--refine", "none"]
    assert main([*argv, *GEOMETRY, "--seed", "3"]) == 0
    history = open_session(session)
    assert [step.kind for step in history.steps] == ["open", "segment", "edit"]
    assert history.steps[1].call["classes"] == words and "clip" in history.steps[1].models
    capsys.readouterr()
    assert main(["replay", str(session), "--quiet", "--out", str(tmp_path / "again")]) == 0
    told = capsys.readouterr().out
    assert told.count(": the same") == 2 and "2 steps done again, 2 with the same pixels" in told
    again = np.asarray(Image.open(tmp_path / "again" / "step-02.png"))
    assert np.array_equal(again, np.asarray(Image.open(tmp_path / "out.png")))
    save_session(history.jump(0), session)
    (tmp_path / "file").write_text("x")
    assert main(["replay", str(session), "--quiet", "--out", str(tmp_path / "file")]) == 2
    assert main(["replay", str(files["photo"]), "--quiet"]) == 2
    assert "no session file" in capsys.readouterr().err


def test_masks_and_layers_beside_a_segmentation(files, tmp_path, capsys):
    out = tmp_path / "out"
    argv = ["segment", str(files["photo"]), "--classes", "dog, sky", "--out", str(out), "--quiet", "--refine", "none"]
    argv += ["--method", "sclip", "--background", "none", *GEOMETRY]
    assert main([*argv, "--masks", "coco, labelme,indexed,png", "--layers"]) == 0
    names = {path.name for path in out.iterdir()}
    assert {"overlay.png", "coco.json", "labelme.json", "masks.png", "masks.json", "layers.ora"} <= names
    told = json.loads((out / "regions.json").read_text())["regions"]
    assert len(json.loads((out / "coco.json").read_text())["annotations"]) == len(told)
    assert sum(name.startswith(("dog-", "sky-")) for name in names) == len(told)
    capsys.readouterr()
    assert main([*argv, "--masks", "tiff"]) == 2
    assert "choose from png, indexed, coco, labelme" in capsys.readouterr().err
