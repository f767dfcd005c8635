"""Finding regions fast equals finding them plainly, on maps of every kind."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.splitting import plain_regions
from pipeline.refine.regions import find_components


def same(labels, scores, least, coarse):
    fast = find_components(labels, scores, least, coarse)
    plain = plain_regions(labels, scores, least, coarse)
    assert len(fast) == len(plain)
    for a, b in zip(fast, plain, strict=True):
        mask = np.zeros(labels.shape, bool)
        mask[a.slices] = a.crop
        assert (a.class_index, a.area, a.box, a.point) == (b["class"], b["area"], b["box"], b["point"])
        assert (mask == b["mask"]).all() and a.score == pytest.approx(b["score"], abs=1e-5)
    return fast


@st.composite
def maps(draw):
    height, width = draw(st.integers(1, 24)), draw(st.integers(1, 24))
    classes = draw(st.sampled_from([1, 2, 5, 171]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    grain = draw(st.integers(1, 8))
    coarse = rng.integers(-1, classes, (height // grain + 1, width // grain + 1))
    labels = np.kron(coarse, np.ones((grain, grain), int))[:height, :width].astype(np.int32)
    # A few levels only, so that the first of several maxima must be found.
    scores = (rng.integers(0, draw(st.sampled_from([2, 4, 1000])), (classes, height, width)) / 1000).astype(np.float32)
    return labels, scores, draw(st.integers(0, 6)), draw(st.sampled_from([0.0, 0.002, 0.5, 0.99]))


@settings(max_examples=300, deadline=None)
@given(maps())
def test_fast_regions_are_the_plain_ones_on_random_maps(case):
    same(*case)


@pytest.mark.parametrize("least", [0, 1, 2])
def test_single_pixels_diagonals_full_frames_and_nothing(least):
    rng = np.random.default_rng(1)
    scores = rng.random((3, 9, 7)).astype(np.float32)
    one = np.full((9, 7), -1, np.int32)
    one[4, 3] = 2
    diagonal = np.full((9, 7), -1, np.int32)
    diagonal[np.arange(7), np.arange(7)] = 1
    ring = np.zeros((9, 7), np.int32)
    ring[2:7, 2:5] = 1
    for labels, count in ((one, int(least < 2)), (diagonal, 1), (np.zeros((9, 7), np.int32), 1), (ring, 2)):
        assert len(same(labels, scores, least, 0.0)) == count
    assert same(np.full((9, 7), -1, np.int32), scores, least, 0.0) == []
    assert same(np.full((9, 7), 3, np.int32), scores, least, 0.0) == [], "labels beyond the classes have no region"


def test_many_classes_one_pixel_each():
    labels = np.arange(171, dtype=np.int32).reshape(9, 19)
    scores = np.random.default_rng(2).random((171, 9, 19)).astype(np.float32)
    assert len(same(labels, scores, 1, 0.0)) == 171
    same(labels, scores, 1, 0.995)


def test_without_components_a_class_is_one_region():
    labels = np.array([[0, 1, 0], [1, 1, 1], [0, -1, 2]], np.int32)
    scores = np.random.default_rng(3).random((3, 3, 3)).astype(np.float32)
    found = find_components(labels, scores, 1, 0.0, connected=False)
    assert [(c.class_index, c.area, c.box) for c in found] == [
        (0, 3, (0, 0, 3, 3)), (1, 4, (0, 0, 3, 2)), (2, 1, (2, 2, 3, 3)),
    ]  # fmt: skip
