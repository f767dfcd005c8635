"""Overlays, marks and legends."""

import numpy as np
import pytest

from pipeline import glyphs
from pipeline.draw import BY_HAND, Layers, fill_labels, legend, overlay, region_titles, with_prompt, with_selection
from pipeline.palette import OKABE_ITO, luminance
from pipeline.photo import photo_from_pixels
from pipeline.records import ClassName, Prompt, Segmentation, Vocabulary
from tests.test_export import region, segmentation

NOTHING = Layers(fill=False, outline=False, prompts=False)


def scene(shade: int, names=("dog", "grass")) -> Segmentation:
    """Two regions with prompts on a flat photo of one shade."""
    labels = np.full((160, 240), -1, np.int32)
    labels[20:80, 20:120] = 0
    labels[100:150, 60:230] = 1
    prompts = [
        Prompt(np.array([[70.0, 50.0], [30.0, 70.0]], np.float32), np.array([1, 0], np.int32), (18, 18, 122, 82)),
        Prompt(),
    ]
    regions = tuple(region(labels == i, i, i, names[i], prompt=prompts[i], score=0.5) for i in range(2))
    photo = photo_from_pixels(np.full((160, 240, 3), shade, np.uint8))
    vocabulary = Vocabulary(tuple(ClassName(n) for n in names))
    return Segmentation(photo, vocabulary, labels, np.zeros((2, 4, 4), np.float32), regions, "tiny", "sclip", "none")


def changed(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a != b).any(axis=2)


def test_fill_mixes_by_hand_numbers_and_leaves_no_class_alone():
    pixels = np.full((1, 3, 3), 100, np.uint8)
    filled = fill_labels(pixels, np.array([[0, 1, -1]], np.int32), [(200, 0, 100), (0, 0, 0)], share=0.35)
    assert filled.tolist() == [[[135, 65, 100], [65, 65, 65], [100, 100, 100]]]
    assert (pixels == 100).all()


@pytest.mark.parametrize("layers", [NOTHING, Layers(), Layers(names=True, scores=True)])
def test_an_overlay_is_a_new_picture(layers):
    found = scene(128)
    before = found.photo.pixels.copy()
    first, second = overlay(found.photo, found, layers), overlay(found.photo.pixels, found, layers)
    assert first.shape == (160, 240, 3) and first.dtype == np.uint8 and first.flags.writeable
    assert np.array_equal(first, second) and np.array_equal(found.photo.pixels, before)


def test_each_layer_can_be_switched():
    found = scene(128)
    bare = overlay(found.photo, found, NOTHING)
    assert np.array_equal(bare, found.photo.pixels)
    assert np.array_equal(overlay(found.photo), found.photo.pixels)
    fill = changed(overlay(found.photo, found, Layers(outline=False, prompts=False)), bare)
    assert np.array_equal(fill, found.labels >= 0)
    outline = changed(overlay(found.photo, found, Layers(fill=False, prompts=False)), bare)
    assert outline[20, 70] and outline[50, 20] and not outline[50, 70] and not outline[5, 5]
    prompts = changed(overlay(found.photo, found, Layers(fill=False, outline=False)), bare)
    assert prompts[50, 70] and prompts[70, 30] and prompts[18, 60] and not prompts[125, 145]
    for text in (Layers(False, False, False, names=True), Layers(False, False, False, scores=True)):
        assert changed(overlay(found.photo, found, text), bare).sum() > 50
    selected = changed(overlay(found.photo, found, NOTHING, selected={1}), bare)
    assert selected[100, 100] and not selected[:90].any()


@pytest.mark.parametrize("shade", [0, 128, 255])
@pytest.mark.parametrize("color", OKABE_ITO)
def test_marks_can_be_read_on_any_photo(shade, color):
    """Every mark has pixels both much darker and much lighter than each other, so one of them always stands out."""
    marks = {
        "positive": lambda c: glyphs.point(c, 30, 30, True, color, 1.2),
        "negative": lambda c: glyphs.point(c, 30, 30, False, color, 1.2),
        "box": lambda c: glyphs.box(c, (10, 10, 50, 50), color, 1.2),
        "outline": lambda c: glyphs.outline(c, [np.array([[[10, 10]], [[50, 10]], [[50, 50]]], np.int32)], color, 1.2),
        "selection": lambda c: glyphs.selection(c, glyphs.contours(np.ones((40, 40), bool), 10, 10), 1.2),
    }
    for name, mark in marks.items():
        canvas = np.full((60, 60, 3), shade, np.uint8)
        mark(canvas)
        contrast = max(
            abs(luminance(tuple(v)) - luminance((shade,) * 3)) for v in np.unique(canvas.reshape(-1, 3), axis=0)
        )
        assert contrast > 0.12, name


def test_positive_and_negative_points_differ():
    plus, minus = np.zeros((40, 40, 3), np.uint8), np.zeros((40, 40, 3), np.uint8)
    glyphs.point(plus, 20, 20, True, OKABE_ITO[0], 1.5)
    glyphs.point(minus, 20, 20, False, OKABE_ITO[0], 1.5)
    assert tuple(plus[20, 20]) == OKABE_ITO[0]  # a disc of the class's colour
    assert tuple(minus[20, 20]) == (255, 255, 255) and tuple(minus[17, 20]) == (0, 0, 0)  # a bar, hollow above it


def test_marks_scale_with_the_photo_and_may_lie_at_its_edge():
    assert glyphs.unit((8, 8)) == 0.8 and glyphs.unit((1000, 1000)) == 2.0 and glyphs.unit((20000, 20000)) == 12
    canvas = np.zeros((8, 9, 3), np.uint8)
    for x, y in ((0, 0), (8, 7), (-5, 20)):
        glyphs.point(canvas, x, y, True, (9, 9, 9), 3)
    glyphs.box(canvas, (-3, -3, 20, 20), (9, 9, 9), 1)
    glyphs.box(canvas, (4, 4, 5, 5), (9, 9, 9), 1)
    glyphs.label(canvas, "far too long for so small a picture", 4, 4, (200, 0, 0), 1)
    assert canvas.shape == (8, 9, 3)


def test_outlines_follow_holes_and_edges():
    mask = np.ones((30, 40), bool)
    mask[10:20, 10:20] = False
    lines = glyphs.contours(mask, 5, 7)
    assert len(lines) == 2
    corners = np.concatenate(lines).reshape(-1, 2)
    assert corners.min(axis=0).tolist() == [5, 7] and corners.max(axis=0).tolist() == [44, 36]


@pytest.mark.parametrize(
    "name", ["dog", "天空", "سماء زرقاء", "👩‍🚀", "e\u0301", "<b>x</b>", "x" * 80, "\u200d", "\ue000"]
)
def test_any_name_can_be_written(name):
    found = scene(90, (name, "grass"))
    picture = overlay(found.photo, found, Layers(names=True, scores=True))
    assert picture.shape == found.photo.pixels.shape
    plate = legend([name, "grass"], values=["12%", ""], width=200)
    assert plate.shape[1] == 200


def test_shorten():
    assert glyphs.shorten("a b") == "a b" and glyphs.shorten("a\n b") == "a b"
    assert glyphs.shorten("x" * 28) == "x" * 28 and glyphs.shorten("x" * 29) == "x" * 27 + "…"


def test_legend_shows_every_colour_and_grows():
    names = [f"name {i}" for i in range(8)]
    for dark in (False, True):
        plate = legend(names, width=300, dark=dark)
        seen = {tuple(v) for v in np.unique(plate.reshape(-1, 3), axis=0).tolist()}
        assert set(OKABE_ITO) <= seen and (plate.mean() < 60) == dark
    assert legend(names, width=150).shape[0] > legend(names, width=900).shape[0]
    assert legend([]).ndim == 3


def test_region_titles_number_only_what_is_several():
    mask = np.ones((9, 9), bool)
    regions = [region(mask, 4, 0, "dog"), region(mask, 7, 1, "sky"), region(mask, 9, 0, "dog")]
    assert region_titles(regions) == {4: "dog 1", 7: "sky", 9: "dog 2"}


def test_prompts_and_selections_by_hand():
    pixels = np.full((100, 120, 3), 77, np.uint8)
    pixels.flags.writeable = False
    shown = with_prompt(pixels, Prompt(np.array([[50, 40]], np.float32), np.array([1], np.int32), (10, 10, 90, 80)))
    assert tuple(shown[40, 50]) == BY_HAND and changed(shown, pixels)[10, 50]
    mask = np.zeros((100, 120), bool)
    mask[20:60, 30:80] = True
    for what in (mask, region(mask)):
        outlined = changed(with_selection(pixels, what), pixels)
        assert outlined[20, 50] and not outlined[40, 55] and not outlined[5, 5]
        assert with_selection(pixels, what, color=(255, 0, 0))[40, 55].tolist() == [139, 50, 50]
    assert np.array_equal(with_selection(pixels, np.zeros_like(mask)), pixels)


def test_the_tests_own_segmentation_draws():
    found = segmentation()
    assert changed(overlay(found.photo, found), found.photo.pixels).any()
