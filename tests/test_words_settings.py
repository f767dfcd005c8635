"""The settings of words and upsampling through the engine's door."""

import json

import numpy as np
import pytest
from PIL import Image

import pipeline.pipeline
from pipeline import NamebrushError
from pipeline.__main__ import main
from tests.small_models import SMALL, counted, picture, small_pipeline

WORDS = "dog; puppy, cat, grass, sky, rock, sea, tree, fox, house"
GEOMETRY = [f"--{n.replace('_', '-')}={v}" for n, v in SMALL.items()]


@pytest.fixture(scope="module")
def pipe():
    return small_pipeline(3)


def find(pipe, words=WORDS, **settings):
    return pipe.segment(picture(3), words, **{"method": "sclip", "refine": "none", "background": "none",
                                              **SMALL, **settings})  # fmt: skip


def test_defaults_said_aloud_change_nothing(pipe):
    plain = find(pipe)
    said = find(pipe, upsample="bilinear", groups="none", temperature=1.0, uncertain=None, denoise=False)
    np.testing.assert_array_equal(plain.scores, said.scores)
    np.testing.assert_array_equal(plain.labels, said.labels)


@pytest.mark.parametrize("method", ["clip", "trident", "clip-surgery"])
@pytest.mark.parametrize(
    "settings",
    [
        {"upsample": "bilateral"},
        {"groups": "auto"},
        {"temperature": 0.3},
        {"uncertain": 0.2, "uncertain_above": 0.1},
        {"denoise": True},
        {"templates": "adaptive"},
        {"upsample": "bilateral", "groups": "auto", "temperature": 2.0, "denoise": True, "templates": "top7"},
    ],
    ids=str,
)
def test_each_goes_with_every_kind_of_method_and_runs_no_image_encoder(pipe, method, settings):
    plain = find(pipe, method=method)
    with counted(pipe) as counts:
        found = find(pipe, method=method, **settings)
    assert counts["clip"] == counts["dino"] == counts["sam"] == 0
    assert found.scores.shape == plain.scores.shape and np.isfinite(found.scores).all()
    assert (found.scores != plain.scores).any(), "the setting did nothing"
    assert (found.scores >= 0).all() and found.scores.max() <= 1 + 1e-5
    if settings == {"temperature": 0.3}:
        np.testing.assert_array_equal(found.labels, plain.labels)


def test_what_was_set_aside_is_told_and_wins_nothing(pipe):
    found = find(pipe, denoise=True, denoise_floor=0.0)
    (note,) = found.notes
    names = [c.name for c in found.vocabulary.classes]
    absent = note.removeprefix("Taken as absent and set aside: ").rstrip(".").split(", ")
    assert len(absent) == 4 and set(absent) < set(names), "below the median of nine are four"
    assert not np.isin(found.labels, [names.index(name) for name in absent]).any()


def test_groups_are_told(pipe):
    (note,) = find(pipe, groups="auto").notes
    assert note.startswith("Groups: dog") and note.count("|") == 2
    found = find(pipe, "animals: dog, cat | grass, sky", groups="given")
    assert found.vocabulary.groups == (("animals", (0, 1)),) and found.notes == ()


@pytest.mark.parametrize(
    ("words", "settings", "said"),
    [
        ("dog, cat", {"groups": "given"}, "No group was typed"),
        ("dog, cat", {"denoise": True}, "at least 8 names"),
        (WORDS, {"upsample": "nearest"}, "Upsampling must be one of bilinear, bilateral, loftup"),
        (WORDS, {"upsample": "loftup"}, "512 channels, and this CLIP has 32"),
        (WORDS, {"upsample": "loftup", "method": "clip-surgery"}, "choose upsample=bilateral"),
        (WORDS, {"temperature": 0.0}, "Temperature must be a number between 0.05 and 20"),
        (WORDS, {"groups": "some"}, "Groups must be one of none, given, auto"),
    ],
)
def test_what_makes_no_sense_is_refused_before_any_model_runs(pipe, words, settings, said):
    with counted(pipe) as counts, pytest.raises(NamebrushError, match=said) as told:
        find(pipe, words, **settings)
    assert set(counts.values()) == {0} and "\n" not in str(told.value)


def test_the_command_line_has_them_all(pipe, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(pipeline.pipeline.Pipeline, "load", classmethod(lambda cls, **options: pipe))
    Image.fromarray(picture(3)).save(tmp_path / "photo.png")
    argv = ["segment", str(tmp_path / "photo.png"), "--classes", WORDS, "--out", str(tmp_path / "out"), *GEOMETRY]
    flags = "--method sclip --refine none --background none --templates adaptive --groups auto --temperature 0.5 "
    flags += "--uncertain 0.3 --uncertain-above 0.4 --denoise --denoise-floor 0.1 --upsample bilateral --quiet"
    assert main([*argv, *flags.split()]) == 0
    told = capsys.readouterr().err
    assert "Groups: dog" in told and "set aside" in told
    notes = json.loads((tmp_path / "out" / "regions.json").read_text())["notes"]
    assert [note.split(" ")[0] for note in notes] == ["Groups:", "Taken"]
