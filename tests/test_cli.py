import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

import pipeline.pipeline
from pipeline.__main__ import main
from tests.small_models import SMALL, picture, small_pipeline

ROOT = Path(__file__).parents[1]
GEOMETRY = [f"--{n.replace('_', '-')}={v}" for n, v in SMALL.items()]


def python(*argv, **options):
    """Another Python in the repository's root."""
    command = [sys.executable, *map(str, argv)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, **options)


@pytest.fixture(scope="module")
def pipe():
    return small_pipeline(5)


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.png"
    pixels = picture(5)
    pixels[15:55, 25:75] = (90, 110, 130)
    cv2.circle(pixels, (50, 35), 12, (230, 30, 20), -1)  # a thing to select
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def loaded(pipe, monkeypatch):
    """The command line finds small models loaded; what it asked for is kept."""
    asked = {}

    def load(cls, **options):
        asked.update(options)
        return pipe

    monkeypatch.setattr(pipeline.pipeline.Pipeline, "load", classmethod(load))
    return asked


def one_line(text):
    assert text.count("\n") == 1 and text.endswith("\n"), text
    assert "Traceback" not in text
    return text


def test_help_is_quick_and_loads_no_model_library():
    code = (
        "import sys, pipeline.__main__ as m\n"
        "try: m.main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "bad = {'torch', 'numpy', 'transformers', 'open_clip', 'cv2'} & set(sys.modules)\n"
        "sys.exit(f'imported {bad}' if bad else 0)"
    )
    for argv in (["--help"], ["segment", "--help"], ["edit", "--help"], ["compare", "-h"], ["evaluate", "-h"]):
        done = python("-c", code, *argv)
        assert done.returncode == 0, done.stderr
        assert "usage: python -m pipeline" in done.stdout


def test_a_missing_photo_exits_2_with_one_line_and_leaves_nothing(tmp_path):
    done = python("-m", "pipeline", "segment", tmp_path / "gone.jpg", "--classes", "dog", "--out", tmp_path / "out")
    assert done.returncode == 2 and done.stdout == ""
    assert "gone.jpg" in one_line(done.stderr)
    assert list(tmp_path.iterdir()) == []


def test_telemetry_is_off_before_any_library_is_imported():
    code = "import os, pipeline; print(os.environ['HF_HUB_DISABLE_TELEMETRY'], os.environ['GRADIO_ANALYTICS_ENABLED'])"
    environment = {k: v for k, v in os.environ.items() if "TELEMETRY" not in k}
    done = python("-c", code, env=environment)
    assert done.stdout.split() == ["1", "False"]


def test_segment_writes_its_three_files(loaded, photo, tmp_path, capsys):
    out = tmp_path / "deep" / "out"
    argv = ["segment", str(photo), "--classes", "dog; puppy, grass\nsky", "--out", str(out), "--method", "sclip"]
    assert main([*argv, "--iou-threshold", "0", "--background", "none", "--preset", "tiny", *GEOMETRY]) == 0
    assert sorted(p.name for p in out.iterdir()) == ["labels.png", "overlay.png", "regions.json"]
    written = json.loads((out / "regions.json").read_text())
    assert written["photo"] == {"width": 128, "height": 96, "name": "photo.png"}
    assert (written["preset"], written["method"], written["refine"]) == ("tiny", "sclip", "sam")
    assert [(c["name"], c["synonyms"]) for c in written["classes"]] == [("dog", ["puppy"]), ("grass", []), ("sky", [])]
    assert {"encode", "words", "segment", "sam", "refine"} <= set(written["seconds"])
    labels = np.asarray(Image.open(out / "labels.png"))
    assert labels.shape == (96, 128) and set(np.unique(labels)) <= {0, 1, 2, 255}
    assert [c["area"] for c in written["classes"]] == [(labels == i).sum() for i in range(3)]
    told = capsys.readouterr()
    assert "dog: " in told.out and str(out) in told.out
    assert "Loading the models" in told.err
    assert loaded["preset"] == "tiny"


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ([], "required: COMMAND"),
        (["paint"], "invalid choice"),
        (["segment", "PHOTO"], "--classes, --out"),
        (["segment", "PHOTO", "--classes", " , ", "--out", "OUT"], "at least one name"),
        (["segment", "PHOTO", "--classes", "dog", "--out", "PHOTO"], "is a file"),
        (["segment", "PHOTO", "--classes", "dog", "--out", "OUT", "--method", "x"], "Method must be one of clip"),
        (["segment", "PHOTO", "--classes", "dog", "--out", "OUT", "--threshold", "2"], "between 0 and 1, got 2.0"),
        (["segment", "PHOTO", "--classes", "dog", "--out", "OUT", "--window", "two"], "must be a whole number"),
        (["segment", "PHOTO", "--classes", "dog", "--out", "OUT", "--thresh", "0.2"], "unrecognized"),
        (["segment", "PHOTO", "--classes", "dog", "--out", "OUT", "--alpha", "99"], "between 0 and 20"),
        (["edit", "PHOTO", "--out", "OUT.png"], "one of --classes with --select"),
        (["edit", "PHOTO", "--out", "OUT.png", "--box", "1,2,30,40", "--mask", "PHOTO"], "one of --classes"),
        (["edit", "PHOTO", "--out", "OUT.png", "--classes", "dog"], "belong together"),
        (["edit", "PHOTO", "--out", "OUT.png", "--box", "1,2,3"], "--box must be X0,Y0,X1,Y1, got '1,2,3'"),
        (["edit", "PHOTO", "--out", "OUT.png", "--point", "5"], "--point must be"),
        (["edit", "PHOTO", "--out", "OUT.png", "--point", "5,5,2"], "must be 0 or 1"),
        (["edit", "PHOTO", "--out", "OUT.png", "--point", "nan,5"], "--point must be"),
        (["edit", "PHOTO", "--out", "OUT.png", "--point", "5000,5"], "outside"),
        (["edit", "PHOTO", "--out", "OUT.gif", "--point", "5,5"], "must end in .png, .jpg"),
        (["edit", "PHOTO", "--out", "nowhere/OUT.png", "--point", "5,5"], "does not exist"),
        (["edit", "PHOTO", "--out", "OUT.png", "--point", "5,5", "--kind", "replace"], "needs a prompt"),
        (["edit", "PHOTO", "--out", "OUT.png", "--point", "5,5", "--kind", "erase"], "remove, replace, restyle"),
        (["edit", "PHOTO", "--out", "OUT.png", "--mask", "SMALL"], "mask is 20 x 10 pixels but the photo is 128 x 96"),
        (["edit", "PHOTO", "--out", "OUT.png", "--classes", "a,c", "--select", "b"], '"b" is not'),
        (["compare", "PHOTO", "--classes", "a", "--methods", "clip,x", "--out", "OUT.png"], 'no method "x"'),
        (["compare", "PHOTO", "--classes", "a", "--methods", "clip", "--out", "OUT.jpg"], ".png, .pdf, .svg"),
        (["compare", "PHOTO", "--classes", "a", "--methods", "clip+x", "--out", "OUT.png"], 'no edges "x"'),
        (["compare", "PHOTO", "--classes", "a", "--methods", "x:clip", "--out", "OUT.png"], "no preset 'x'"),
        (["compare", "PHOTO", "--classes", "a", "--methods", "clip", "--out", "OUT.png", "--width", "5"], "1000 mm"),
        (["evaluate", "--dataset", "coco", "--out", "OUT.json"], "no dataset"),
        (["evaluate", "--dataset", "folder", "--out", "OUT.json"], "needs --root"),
        (["evaluate", "--dataset", "folder", "--root", "OUT", "--out", "OUT.json"], "must hold images/"),
        (["evaluate", "--dataset", "scenes", "--limit", "0", "--out", "OUT.json"], "at least 1"),
    ],
)
def test_mistakes_exit_2_with_one_line_and_leave_nothing(loaded, photo, tmp_path, monkeypatch, capsys, argv, said):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(picture()[:10, :20]).save("small.png")
    names = {"PHOTO": photo.name, "SMALL": "small.png"}
    before = sorted(os.listdir())
    try:
        status = main([names.get(a, a) for a in argv] + (["--quiet"] if len(argv) > 2 else []))
    except SystemExit as leaving:
        status = leaving.code
    assert status == 2
    told = capsys.readouterr()
    assert said in one_line(told.err), told.err
    assert sorted(os.listdir()) == before


def test_edit_by_every_way_of_selecting(pipe, loaded, photo, tmp_path, capsys):
    words = "dog; puppy, sky, rock, sea, tree"
    smallest = pipe.segment(photo, words, method="sclip", background="none", refine="none", **SMALL).regions[-1]
    assert smallest.area < 2000, "random models found one name everywhere: take another seed"
    mask = np.zeros((96, 128), np.uint8)
    mask[20:50, 30:70] = 255
    Image.fromarray(mask).save(tmp_path / "white.png")
    ways = {
        "mask": ["--mask", str(tmp_path / "white.png")],
        "box": ["--box", "30,20,70,50", "--grow", "1", "--gate", "grabcut"],
        "point": ["--point", "50,35", "--point", "5,5,0", "--gate", "grabcut"],
        "name": ["--classes", words, "--select", smallest.name.upper(), "--background", "none", "--method", "sclip"],
    }
    before = np.asarray(Image.open(photo))
    for name, way in ways.items():
        out = tmp_path / f"{name}.png"
        status = main(["edit", str(photo), "--kind", "remove", "--out", str(out), "--refine", "none", *way, *GEOMETRY])
        told = capsys.readouterr()
        assert status == 0, told.err
        assert ", 0 outside the mask" in told.out
        after = np.asarray(Image.open(out))
        assert after.shape == before.shape and (after != before).any()
        if name == "mask":
            far = np.ones((96, 128), bool)
            far[5:65, 15:85] = False  # far from the mask nothing may change, however much it was grown
            np.testing.assert_array_equal(after[far], before[far])


def test_candidates_are_numbered_and_told_with_their_seeds(loaded, photo, tmp_path, capsys):
    out = tmp_path / "a.png"
    argv = ["edit", str(photo), "--out", str(out), "--box", "30,20,70,50", "--seed", "7", "--gate", "grabcut"]
    assert main([*argv, "--candidates", "3"]) == 0
    assert sorted(p.name for p in tmp_path.glob("a*")) == ["a-2.png", "a-3.png", "a.png"]
    told = capsys.readouterr().out
    assert "a.png (seed 7)" in told and "a-3.png (seed 9)" in told


def test_replace_says_what_it_needs(loaded, photo, tmp_path, capsys):
    out = tmp_path / "a.png"
    argv = ["edit", str(photo), "--kind", "replace", "--prompt", "a red fox", "--out", str(out)]
    assert main([*argv, "--box", "30,20,70,50", "--quiet"]) == 2
    assert "inpaint" in one_line(capsys.readouterr().err)
    assert not out.exists()


def test_stopping_leaves_no_file(loaded, photo, tmp_path, monkeypatch, capsys):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(pipeline.pipeline.Pipeline, "segment", stop)
    assert main(["segment", str(photo), "--classes", "dog", "--out", str(tmp_path / "out")]) == 130
    assert "Stopped" in capsys.readouterr().err and not (tmp_path / "out").exists()


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_ctrl_c_in_the_middle(photo, tmp_path):
    code = (  # a model that takes for ever to load
        "import signal, sys, time, pipeline.commands.photos as photos, pipeline.__main__ as m\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a job in the background starts without it
        "def load(args, progress):\n"
        "    progress.step('Begun')\n"
        "    time.sleep(100)\n"
        "photos.load = load\n"
        "sys.exit(m.main(sys.argv[1:]))"
    )
    argv = ["segment", str(photo), "--classes", "dog", "--out", str(tmp_path / "out")]
    process = subprocess.Popen([sys.executable, "-c", code, *argv], cwd=ROOT, stderr=subprocess.PIPE, text=True)
    assert process.stderr.readline() == "Begun\n"
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130 and "Stopped" in one_line(told)
    assert not (tmp_path / "out").exists()


def test_compare_draws_all_kinds_of_file(loaded, photo, tmp_path, capsys):
    for ending, start in (("png", b"\x89PNG"), ("pdf", b"%PDF"), ("svg", b"<svg"), ("zip", b"PK")):
        out = tmp_path / f"figure.{ending}"
        argv = ["compare", str(photo), "--classes", "dog, grass & <sky>", "--methods", "clip, sclip+pamr"]
        assert main([*argv, "--out", str(out), "--refine", "none", "--width", "90", *GEOMETRY]) == 0
        assert out.read_bytes().startswith(start)
    told = capsys.readouterr().out
    assert "sclip + pamr: " in told and "(b) clip, edges: none" in told and "90 mm" not in told


def test_evaluate_prints_and_writes_the_table(loaded, tmp_path, capsys):
    out = tmp_path / "t.json"
    argv = ["evaluate", "--dataset", "scenes", "--limit", "2", "--method", "sclip", "--out", str(out)]
    assert main([*argv, "--refine", "none", "--names", "present", *GEOMETRY]) == 0
    table = json.loads(out.read_text())
    assert (table["dataset"], table["pictures"], table["names"], table["method"]) == ("scenes", 2, "present", "sclip")
    assert len(table["classes"]) == 30 and 0 <= table["miou"] <= 1 and 0 <= table["boundary_f1"] <= 1
    told = capsys.readouterr()
    assert "scenes, 2 pictures, present names typed: tiny, sclip, refined by none" in told.out
    assert "Picture 2 of 2" in told.err


def test_evaluate_with_published_values(loaded, tmp_path):
    out = tmp_path / "t.json"
    argv = ["evaluate", "--dataset", "scenes", "--limit", "1", "--published-for", "voc21", "--out", str(out)]
    assert main([*argv, "--method", "sclip", "--refine", "none", "--quiet", *GEOMETRY]) == 0
    settings = json.loads(out.read_text())["settings"]
    assert settings["threshold"] == 0.2 and settings["background"].startswith("sky, wall")
    assert settings["short_side"] == SMALL["short_side"], "what is said beside the data set wins"


def test_lists(capsys):
    assert main(["methods"]) == 0 and main(["models"]) == 0
    told = capsys.readouterr().out
    assert "trident" in told and "clip+dino+sam" in told and "sam-vit-b" in told and "375 MB" in told
    shipped = [line for line in told.splitlines() if line.startswith("namebrush-")]
    assert len(shipped) == 4 and all(" yes " in line for line in shipped), shipped
