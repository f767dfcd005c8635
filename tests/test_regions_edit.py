"""What a person decides about regions, by literal maps."""

import dataclasses

import numpy as np
import pytest

from pipeline.errors import NamebrushError
from pipeline.records import ClassName, Photo, Prompt, Region, Segmentation, Vocabulary
from pipeline.regions_edit import accept, edit_prompt, merge, put, reject, rename, split


def region(mask, i, c, name, **fields):
    box = Prompt(np.array([[0.5, 0.5]], np.float32), np.ones(1, np.int32), (0.0, 0.0, 2.0, 2.0))
    return Region.from_mask(
        mask, id=i, class_index=c, name=name, score=0.5, **{"prompt": box, "made_by": "sam", **fields}
    )


@pytest.fixture
def found():
    """Two dogs side by side above grass: 0 is dog (ids 0 and 1), 1 is grass (id 2), the last column nothing."""
    labels = np.array([[0, 0, 0, 0, -1], [0, 0, 0, 0, -1], [1, 1, 1, 1, -1]], np.int32)
    left = np.zeros(labels.shape, bool)
    left[:2, :2] = True
    right = (labels == 0) & ~left
    regions = (region(left, 0, 0, "dog"), region(right, 1, 0, "dog"), region(labels == 1, 2, 1, "grass"))
    pixels = np.zeros((*labels.shape, 3), np.uint8)
    pixels[:2, :2] = 200
    vocabulary = Vocabulary((ClassName("dog", ("puppy",)), ClassName("grass")), background=("else",))
    scores = np.full((3, *labels.shape), 1 / 3, np.float32)
    return Segmentation(Photo(pixels, "x"), vocabulary, labels, scores, regions, "tiny", "clip", "sam")


def consistent(s: Segmentation):
    """Regions do not overlap, and the labels are theirs."""
    painted, seen = np.full(s.labels.shape, -1), np.zeros(s.labels.shape, int)
    for r in s.regions:
        painted[r.mask] = r.class_index
        seen += r.mask
        assert r.name == s.vocabulary.classes[r.class_index].name
    assert seen.max() <= 1 and (painted == s.labels).all()
    assert len({r.id for r in s.regions}) == len(s.regions)


def test_rejecting_leaves_no_class_and_the_other_instance(found):
    next_ = reject(found, 0)
    consistent(next_)
    assert [r.id for r in next_.regions] == [1, 2] and (next_.labels[:2, :2] == -1).all()
    consistent(found)
    assert len(found.regions) == 3, "the one before stays as it was"
    with pytest.raises(NamebrushError, match="no region 0 any more"):
        reject(next_, 0)


def test_a_corrected_mask_takes_pixels_but_not_accepted_ones(found):
    wide = np.zeros(found.labels.shape, bool)
    wide[:, 1:3] = True  # gives up the first column, reaches into the other dog and the grass
    changed = put(found, region(wide, 0, 0, "dog"))
    consistent(changed)
    assert [r.area for r in changed.regions] == [6, 2, 2] and (changed.labels[:2, 0] == -1).all()
    kept = put(accept(found, 1), region(wide, 0, 0, "dog"))
    consistent(kept)
    assert kept.region(1).area == 4 and kept.region(0).area == 4 and kept.region(1).accepted
    with pytest.raises(NamebrushError, match="Accepted regions cover all"):
        put(accept(found, 1), region(found.region(1).mask, 0, 0, "dog"))
    whole = put(found, region(np.ones(found.labels.shape, bool), 2, 1, "grass"))
    consistent(whole)
    assert [r.id for r in whole.regions] == [2], "regions that lose all their pixels are gone"


def test_a_mask_by_hand_is_listed_and_takes_nothing(found):
    hand = region(np.ones(found.labels.shape, bool), 7, -1, "by hand")
    listed = put(found, hand)
    assert [r.id for r in listed.regions] == [0, 1, 2, 7] and (listed.labels == found.labels).all()
    named = rename(listed, 7, "grass")
    assert (named.labels == 1).all() and named.region(7).name == "grass"
    assert (reject(listed, 7).labels == found.labels).all()


def test_merging_joins_masks_prompts_and_names(found):
    logits = [np.full((4, 4), v, np.float32) for v in (-1, 2)]
    regions = (
        dataclasses.replace(found.regions[0], logits=logits[0]),
        dataclasses.replace(found.regions[1], logits=logits[1], score=1.0),
        found.regions[2],
    )
    found = dataclasses.replace(found, regions=regions)
    one = merge(found, [0, 1])
    consistent(one)
    assert [(r.id, r.area) for r in one.regions] == [(0, 8), (2, 4)]
    assert len(one.region(0).prompt.points) == 2 and (one.region(0).logits.whole() == 2).all()
    assert one.region(0).score == pytest.approx(0.75)
    over = merge(found, [2, 0])
    consistent(over)
    assert over.region(2).name == "grass" and over.region(2).area == 8 and over.region(2).logits is None
    with pytest.raises(NamebrushError, match="at least two"):
        merge(found, [1, 1])


def test_splitting_by_points_follows_the_photo_and_by_islands_the_mask(found):
    whole = merge(found, [0, 1])
    apart, ids = split(whole, 0, [(0, 0), (3, 1)])
    consistent(apart)
    assert set(ids) == {0, 3}
    for i in ids:
        part = apart.region(i)
        x, y = part.prompt.points[part.prompt.labels == 1][0].astype(int)
        assert part.mask[y, x] and part.prompt.box == tuple(map(float, part.box)) and part.logits is None
    with pytest.raises(NamebrushError, match="one piece"):
        split(found, 0)
    with pytest.raises(NamebrushError, match="not inside"):
        split(found, 0, [(0, 0), (4, 0)])
    with pytest.raises(NamebrushError, match="at least two"):
        split(found, 0, [(0, 0)])
    cut = put(found, region(np.pad(np.ones((3, 1), bool), ((0, 0), (1, 3))), 9, 1, "grass"))
    assert cut.region(2).area == 3
    islands, ids = split(cut, 2)
    consistent(islands)
    assert [islands.region(i).area for i in ids] == [2, 1] and ids[0] == 2


def test_the_cut_between_two_seeds_follows_an_edge_of_the_photo():
    mask = np.zeros((60, 80), bool)
    mask[5:55, 5:75] = True
    pixels = np.full((60, 80, 3), 60, np.uint8)
    pixels[:, 30:] = 180
    found = Segmentation(
        Photo(pixels, "x"), Vocabulary((ClassName("a"),)), np.where(mask, 0, -1).astype(np.int32),
        np.ones((1, 60, 80), np.float32), (region(mask, 0, 0, "a"),), "tiny", "clip", "none",
    )  # fmt: skip
    parts, ids = split(found, 0, [(10, 10), (60, 40)])
    consistent(parts)
    assert abs(parts.region(ids[0]).box[0] - 30) <= 1 and abs(parts.region(ids[1]).box[2] - 30) <= 1


def test_a_large_region_is_split_whole():
    rng = np.random.default_rng(3)
    mask = np.zeros((60, 80), bool)
    mask[5:55, 5:75] = True
    labels = np.where(mask, 0, -1).astype(np.int32)
    found = Segmentation(
        Photo(rng.integers(0, 256, (60, 80, 3), dtype=np.uint8), "x"), Vocabulary((ClassName("a"),)), labels,
        np.ones((1, 60, 80), np.float32), (region(mask, 0, 0, "a"),), "tiny", "clip", "none",
    )  # fmt: skip
    seeds = [(10, 10), (70, 10), (40, 50)]
    parts, ids = split(found, 0, seeds)
    consistent(parts)
    assert sum(parts.region(i).area for i in ids) == mask.sum() and len(ids) == 3
    owners = [next(i for i in ids if parts.region(i).mask[y, x]) for x, y in seeds]
    assert len(set(owners)) == 3


def test_renaming_by_synonym_and_by_a_new_name(found):
    known = rename(found, 2, " Puppy ")
    consistent(known)
    assert known.region(2).name == "dog" and known.vocabulary is found.vocabulary
    fresh = rename(found, 1, "fox")
    consistent(fresh)
    assert [c.name for c in fresh.vocabulary.classes] == ["dog", "grass", "fox"]
    assert fresh.scores.shape == (4, 3, 5) and not fresh.scores[2].any()
    assert (fresh.scores[3] == np.float32(1 / 3)).all()
    assert [r.name for r in fresh.find("fox")] == ["fox"]
    with pytest.raises(NamebrushError, match="Type the new name"):
        rename(found, 1, " \u200b")


def test_prompts_are_data():
    prompt = Prompt(np.array([[1, 2], [8, 9]], np.float32), np.array([1, 0], np.int32), (0.0, 0.0, 9.0, 9.0))
    more = edit_prompt(prompt, add=[(4.5, 5), (8, 9, 1)])
    assert more.points.tolist() == [[1, 2], [8, 9], [4.5, 5]] and more.labels.tolist() == [1, 1, 1]
    assert more.box == prompt.box
    assert edit_prompt(prompt, remove=[0]).points.tolist() == [[8, 9]]
    assert edit_prompt(prompt, remove=[(7, 7)]).points.tolist() == [[1, 2]]
    assert edit_prompt(prompt, box=False).box is None and edit_prompt(prompt, box=(1, 2, 3, 4)).box == (1, 2, 3, 4)
    with pytest.raises(NamebrushError, match="no point 2"):
        edit_prompt(prompt, remove=[2])
