"""The page's logic without a browser and without models: sessions, history, clicks, texts, controls.

A stand-in engine answers at once with masks that are known, so that what the page does with answers can be checked.
"""

from __future__ import annotations

import subprocess
import sys
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest

from app import actions, canvas, controls, engine, files, serve, texts
from app.events import attempt
from app.session import MAX_STEPS, Session, Step
from app.texts import Told
from pipeline.errors import Cancelled, NamebrushError
from pipeline.photo import open_photo
from pipeline.progress import Progress
from pipeline.records import ClassName, EditResult, Prompt, Region, Segmentation, Vocabulary
from pipeline.settings import SegmentSettings

H, W = 40, 60


def photo(seed=0, height=H, width=W):
    return open_photo(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def mask(x0, y0, x1, y1, height=H, width=W):
    made = np.zeros((height, width), bool)
    made[y0:y1, x0:x1] = True
    return made


def region(number, area, class_index=0, name="dog", points=(), made_by="sam"):
    prompt = Prompt(points=np.float32(points).reshape(-1, 2), labels=np.ones(len(points), np.int32))
    return Region.from_mask(
        area, id=number, class_index=class_index, name=name, score=0.9, prompt=prompt, made_by=made_by
    )


def segmentation(picture, *regions, names=("dog", "grass")):
    labels = np.full(picture.size, -1, np.int32)
    for r in regions:
        if r.class_index >= 0:
            labels[r.mask] = r.class_index
    vocabulary = Vocabulary(tuple(ClassName(n) for n in names))
    scores = np.zeros((len(names), 4, 4), np.float32)
    return Segmentation(picture, vocabulary, labels, scores, tuple(regions), "tiny", "trident", "sam", {"encode": 1.5})


class Engine:
    """Answers with known masks and keeps what it was asked."""

    def __init__(self):
        self.asked = []
        self.before_answer = lambda: None

    def segment(self, picture, words, progress, **options):
        self.asked.append(("segment", words, options))
        progress.step("Looking", 0.5)
        self.before_answer()
        names = tuple(w.strip() for w in words.split(","))
        return segmentation(
            picture, region(0, mask(2, 2, 12, 12)), region(1, mask(30, 5, 50, 30)), names=names
        )

    def select(self, picture, points, box, region, progress):
        self.asked.append(("select", points, box, region))
        progress.step("Drawing", 0.5)
        self.before_answer()
        return region_by_hand(points, box)

    def edit(self, picture, what, kind, prompt, progress, **options):
        self.asked.append(("edit", kind, prompt, options))
        progress.step("Filling", 0.5)
        self.before_answer()
        used = np.logical_or.reduce([r.mask for r in what])
        pixels = picture.pixels.copy()
        pixels[used] = 7
        done = open_photo(pixels)
        return EditResult(picture, (done,), used, (0,), "exemplar fill", 0, {"edit": 0.5})


def region_by_hand(points, box):
    return replace(region(0, mask(20, 20, 28, 28), -1, "by hand", [p[:2] for p in points], "grabcut"))


@pytest.fixture
def stand_in(monkeypatch):
    made = Engine()
    monkeypatch.setattr(engine, "get_pipeline", lambda: made)
    return made


@pytest.fixture
def session(stand_in):
    made = Session()
    made.push(Step("photo", photo()))
    return made


def shown(x, y):
    """The shown pixel over the middle of a photo pixel."""
    fy, fx = (s / p for s, p in zip(canvas.shown_size((H, W)), (H, W), strict=True))
    return (x + 0.5) * fx, (y + 0.5) * fy


# Sessions ------------------------------------------------------------------------------------------------------------


def test_an_empty_session_can_be_copied_and_is_not_shared():
    first = Session()
    second = deepcopy(first)
    second.push(Step("photo", photo()))
    assert first.step is None and second.step is not None


def test_undo_and_redo_return_to_the_same_records(session):
    start = session.step
    session.push(Step("words", start.photo))
    words = session.step
    actions.go(session, session.cursor - 1)
    assert session.step is start
    actions.go(session, session.cursor + 1)
    assert session.step is words
    actions.go(session, 99)
    assert session.step is words


def test_a_new_step_drops_what_could_be_redone(session):
    session.push(Step("a", session.step.photo))
    actions.go(session, 0)
    session.push(Step("b", session.step.photo))
    assert [s.label for s in session.steps] == ["photo", "b"]


def test_history_is_bounded_in_steps_and_bytes(session, monkeypatch):
    for i in range(MAX_STEPS + 5):
        session.push(Step(str(i), session.step.photo))
    assert len(session.steps) == MAX_STEPS
    monkeypatch.setattr("app.session.MAX_BYTES", 3 * H * W * 3)
    for i in range(6):
        session.push(Step(str(i), photo(seed=i)))
    assert len(session.steps) == 3 and session.cursor == 2


def test_bytes_of_a_shared_photo_count_once(session):
    picture = session.step.photo
    first, second = Step("a", picture), Step("b", picture)
    assert len(first.holds() | second.holds()) == 1


# Clicks and the shown picture ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(40, 60), (1000, 1600), (3000, 2000), (1600, 1600), (9, 200)])
def test_a_click_finds_the_pixel_under_it(size):
    height, width = size
    fy, fx = (s / p for s, p in zip(canvas.shown_size(size), size, strict=True))
    for x, y in [(0, 0), (width - 1, height - 1), (width // 2, height // 3)]:
        found = canvas.to_photo((x + 0.5) * fx - 0.5, (y + 0.5) * fy - 0.5, size)
        assert abs(found[0] - x) <= 0.5 / fx + 1e-6 and abs(found[1] - y) <= 0.5 / fy + 1e-6


def test_clicks_beyond_the_edge_stay_in_the_photo():
    assert canvas.to_photo(1e6, 1e6, (40, 60)) == (59, 39)


@pytest.mark.parametrize(("factor", "box"), [(4, (10, 5, 31, 22)), (0.5, (40, 20, 200, 120))])
def test_a_scaled_region_covers_the_scaled_mask(factor, box):
    height, width = (40, 60) if factor > 1 else (160, 240)
    area = mask(*box, height, width)
    size = (round(height * factor), round(width * factor))
    small = canvas._scaled_region(region(3, area, points=[(12, 9)]), size)
    expected = mask(*(round(v * factor) for v in box), *size)
    union, both = (small.mask | expected).sum(), (small.mask & expected).sum()
    assert small.id == 3 and both / union > 0.93
    assert small.prompt.points.tolist() == [[12 * factor, 9 * factor]]


def test_a_region_thinner_than_a_shown_pixel_is_still_shown():
    area = mask(1500, 10, 1501, 11, 4000, 6000)
    assert canvas._scaled_region(region(0, area), canvas.shown_size((4000, 6000))).area == 1


def test_picking_changes_the_picture_and_nothing_is_drawn_without_layers(session):
    base = session.step.photo
    session.push(Step("words", base, segmentation(base, region(0, mask(2, 2, 20, 20)))))
    session.layers = ()
    plain = canvas.compose(session)
    assert np.array_equal(plain, canvas.scaled(base.pixels, canvas.shown_size(base.size)))
    session.picked = (0,)
    picked = canvas.compose(session)
    session.layers = ("fill", "outline", "names", "prompts", "scores")
    assert not np.array_equal(plain, picked) and not np.array_equal(picked, canvas.compose(session))


def test_a_shown_picture_is_written_under_a_name_of_its_own(tmp_path):
    pixels = photo(height=30, width=50).pixels
    first, second = (canvas.write_shown(pixels, tmp_path, lossless=True) for _ in range(2))
    assert first != second
    assert np.array_equal(open_photo(first).pixels, pixels)


# Actions -------------------------------------------------------------------------------------------------------------


def test_names_are_found_and_picked_by_a_click(session, stand_in):
    told = actions.find(session, "dog, grass", {"refine": "sam"}, Progress())
    assert told.text.startswith("2 masks in 1.5 s.") and "Not found: grass" in told.text
    assert stand_in.asked[-1] == ("segment", "dog, grass", {"refine": "sam"})
    told, ask = actions.click(session, *shown(40, 20))
    assert ask is None and session.picked == (1,) and "edges by SAM" in told.text
    actions.click(session, *shown(40, 20))
    assert session.picked == ()
    told, _ = actions.click(session, *shown(55, 35))
    assert session.picked == () and told.kind == "hint"


def test_a_whole_class_is_picked_and_put_back(session):
    actions.find(session, "dog, grass", {}, Progress())
    actions.pick_class(session, "dog")
    assert session.picked == (0, 1)
    actions.pick_class(session, "dog")
    assert session.picked == ()
    assert "grass" in actions.pick_class(session, "grass").text


def test_two_clicks_make_a_box_and_a_mask_by_hand_without_words(session, stand_in):
    session.tool = "box"
    _, ask = actions.click(session, *shown(30, 30))
    assert ask is None and session.corner == (30, 30)
    _, ask = actions.click(session, *shown(10, 12))
    assert ask == {"box": (10, 12, 31, 31)} and session.corner is None
    told = actions.draw_mask(session, ask, Progress())
    assert "grabCut" in told.text and session.picked == (0,)
    assert session.step.regions[0].class_index == -1
    assert stand_in.asked[-1] == ("select", [], (10, 12, 31, 31), None)


def test_a_box_without_width_is_refused(session):
    session.tool = "box"
    actions.click(session, *shown(30, 30))
    with pytest.raises(NamebrushError, match="too thin"):
        actions.click(session, *shown(30, 10))
    assert session.corner is None


def test_a_point_corrects_the_picked_mask_and_keeps_its_name(session, stand_in):
    actions.find(session, "dog, grass", {}, Progress())
    session.picked, session.tool = (1,), "subtract"
    _, ask = actions.click(session, *shown(45, 20))
    actions.draw_mask(session, ask, Progress())
    asked = stand_in.asked[-1]
    assert asked[1] == [(45, 20, 0)] and asked[3].id == 1
    corrected = session.step.regions[1]
    assert (corrected.id, corrected.name, corrected.class_index) == (1, "dog", 0)
    labels = session.step.segmentation.labels
    assert labels[20, 45] == -1 and labels[24, 24] == 0


def test_taking_away_needs_one_picked_mask(session):
    session.tool = "subtract"
    with pytest.raises(NamebrushError, match="Pick the one mask"):
        actions.click(session, *shown(5, 5))


def test_masks_by_hand_outlive_new_words(session):
    session.tool = "add"
    _, ask = actions.click(session, *shown(24, 24))
    actions.draw_mask(session, ask, Progress())
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


def test_a_mask_covered_in_part_keeps_its_rest():
    picture = photo()
    kept = region(0, mask(0, 0, 30, 30))
    result = EditResult(picture, (picture,), mask(20, 0, 40, 40), (0,), "x", 0)
    (rest,) = actions.without(segmentation(picture, kept), result).regions
    assert rest.box == (0, 0, 20, 30) and rest.area == 600


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
    stand_in.before_answer = lambda: session.push(Step("other photo", photo(seed=5)))
    if work == "find":
        told = actions.find(session, "cat", {}, Progress())
    elif work == "draw":
        told = actions.draw_mask(session, {"point": (5, 5, 1)}, Progress())
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


# Texts ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("typed", ["<img src=x onerror=alert(1)>", "{{value}}", "${1+1}", "`x`", 'a"b\'c', "a\\b"])
def test_typed_markup_is_text_everywhere(typed):
    picture = photo()
    found = segmentation(picture, region(0, mask(2, 2, 9, 9), 0, typed), names=(typed, "grass"))
    page = Session()
    page.push(Step(typed, picture, found))
    pieces = [
        texts.legend(found, page.colors()), texts.history(page), texts.status(Told(typed)),
        texts.against(Vocabulary((ClassName("a"),), (typed,))),
    ]  # fmt: skip
    for piece in pieces:
        assert not any(sign in piece.replace("<style>", "").split("<style")[0] for sign in ("<img", "{{", "${", "`"))


def test_the_legend_counts_masks_and_says_what_was_not_found():
    found = segmentation(photo(), region(0, mask(2, 2, 9, 9)), region(1, mask(20, 2, 29, 9)))
    made = texts.legend(found, [(1, 2, 3), (4, 5, 6)])
    assert "<b>2</b>" in made and "<b>not found</b>" in made and "rgb(1, 2, 3)" in made


def test_choices_name_score_and_maker():
    choices = texts.region_choices([region(4, mask(2, 2, 9, 9)), region(7, mask(20, 2, 29, 9), made_by="coarse")])
    assert choices == [("dog 1  ·  0.90  ·  SAM", 4), ("dog 2  ·  0.90  ·  the labels", 7)]


# Settings and files --------------------------------------------------------------------------------------------------


def test_controls_come_from_the_settings_and_are_read_back():
    made = {c.name: c for c in controls.controls(SegmentSettings, "t")}
    assert made["method"].component.value == "trident" and made["threshold"].component.value == ""
    assert made["threshold"].read("") is None and made["threshold"].read(" 0.25 ") == 0.25
    assert made["window"].read("128") == 128 and isinstance(made["window"].read("128.0"), int)
    with pytest.raises(NamebrushError, match="must be a number"):
        made["window"].read("wide")


def test_building_the_page_imports_no_model_library():
    code = "import sys, app.build; app.build.build_demo(); sys.exit('torch' in sys.modules or 'diffusers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=serve.theme.HERE.parent).returncode == 0


@pytest.mark.parametrize(("given", "expected"), [("", None), ("8080", 8080)])
def test_the_port_comes_from_the_environment(monkeypatch, given, expected):
    monkeypatch.setenv("PORT", given)
    assert serve.port() == expected


def test_a_port_that_is_none_ends_with_status_2(monkeypatch, capsys):
    monkeypatch.setenv("PORT", "http")
    with pytest.raises(SystemExit) as end:
        serve.port()
    assert end.value.code == 2 and "PORT must be a number" in capsys.readouterr().err


def test_downloads_are_exact_and_deleted_afterwards(session):
    actions.find(session, "dog, grass", {}, Progress())
    with files.written(session, "photo") as path:
        assert np.array_equal(open_photo(path).pixels, session.step.photo.pixels)
    assert not path.exists() and not path.parent.exists()
    for kind in ("masks", "regions", "overlay"):
        with files.written(session, kind) as path:
            assert path.stat().st_size > 0


def test_there_is_nothing_to_download_before_there_are_masks(session):
    with pytest.raises(NamebrushError, match="no masks"), files.written(session, "masks"):
        pass


@pytest.mark.parametrize(("name", "expected"), [("a b/../c.jpg", "c"), ("..", "photo"), ("täst 1.png", "täst_1")])
def test_download_names_are_plain(name, expected):
    assert files.stem(name) == expected
