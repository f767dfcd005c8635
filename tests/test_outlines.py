"""Outlines an inpainting model brings along: which is taken, where it lies, and what is done to the old thing."""

import functools
import json

import cv2
import numpy as np
import pytest
from PIL import Image

from pipeline import Pipeline
from pipeline.__main__ import main
from pipeline.edit import edit
from pipeline.edit.outlines import STRETCH, laid, outline_of, outlined, shape_of
from pipeline.errors import NamebrushError
from pipeline.history import open_session
from pipeline.models import builtin
from pipeline.models.painting import of_folder
from pipeline.photo import open_photo
from pipeline.records import EditRequest
from pipeline.rle import decode_rle, encode_rle

from . import checkpoints

WORDS = {"nouns": ["ball", "boat", "sailboat", "car"], "colors": ["red"], "grounds": ["sea"]}


def disc(side=64):
    return cv2.circle(np.zeros((side, side), np.uint8), (side // 2, side // 2), side // 2 - 1, 1, -1).astype(bool)


def wedge(high, wide):
    return np.arange(wide)[None] < np.maximum(1, wide * (np.arange(high)[:, None] + 1) / high)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = checkpoints.small_inpainting(tmp_path_factory.mktemp("assets") / "inpainting", WORDS)
    things = [
        {"words": ["ball"], "outlines": [encode_rle(disc())]},
        {"words": ["boat", "sailboat"], "outlines": [encode_rle(wedge(40, 90)), encode_rle(wedge(90, 50))]},
    ]
    (made / "outlines.json").write_text(json.dumps(things))
    return made


@pytest.fixture
def engine(folder, monkeypatch):
    monkeypatch.setattr(builtin, "INPAINTING", folder)
    return Pipeline.load("tiny", inpaint="namebrush-inpaint", device="cpu")


@pytest.fixture
def photo():
    pixels = np.random.default_rng(0).integers(90, 110, (160, 220, 3), np.uint8)
    pixels[60:100, 60:150] = (250, 20, 20)  # the old thing: a wide red bar
    return open_photo(pixels)


def bar():
    mask = np.zeros((160, 220), bool)
    mask[60:100, 60:150] = True
    return mask


@pytest.fixture
def holes(monkeypatch, engine):
    """The pictures and masks the pipeline was given."""
    pipe, given = engine.models.inpaint(), []
    call = type(pipe).__call__

    @functools.wraps(call)
    def recorded(self, **options):
        given.append((np.asarray(options["image"]), np.asarray(options["mask_image"]) > 0))
        return call(self, **options)

    monkeypatch.setattr(type(pipe), "__call__", recorded)
    return given


def test_the_hole_has_the_form_of_what_is_asked_and_the_old_thing_is_gone_first(engine, photo, holes):
    result = edit(photo, EditRequest("replace", bar(), "red ball", steps=2), engine.models)
    ((seen, hole),) = holes
    contours, _ = cv2.findContours(hole.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    (_, radius), round_area = cv2.minEnclosingCircle(contours[0]), hole.sum()
    assert round_area > 0.9 * np.pi * radius**2  # a disc, not the bar's box
    red = (seen[..., 0] > 200) & (seen[..., 1] < 60)
    assert not red.any()
    old = bar() & ~_near(result, photo)
    assert (result.images[0].pixels[old][:, 1] > 60).all()  # beside the disc there is ground now
    assert result.changed_outside == 0 and result.request.shape == "outline" and result.mask[bar()].all()


def _near(result, photo):
    """Where the new thing may lie: the disc as high as a square of the bar's area, standing where it stood."""
    side = np.sqrt(40 * 90) * 1.2
    ys, xs = np.mgrid[: photo.size[0], : photo.size[1]]
    return np.hypot(xs - 105, ys - (100 - side / 2)) < side / 2 + 4


def test_candidates_take_turns_and_a_seed_means_the_same_in_any_company(engine, photo, holes):
    both = edit(photo, EditRequest("replace", bar(), "a sailboat", steps=2, candidates=2, seed=6), engine.models)
    (_, first), (_, second) = holes
    assert (first & second).sum() < 0.8 * (first | second).sum()
    alone = edit(photo, EditRequest("replace", bar(), "a sailboat", steps=2, seed=7), engine.models)
    place = both.seeds.index(7)
    assert np.array_equal(alone.images[0].pixels, both.images[place].pixels)
    assert both.changed_outside == 0 and all(rank["seam"] > 0 for rank in both.ranks)
    assert both.things[place] == alone.things[0] != both.things[1 - place]
    thing = decode_rle(alone.things[0])
    assert alone.things[0]["name"] == "sailboat" and alone.mask[thing].all()
    assert (alone.images[0].pixels[thing] != photo.pixels[thing]).any()


@pytest.mark.parametrize(
    ("prompt", "word"),
    [("a red ball", "ball"), ("SAILBOAT", "sailboat"), ("the sea", None), ("a car", None), ("football", None)],
)
def test_the_word_that_is_meant(folder, prompt, word):
    painting = of_folder(folder)
    assert outlined(prompt, painting.outlines) == word
    request = EditRequest("replace", bar(), prompt)
    assert shape_of(request, painting) == ("outline" if word else "box")
    assert shape_of(EditRequest("replace", bar(), prompt, invert=True), painting) == "region"
    assert shape_of(EditRequest("restyle", bar(), prompt), painting) == "region"


def test_an_outline_nobody_has_is_refused(engine, photo):
    with pytest.raises(NamebrushError, match="no outline for this.*auto or hull"):
        engine.edit(photo, bar(), "replace", "a car", shape="outline")
    with pytest.raises(NamebrushError, match="Outlines are for replacing; to remove choose another room"):
        engine.edit(photo, bar(), "remove", shape="outline")


@pytest.mark.parametrize("content", ["{}", "[1]", '[{"words": ["ball"]}]', "[", '[{"words": 3, "outlines": [1]}]'])
def test_a_broken_list_is_named(folder, tmp_path, content):
    (tmp_path / "words.json").write_text(json.dumps(WORDS))
    (tmp_path / "outlines.json").write_text(content)
    with pytest.raises(NamebrushError, match=r"outlines\.json is no list of outlines"):
        of_folder(tmp_path)


def test_an_outline_lies_inside_any_photo_and_stands_where_the_old_thing_stood():
    rng = np.random.default_rng(3)
    for _ in range(300):
        height, width = (int(n) for n in rng.integers(1, 120, 2))
        xs, ys = (np.sort(rng.choice(side + 1, 2, replace=False)) for side in (width, height))
        box = int(xs[0]), int(ys[0]), int(xs[1]), int(ys[1])
        form = wedge(*(int(n) for n in rng.integers(2, 97, 2)))
        piece = laid(form, box, (height, width), int(rng.integers(0, 6)))
        x0, y0, x1, y1 = piece.box
        assert 0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height and piece.used.shape == (y1 - y0, x1 - x0)
        assert piece.core.any() and not (piece.core & ~piece.used).any()
        assert (piece.alpha[piece.core] == 1).all() and (piece.alpha[~piece.used] == 0).all()
        rows, cols = np.flatnonzero(piece.core.any(1)), np.flatnonzero(piece.core.any(0))
        assert np.ptp(cols) <= STRETCH * (box[2] - box[0]) and np.ptp(rows) <= STRETCH * (box[3] - box[1])
        if 1.5 * (np.ptp(rows) + 4) < box[3]:  # it had room above
            assert abs(y0 + rows[-1] + 1 - box[3]) <= 1


def test_a_seed_means_one_outline():
    outlines = [encode_rle(wedge(40, 30 + i)) for i in range(5)]
    taken = [outline_of(seed, outlines) for seed in range(5)]
    assert sorted(mask.shape[1] for mask in taken) == [30, 31, 32, 33, 34]
    assert all(np.array_equal(outline_of(seed, outlines), mask) for seed, mask in enumerate(taken))
    ways = {bool(outline_of(seed, outlines[:1])[0, 0]) for seed in range(12)}
    assert ways == {True, False}


def test_a_session_of_it_is_done_again(engine, photo, tmp_path, capsys):
    Image.fromarray(photo.pixels).save(tmp_path / "a.png")
    session = str(tmp_path / "s.namebrush.zip")
    asked = ["edit", str(tmp_path / "a.png"), "--kind", "replace", "--prompt", "red ball", "--steps", "2", "--box",
             "60,60,150,100", "--inpaint", "namebrush-inpaint", "--out", str(tmp_path / "b.png")]  # fmt: skip
    assert main([*asked, "--session", session, "--quiet"]) == 0
    kept = open_session(session).steps[-1].edit
    assert kept.things[0]["name"] == "ball" and decode_rle(kept.things[0]).shape == photo.size
    again = ["--inpaint", "namebrush-inpaint", "--out", str(tmp_path / "again"), "--quiet"]
    assert main(["replay", session, *again]) == 0
    assert "1 steps done again, 1 with the same pixels" in capsys.readouterr().out
