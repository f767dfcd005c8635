"""What a person can do on the page, without a browser and without models."""

from __future__ import annotations

import threading
import zipfile
from dataclasses import replace

import cv2
import numpy as np
import pytest

from app import actions, compare, engine, examples, files, masks, models, needs, plain, remains, scene, texts
from app.screen import attempt, go
from app.session import Session
from pipeline.cache import ByteCache
from pipeline.errors import Cancelled, FetchError, NamebrushError
from pipeline.history import Step
from pipeline.photo import open_photo
from pipeline.progress import Progress
from pipeline.records import EditRequest, EditResult
from pipeline.rle import encode_rle

from .helpers import H, W, mask, photo, region, segmentation, shown


def test_names_are_found_and_picked_by_a_click(session, stand_in):
    told = actions.find(session, "dog, grass", {"refine": "sam"}, Progress())
    assert told.text.startswith("2 masks in 0.0 s.") and "Not found: grass" in told.text
    assert stand_in.asked[-1] == ("segment", "dog, grass", {"refine": "sam"})
    told, ask = plain.click(session, *shown(40, 20))
    assert ask is None and session.picked == (1,) and "edges by SAM" in told.text
    plain.click(session, *shown(40, 20))
    assert session.picked == ()
    told, _ = plain.click(session, *shown(55, 35))
    assert session.picked == () and told.kind == "hint"


def test_several_are_picked_and_put_back(session):
    actions.find(session, "dog, grass", {}, Progress())
    told = actions.pick(session, [1, 0, 99])
    assert session.picked == (1, 0) and "2 masks are picked" in told.text
    assert "Nothing is picked" in actions.pick(session, []).text


def test_two_clicks_make_a_box_and_a_mask_by_hand_without_words(session, stand_in):
    session.tool = "box"
    _, ask = plain.click(session, *shown(30, 30))
    assert ask is None and session.corner == (30, 30)
    _, ask = plain.click(session, *shown(10, 12))
    assert ask == {"box": (10, 12, 31, 31), "ids": []} and session.corner is None
    ask = masks.asked(session, ask)
    told = masks.draw_mask(session, ask, Progress())
    assert "grabCut" in told.text and session.picked == (0,)
    assert session.step.regions[0].class_index == -1
    assert stand_in.asked[-1] == ("select", [], (10, 12, 31, 31))


def test_a_box_without_width_is_refused(session):
    session.tool = "box"
    plain.click(session, *shown(30, 30))
    with pytest.raises(NamebrushError, match="too thin"):
        plain.click(session, *shown(30, 10))
    assert session.corner is None


def test_a_point_corrects_the_picked_mask_and_keeps_its_name(session, stand_in):
    actions.find(session, "dog, grass", {}, Progress())
    session.picked, session.tool = (1,), "subtract"
    _, ask = plain.click(session, *shown(45, 20))
    masks.draw_mask(session, masks.asked(session, ask), Progress())
    assert stand_in.asked[-1] == ("correct", 1, [(45, 20, 0)], ())
    corrected = session.step.regions[1]
    assert (corrected.id, corrected.name, corrected.class_index) == (1, "dog", 0)
    labels = session.step.segmentation.labels
    assert labels[20, 45] == -1 and labels[24, 24] == 0


def test_taking_away_needs_one_picked_mask(session):
    session.tool = "subtract"
    with pytest.raises(NamebrushError, match="Pick the one mask"):
        masks.asked(session, plain.click(session, *shown(5, 5))[1])
    with pytest.raises(NamebrushError, match="Pick the one mask"):
        masks.asked(session, {"strokes": [{"points": [[3, 3]], "radius": 2, "erase": True}]})


def test_what_the_browser_asks_is_checked(session):
    with pytest.raises(NamebrushError, match="outside the photo"):
        masks.asked(session, {"points": [[600, 5, 1]]})
    with pytest.raises(NamebrushError, match="too thin"):
        masks.asked(session, {"box": [5, 5, 6, 30]})
    assert masks.asked(session, {"box": [-5, -5, 999, 30.4], "ids": [42]}) == {"box": (0, 0, 60, 30)}
    assert session.picked == ()


def test_a_brush_paints_a_mask_and_an_eraser_takes_from_it(session, stand_in):
    stroke = {"points": [[10, 10], [30, 10]], "radius": 4, "erase": False}
    told = masks.draw_mask(session, masks.asked(session, {"strokes": [stroke]}), Progress())
    (painted,) = session.step.regions
    assert painted.mask[10, 10] and painted.mask[10, 29] and not painted.mask[20, 20] and "hand" in told.text
    assert painted.box == (6, 6, 35, 15) and stand_in.asked == []
    ids = [painted.id]
    rubbed = {**stroke, "points": [[10, 10]], "erase": True}
    masks.draw_mask(session, masks.asked(session, {"strokes": [rubbed], "ids": ids}), Progress())
    (left,) = session.step.regions
    assert not left.mask[10, 10] and left.mask[10, 29]
    everything = {"points": [[20, 20]], "radius": 90, "erase": True}
    with pytest.raises(NamebrushError, match="erase the whole mask"):
        masks.draw_mask(session, masks.asked(session, {"strokes": [everything], "ids": ids}), Progress())
    assert session.step.regions == (left,)


def test_picked_masks_are_merged_renamed_and_dropped(session):
    actions.find(session, "dog, grass", {}, Progress())
    session.picked = (0, 1)
    masks.tidy(session, "merge")
    assert [r.id for r in session.step.regions] == [0] and session.picked == (0,)
    masks.tidy(session, "rename", "grass")
    assert session.step.regions[0].name == "grass"
    masks.tidy(session, "split")
    assert len(session.step.regions) == 2
    masks.tidy(session, "drop")
    assert session.step.regions == () and session.picked == ()
    with pytest.raises(NamebrushError, match="Nothing is picked"):
        masks.tidy(session, "drop")


def test_panels_are_compared_and_make_a_figure(session, stand_in, tmp_path):
    with pytest.raises(NamebrushError, match="two or more"):
        compare.compare(session, "dog", ["clip"], {}, Progress())
    what, options = ["clip+none", "sclip+crf", "base:clip"], {"method": "x", "refine": "none", "threshold": 0.2}
    told = compare.compare(session, "dog, grass", what, options, Progress())
    assert told.text.startswith("3 panels") and ("compare", what, True, {"threshold": 0.2}) in stand_in.asked
    made = compare.panels(session, str(tmp_path))
    assert [p["title"] for p in made["panels"]] == ["clip", "sclip + crf", "clip + sam"]
    assert made["panels"][2]["note"] == "base, 1.50 s, 5 MB" and "Names: dog, grass." in made["caption"]
    assert '--methods "tiny:clip+none,tiny:sclip+crf,base:clip+sam"' in made["command"]
    data = cv2.imread(made["panels"][0]["file"]["path"], cv2.IMREAD_COLOR)
    assert np.array_equal(data[:, :, 2].astype(int) - 1, session.compared[0].labels)
    path = compare.figure(session, "pdf", 90, tmp_path, "b")
    assert path.read_bytes().startswith(b"%PDF") and path.name.endswith("-comparison.pdf")
    assert compare.figure(session, "zip", 90, tmp_path).read_bytes().startswith(b"PK")
    for wrong in (4000, None, "wide"):
        with pytest.raises(NamebrushError, match="between 40 and 400"):
            compare.figure(session, "pdf", wrong, tmp_path)
    with pytest.raises(NamebrushError, match="pdf, svg, png, zip"):
        compare.figure(session, "../x", 90, tmp_path)


def test_what_can_be_compared_is_told_without_loading_anything():
    told = compare.choices()
    assert {"clip", "trident", "proposals", "clipseg"} <= {m["name"] for m in told["methods"]}
    assert {"sam", "crf", "none"} <= {e["name"] for e in told["edges"]}
    assert [m["name"] for m in told["models"]][0] == "tiny" and told["models"][0]["fetch"] == 0
    assert all(m["about"] for m in told["methods"]) and compare.FIRST[0] in told["first"]


def test_what_examples_show_is_found_once_for_all_visitors(monkeypatch):
    asked = []

    class Pipe:
        preset = "tiny"

        def segment(self, picture, words, progress, **options):
            asked.append((words, options))
            return segmentation(picture, names=("dog",))

    monkeypatch.setattr(examples, "_found", ByteCache(1 << 30))
    example = examples.examples()[0]
    picture, own, other = open_photo(example.path), {"method": "sclip"}, {"method": "clip"}
    first = examples.find(Pipe(), picture, example.words, own, Progress())
    again = examples.find(Pipe(), open_photo(example.path), example.words, own, Progress())
    assert np.shares_memory(again.labels, first.labels)
    assert asked == [(example.words, own)]
    for photo_, words, options in (
        (picture, example.words, other), (picture, "dog", own), (picture, "dog", own), (photo(), example.words, own),
    ):  # fmt: skip
        examples.find(Pipe(), photo_, words, options, Progress())
    assert len(asked) == 5, "something of a visitor's own was kept, or other settings found the same"


def test_masks_by_hand_outlive_new_words(session):
    session.tool = "add"
    _, ask = plain.click(session, *shown(24, 24))
    masks.draw_mask(session, masks.asked(session, ask), Progress())
    actions.find(session, "dog, grass", {}, Progress())
    assert [(r.id, r.name) for r in session.step.regions] == [(0, "dog"), (1, "dog"), (2, "by hand")]


def test_a_change_leaves_untouched_masks_and_undo_brings_all_back(session):
    actions.find(session, "dog, grass", {}, Progress())
    before = session.step
    session.picked = (1,)
    told = actions.change(session, "remove", "", {}, Progress())
    assert "0 pixels changed outside" in told.text and "exemplar fill" in told.text
    assert session.comparing and [r.id for r in session.step.regions] == [0]
    assert session.step.segmentation.labels[20, 40] == -1
    assert session.step.photo.pixels[20, 40].tolist() == [7, 7, 7]
    actions.go(session, session.cursor - 1)
    assert session.step is before and len(session.step.regions) == 2


def test_undo_brings_the_pick_back(session):
    actions.find(session, "dog, grass", {}, Progress())
    session.picked = (1,)
    actions.change(session, "remove", "", {}, Progress())
    assert session.picked == ()
    actions.go(session, session.cursor - 1)
    assert session.picked == (1,)
    actions.go(session, session.cursor + 1)
    assert session.picked == ()


@pytest.mark.parametrize("kind", ["recolor", "blur"])
def test_a_change_of_looks_keeps_every_mask_and_the_pick(session, kind):
    actions.find(session, "dog, grass", {}, Progress())
    before = session.step.segmentation
    session.picked = (1,)
    actions.change(session, kind, "", {}, Progress())
    assert session.step.regions == before.regions and session.picked == (1,)
    assert session.step.segmentation.photo is session.step.photo is not before.photo


def test_masks_go_along_when_the_canvas_grows():
    picture, larger = photo(), photo(seed=1, height=H + 15, width=W + 7)
    thing = region(0, mask(10, 12, 20, 18), points=[(14, 13)])
    thing = replace(thing, prompt=replace(thing.prompt, box=(10.0, 12.0, 20.0, 18.0)))
    request = EditRequest("extend", np.zeros((H, W), bool), left=7, top=5, bottom=10)
    before = segmentation(picture, thing)
    after = remains.remaining(before, EditResult(picture, (larger,), larger.pixels[..., 0] > 300, (0,), "x", 0,
                                                 request=request))  # fmt: skip
    (moved,) = after.regions
    assert moved.box == (17, 17, 27, 23) and moved.size == larger.size and moved.area == thing.area
    assert moved.prompt.points.tolist() == [[21, 18]] and moved.prompt.box == (17, 17, 27, 23)
    assert after.labels.shape == larger.size and (after.labels[moved.mask] == 0).all()
    assert (after.labels >= 0).sum() == (before.labels >= 0).sum()


@pytest.mark.parametrize("kind", ["blur", "background", "cutout"])
def test_what_changes_the_rest_claims_nothing_about_the_outside(session, kind):
    actions.find(session, "dog, grass", {}, Progress())
    session.picked = (1,)
    told = actions.change(session, kind, "", {}, Progress())
    assert "0 pixels changed in it." in told.text and "outside" not in told.text


def test_extending_extends_the_photo_whatever_is_picked(session):
    actions.find(session, "dog, grass", {}, Progress())
    session.picked = (1,)
    assert actions.change(session, "extend", "", {}, Progress()).text.startswith("The photo was extended")


def test_a_mask_by_hand_has_no_score_to_show(session):
    masks.draw_mask(session, masks.asked(session, {"box": (10, 12, 30, 30), "ids": []}), Progress())
    assert scene.scored(session.step.regions[0]) is None
    assert "score" not in session.step.told and "score" not in actions.picked_line(session).text
    assert "0.90" not in texts.region_choices(session.step.regions)[0][0]


def test_the_button_says_what_it_will_do(session):
    actions.find(session, "dog, grass", {}, Progress())
    said = {}
    for picked, kind in (((1,), "remove"), ((0, 1), "recolor"), ((), "extend"), ((), "remove")):
        session.picked, session.kind = picked, kind
        said[picked, kind] = go(session)
    assert [u["value"] for u in said.values()] == ["Remove dog 2", "Recolour 2 masks", "Extend the photo", "Change"]
    assert [u["interactive"] for u in said.values()] == [True, True, True, False]


def test_the_page_knows_which_photos_its_models_know(session, tmp_path):
    assert examples.drawings_only(session), "a visitor's own photo"
    session.push(Step("edit", "changed", photo(seed=4)))
    assert examples.drawings_only(session), "still theirs after a change"
    session.preset = "base"
    assert not examples.drawings_only(session)
    session.preset = "tiny"
    actions.open_photo(session, examples.examples()[0].path)
    assert not examples.drawings_only(session) and not examples.drawings_only(Session())


def test_who_opens_a_photo_waits_for_no_names_that_nobody_looks_for(session):
    assert needs.of_look(session, {}).pool == "quick"
    session.preset = "base"
    assert needs.of_look(session, {}).pool == "models"


def test_a_mask_covered_in_part_keeps_its_rest():
    picture = photo()
    kept = region(0, mask(0, 0, 30, 30))
    result = EditResult(picture, (picture,), mask(20, 0, 40, 40), (0,), "x", 0)
    (rest,) = remains.without(segmentation(picture, kept), result).regions
    assert rest.box == (0, 0, 20, 30) and rest.area == 600


def test_a_mask_goes_along_with_what_is_moved():
    picture = photo()
    thing = region(4, mask(10, 10, 20, 16), points=[(14, 12)])
    thing = replace(thing, prompt=replace(thing.prompt, box=(9.0, 9.0, 21.0, 17.0)))
    result = EditResult(picture, (picture,), mask(5, 5, 40, 30), (0,), "x", 0)

    def moved(**where):
        request = EditRequest("move", mask(10, 10, 20, 16), **where)
        return remains.carried((thing,), replace(result, request=request))

    (near,) = moved(dx=7, dy=-3)
    assert near.box == (17, 7, 27, 13) and near.area == 60 and (near.id, near.name) == (4, "dog")
    assert near.prompt.box == (16, 6, 28, 14) and near.prompt.points.tolist() == [[21, 9]]
    (large,) = moved(dx=5, dy=5, scale=2.0)
    assert large.box == (10, 12, 30, 24) and large.area == 240
    assert moved(dx=500) == []


def test_nothing_picked_or_no_description_is_said_before_any_work(session, stand_in):
    with pytest.raises(NamebrushError, match="Nothing is picked"):
        actions.change(session, "remove", "", {}, Progress())
    actions.find(session, "dog, grass", {}, Progress())
    session.picked = (0,)
    with pytest.raises(NamebrushError, match="needs a description"):
        actions.change(session, "replace", "  ", {}, Progress())
    assert [a[0] for a in stand_in.asked] == ["segment"]


@pytest.mark.parametrize("work", ["find", "draw", "change"])
def test_what_comes_too_late_is_dropped(session, stand_in, work):
    actions.find(session, "dog, grass", {}, Progress())
    session.picked = (0,)
    stand_in.before_answer = lambda: session.push(Step("open", "other photo", photo(seed=5)))
    if work == "find":
        told = actions.find(session, "cat", {}, Progress())
    elif work == "draw":
        told = masks.draw_mask(session, {"box": (5, 5, 20, 20)}, Progress())
    else:
        told = actions.change(session, "remove", "", {}, Progress())
    assert told.kind == "stopped" and session.step.label == "other photo"


def test_a_stopped_job_leaves_everything_as_it_was(session):
    job = session.begin()
    before = session.step

    def report(message, share):
        session.check(job)

    session.stop()
    with pytest.raises(Cancelled):
        actions.find(session, "dog", {}, Progress(report))
    assert session.step is before
    assert attempt(lambda: actions.find(session, "dog", {}, Progress(report))).kind == "stopped"
    session.check(session.begin())  # the next job runs


def test_waiting_for_the_models_can_be_stopped(monkeypatch):
    monkeypatch.setattr(engine, "_pipelines", {})
    monkeypatch.setattr(engine, "_lock", threading.Lock())
    engine._lock.acquire()  # somebody else is loading them

    def report(message, share):
        assert "Loading the models" in message
        heard.append(message)
        if len(heard) == 3:
            raise Cancelled

    heard = []
    with pytest.raises(Cancelled):
        engine.get_pipeline(Progress(report))
    assert engine._lock.locked()


class _Preset:
    """A pipeline whose models can be had, or not."""

    def __init__(self, error=None):
        self.models, self.error = self, error

    def load(self, progress):
        progress.step("Fetching", 0.5)
        if self.error:
            raise self.error if isinstance(self.error, Exception) else NamebrushError(self.error)


def test_a_preset_that_cannot_be_had_leaves_the_old_one_in_use(monkeypatch):
    loaded = {"tiny": _Preset()}
    monkeypatch.setattr(engine, "_pipelines", loaded)
    monkeypatch.setattr(engine, "_load", lambda name: _Preset("There is no network."))
    visitor = Session()
    with pytest.raises(NamebrushError, match="no network"):
        models.switch(visitor, "base", Progress())
    assert visitor.preset == "tiny" and set(loaded) == {"tiny"} and not engine._lock.locked()
    failed = FetchError("SAM is not on this machine (looked in /a/b); it could not be fetched.")
    monkeypatch.setattr(engine, "_load", lambda name: _Preset(failed))
    told = models.switch(visitor, "base", Progress())
    assert told.kind == "error" and "Nothing changed" in told.text and "/a/b" not in told.text
    assert "/a/b" in told.details and visitor.preset == "tiny"
    monkeypatch.setattr(engine, "_load", lambda name: _Preset())
    assert "base models are loaded" in models.switch(visitor, "base", Progress()).text
    models.switch(visitor, "large", Progress())
    assert visitor.preset == "large" and set(loaded) == {"tiny", "large"}
    assert models.switch(visitor, "large", Progress()).kind == "hint"


def test_the_panel_of_models_says_what_there_is():
    told = models.described(Session())
    tiny, base = told["presets"][:2]
    assert (tiny["name"], tiny["use"]) == ("tiny", "use")
    assert {p["kind"] for p in tiny["parts"]} >= {"clip", "dino", "sam"}
    assert base["use"] in ("fetch", "here") and all(p["licence"] and p["card"] for p in base["parts"])
    assert told["memory"] is None or told["memory"] > 10_000_000
    painter = next(p for p in tiny["parts"] if p["kind"] == "inpaint")
    assert len(painter["readme"]) > 500, "its card was not found"
    download = next(p for p in base["parts"] if p["kind"] == "inpaint")
    assert base["painter"] == (0 if download["here"] else download["bytes"]) and tiny["painter"] == 0


def test_another_result_of_a_change_is_a_branch_beside_the_first(session):
    picture, other = session.step.photo, photo(seed=3)
    made = EditResult(picture, (picture, other), mask(0, 0, 9, 9), (7, 8), "x", 0)
    session.push(Step("edit", "removed", picture, None, made))
    first = session.step
    told = actions.choose(session, 1)
    assert session.step.photo is other and "seed 8" in told.text and session.comparing
    assert session.step.parent == first.parent and session.step.choice == 1
    actions.choose(session, 0)
    assert session.step is first
    actions.choose(session, 1)
    assert len(session.history.steps) == 3
    actions.go(session, session.cursor - 1)
    assert session.step.label == "photo"
    with pytest.raises(NamebrushError):
        actions.choose(session, 5)


def test_opening_a_photo_stops_what_ran_for_the_one_before(session, tmp_path):
    job = session.begin()
    path = tmp_path / "next.png"
    photo(seed=2).save(path)
    actions.open_photo(session, path)
    with pytest.raises(Cancelled):
        session.check(job)
    assert len(session.steps) == 2 and "next.png" in session.step.label


def test_errors_become_one_line_and_hide_no_details(caplog):
    assert attempt(lambda: actions.find(Session(), "dog", {}, Progress())).kind == "error"

    def broken():
        raise RuntimeError("inner")

    told = attempt(broken)
    assert told.kind == "error" and "RuntimeError" in told.text and "inner" in caplog.text


def test_a_session_file_brings_everything_back(session, tmp_path):
    actions.find(session, "dog; puppy, grass", {"method": "sclip", "window": None}, Progress())
    session.picked = (1,)
    actions.change(session, "remove", "", {}, Progress())
    actions.go(session, 1)
    masks.draw_mask(session, {"box": (5, 5, 20, 20)}, Progress())
    with files.written(session, "session") as path:
        assert path.name.endswith(".namebrush.zip")
        kept = tmp_path / path.name
        kept.write_bytes(path.read_bytes())
    assert not session.has_work
    visitor = Session()
    told = actions.open_session(visitor, kept, Progress())
    assert "4 steps" in told.text and visitor.step.kind == "hand" and not visitor.has_work
    assert actions.words_of(visitor) == "dog; puppy, grass"
    assert [s.label for s in visitor.steps] == [s.label for s in session.steps]
    call = visitor.history.path()[1].call
    assert call["settings"] == {"method": "sclip", "window": None}
    branches = {s.id for s in visitor.history.steps if s.parent == 1}
    assert len(branches) == 2 and "nb-branch" in texts.history(visitor)
    removed = next(s for s in visitor.history.steps if s.kind == "edit")
    actions.jump(visitor, removed.id)
    assert visitor.step.photo.pixels[20, 40].tolist() == [7, 7, 7] and visitor.step.edit.changed_outside == 0
    actions.go(visitor, 0)
    assert visitor.step.regions == () and not visitor.has_work
    masks.draw_mask(visitor, {"box": (5, 5, 20, 20)}, Progress())
    assert visitor.has_work
    with pytest.raises(NamebrushError, match="no longer kept"):
        actions.jump(visitor, 99)


def _zip(path, **files):
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name.replace("__", "."), data)


@pytest.mark.parametrize("kind", ["text", "empty", "photos", "json", "cut", "flipped"])
def test_a_broken_session_file_is_refused_in_one_line_and_nothing_changes(session, tmp_path, kind):
    actions.find(session, "dog, grass", {}, Progress())
    path = tmp_path / "broken.namebrush.zip"
    with files.written(session, "session") as whole:
        data = bytearray(whole.read_bytes())
    if kind == "text":
        path.write_text("This is no zip.")
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "photos":
        _zip(path, holiday__jpg=b"x")
    elif kind == "json":
        _zip(path, session__json="[1, 2]")
    elif kind == "cut":
        path.write_bytes(data[: len(data) // 2])
    else:
        data[200:260] = bytes(60)
        path.write_bytes(data)
    before = session.history
    told = attempt(lambda: actions.open_session(session, path, Progress()), session)
    assert told.kind == "error" and session.history is before
    assert 20 < len(told.text) < 200 and "\n" not in told.text and "inside" not in told.text


def test_what_was_painted_can_be_picked_and_another_result_brings_its_own(session, stand_in):
    actions.find(session, "dog, grass", {}, Progress())
    before, picture = session.step, session.step.photo
    outlines = mask(3, 3, 11, 11), mask(2, 2, 9, 12)
    things = tuple({"name": "ball", **encode_rle(outline)} for outline in outlines)
    other = photo(seed=3)
    made = EditResult(picture, (picture, other), mask(2, 2, 12, 12), (7, 8), "x", 0, things=things)
    rest = remains.arrived(remains.without(before.segmentation, made), made)
    session.push(Step("edit", "replaced", picture, rest, made))
    names = [r.name for r in session.step.regions]
    assert names == ["dog", "ball"] and np.array_equal(session.step.regions[1].mask, outlines[0])
    assert [c.name for c in session.step.segmentation.vocabulary.classes][-1] == "ball"
    actions.choose(session, 1)
    assert [r.name for r in session.step.regions] == ["dog", "ball"]
    assert np.array_equal(session.step.regions[1].mask, outlines[1]) and session.step.segmentation.photo is other
    assert remains.arrived(None, made) is None and remains.arrived(rest, replace(made, things=())) is rest
