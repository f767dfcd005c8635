"""Proposals: masks first, words second, and the hybrid with a dense method."""

import numpy as np
import pytest

from pipeline import NamebrushError
from pipeline.proposals.crops import cut_out, sizes_for
from pipeline.proposals.masks import automatic_masks
from pipeline.proposals.naming import choose, class_likeness, known_classes, quality, threshold
from pipeline.proposals.propose import Named, paint
from pipeline.proposals.settings import ProposalSettings
from pipeline.records import ClassName, Prompt, Vocabulary
from tests.small_models import SMALL, counted, picture, small_pipeline
from tests.small_sam import blobs, embed, small_sam

S = ProposalSettings()
EASY = {"proposal_grid": 4, "proposal_iou": 0.0, "proposal_stability": 0.0, "proposal_large": -1.0,
        "proposal_small": -1.0}  # fmt: skip


def discs(sam, embedding, prompts, multimask, best):
    """In place of SAM: three discs around every point, the middle one sure, the large one with soft edges."""
    low = 32
    ys, xs = np.mgrid[:low, :low].astype(np.float32)
    logits = np.empty((len(prompts), 3, low, low), np.float32)
    for i, prompt in enumerate(prompts):
        x, y = prompt.points[0] * 32 / 90
        away = np.hypot(xs - x, ys - y)
        for j, (radius, slope) in enumerate(((1.5, 8.0), (4.0, 8.0), (9.0, 0.4))):
            logits[i, j] = (radius - away) * slope
    return logits, np.tile(np.array([0.7, 0.95, 0.9], np.float32), (len(prompts), 1))


def test_masks_are_sure_stable_and_different(monkeypatch):
    monkeypatch.setattr("pipeline.proposals.masks.decode", discs)
    sam = small_sam()
    embedding = embed(sam, blobs(70, 90, 3, seed=2)[0])
    every = automatic_masks(sam, embedding, 5, 0.0, 0.0)
    assert set(every.iou.astype(float).round(2).tolist()) == {0.7, 0.9, 0.95}
    assert (np.diff(every.iou) <= 0).all(), "the best first"
    assert set(automatic_masks(sam, embedding, 5, 0.8, 0.0).iou.astype(float).round(2).tolist()) == {0.9, 0.95}
    stable = automatic_masks(sam, embedding, 5, 0.8, 0.85)
    assert set(stable.iou.astype(float).round(2).tolist()) == {0.95}, "the soft disc changes with its threshold"
    assert 20 <= len(stable) <= 25, "discs of neighbouring points are different things"
    assert len(automatic_masks(sam, embedding, 30, 0.94, 0.85)) < 400, "those of points side by side, of 900, are not"
    large = automatic_masks(sam, embedding, 5, 0.0, 0.0, least=0.2)
    assert 0 < len(large) < len(every) and all(a >= 0.2 * large.cells for a in large.area)
    assert (every.logits[:, 25:] <= 0).all(), "what lies beyond the photo in SAM's square is no mask"
    for mask in every.full(embedding):
        assert mask.shape == (70, 90)
    assert len(automatic_masks(sam, embedding, 2, 10.0, 0.0)) == 0


def test_the_thesis_numbers():
    share = np.array([0.001, 0.15, 0.325, 0.5, 0.9])
    np.testing.assert_allclose(quality(share), [1, 1, 0.575, 0.15, 0.15])
    np.testing.assert_allclose(threshold(np.array([0.001, 0.01, 0.1, 0.5]), S), [0.20, 0.20, 0.15, 0.15])
    words = np.array([[0.1, 0.3, 0.2]], np.float32)
    assert class_likeness(words, (0, 0, 1), 2).tolist() == [[np.float32(0.3), np.float32(0.2)]]


def test_many_names_are_thinned_by_their_median_few_are_not():
    likeness = np.linspace(0, 0.3, 24)[None].astype(np.float32)
    assert known_classes(likeness, S).sum() == 12
    assert known_classes(likeness * 0.5, S).sum() == (likeness[0] * 0.5 >= 0.12).sum()
    assert known_classes(likeness[:, :5], S).all()


def test_a_mask_has_one_name_and_a_name_its_best_masks_that_do_not_overlap():
    likeness = np.array([[0.30, 0.1], [0.29, 0.1], [0.28, 0.1], [0.27, 0.1], [0.1, 0.25], [0.1, 0.19]], np.float32)
    overlap = np.eye(6)
    overlap[0, 1] = overlap[1, 0] = 0.8
    share = np.array([0.1, 0.1, 0.1, 0.1, 0.005, 0.005])
    nothing = np.zeros((6, 0), np.float32)
    found = choose(likeness, nothing, share, overlap, S)
    assert [(m, c) for m, c, _ in found] == [(0, 0), (2, 0), (4, 1)]
    assert all(0 < p <= 1 for _, _, p in found)
    rivals = np.full((6, 1), 0.4, np.float32)
    assert choose(likeness, rivals, share, overlap, S) == []


def test_cut_outs_are_square_and_show_the_thing():
    pixels = np.full((40, 60, 3), 200, np.uint8)
    pixels[10:20, 30:36] = (250, 10, 10)
    mask = np.zeros((40, 60), bool)
    mask[10:20, 30:36] = True
    shown = cut_out(pixels, mask, 64)
    assert shown.shape == (64, 64, 3) and np.abs(shown[32, 32].astype(int) - (250, 10, 10)).max() < 3
    assert np.abs(shown[32, 5].astype(int) - (200 + 127) // 2).max() < 4, "the rest is half grey"
    edge = np.zeros((40, 60), bool)
    edge[0, 0] = True
    assert cut_out(pixels, edge, 16).shape == (16, 16, 3)


def named(mask, c, confidence):
    point = Prompt(np.array([[1.0, 1.0]], np.float32), np.ones(1, np.int32))
    return Named(mask, c, confidence, point, 0.9, np.zeros((8, 8), np.float32))


def test_the_surer_mask_wins_and_the_hybrid_takes_only_things():
    vocabulary = Vocabulary((ClassName("dog"), ClassName("grass")))
    left, wide = np.zeros((6, 10), bool), np.zeros((6, 10), bool)
    left[:, :6], wide[:, 4:] = True, True
    labels, scores, regions = paint([named(left, 0, 0.9), named(wide, 1, 0.6)], vocabulary, (6, 10))
    assert (labels[:, :6] == 0).all() and (labels[:, 6:] == 1).all() and scores[0, 0, 5] == np.float32(0.9)
    assert [r.area for r in regions] == [36, 24] and all(len(r.prompt.points) for r in regions)
    dense_scores = np.zeros((2, 6, 10), np.float32)
    dense_scores[1], dense_scores[1, :, :2] = 0.5, 0.95
    dense = (np.ones((6, 10), np.int32), dense_scores)
    labels, scores, regions = paint([named(left, 0, 0.9), named(wide, 1, 0.8)], vocabulary, (6, 10), dense=dense)
    assert (labels[:, :2] == 1).all() and (labels[:, 2:6] == 0).all() and (labels[:, 6:] == 1).all()
    assert [r.name for r in regions] == ["dog"], "grass is stuff: the dense method's"
    assert (dense[0] == 1).all()


@pytest.fixture(scope="module")
def pipe():
    return small_pipeline()


@pytest.mark.parametrize("method", ["proposals", "hybrid"])
def test_proposals_are_a_method_like_any_other(pipe, method):
    pixels = picture(4)
    settings = {"background": "none", "hybrid_dense": "sclip", **EASY, **SMALL}
    found = pipe.segment(pixels, "dog; puppy, grass, fox", method=method, **settings)
    assert (found.method, found.labels.shape) == (method, (96, 128)) and found.regions
    seen = np.zeros(found.labels.shape, int)
    for region in found.regions:
        assert (found.labels[region.mask] == region.class_index).all()
        seen += region.mask
    assert seen.max() <= 1 and [r.id for r in found.regions] == list(range(len(found.regions)))
    if method == "hybrid":
        assert (found.labels >= 0).all()
    with counted(pipe) as counts:
        pipe.segment(pixels, "cat, rock", method=method, **settings)
    assert not counts["clip"] and not counts["sam"], "masks and their looks do not depend on words"


def test_mistakes_are_said(pipe):
    with pytest.raises(NamebrushError, match="dense partner"):
        pipe.segment(picture(), "dog", method="hybrid", hybrid_dense="proposals")
    assert sizes_for(pipe.models.clip) == (64, 96, 144)
