"""Metrics over a data set, against counts made by hand and the formulas written out."""

from __future__ import annotations

import doctest

import numpy as np
import pytest

from pipeline.evaluate import metrics
from pipeline.evaluate.metrics import Tally, boundary_bands, harmonic_mean


def tally_of(*pairs, classes=3):
    tally = Tally(classes)
    for truth, labels in pairs:
        tally.add(np.array([truth]), np.array([labels]))
    return tally


def test_accuracies_precision_and_f1_by_hand():
    # class 0: 4 true, 3 given, 2 hit; class 1: 2 true, 2 given, 1 hit; class 2: 0 true, 1 given
    tally = tally_of(([0, 0, 0, 0, 1, 1], [0, 0, 1, 2, 1, 0]))
    np.testing.assert_allclose(tally.iou, [2 / 5, 1 / 3, 0])
    np.testing.assert_allclose(tally.accuracy, [2 / 4, 1 / 2, np.nan])
    np.testing.assert_allclose(tally.precision, [2 / 3, 1 / 2, 0])
    np.testing.assert_allclose(tally.f1, [4 / 7, 2 / 4, 0])
    assert tally.mean_accuracy == 0.5 and tally.pixel_accuracy == 3 / 6
    assert tally.frequency_weighted_iou == pytest.approx((4 * 2 / 5 + 2 * 1 / 3) / 6)
    assert tally.miou_of([0, 1]) == pytest.approx((2 / 5 + 1 / 3) / 2)


def test_what_has_no_class_is_missed_but_given_to_nobody():
    tally = tally_of(([0, 0, 1, -1], [0, -1, -1, 1]), classes=2)
    np.testing.assert_allclose(tally.iou, [1 / 2, 0])
    np.testing.assert_allclose(tally.precision, [1, np.nan])
    assert tally.pixel_accuracy == 1 / 3


def test_an_empty_tally_knows_nothing():
    tally = Tally(2)
    numbers = [tally.miou, tally.mean_accuracy, tally.pixel_accuracy, tally.frequency_weighted_iou, tally.boundary_iou]
    assert np.isnan([*numbers, *tally.interval()]).all()


def test_the_interval_holds_the_mean_and_shrinks_with_more_pictures():
    rng = np.random.default_rng(0)

    def noisy(count):
        tally = Tally(2)
        for _ in range(count):
            truth = rng.integers(0, 2, (1, 50))
            wrong = rng.random((1, 50)) < rng.random() / 2
            tally.add(truth, np.where(wrong, 1 - truth, truth))
        return tally

    few, many = noisy(8), noisy(200)
    for tally in (few, many):
        low, high = tally.interval()
        assert low < tally.miou < high and tally.interval() == (low, high)
    assert np.diff(many.interval()) < np.diff(few.interval()) / 2
    same = tally_of(([0, 1], [0, 1]), ([0, 1], [0, 1]), classes=2)
    assert same.interval() == (1.0, 1.0)


def test_boundary_iou_by_hand():
    """A square of 10 in a picture of 40 x 30 (diagonal 50, so bands of one pixel): a shift by one keeps 18 of them."""
    truth = np.zeros((30, 40), int)
    truth[10:20, 10:20] = 1
    labels = np.zeros((30, 40), int)
    labels[10:20, 11:21] = 1
    same = boundary_bands(truth, truth, 2)
    np.testing.assert_array_equal(same[0], same[1])
    assert same[0, 1] == 36, "the rim of a square of 10 pixels"
    # rows 10 and 19 share 9 pixels each; the columns 10 and 19 of one are columns 11 and 20 of the other
    assert boundary_bands(truth, labels, 2)[:, 1].tolist() == [18, 36 + 36 - 18]
    truth[:, 15:] = -1
    assert boundary_bands(truth, labels, 2)[0, 1] == 2 * 4, "what is not counted has no boundary"


def test_boundary_iou_falls_faster_than_iou():
    truth = np.zeros((200, 200), int)
    truth[50:150, 50:150] = 1
    labels = np.roll(truth, 4, axis=1)
    tally = Tally(2)
    tally.add(truth, labels)
    assert tally.iou[1] > 0.9 and tally.boundary_iou < tally.miou - 0.2


def test_harmonic_mean_of_base_and_novel():
    assert harmonic_mean(0.6, 0.3) == pytest.approx(0.4) and harmonic_mean(0, 0) == 0.0


def test_examples_in_the_docstrings_run():
    assert doctest.testmod(metrics).failed == 0
