import json

import numpy as np
import pytest
from PIL import Image

from pipeline.dense.options import DATASETS
from pipeline.errors import NamebrushError
from pipeline.evaluate.datasets import open_dataset
from pipeline.evaluate.metrics import Tally, boundary_f1
from pipeline.evaluate.run import evaluate
from pipeline.evaluate.tables import as_json, as_text, columns
from pipeline.records import ClassName, Segmentation
from tests.small_models import picture, small_pipeline


def test_iou_is_accumulated_over_pictures_and_no_class_is_a_miss():
    tally = Tally(3)
    tally.add(np.array([[0, 0, 1, 1]]), np.array([[0, 1, 1, -1]]))
    tally.add(np.array([[0, 0, -1, 1]]), np.array([[0, 0, 0, 1]]))
    # class 0: 3 hits, 4 true, 3 given; class 1: 2 hits, 3 true, 3 given; class 2: neither there nor given
    assert tally.confusion.tolist() == [[3, 1, 0, 0], [0, 2, 0, 1], [0, 0, 0, 0]]
    np.testing.assert_allclose(tally.iou, [3 / 4, 2 / 4, np.nan])
    assert tally.miou == pytest.approx(5 / 8) and tally.pixel_accuracy == pytest.approx(5 / 7)


def test_a_class_that_is_given_but_nowhere_true_counts_as_zero():
    tally = Tally(2)
    tally.add(np.zeros((1, 4), int), np.array([[0, 0, 0, 1]]))
    assert tally.iou.tolist() == [0.75, 0.0] and tally.miou == 0.375


def halves(at, width=40, height=20):
    labels = np.zeros((height, width), int)
    labels[:, at:] = 1
    return labels


@pytest.mark.parametrize(("moved", "expected"), [(0, 1.0), (1, 1.0), (2, 1.0), (3, 0.0), (-2, 1.0), (-3, 0.0)])
def test_boundary_may_be_off_by_two_pixels(moved, expected):
    assert boundary_f1(halves(20), halves(20 + moved)) == expected


def test_boundary_precision_and_recall_by_hand():
    truth = np.zeros((9, 40), int)
    truth[:, 10:] = 1
    labels = truth.copy()
    labels[:, 30:] = 0  # a false boundary far away: of each class's two given columns one is true
    # precision 1/2, recall 1, F1 = 2/3 for both classes
    assert boundary_f1(truth, labels) == pytest.approx(2 / 3)


def test_boundary_of_whole_pictures_and_missing_classes():
    whole = np.zeros((5, 5), int)
    assert boundary_f1(whole, whole) == 1.0
    assert boundary_f1(whole, whole + 1) == 0.0
    assert boundary_f1(halves(20), np.full((20, 40), 1)) == 0.0
    assert np.isnan(boundary_f1(whole - 1, whole))


def test_boundary_ignores_what_is_not_counted():
    truth = halves(20)
    truth[:, 30:] = -1
    labels = halves(20)
    labels[:, 33:] = 0  # beyond what is counted
    assert boundary_f1(truth, labels) == boundary_f1(truth, halves(20))


def write_folder(root, masks, classes="dog; puppy\nsky\n"):
    for name in ("images", "masks"):
        (root / name).mkdir(parents=True)
    (root / "classes.txt").write_text(classes)
    for i, mask in enumerate(masks):
        Image.fromarray(picture(i, *mask.shape)).save(root / "images" / f"p{i}.jpg")
        Image.fromarray(mask.astype(np.uint8)).save(root / "masks" / f"p{i}.png")
    return root


def test_folder_dataset(tmp_path):
    mask = np.zeros((16, 24), int)
    mask[:, 8:], mask[:, 20:] = 1, 255
    dataset = open_dataset("folder", str(write_folder(tmp_path / "mine", [mask, mask])))
    assert dataset.name == "mine" and len(dataset) == 2
    assert dataset.classes == (ClassName("dog", ("puppy",)), ClassName("sky"))
    samples = list(dataset)
    assert [s.name for s in samples] == ["p0.jpg", "p1.jpg"]
    assert samples[0].truth[0].tolist() == [0] * 8 + [1] * 12 + [-1] * 4 and samples[0].truth.dtype == np.int32
    assert len(open_dataset("folder", str(tmp_path / "mine"), 1)) == 1


def test_palette_masks_are_read_by_index(tmp_path):
    root = write_folder(tmp_path, [np.zeros((10, 12), int)])
    image = Image.fromarray(np.eye(10, 12).astype(np.uint8), "L")
    image.putpalette([200, 10, 10, 0, 250, 0])
    image.save(root / "masks" / "p0.png")
    (sample,) = open_dataset("folder", str(root))
    np.testing.assert_array_equal(sample.truth, np.eye(10, 12))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda r: (r / "classes.txt").unlink(), "must hold images/"),
        (lambda r: (r / "classes.txt").write_text("dog\n\nsky"), "Line 2 of classes.txt is empty"),
        (lambda r: (r / "classes.txt").write_text(""), "must name 1 to 255 classes"),
        (lambda r: (r / "classes.txt").write_text("dog"), "beyond the 1 lines"),
        (lambda r: (r / "masks" / "p0.png").unlink(), "1 pictures have no mask"),
        (lambda r: (r / "masks" / "p0.png").write_bytes(b"x"), "could not be read"),
        (lambda r: (r / "images" / "p0.jpg").unlink(), "no pictures"),
        (lambda r: Image.fromarray(picture(0, 9, 9)).save(r / "masks" / "p0.png"), "must be a grey or palette"),
    ],
)
def test_bad_folders_are_told(tmp_path, spoil, said):
    root = write_folder(tmp_path, [halves(5, 12, 10)])
    spoil(root)
    with pytest.raises(NamebrushError, match=said):
        list(open_dataset("folder", str(root)))


def test_scenes_are_the_held_out_ones_and_repeat():
    first, again = open_dataset("scenes", limit=2), open_dataset("scenes", limit=1)
    assert first.keys == (1_000_000_000, 1_000_000_001) and len(first.classes) == 30
    one, other = next(iter(first)), next(iter(again))
    np.testing.assert_array_equal(one.photo.pixels, other.photo.pixels)
    assert one.truth.shape == one.photo.size == (256, 256) and 0 <= one.truth.min() <= one.truth.max() < 30


class Oracle:
    """Answers with the truth, but calls all sky a dog."""

    preset = "oracle"
    classes = ("dog", "sky", "rock")

    def __init__(self, dataset):
        self.truth = {s.photo.hash: s.truth for s in dataset}
        self.typed = []

    def segment(self, photo, vocabulary, **settings):
        names = [c.name for c in vocabulary.classes]
        self.typed.append((names, vocabulary.background, settings))
        own = {self.classes.index(n): i for i, n in enumerate(names)}
        answers = [own.get(0, -1), own.get(0, -1), own.get(2, -1)]
        labels = np.array(answers, np.int32)[self.truth[photo.hash]]
        scores = np.zeros((len(names), *photo.size), np.float32)
        seconds = {"encode": 0.5, "words": 0.25}
        return Segmentation(photo, vocabulary, labels, scores, (), "oracle", "m", "none", seconds)


def test_names_typed_are_all_or_the_present_ones_and_labels_come_back(tmp_path):
    truths = [halves(6, 12, 10), 2 * halves(6, 12, 10)]
    dataset = open_dataset("folder", str(write_folder(tmp_path / "f", truths, "dog\nsky\nrock\n")))
    oracle = Oracle(dataset)
    table = evaluate(oracle, dataset, "present", method="m")
    assert [t[0] for t in oracle.typed] == [["dog", "sky"], ["dog", "rock"]]
    assert all(t[1] == () and t[2] == {"background": "none", "threshold": 0.0, "method": "m"} for t in oracle.typed)
    # dog: 120 hits of 120 true and 180 given; sky: none of 60; rock: all 60
    assert [c["iou"] for c in table["classes"]] == [pytest.approx(120 / 180, abs=1e-5), 0.0, 1.0]
    assert table["miou"] == pytest.approx((120 / 180 + 1) / 3, abs=1e-5) and table["pixel_accuracy"] == 0.75
    assert table["seconds"] == {"encode": 0.5, "words": 0.25, "mean": 0.75}
    oracle.typed.clear()
    evaluate(oracle, dataset, "all")
    assert [t[0] for t in oracle.typed] == [["dog", "sky", "rock"]] * 2


@pytest.mark.parametrize("name", DATASETS)
def test_published_values_hold_for_every_data_set(tmp_path, name):
    values = DATASETS[name]
    truth = halves(6, 12, 10)
    dataset = open_dataset("folder", str(write_folder(tmp_path / "f", [truth], "background\ndog\nrock\n")))
    oracle = Oracle(dataset)
    oracle.classes = ("background", "dog", "rock")
    table = evaluate(oracle, dataset, dataset=name)
    ((names, background, settings),) = oracle.typed
    assert settings["dataset"] == name and settings["short_side"] == values.short_side
    assert settings["threshold"] == table["settings"]["threshold"] == (values.threshold or 0.0)
    assert ", ".join(background) == values.background
    # Where something else may win, that is the data set's background, and no name of its own.
    rest = bool(values.background or values.threshold)
    assert names == (["dog", "rock"] if rest else ["background", "dog", "rock"])
    assert table["classes"][0]["iou"] == 0.5, "pixels without a class are its background"


def test_published_values_run_through_the_engine(tmp_path):
    dataset = open_dataset("folder", str(write_folder(tmp_path / "f", [halves(60, 128, 96)], "dog\nrock\n")))
    table = evaluate(small_pipeline(), dataset, method="trident", refine="none", dataset="cityscapes")
    assert table["settings"]["short_side"] == 688 and table["pictures"] == 1


def test_tables(tmp_path):
    dataset = open_dataset("folder", str(write_folder(tmp_path / "f", [halves(6, 12, 10)], "dog\nsky\nrock\n")))
    table = evaluate(Oracle(dataset), dataset)
    assert json.loads(as_json(table)) == table
    lines = as_text(table).splitlines()
    assert lines[1].startswith("mIoU 25.0 % (25.0 % to 25.0 %)   pixel accuracy 50.0 %   mean accuracy 50.0 %")
    assert lines[2].startswith("boundary F1 (2 px)") and "boundary IoU" in lines[2]
    assert lines[5].split() == ["class", "IoU", "precision", "recall", "F1", "true", "given"]
    assert [line.split()[0] for line in lines[6:]] == ["dog", "sky", "rock"] and lines[8].split()[1] == "-"
    assert columns([["a", "1"], ["bbb", "22"]], numbers=(1,)) == ["a     1", "bbb  22"]
