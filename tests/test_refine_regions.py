"""Regions by literal arrays: what SAM is asked about, and how its answers become regions again."""

import dataclasses

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy import ndimage

from pipeline.errors import NamebrushError
from pipeline.records import ClassName, KeptLogits, Prompt, Vocabulary
from pipeline.refine.assemble import Asked, assemble
from pipeline.refine.refine import empty_embedding
from pipeline.refine.regions import areas, find_components, ignore_weak, to_grid, working_size
from pipeline.refine.settings import RefineSettings


def test_areas_are_eight_connected_and_in_raster_order():
    labels = np.array(
        [
            [0, 0, 0, 1, 0],
            [1, 0, 0, 0, 1],
            [0, 1, 0, 0, 0],
            [0, 0, 0, 0, 1],
        ],
        np.int32,
    )
    found = list(areas(labels, 1))
    assert [(a, b) for a, b, _ in found] == [(2, (3, 0, 5, 2)), (2, (0, 1, 2, 3)), (1, (4, 3, 5, 4))]
    assert found[0][2].tolist() == [[True, False], [False, True]]
    assert [a for a, _, _ in areas(labels, 1, minimal_area=2)] == [2, 2]
    assert list(areas(labels, 7)) == []


def test_raster_order_is_that_of_the_first_pixel_whatever_the_shape():
    labels = (np.random.default_rng(0).random((37, 53)) < 0.35).astype(np.int32)
    marked, count = ndimage.label(labels, np.ones((3, 3)))  # numbers areas by their first pixel
    found = list(areas(labels, 1))
    assert len(found) == count > 30
    for number, (area, (x0, y0, x1, y1), crop) in enumerate(found, 1):
        assert (crop == (marked[y0:y1, x0:x1] == number)).all() and area == crop.sum() == (marked == number).sum()


def test_a_component_knows_its_first_maximum_and_mean():
    labels = np.array([[0, 1, 1], [0, 1, 1]], np.int32)
    scores = np.array([[[0.9, 0.1, 0.1], [0.8, 0.3, 0.2]], [[0.1, 0.6, 0.7], [0.2, 0.7, 0.4]]], np.float32)
    zero, one = find_components(labels, scores, 1, 0.5)
    assert (zero.class_index, zero.box, zero.point, zero.area) == (0, (0, 0, 1, 2), (0, 0), 2)
    assert (one.class_index, one.box, one.point, one.area) == (1, (1, 0, 3, 2), (2, 0), 4)
    assert one.score == pytest.approx(0.6) and zero.score == pytest.approx(0.85)
    assert [c.class_index for c in find_components(labels, scores, 3, 0.5)] == [1], "smaller than the minimal area"
    assert [c.class_index for c in find_components(labels, scores, 1, 0.8)] == [0], "class 1 never reaches 0.8"


def test_weak_pixels_belong_to_no_region():
    labels, scores = np.array([[0, 0, 0]], np.int32), np.array([[[0.9, 0.2, 0.9]]], np.float32)
    assert ignore_weak(labels, scores, 0.5).tolist() == [[0, -1, 0]]
    assert ignore_weak(labels, scores, 0.0) is labels


def test_the_working_grid_is_half_the_photo_and_never_finer_than_the_scores():
    assert working_size((97, 128), (97, 128)) == (48, 64)
    assert working_size((97, 128), (97, 128), half=False) == (97, 128)
    assert working_size((4000, 6000), (500, 750)) == (500, 750)
    assert working_size((1, 1), (1, 1)) == (1, 1)


def test_labels_go_to_the_grid_as_torch_takes_the_nearest():
    labels = np.arange(97 * 61, dtype=np.int32).reshape(97, 61)
    small, maps = to_grid(labels, np.zeros((1, 97, 61), np.float32), (48, 30))
    expected = F.interpolate(torch.from_numpy(labels).double()[None, None], (48, 30), mode="nearest")[0, 0]
    assert (small == expected.numpy()).all() and maps.shape == (1, 48, 30)


def link(labels: np.ndarray, source: np.ndarray, prompts: int, smallest: float = 1):
    """Regions of literal labels and sources."""
    asked = Asked(
        [Prompt(np.full((1, 2), i, np.float32), np.ones(1, np.int32), (i, i, i + 2, i + 2)) for i in range(prompts)],
        [KeptLogits.of(np.full((4, 4), i, np.float32)) for i in range(prompts)],
        np.linspace(0.5, 0.9, prompts).astype(np.float32),
    )
    scores = np.full((2, *labels.shape), 0.5, np.float32)
    embedding = empty_embedding(labels.shape, 64)
    return assemble(
        labels,
        source,
        asked,
        scores,
        Vocabulary((ClassName("a"), ClassName("b"))),
        embedding,
        None,
        smallest,
        RefineSettings(),
    )


def test_a_region_split_by_another_gives_two_with_the_same_prompt():
    labels = np.array([[0, 0, 1, 0, 0, 0]], np.int32)
    source = np.array([[0, 0, 1, 0, 0, 0]], np.int32)
    first, second, other = link(labels, source, 2)
    assert (first.area, second.area, other.class_index) == (3, 2, 1)
    assert first.prompt.box == second.prompt.box == (0, 0, 2, 2) and other.prompt.box == (1, 1, 3, 3)
    assert {first.made_by, second.made_by, other.made_by} == {"sam"}


def test_joined_regions_join_their_points_boxes_and_logits():
    labels = np.zeros((1, 6), np.int32)
    source = np.array([[2, 2, 2, 1, 1, 2]], np.int32)
    (region,) = link(labels, source, 3)
    assert region.prompt.points.tolist() == [[2, 2], [1, 1]] and region.prompt.box == (1, 1, 4, 4)
    assert region.iou == pytest.approx(0.9) and (region.logits.whole() == 2).all()


def test_a_region_mostly_left_over_is_coarse_with_the_prompt_that_was_rejected():
    labels = np.zeros((1, 5), np.int32)
    source = np.array([[2, 2, 2, 1, 1]], np.int32)  # 2 prompts: 2 is what is left of region 0, 1 was won by region 1
    (region,) = link(labels, source, 2)
    assert (region.made_by, region.prompt.box, region.iou, region.logits) == ("coarse", (0, 0, 2, 2), 0.5, None)


def test_specks_keep_their_label_but_are_not_listed():
    labels = np.full((5, 9), -1, np.int32)
    labels[0, 0] = labels[1:4, 3:6] = 0
    source = np.full((5, 9), -1, np.int32)
    assert [r.area for r in link(labels, source, 0, smallest=8)] == [9]
    assert [r.area for r in link(labels, source, 0, smallest=4)] == [9, 1]


def test_settings_say_what_they_are_and_refuse_what_is_out_of_range():
    for field in dataclasses.fields(RefineSettings):
        assert field.metadata["label"] and field.metadata["help"].endswith(".")
    with pytest.raises(NamebrushError, match="Quality gate"):
        RefineSettings(iou_threshold=1.5)
    with pytest.raises(NamebrushError, match="at least one kind of prompt"):
        RefineSettings(use_points=False, use_boxes=False, use_masks=False)


def test_the_smallest_region_shrinks_with_small_photos():
    settings = RefineSettings()
    assert settings.area_on((188, 250), (375, 500)) == 225
    assert settings.area_on((1000, 1000), (2000, 2000)) == 225
    assert settings.area_on((128, 128), (256, 256)) == pytest.approx(225 * 256 * 256 / 187_500)
    assert dataclasses.replace(settings, scale_area=False).area_on((128, 128), (256, 256)) == 225
    assert dataclasses.replace(settings, half=False).area_on((400, 500), (400, 500)) == 900
