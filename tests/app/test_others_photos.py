"""Nobody sees another's: photos with the same pixels share what was computed, never transparency, EXIF or name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app import actions, examples, explain, plain, scene
from app.session import Session
from pipeline import Pipeline
from pipeline.cache import ByteCache
from pipeline.history import Step
from pipeline.photo import open_photo
from pipeline.progress import Progress
from pipeline.records import Photo

from .helpers import mask, photo, region, segmentation

WORDS = "tree, sky"


def twins(base: Photo) -> tuple[Photo, Photo]:
    """Two visitors' photos with the same pixels: the first with a hole, EXIF and a name of its own."""
    alpha = np.full(base.size, 255, np.uint8)
    alpha[: base.size[0] // 2] = 0
    secret = replace(base, alpha=alpha, exif=b"Exif\x00\x00at home", name="secret.jpg", notes=("Secret note.",))
    return secret, replace(base)


def photos_in(value, seen=None) -> list[Photo]:
    """Every photo that can be reached from a value, through records, containers and objects."""
    seen = set() if seen is None else seen
    if id(value) in seen or isinstance(value, (str, bytes, int, float, np.ndarray, type(None))):
        return []
    seen.add(id(value))
    if isinstance(value, Photo):
        return [value]
    if isinstance(value, dict):
        parts = [*value, *value.values()]
    elif isinstance(value, (list, tuple, set)):
        parts = list(value)
    else:
        parts = list(getattr(value, "__dict__", {}).values())
    return [one for part in parts for one in photos_in(part, seen)]


def test_an_example_found_by_one_visitor_comes_to_another_with_their_own_photo(monkeypatch):
    monkeypatch.setattr(examples, "_found", ByteCache(1 << 30))
    example = examples.examples()[0]
    looked = []

    class Pipe:
        preset = "tiny"

        def segment(self, picture, words, progress, **options):
            looked.append(picture)
            area = np.zeros(picture.size, bool)
            area[:20, :20] = True
            return segmentation(picture, region(0, area), names=("dog",))

    secret, own = twins(open_photo(example.path))
    first = examples.find(Pipe(), secret, example.words, {}, Progress())
    second = examples.find(Pipe(), own, example.words, {}, Progress())
    assert len(looked) == 1 and first.photo is secret and second.photo is own
    assert second.regions is first.regions and np.shares_memory(second.labels, first.labels)
    kept = photos_in([examples._found.get(key) for key in examples._found.keys()])
    assert [one.name for one in kept] == [example.path.name] and all(one.exif != secret.exif for one in kept)


@pytest.fixture(scope="module")
def pipe():
    return Pipeline.load("tiny", device="cpu")


@pytest.mark.parametrize(
    "ask",
    [
        lambda pipe, picture: pipe.segment(picture, WORDS, refine="none"),
        lambda pipe, picture: pipe.segment(picture, WORDS, method="proposals"),
        lambda pipe, picture: pipe.compare(picture, WORDS, "sclip+none,trident+sam", alone=False)[1],
        lambda pipe, picture: pipe.edit(picture, pipe.select(picture, box=(4, 4, 30, 30)), kind="cutout"),
    ],
    ids=["segment", "proposals", "compare", "edit"],
)
def test_features_kept_for_one_photo_bring_nothing_of_it_to_its_twin(pipe, ask):
    secret, own = twins(photo(seed=3, height=64, width=96))
    ask(pipe, secret)
    answer = ask(pipe, own)
    assert answer.photo is own and "Secret note." not in answer.notes
    assert not photos_in([pipe.cache.get(key) for key in pipe.cache.keys()]), "a feature cache holds a photo"


def test_heat_maps_of_a_kept_photo_hold_no_photo(pipe, monkeypatch):
    monkeypatch.setattr("app.engine.get_pipeline", lambda progress=None, preset=None: pipe)
    secret, own = twins(photo(seed=4, height=64, width=96))
    for picture in (secret, own):
        session = Session()
        session.push(Step("open", picture.name, picture))
        explain.explain(session, 5.0, 5.0, None, {}, Progress())
    assert photos_in(session.explained) == [own]


def test_suggestions_of_a_kept_photo_stay_with_its_visitor(session, monkeypatch):
    monkeypatch.setattr("pipeline.suggest.suggest", lambda pipe, picture, **rest: [picture.name])
    secret, own = twins(photo(seed=5))
    first, second = Session(), Session()
    for one, picture in ((first, secret), (second, own)):
        one.push(Step("open", picture.name, picture))
        actions.suggest(one, {}, Progress())
    assert (first.suggestions, second.suggestions) == (("secret.jpg",), ("photo",))


def test_the_scenes_files_of_twins_differ(tmp_path):
    secret, own = twins(photo(seed=6))
    scenes = []
    for picture in (secret, own):
        session = Session()
        session.push(Step("open", picture.name, picture))
        scenes.append(scene.scene(session, str(tmp_path)))
    files = [Path(one["photo"]["file"]["path"]) for one in scenes]
    assert files[0] != files[1] and [one["photo"]["alpha"] for one in scenes] == [True, False]


def test_the_shown_picture_of_the_plain_surface_is_made_per_photo():
    secret, own = twins(photo(seed=7))
    first, second = (plain.shown_segmentation(one, None).photo for one in (secret, own))
    assert first is not second and (first.name, second.name) == ("secret.jpg", "photo")


def test_score_maps_of_a_shared_result_wear_each_visitors_own_colours(tmp_path):
    base = photo(seed=8)
    found = segmentation(base, region(0, mask(2, 2, 20, 20)), names=("dog", "grass"))
    first, second = Session(), Session()
    first.colors_of(["cat", "sea", "dog"])  # so that the first visitor's dog has the third colour
    for one in (first, second):
        one.push(Step("segment", "words", base, replace(found)))
    scenes = [scene.scene(one, str(tmp_path)) for one in (first, second)]
    for one in scenes:
        assert one["scores"]["colors"][0] == one["classes"][0]["color"]
    assert scenes[0]["scores"]["colors"] != scenes[1]["scores"]["colors"]
