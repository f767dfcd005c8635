"""Filling by example: textures and edges go on, brightness meets at the seam, and odd holes are no trouble."""

import cv2
import numpy as np
import pytest

from pipeline.edit import exemplar, patches
from pipeline.edit.exemplar import fill
from pipeline.edit.patches import Level, nearest_of
from pipeline.edit.pyramid import halve, membrane
from pipeline.errors import NamebrushError
from training.scenes import make_scene


def hole_of(height, width, top, left, bottom, right):
    hole = np.zeros((height, width), bool)
    hole[top:bottom, left:right] = True
    return hole


def psnr(a, b, where):
    return 10 * np.log10(255**2 / max(1e-9, ((a[where].astype(float) - b[where]) ** 2).mean()))


def test_a_pattern_goes_on_as_it_was():
    rows, cols = np.mgrid[:96, :96]
    truth = np.repeat(((rows // 6 + cols // 6) % 2 * 120 + 60).astype(np.uint8)[..., None], 3, axis=2)
    hole = hole_of(96, 96, 36, 36, 60, 60)
    broken = np.where(hole[..., None], np.uint8(255), truth)
    ours = psnr(fill(broken, hole), truth, hole)
    theirs = max(psnr(cv2.inpaint(broken, hole.astype(np.uint8), 3, f), truth, hole) for f in (0, 1))
    assert ours > 20 and ours > theirs + 6


def test_a_horizon_goes_on_across_the_hole():
    truth = np.full((90, 120, 3), (90, 150, 220), np.uint8)
    truth[45:] = (200, 170, 90)
    hole = hole_of(90, 120, 25, 45, 65, 75)
    result = fill(np.where(hole[..., None], np.uint8(0), truth), hole).astype(int)
    middle = result[:, 60]
    assert np.abs(middle[:43] - (90, 150, 220)).max() < 25 and np.abs(middle[47:] - (200, 170, 90)).max() < 25


def test_grain_is_kept():
    rng = np.random.default_rng(0)
    truth = np.clip(128 + rng.normal(0, 14, (100, 100, 1)), 0, 255).astype(np.uint8).repeat(3, axis=2)
    hole = hole_of(100, 100, 35, 35, 65, 65)
    energy = lambda image: cv2.Laplacian(image[..., 0].astype(np.float32), cv2.CV_32F)[37:63, 37:63].var()  # noqa: E731
    filled = fill(truth, hole)
    # white noise is the hardest grain: nothing in it is alike, and the likest patches are the calmest ones
    assert 0.15 < energy(filled) / energy(truth) < 1.5
    assert energy(cv2.inpaint(truth, hole.astype(np.uint8), 3, cv2.INPAINT_NS)) / energy(truth) < 0.1


def test_brightness_meets_at_the_seam():
    ramp = np.linspace(60, 200, 128)[None, :, None].repeat(96, axis=0).repeat(3, axis=2).astype(np.uint8)
    hole = hole_of(96, 128, 30, 50, 66, 80)
    result = fill(np.where(hole[..., None], np.uint8(0), ramp), hole).astype(int)
    for inside, outside in ((50, 49), (79, 80)):
        assert np.abs(result[34:62, inside] - ramp[34:62, outside]).mean() < 6


def test_what_lies_in_the_hole_is_never_read():
    scene = make_scene(77, height=128, width=128).image
    hole = hole_of(128, 128, 40, 40, 80, 84)
    black, white = (fill(np.where(hole[..., None], np.uint8(v), scene), hole, 3) for v in (0, 255))
    assert np.array_equal(black, white)


def test_same_seed_same_pixels():
    scene = make_scene(78, height=128, width=128).image
    hole = hole_of(128, 128, 40, 40, 90, 90)
    assert np.array_equal(fill(scene, hole, 1), fill(scene, hole, 1))
    assert not np.array_equal(fill(scene, hole, 1), fill(scene, hole, 2))


def test_only_the_window_around_the_hole_is_looked_at():
    scene = make_scene(79, height=160, width=400).image
    hole = hole_of(160, 400, 70, 20, 100, 50)
    other = scene.copy()
    other[:, 150:] = 0
    assert np.array_equal(fill(scene, hole)[hole], fill(other, hole)[hole])


@pytest.mark.parametrize(
    "box", [(0, 0, 30, 30), (0, 20, 60, 40), (0, 0, 59, 80), (1, 1, 59, 79), (10, 0, 20, 80), (30, 40, 31, 41)]
)
def test_odd_holes(box):
    image = make_scene(80, height=64, width=80).image[:60]
    hole = hole_of(60, 80, *box)
    result = fill(image, hole)
    assert np.array_equal(result[~hole], image[~hole]) and result.shape == image.shape
    known = image[~hole].astype(int)
    assert result[hole].min() >= known.min() - 40 and result[hole].max() <= known.max() + 40


def test_a_hole_without_a_rest_is_refused():
    with pytest.raises(NamebrushError, match="nothing is left to fill it from"):
        fill(np.zeros((9, 9, 3), np.uint8), np.ones((9, 9), bool))


def test_a_huge_hole_keeps_the_sources_of_the_coarser_level(monkeypatch):
    monkeypatch.setattr(exemplar, "MOST_TARGETS", 500)
    searched = []
    near = Level.search_near

    def counted(self, *args, **options):
        searched.append(len(self.ty))
        return near(self, *args, **options)

    monkeypatch.setattr(Level, "search_near", counted)
    scene = make_scene(81, height=192, width=192).image
    hole = hole_of(192, 192, 60, 60, 120, 120)
    result = fill(scene, hole)
    assert np.array_equal(result[~hole], scene[~hole]) and all(count <= 500 for count in searched)
    grain = lambda image: cv2.Laplacian(image.astype(np.float32).mean(2), cv2.CV_32F)  # noqa: E731
    assert grain(result)[65:115, 65:115].var() > 0.3 * grain(scene)[~hole].var()


def test_membrane_solves_laplace():
    x = np.linspace(0, 1, 65, dtype=np.float32)
    plane = (x[:, None] + 2 * x[None])[..., None]
    hole = hole_of(65, 65, 15, 20, 50, 45)
    assert np.abs(membrane(np.where(hole[..., None], 9.0, plane), hole) - plane).max() < 0.02
    assert np.array_equal(membrane(plane, np.zeros((65, 65), bool)), plane)


def test_halving_reads_only_what_is_known():
    image = np.arange(30, dtype=np.float32).reshape(5, 6, 1)
    hole = hole_of(5, 6, 0, 0, 1, 1)
    small, smaller_hole = halve(image, hole)
    assert small.shape == (3, 3, 1) and smaller_hole.tolist() == [[True, False, False]] + [[False] * 3] * 2
    assert small[0, 0, 0] == pytest.approx((1 + 6 + 7) / 3) and small[2, 0, 0] == pytest.approx((24 + 25) / 2)


def test_search_finds_the_patch_that_is_there_twice():
    rng = np.random.default_rng(0)
    image = rng.random((40, 60, 3)).astype(np.float32)
    image[10:22, 40:52] = image[10:22, 8:20]  # the same piece in the same rows
    level = Level(image, hole_of(40, 60, 15, 12, 17, 15))
    rows, cols, costs = level.search_all(rng, k=3)
    at = np.flatnonzero((level.ty == 16) & (level.tx == 13))[0]
    assert (rows[at, 0], cols[at, 0]) == (16, 45) and costs[at, 0] < costs[at, 1] <= costs[at, 2]
    field = nearest_of(level.source)
    field[0][level.target], field[1][level.target] = 30, 30
    field[0][16, 12], field[1][16, 12] = 16, 44  # one neighbour knows; the others learn it from there
    rows, cols, _ = level.search_near(field, rng)
    found = (rows[:, 0] == level.ty) & (cols[:, 0] == level.tx + 32)
    assert found.mean() > 0.5


@pytest.mark.parametrize("spare", [0, 3, 10_000], ids=["listed", "as chosen", "rectangle"])
@pytest.mark.parametrize("most", [200_000, 1], ids=["all vote", "few vote"])
def test_votes_are_the_plain_sums_to_the_last_bit_however_they_are_laid_out(spare, most, monkeypatch):
    monkeypatch.setattr(patches, "_MOST_SPARE", spare)
    monkeypatch.setattr(patches, "_MOST_VOTES", most)
    rng, hole = np.random.default_rng(3), np.zeros((40, 50), bool)
    hole[8:12, 9:14] = hole[25:27, 30:41] = True
    level = patches.Level(rng.random((40, 50, 3), np.float32), hole)
    some = rng.integers(0, len(level.sy), (len(level.ty), 2))
    rows, cols, costs = level.sy[some], level.sx[some], rng.random(some.shape, np.float32) / 50
    say = np.exp(-costs / (2 * 0.08**2)) * level.trust[level.ty, level.tx][:, None] + 1e-8
    total, weight = np.zeros((46, 56, 3), np.float32), np.zeros((46, 56), np.float32)
    offsets = range(-3, 4) if most > 1 else (-3, 0, 3)
    for dy in offsets:
        for dx in offsets:
            for j in range(2):
                at = level.ty + 3 + dy, level.tx + 3 + dx
                total[at] += level.image[rows[:, j] + dy, cols[:, j] + dx] * say[:, j, None]
                weight[at] += say[:, j]
    plain = (total / np.maximum(weight, 1e-12)[..., None])[3:43, 3:53]
    assert np.array_equal(level.vote(rows, cols, costs), plain)
