"""The page's logic without a browser and without models: sessions, history, the shown picture, texts, controls."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import zipfile
from copy import deepcopy
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from app import actions, controls, files, pictures, plain, scene, serve, texts, words
from app.session import MAX_STEPS, Session
from app.texts import Told
from app.words import de, en
from pipeline.errors import NamebrushError
from pipeline.history import Step
from pipeline.photo import open_photo
from pipeline.progress import Progress
from pipeline.records import ClassName, Vocabulary
from pipeline.settings import SegmentSettings

from .helpers import H, W, mask, photo, region, segmentation

# Sessions ------------------------------------------------------------------------------------------------------------


def test_an_empty_session_can_be_copied_and_is_not_shared():
    first = Session()
    second = deepcopy(first)
    second.push(Step("open", "photo", photo()))
    assert first.step is None and second.step is not None


def test_undo_and_redo_return_to_the_same_records(session):
    start = session.step
    session.push(Step("segment", "words", start.photo))
    words = session.step
    actions.go(session, session.cursor - 1)
    assert session.step is start
    actions.go(session, session.cursor + 1)
    assert session.step is words
    actions.go(session, 99)
    assert session.step is words


def test_a_new_step_leaves_what_could_be_redone_as_a_branch(session):
    session.push(Step("segment", "a", session.step.photo))
    left = session.step
    actions.go(session, 0)
    session.push(Step("segment", "b", session.step.photo))
    assert [s.label for s in session.steps] == ["photo", "b"]
    line = texts.history(session)
    assert f'class="nb-branch" data-step="{left.id}"' in line and ">2/2<" in line
    actions.jump(session, left.id)
    assert [s.label for s in session.steps] == ["photo", "a"] and session.step is left


def test_history_is_bounded_in_steps(session):
    for i in range(MAX_STEPS + 5):
        session.push(Step("open", str(i), session.step.photo))
    assert len(session.steps) == MAX_STEPS and session.cursor == MAX_STEPS - 1


def test_bytes_of_a_shared_photo_count_once(session):
    picture = session.step.photo
    first, second = Step("segment", "a", picture), Step("segment", "b", picture)
    assert len(first.holds() | second.holds()) == 1


# Clicks and the shown picture ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(40, 60), (1000, 1600), (3000, 2000), (1600, 1600), (9, 200)])
def test_a_click_finds_the_pixel_under_it(size):
    height, width = size
    fy, fx = (s / p for s, p in zip(plain.shown_size(size), size, strict=True))
    for x, y in [(0, 0), (width - 1, height - 1), (width // 2, height // 3)]:
        found = plain.to_photo((x + 0.5) * fx - 0.5, (y + 0.5) * fy - 0.5, size)
        assert abs(found[0] - x) <= 0.5 / fx + 1e-6 and abs(found[1] - y) <= 0.5 / fy + 1e-6


def test_clicks_beyond_the_edge_stay_in_the_photo():
    assert plain.to_photo(1e6, 1e6, (40, 60)) == (59, 39)


@pytest.mark.parametrize(("factor", "box"), [(4, (10, 5, 31, 22)), (0.5, (40, 20, 200, 120))])
def test_a_scaled_region_covers_the_scaled_mask(factor, box):
    height, width = (40, 60) if factor > 1 else (160, 240)
    area = mask(*box, height, width)
    size = (round(height * factor), round(width * factor))
    small = plain._scaled_region(region(3, area, points=[(12, 9)]), size)
    expected = mask(*(round(v * factor) for v in box), *size)
    union, both = (small.mask | expected).sum(), (small.mask & expected).sum()
    assert small.id == 3 and both / union > 0.93
    assert small.prompt.points.tolist() == [[12 * factor, 9 * factor]]


def test_a_region_thinner_than_a_shown_pixel_is_still_shown():
    area = mask(1500, 10, 1501, 11, 4000, 6000)
    assert plain._scaled_region(region(0, area), plain.shown_size((4000, 6000))).area == 1


def test_picking_changes_the_picture_and_nothing_is_drawn_without_layers(session):
    base = session.step.photo
    session.push(Step("segment", "words", base, segmentation(base, region(0, mask(2, 2, 20, 20)))))
    session.layers = ()
    bare = plain.compose(session)
    assert np.array_equal(bare, plain.scaled(base.pixels, plain.shown_size(base.size)))
    session.picked = (0,)
    picked = plain.compose(session)
    session.layers = ("fill", "outline", "names", "prompts", "scores")
    assert not np.array_equal(bare, picked) and not np.array_equal(picked, plain.compose(session))


def test_a_shown_picture_is_written_under_a_name_of_its_own(tmp_path):
    pixels = photo(height=30, width=50).pixels
    first, second = (plain.write_shown(pixels, tmp_path, lossless=True) for _ in range(2))
    assert first != second
    assert np.array_equal(open_photo(first).pixels, pixels)


# Texts ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("typed", ["<img src=x onerror=alert(1)>", "{{value}}", "${1+1}", "`x`", "a\"b'c", "a\\b"])
def test_typed_markup_is_text_everywhere(typed):
    picture = photo()
    found = segmentation(picture, region(0, mask(2, 2, 9, 9), 0, typed), names=(typed, "grass"))
    page = Session()
    page.push(Step("open", typed, picture, found))
    pieces = [
        texts.history(page), texts.status(Told(typed)),
        texts.against(Vocabulary((ClassName("a"),), (typed,))),
    ]  # fmt: skip
    for piece in pieces:
        assert not any(sign in piece.replace("<style>", "").split("<style")[0] for sign in ("<img", "{{", "${", "`"))


def test_choices_name_score_and_maker():
    choices = texts.region_choices([region(4, mask(2, 2, 9, 9)), region(7, mask(20, 2, 29, 9), made_by="coarse")])
    assert choices == [("dog 1  ·  0.90  ·  SAM", 4), ("dog 2  ·  0.90  ·  the labels", 7)]


def test_every_language_has_every_sentence_with_the_same_places_to_fill():
    for table in ("SERVER", "BROWSER"):
        own, other = getattr(en, table), getattr(de, table)
        assert set(own) == set(other), set(own) ^ set(other)
        for key, sentence in own.items():
            assert set(re.findall(r"{\w+}", sentence)) == set(re.findall(r"{\w+}", other[key])), key
    assert words.say("xx", "find") == "Find" and words.count("de", 2, "mask") != "2 masks"
    assert "</" not in words.for_browser()


# The scene for the browser -------------------------------------------------------------------------------------------


def test_the_index_picture_keeps_masks_that_overlap_whole():
    areas = [mask(2, 2, 30, 20), mask(10, 8, 50, 30), mask(12, 10, 20, 16)]
    regions = [region(i, a) for i, a in enumerate(areas)]
    index, sets = scene.index_picture(regions, (H, W))
    assert index.dtype == np.uint16 and index.shape == (H, W) and sets[0] == []
    for i, area in enumerate(areas):
        member = np.array([i in ids for ids in sets])
        assert np.array_equal(member[index], area)
    data = cv2.imdecode(np.frombuffer(pictures.as_index(index), np.uint8), cv2.IMREAD_COLOR).astype(np.uint16)
    assert np.array_equal(data[:, :, 2] | (data[:, :, 1] << 8), index)


def test_the_index_of_a_large_photo_is_smaller_and_in_place():
    area = mask(1000, 200, 3000, 1800, 2000, 4000)
    index, sets = scene.index_picture([region(7, area)], (2000, 4000), longest=400)
    assert index.shape == (200, 400) and sets == [[], [7]]
    assert np.array_equal(index, mask(100, 20, 300, 180, 200, 400))


def test_a_scene_names_everything_and_hides_its_files(session, tmp_path):
    actions.find(session, "dog, grass", {}, Progress())
    session.suggestions = ("dog", "sea")
    first = scene.scene(session, str(tmp_path))
    again = scene.scene(session, str(tmp_path))
    assert again["stamp"] > first["stamp"] and again["photo"] == first["photo"] and again["index"] == first["index"]
    assert [c["name"] for c in first["classes"]] == ["dog", "grass"] and first["suggestions"] == ["sea"]
    assert [r["title"] for r in first["regions"]] == ["dog 1", "dog 2"]
    assert all(r["box"][0] <= r["at"][0] < r["box"][2] for r in first["regions"])
    for file in (first["photo"]["file"], first["index"]["file"], first["scores"]["file"]):
        folder = Path(file["path"]).parent
        assert folder.parent == tmp_path and len(folder.name) == 32
    stranger = Session()
    stranger.push(Step("open", "x", photo(seed=9)))
    theirs = scene.scene(stranger, str(tmp_path))
    assert theirs["photo"]["file"] != first["photo"]["file"]


# Settings and files --------------------------------------------------------------------------------------------------


def test_controls_come_from_the_settings_and_are_read_back():
    made = {c.name: c for c in controls.controls(SegmentSettings, "t")}
    assert made["method"].component.value == "trident" and made["threshold"].component.value == ""
    assert made["threshold"].read("") is None and made["threshold"].read(" 0.25 ") == 0.25
    assert made["window"].read("128") == 128 and isinstance(made["window"].read("128.0"), int)
    with pytest.raises(NamebrushError, match="must be a number"):
        made["window"].read("wide")


def test_building_the_page_imports_no_model_library():
    code = (
        "import sys, app.build; app.build.build_demo(); sys.exit('torch' in sys.modules or 'diffusers' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=serve.theme.HERE.parent).returncode == 0


def test_downloads_are_exact_and_deleted_afterwards(session):
    actions.find(session, "dog, grass", {}, Progress())
    with files.written(session, "photo") as path:
        assert np.array_equal(open_photo(path).pixels, session.step.photo.pixels)
    assert not path.exists() and not path.parent.exists()
    for kind in ("masks", "regions", "overlay", "layers", "session"):
        with files.written(session, kind) as path:
            assert path.stat().st_size > 0


def test_photos_and_masks_are_written_as_the_settings_say(session):
    actions.find(session, "dog, grass", {}, Progress())
    for ending, kind in (("jpg", "JPEG"), ("webp", "WEBP")):
        with files.written(session, "photo", files.SaveSettings(photo=ending, quality=90)) as path:
            assert path.suffix == f".{ending}" and Image.open(path).format == kind
    for format, name in (("coco", "coco.json"), ("labelme", "labelme.json"), ("indexed", "masks.png")):
        saving = files.SaveSettings(masks=format)
        with files.written(session, "masks", saving) as path, zipfile.ZipFile(path) as zipped:
            assert {name, "labels.png", "regions.json"} <= set(zipped.namelist())
    with pytest.raises(NamebrushError, match="Quality"):
        files.SaveSettings(quality=0)


def test_layers_show_the_changed_photo(session):
    actions.find(session, "dog, grass", {}, Progress())
    session.picked = (1,)
    actions.change(session, "remove", "", {}, Progress())
    with files.written(session, "layers") as path, zipfile.ZipFile(path) as archive:
        merged = np.asarray(Image.open(io.BytesIO(archive.read("mergedimage.png"))).convert("RGB"))
        assert archive.read("mimetype") == b"image/openraster"
    assert np.array_equal(merged, session.step.photo.pixels)


def test_there_is_nothing_to_download_before_there_are_masks(session):
    with pytest.raises(NamebrushError, match="no masks"), files.written(session, "masks"):
        pass


@pytest.mark.parametrize(("name", "expected"), [("a b/../c.jpg", "c"), ("..", "photo"), ("täst 1.png", "täst_1")])
def test_download_names_are_plain(name, expected):
    assert files.stem(name) == expected


def test_every_endpoint_tells_programs_what_it_takes_in_a_schema_that_checkers_accept():
    from app.build import build_demo

    named = build_demo().get_api_info()["named_endpoints"]
    assert set(named) == {"/segment", "/select", "/correct", "/edit", "/compare"}
    simple = {"string", "number", "integer", "boolean", "object", "array", "null"}

    def check(schema):
        if "type" in schema:
            assert schema["type"] in simple, schema
        for one in [*schema.get("anyOf", []), *([schema["items"]] if "items" in schema else [])]:
            check(one)

    for endpoint in named.values():
        for parameter in endpoint["parameters"]:
            check(parameter["type"])
    points = next(p for p in named["/select"]["parameters"] if p["parameter_name"] == "points")
    assert points["type"]["anyOf"][0]["items"]["items"] == {"type": "number"}
