"""Temperature, entropy, groups and absent names, against their formulas on a few pixels."""

import math

import numpy as np
import pytest
import torch

from pipeline.errors import NamebrushError
from pipeline.segment import class_probabilities, find_absent, labels_of
from pipeline.text.decide import Decision, absent_classes, absent_note, check_denoise
from pipeline.text.groups import class_vectors, cluster, group_classes, groups_note
from pipeline.vocabulary import parse_vocabulary


def scores(*columns):
    """Scores float32 [Q, 1, pixels]."""
    return torch.tensor(columns, dtype=torch.float32).T[:, None]


def softmax(values):
    values = np.exp(np.asarray(values, np.float64) - max(values))
    return values / values.sum()


def test_without_anything_the_rule_is_the_plain_one():
    vocabulary = parse_vocabulary("a; b, c", "d, e")
    maps = [torch.randn(5, 7, 9, generator=torch.Generator().manual_seed(0))]
    plain = class_probabilities(maps, vocabulary, 3.0, (14, 18))
    np.testing.assert_array_equal(class_probabilities(maps, vocabulary, 3.0, (14, 18), decision=Decision()), plain)
    other = Decision(above=0.2).probabilities(torch.randn(5, 2, 2), vocabulary)
    assert other.shape == (3, 2, 2) and (other.sum(dim=0) <= 1 + 1e-6).all()


def test_temperature_divides_the_logits():
    vocabulary = parse_vocabulary("a; b, c", "none")
    logits = scores([2.0, 1.0, 0.5])
    found = Decision(temperature=0.5).probabilities(logits, vocabulary)[:, 0, 0]
    p = softmax([4.0, 2.0, 1.0])
    np.testing.assert_allclose(found, [max(p[0], p[1]), p[2]], rtol=1e-5)


def test_only_unsure_pixels_are_sharpened():
    vocabulary = parse_vocabulary("a, b, c", "none")
    sure, unsure = [8.0, 0.0, 0.0], [1.0, 0.8, 0.6]
    p = softmax(unsure)
    assert -(p * np.log(p)).sum() / math.log(3) > 0.9
    found = Decision(uncertain=0.1, above=0.5).probabilities(scores(sure, unsure), vocabulary)[:, 0].numpy()
    np.testing.assert_allclose(found[:, 0], softmax(sure), rtol=1e-5)
    np.testing.assert_allclose(found[:, 1], softmax([10.0, 8.0, 6.0]), rtol=1e-5)
    same = Decision(uncertain=0.1, above=1.0).probabilities(scores(unsure), vocabulary)[:, 0, 0]
    np.testing.assert_allclose(same, p, rtol=1e-5)
    alone = Decision(uncertain=0.1).probabilities(scores([1.0]), parse_vocabulary("a", "none"))
    assert alone.tolist() == [[[1.0]]]


def test_a_pixel_is_given_to_a_group_and_then_to_a_name_of_it():
    vocabulary = parse_vocabulary("dog; puppy, sky, cat", "rock, sea")
    logits = [1.0, 1.5, 1.6, 1.2, 0.3, 0.4]  # dog, puppy, sky, cat, rock, sea
    p = softmax(logits)
    plain = Decision(temperature=0.999999).probabilities(scores(logits), vocabulary)[:, 0, 0]
    assert plain.argmax() == 1, "alone, the sky wins"
    found = Decision(groups=((0, 2), (1,))).probabilities(scores(logits), vocabulary)[:, 0, 0]
    animals = p[1] + p[3]
    np.testing.assert_allclose(found, [animals, p[2], animals * p[3] / p[1], p[5]], rtol=1e-5)
    assert found.argmax() == 0, "dog and cat together are likelier, and dog is the better of them"


def test_groups_of_one_name_change_nothing_and_no_probability_leaves_its_range():
    vocabulary = parse_vocabulary("a, b, c", "d")
    logits = 30 * torch.randn(4, 9, 9, generator=torch.Generator().manual_seed(1))
    alone = Decision(groups=((0,), (1,), (2,))).probabilities(logits, vocabulary)
    torch.testing.assert_close(alone, Decision().probabilities(logits, vocabulary))
    together = Decision(groups=((0, 1, 2),)).probabilities(logits, vocabulary)
    assert torch.isfinite(together).all() and together.min() >= 0 and together.max() <= 1 + 1e-6


def test_groups_given_and_found():
    vocabulary = parse_vocabulary("w: sea | x: dog, cat | sky, hill", "none", grouped=True)
    text = np.eye(5, dtype=np.float32)
    assert group_classes(vocabulary, text, "none") == ()
    assert group_classes(vocabulary, text, "given") == ((0,), (1, 2), (3,), (4,))
    with pytest.raises(NamebrushError, match="No group was typed"):
        group_classes(parse_vocabulary("dog, cat"), text, "given")
    near = np.array([[1, 0, 0], [0.9, 0.1, 0], [0, 1, 0], [0, 0.9, 0.1], [0.95, 0, 0.05]], np.float32)
    near /= np.linalg.norm(near, axis=1, keepdims=True)
    found = group_classes(vocabulary, near, "auto")
    assert found == ((0, 1, 4), (2, 3))
    assert groups_note(vocabulary, found, "auto") == ("Groups: sea, dog, hill | cat, sky.",)
    few = parse_vocabulary("dog, cat", "none")
    assert group_classes(few, np.eye(2, dtype=np.float32), "auto") == ()
    assert "4 names or more" in groups_note(few, (), "auto")[0] and groups_note(few, (), "none") == ()


def test_clusters_join_the_nearest_first_whatever_their_number():
    angles = np.deg2rad([0, 2, 50, 51, 120, 178])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    assert cluster(vectors, 6) == tuple((i,) for i in range(6))
    assert cluster(vectors, 5) == ((0,), (1,), (2, 3), (4,), (5,))
    assert cluster(vectors, 3) == ((0, 1, 2, 3), (4,), (5,))
    assert cluster(vectors, 1) == (tuple(range(6)),)


def test_a_class_is_the_mean_of_its_words():
    text = np.array([[1, 0], [0, 1], [0.6, 0.8]], np.float32)
    vectors = class_vectors(parse_vocabulary("a; b, c", "none"), text)
    np.testing.assert_allclose(vectors, [[math.sqrt(0.5)] * 2, [0.6, 0.8]], rtol=1e-6)


def test_a_name_is_absent_below_the_median_and_below_the_floor():
    assert absent_classes(np.array([0.9, 0.5, 0.4, 0.05])) == {2, 3}  # the median is 0.45
    assert absent_classes(np.array([0.1, 0.11, 0.2, 0.3]), 0.25) == {0, 1, 2}
    assert absent_classes(np.array([0.05, 0.1])) == {0, 1}
    vocabulary = parse_vocabulary(",".join("abcdefgh"), "none")
    assert absent_note(vocabulary, frozenset({2, 0})) == ("Taken as absent and set aside: a, c.",)
    assert absent_note(vocabulary, frozenset()) == ()
    check_denoise(vocabulary)
    with pytest.raises(NamebrushError, match="at least 8 names.*7 were typed"):
        check_denoise(parse_vocabulary("a, b, c, d, e, f, g", "none"))


def test_what_is_absent_wins_no_pixel():
    vocabulary = parse_vocabulary("a, b, c, d", "none")
    maps = [scores([3.0, 0.0, 0.1, 2.9], [0.0, 3.0, 0.1, 2.9], [0.0, 0.1, 0.0, 0.05])]
    absent = find_absent(maps, vocabulary, 5.0, Decision(), 0.12)
    assert absent == {2, 3}
    found = class_probabilities(maps, vocabulary, 5.0, (1, 3), decision=Decision(absent=absent))
    assert (found[2:] == 0).all() and labels_of(found, vocabulary).tolist() == [[0, 1, 1]]
    everything = class_probabilities(maps, vocabulary, 5.0, (1, 3), decision=Decision(absent=frozenset(range(4))))
    assert labels_of(everything, vocabulary).tolist() == [[-1, -1, -1]]
