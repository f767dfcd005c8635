import numpy as np
import pytest

from pipeline.dense.cosines import cosine_maps
from pipeline.errors import Cancelled
from pipeline.progress import Progress
from pipeline.records import ClassName, Encoded, FeatureMap, Vocabulary
from pipeline.segment import labels_of, nearest, segment, shrunk

LN3 = float(np.log(3.0))


def grid(*rows):
    """A feature map whose cosine with axis q is a pixel's q-th number; a last axis makes the length 1."""
    values = np.array(rows, np.float32).transpose(2, 0, 1)
    rest = np.sqrt(np.maximum(0, 1 - (values**2).sum(axis=0, keepdims=True)))
    features = np.concatenate([values, rest])
    height, width = features.shape[1:]
    return Encoded((FeatureMap(features, (0, 0, width, height)),), (height, width), "hash", "test", "test")


def words(count, channels):
    return np.eye(channels, dtype=np.float32)[:count]


def vocabulary(*classes, background=(), threshold=0.0):
    return Vocabulary(tuple(ClassName(c[0], tuple(c[1:])) for c in classes), tuple(background), threshold)


def test_softmax_runs_over_all_words_and_synonyms_take_the_maximum():
    # exp(scale * cos) = 3, 1, 1, 1 and 1, 3, 3, 1 at the two pixels: sums 6 and 8.
    encoded = grid([[0.5, 0, 0, 0], [0, 0.5, 0.5, 0]])
    v = vocabulary(["dog", "puppy"], ["cat"], ["rock"])
    labels, scores = segment(encoded, words(4, 5), v, (1, 2), scale=2 * LN3)
    np.testing.assert_allclose(scores[:, 0], [[3 / 6, 3 / 8], [1 / 6, 3 / 8], [1 / 6, 1 / 8]], rtol=1e-5)
    assert labels.tolist() == [[0, 0]] and labels.dtype == np.int32 and scores.dtype == np.float32


def test_any_class_may_have_the_synonyms():
    # Trident's code credits every extra word to class 0; here the third word belongs to class 1.
    encoded = grid([[0, 0, 0.5, 0]])
    labels, _ = segment(encoded, words(4, 5), vocabulary(["dog"], ["cat", "kitten"], ["rock"]), (1, 1), scale=10)
    assert labels.tolist() == [[1]]


def test_below_the_threshold_is_no_class_and_never_class_0():
    encoded = grid([[0.5, 0], [0, 0]])  # probabilities 3/4, 1/4 and 1/2, 1/2
    labels, scores = segment(encoded, words(2, 3), vocabulary(["a"], ["b"], threshold=0.6), (1, 2), scale=2 * LN3)
    assert labels.tolist() == [[0, -1]]
    np.testing.assert_allclose(scores[:, 0, 0], [0.75, 0.25], rtol=1e-5)


def test_a_pixel_the_background_wins_is_no_class():
    encoded = grid([[0.5, 0, 0], [0, 0, 0.5]])
    v = vocabulary(["a"], background=["b", "c"])
    labels, scores = segment(encoded, words(3, 4), v, (1, 2), scale=2 * LN3)
    assert labels.tolist() == [[0, -1]]
    np.testing.assert_allclose(scores[:, 0], [[0.6, 0.2], [0.2, 0.6]], rtol=1e-5)


def test_one_word_alone_wins_everywhere():
    labels, scores = segment(grid([[0.1], [-0.4]]), words(1, 2), vocabulary(["a"]), (1, 2), scale=40)
    assert labels.tolist() == [[0, 0]] and scores.tolist() == [[[1, 1]]]


def test_probabilities_stay_finite_at_large_scales():
    _, scores = segment(grid([[0.9, -0.9]]), words(2, 3), vocabulary(["a"], ["b"]), (1, 1), scale=1000)
    assert scores[:, 0, 0].tolist() == [1.0, 0.0]


@pytest.mark.parametrize("size", [(7, 9), (33, 20), (61, 100)])
def test_row_bands_equal_the_whole_map(size):
    rng = np.random.default_rng(1)
    features = rng.normal(size=(2, 6, 5, 4)).astype(np.float32)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    maps = (
        FeatureMap(features[0], (0, 0, 32, 30)),
        FeatureMap(features[1], (16, 0, 48, 30)),
    )
    encoded = Encoded(maps, (30, 48), "hash", "test", "test")
    text = rng.normal(size=(5, 6)).astype(np.float32)
    text /= np.linalg.norm(text, axis=1, keepdims=True)
    v = vocabulary(["a", "b"], ["c"], background=["d", "e"])
    labels, scores = segment(encoded, text, v, size, scale=20, band_bytes=4 * 5 * size[1] * 3)
    p = np.exp(20 * cosine_maps(encoded, text, size).astype(np.float64))
    p /= p.sum(axis=0)
    expected = np.stack([p[:2].max(axis=0), p[2], p[3:].max(axis=0)])
    np.testing.assert_allclose(scores, expected, atol=2e-5)
    same = np.where(expected.argmax(axis=0) == 2, -1, expected.argmax(axis=0))
    assert (labels == same).mean() > 0.995


def test_large_photos_are_labelled_smaller_and_brought_back():
    encoded = grid([[0.9, 0], [0, 0.9]])
    labels, scores = segment(encoded, words(2, 3), vocabulary(["a"], ["b"]), (40, 80), scale=50, work_side=16)
    assert scores.shape == (2, 8, 16) and labels.shape == (40, 80)
    assert (labels[:, :40] == 0).all() and (labels[:, 40:] == 1).all()


def test_very_many_classes_are_kept_smaller_but_labelled_in_full():
    encoded = grid([[0.9, 0], [0, 0.9]])
    v = vocabulary(["a"], ["b"])
    labels, scores = segment(encoded, words(2, 3), v, (10, 20), scale=50, score_bytes=2 * 4 * 50)
    assert scores.shape == (2, 5, 10) and labels.shape == (10, 20)
    np.testing.assert_array_equal(labels, segment(encoded, words(2, 3), v, (10, 20), scale=50)[0])


def test_sizes():
    assert shrunk((10, 20), 1e9) == (10, 20) and shrunk((100, 400), 10_000) == (50, 200)
    assert shrunk((1, 4000), 10) == (1, 200)
    small = np.array([[1, 2], [3, 4]])
    assert nearest(small, (2, 2)) is small
    assert nearest(small, (4, 3)).tolist() == [[1, 2, 2], [1, 2, 2], [3, 4, 4], [3, 4, 4]]


def test_labels_follow_a_changed_threshold_without_models():
    scores = np.array([[[0.5, 0.3]], [[0.2, 0.3]], [[0.3, 0.4]]], np.float32)
    assert labels_of(scores, vocabulary(["a"], ["b"], background=["x"])).tolist() == [[0, -1]]
    assert labels_of(scores, vocabulary(["a"], ["b"], background=["x"], threshold=0.6)).tolist() == [[-1, -1]]


def test_one_embedding_per_word():
    with pytest.raises(ValueError, match="2 words but 3"):
        segment(grid([[0.5, 0]]), words(3, 3), vocabulary(["a"], ["b"]), (1, 1), scale=40)


def test_can_be_cancelled_between_bands():
    told = []

    def report(message, share=None):
        told.append(share)
        if share:
            raise Cancelled

    with pytest.raises(Cancelled):
        segment(
            grid([[0.5, 0]]), words(2, 3), vocabulary(["a"], ["b"]), (9, 9), 40, Progress(report), band_bytes=1
        )  # fmt: skip
    assert told == [0, 1 / 9]
