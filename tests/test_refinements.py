"""Every refinement by name through the pipeline, and what each must do on literal maps."""

import numpy as np
import pytest

from pipeline import NamebrushError, Pipeline
from pipeline.evaluate.datasets import open_dataset
from pipeline.models.catalog import get_preset
from pipeline.records import ClassName, Photo, Vocabulary
from pipeline.refine.islands import absorb, sure
from pipeline.refine.names import REFINEMENTS
from pipeline.refine.settings import RefineSettings, SmoothSettings, VoteSettings
from pipeline.refine.vote import centroids, vote
from tests.small_models import SMALL, picture, small_pipeline
from tests.small_sam import blobs, embed, small_sam

LOOSE = {"iou_threshold": 0.0, "coarse_threshold": 0.0, "minimal_area": 4, "vote_grid": 4}


@pytest.fixture(scope="module")
def pipe():
    return small_pipeline()


def find(pipe, **settings):
    given = {"method": "sclip", "background": "none", **SMALL, **LOOSE, **settings}
    return pipe.segment(picture(3), "dog; puppy, grass, sky", **given)


@pytest.mark.parametrize("name", [n for n in REFINEMENTS if n != "diffusion"])
def test_every_refinement_gives_labels_and_regions_that_agree(pipe, name):
    found = find(pipe, refine=name)
    assert found.refine == name and found.labels.shape == (96, 128) and found.labels.max() <= 2
    for region in found.regions:
        assert (found.labels[region.mask] == region.class_index).all()
    if REFINEMENTS[name].acts == "scores":
        np.testing.assert_allclose(found.scores.sum(0), 1, atol=1e-4)


def test_optimized_is_sam_on_a_processor(pipe):
    plain, fast = find(pipe, refine="sam"), find(pipe, refine="optimized")
    assert (plain.labels == fast.labels).all() and len(plain.regions) == len(fast.regions)


def test_diffusion_without_a_unet_is_refused_in_one_line(pipe, monkeypatch):
    monkeypatch.setattr(pipe.models, "has_part", lambda kind: False)
    with pytest.raises(NamebrushError, match="needs a diffusion model with a UNet.*inpaint="):
        find(pipe, refine="diffusion")
    with pytest.raises(NamebrushError, match="Edges must be one of sam, optimized"):
        find(pipe, refine="sharp")
    with pytest.raises(NamebrushError, match="times must be whole numbers"):
        SmoothSettings(diffusion_steps="5, x")


def test_models_advise_on_mask_prompts_and_people_overrule():
    assert RefineSettings().advised(True).use_masks is True and RefineSettings().advised(False).use_masks is False
    assert RefineSettings(use_masks=True).advised(False).use_masks is True
    alone = RefineSettings(use_points=False, use_boxes=False)
    assert alone.advised(False).use_masks is True, "something must be asked"
    assert RefineSettings().advised(True, 0.5).islands == 0.5
    assert RefineSettings(islands=0.0).advised(True, 0.5).islands == 0


def test_islands_join_the_neighbour_they_fit_and_small_things_alone_stay():
    labels = np.zeros((12, 12), np.int32)
    labels[:, 6:] = 1
    labels[2:4, 5:7] = 2  # between both: fits 1 better
    labels[8, 8] = 0  # inside 1
    labels[9:, :3] = -1
    labels[10, 1] = 2  # alone in "no class"
    scores = np.full((3, 12, 12), 0.2, np.float32)
    scores[1, 2:4, 5:7] = 0.5
    tidy = absorb(labels, scores, 5)
    assert (tidy[2:4, 5:7] == 1).all() and tidy[8, 8] == 1 and tidy[10, 1] == 2
    assert absorb(labels, scores, 0) is labels
    assert (absorb(labels, scores, 4)[2:4, 5:7] == 2).all(), "not below the least area"


def test_pieces_nobody_is_sure_of_have_no_name_and_small_ones_must_be_surer():
    labels = np.full((20, 20), -1, np.int32)
    labels[:, :8], labels[0:2, 12:14], labels[6:12, 12:18], labels[16:18, 12:14] = 0, 1, 1, 2
    scores = np.zeros((3, 20, 20), np.float32)
    scores[0], scores[1, 0:2, 12:14], scores[1, 6:12, 12:18], scores[2] = 0.9, 0.4, 0.4, 0.55
    known = sure(labels, scores, 0.2, 10)
    assert (known[0:2, 12:14] == -1).all(), "small, and sure by less than .5"
    assert (known[6:12, 12:18] == 1).all() and (known[16:18, 12:14] == 2).all() and (known[:, :8] == 0).all()
    assert (sure(labels, scores, 0.45, 10)[6:12, 12:18] == -1).all()
    assert sure(labels, scores, 0, 10) is labels
    assert RefineSettings().advised(True, 0.5, 0.2).least_score == 0.2
    assert RefineSettings(least_score=0.0).advised(True, 0.5, 0.2).least_score == 0


def test_the_built_in_models_start_with_what_measured_best_and_drop_crumbs():
    tiny = get_preset("tiny")
    assert tiny.method == "trident" and tiny.least_score > 0 and get_preset("base").least_score == 0
    found = Pipeline.load("tiny").segment(next(iter(open_dataset("scenes", limit=1))).photo, "dog, tree, sky, boat")
    assert found.regions and min(r.score for r in found.regions) >= tiny.least_score


def test_centroids_keep_their_distance_and_lie_inside():
    labels = np.full((60, 60), -1, np.int32)
    labels[10:20, 10:20] = 0
    labels[10:16, 24:30] = 0  # centroid 12 pixels off: dropped
    labels[40:50, 40:50] = 0
    labels[30:58, 2:4] = labels[56:58, 2:20] = 1  # an angle, whose centroid is outside
    points = centroids(labels, 20)
    zero = [(x, y) for c, x, y in points if c == 0]
    assert len(zero) == 2 and len(points) == 3
    assert all(labels[int(y), int(x)] == c for c, x, y in points)
    assert len(centroids(labels, 5)) == 4


def test_votes_count_only_where_most_pixels_agree():
    sam = small_sam()
    pixels, probs, labels = blobs(80, 100, 3, seed=6)
    vocabulary, embedding = Vocabulary(tuple(map(ClassName, "abc"))), embed(sam, pixels)
    settings = RefineSettings(minimal_area=4, iou_threshold=0.0)
    strict, _ = vote(labels, probs, vocabulary, embedding, sam, settings, VoteSettings(vote_agreement=1.0))
    loose, regions = vote(labels, probs, vocabulary, embedding, sam, settings, VoteSettings(vote_agreement=0.3))
    assert (strict != labels).mean() < 0.01, "a mask that agrees wholly changes nothing"
    assert (loose != labels).any()
    made = [r for r in regions if r.made_by == "sam"]
    assert made and all(len(r.prompt.points) and r.logits is not None for r in made)


def test_a_uniform_photo_is_left_to_its_probabilities():
    pixels = np.full((40, 40, 3), 90, np.uint8)
    from pipeline.refine.smooth import smooth

    probs = np.stack([np.full((20, 20), 0.7, np.float32), np.full((20, 20), 0.3, np.float32)])
    for name in ("crf", "pamr"):
        out = smooth(name, Photo(pixels, "x"), probs, SmoothSettings())
        assert out.shape == probs.shape and (out.argmax(0) == 0).all()
