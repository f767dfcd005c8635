"""The published data sets in miniature, each in the form it is distributed in, against counts made by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from pipeline.__main__ import main
from pipeline.errors import NamebrushError
from pipeline.evaluate import labels
from pipeline.evaluate.datasets import open_dataset
from pipeline.evaluate.metrics import Tally
from pipeline.evaluate.published import AUTHORS, BENCHMARKS
from pipeline.evaluate.run import evaluate
from pipeline.records import Segmentation
from pipeline.rle import encode_rle
from tests.small_models import picture

SIZE = (24, 32)
#: Per data set, raw values as its files hold them and the classes they stand for (-1: not counted).
RAW = {
    "voc21": ((0, 15, 255), (0, 15, -1)),
    "voc20": ((0, 15, 255), (-1, 14, -1)),
    "context60": ((0, 59, 3), (0, 59, 3)),
    "context59": ((0, 59, 3), (-1, 58, 2)),
    "coco-object": ((0, 89, 181, 255), (1, 80, 0, 0)),
    "coco-stuff": ((0, 89, 181, 255), (0, 79, 170, -1)),
    "cityscapes": ((7, 33, 0), (0, 18, -1)),
    "ade20k": ((0, 1, 150), (-1, 0, 149)),
}


def columns_of(values) -> np.ndarray:
    """A label picture of columns, one per value."""
    return np.repeat(np.array(values, np.uint8), -(-SIZE[1] // len(values)))[None, : SIZE[1]].repeat(SIZE[0], 0)


def put(path, array, palette=False):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(array)
    if palette:
        image = image.convert("P")
        image.putpalette([v for i in range(256) for v in (i, 255 - i, i // 2)])
        image.putdata(array.ravel().tolist())
    image.save(path)


def miniature(name, root):
    """The data set in its own form below `root`, of two pictures."""
    raw = columns_of(RAW[name][0])
    for i, stem in enumerate(("2007_000033", "2007_000042")):
        photo = picture(i, *SIZE)
        if name.startswith("voc"):
            base = root / "VOCdevkit/VOC2012"
            put(base / f"JPEGImages/{stem}.jpg", photo)
            put(base / f"SegmentationClass/{stem}.png", raw, palette=True)
            listing = base / "ImageSets/Segmentation/val.txt"
        elif name.startswith("context"):
            base = root / "VOCdevkit/VOC2010"
            put(base / f"JPEGImages/{stem}.jpg", photo)
            put(base / f"SegmentationClassContext/{stem}.png", raw)
            listing = base / "ImageSets/SegmentationContext/val.txt"
        elif name.startswith("coco"):
            put(root / f"coco/images/val2017/{i:012}.jpg", photo)
            put(root / f"coco/stuffthingmaps/val2017/{i:012}.png", raw)
            continue
        elif name == "cityscapes":
            place = f"val/lindau/lindau_{i:06}_000019"
            put(root / f"leftImg8bit/{place}_leftImg8bit.png", photo)
            put(root / f"gtFine/{place}_gtFine_labelIds.png", raw)
            continue
        else:
            put(root / f"ADEChallengeData2016/images/validation/ADE_val_{i:08}.jpg", photo)
            put(root / f"ADEChallengeData2016/annotations/validation/ADE_val_{i:08}.png", raw)
            continue
        listing.parent.mkdir(parents=True, exist_ok=True)
        with listing.open("a") as file:
            file.write(f"{stem}\n")
    return root


@pytest.mark.parametrize("name", RAW)
def test_every_data_set_is_read_as_it_is_distributed(name, tmp_path):
    dataset = open_dataset(name, str(miniature(name, tmp_path)))
    expected = columns_of([v % 256 for v in RAW[name][1]]).astype(np.int32)
    expected[expected == 255] = -1
    samples = list(dataset)
    assert len(samples) == len(dataset) == 2 and dataset.background == (name in ("voc21", "context60", "coco-object"))
    for sample in samples:
        assert sample.photo.size == SIZE
        np.testing.assert_array_equal(sample.truth, expected)


@pytest.mark.parametrize("name", RAW)
def test_miou_of_a_miniature_equals_a_count_by_hand(name, tmp_path):
    """Everything is given the class of the first counted column: its IoU is its share, that of the others is 0."""
    dataset = open_dataset(name, str(miniature(name, tmp_path)))
    tally = Tally(len(dataset.classes))
    first = next(v for v in RAW[name][1] if v >= 0)
    for sample in dataset:
        tally.add(sample.truth, np.full(SIZE, first))
    truth = next(iter(dataset)).truth
    there = set(np.unique(truth[truth >= 0]).tolist())
    share = (truth == first).sum() / (truth >= 0).sum()
    assert tally.miou == pytest.approx(share / len(there))


class Typist:
    """Gives every pixel of the first class truly there its name, and no class to all else."""

    preset = "typist"

    def __init__(self, dataset):
        self.truth = {sample.photo.hash: sample.truth for sample in dataset}
        self.calls = []

    def segment(self, photo, vocabulary, **settings):
        self.calls.append((vocabulary, settings))
        truth = self.truth[photo.hash]
        labels = np.where(truth == truth[truth > 0].min(), truth, -1).astype(np.int32)
        scores = np.zeros((len(vocabulary.classes), *photo.size), np.float32)
        return Segmentation(photo, vocabulary, labels, scores, (), "typist", "m", "none", {"encode": 0.5})


@pytest.mark.parametrize("name", [n for n in RAW if BENCHMARKS[n].background])
def test_pixels_without_a_class_are_the_background_whose_words_are_typed(name, tmp_path):
    dataset = open_dataset(name, str(miniature(name, tmp_path)))
    typist = Typist(dataset)
    result = evaluate(typist, dataset, method="trident", dataset=name)
    for vocabulary, settings in typist.calls:
        assert vocabulary.classes == dataset.classes and vocabulary.background == ()
        assert settings["threshold"] == vocabulary.threshold > 0
    truth = next(iter(dataset)).truth
    hit = (truth == truth[truth > 0].min()).sum()
    rest = (truth >= 0).sum() - hit
    missed = rest - (truth == 0).sum()  # what another class was given up to the background
    kept = [hit / hit, (rest - missed) / rest] + [0.0] * int(missed > 0)
    assert result["miou"] == pytest.approx(np.mean(kept), abs=1e-5)
    assert len(result["miou_interval"]) == 2 and result["mean_accuracy"] is not None


def test_the_classes_are_as_many_as_published():
    counts = {"voc21": 21, "voc20": 20, "context60": 60, "context59": 59, "coco-object": 81, "coco-stuff": 171,
              "cityscapes": 19, "ade20k": 150}  # fmt: skip
    for name, count in counts.items():
        for authors in AUTHORS:
            assert len(BENCHMARKS[name].classes(authors)) == count, (name, authors)
    assert BENCHMARKS["voc21"].classes("clearclip")[0].words == ("background",)
    assert BENCHMARKS["voc21"].classes()[0].name == "sky" and "fence" in BENCHMARKS["voc21"].classes()[0].synonyms
    assert "person in shirt" in BENCHMARKS["coco-object"].classes("sclip")[1].synonyms
    with pytest.raises(NamebrushError, match="sclip and clearclip"):
        BENCHMARKS["voc21"].classes("../../etc")


def test_contiguous_maps_and_colours_are_read_too(tmp_path):
    root = miniature("coco-object", tmp_path / "a")
    for i in range(2):
        old = root / f"coco/stuffthingmaps/val2017/{i:012}.png"
        put(old.with_name(f"{old.stem}_labelTrainIds.png"), columns_of((0, 79, 170, 255)))
        old.unlink()
    assert np.unique(next(iter(open_dataset("coco-object", str(root)))).truth).tolist() == [0, 1, 80]
    assert np.unique(next(iter(open_dataset("coco-stuff", str(root)))).truth).tolist() == [-1, 0, 79, 170]
    colors = np.zeros((*SIZE, 3), np.uint8)
    colors[:, :16], colors[:, 16:20] = labels.CITYSCAPES_COLORS[13], labels.CITYSCAPES_COLORS[18]
    put(tmp_path / "x_gtFine_color.png", colors)
    truth = labels.read_cityscapes(tmp_path / "x_gtFine_color.png")
    assert [int(truth[0, x]) for x in (0, 17, 31)] == [13, 18, -1]


def test_context_is_read_from_mat_files_and_converted_from_json_beside_the_data(tmp_path):
    scipy_io = pytest.importorskip("scipy.io")
    raw = np.zeros(SIZE, np.uint16)
    raw[:, 8:16], raw[:, 16:] = 2, 458  # aeroplane, wood; 0 is background
    base = tmp_path / "VOC2010"
    put(base / "JPEGImages/2008_000002.jpg", picture(0, *SIZE))
    (base / "trainval").mkdir()
    scipy_io.savemat(base / "trainval/2008_000002.mat", {"LabelMap": raw})
    (base / "ImageSets/SegmentationContext").mkdir(parents=True)
    (base / "ImageSets/SegmentationContext/val.txt").write_text("2008_000002\n")
    by_mat = next(iter(open_dataset("context60", str(tmp_path)))).truth
    assert [int(by_mat[0, x]) for x in (0, 8, 16)] == [0, 1, 59]

    (base / "trainval/2008_000002.mat").unlink()
    (base / "trainval").rmdir()
    (base / "trainval_merged.json").write_text(json.dumps({
        "images": [{"image_id": 2008000002, "file_name": "2008_000002.jpg", "height": 24, "width": 32, "phase": "val"},
                   {"image_id": 1, "file_name": "x.jpg", "height": 9, "width": 9, "phase": "train"}],
        "annos_segmentation": [{"image_id": 2008000002, "category_id": c, "segmentation": encode_rle(raw == c)}
                               for c in (2, 458)],
    }))  # fmt: skip
    before = sorted(p.relative_to(base) for p in base.rglob("*"))
    for _ in range(2):  # converted, then found converted
        by_json = next(iter(open_dataset("context59", str(tmp_path)))).truth
        np.testing.assert_array_equal(by_json, by_mat - 1)
    assert sorted(p.relative_to(base) for p in base.rglob("*")) == before, "the data were written into"
    for image in ({"image_id": 1, "phase": "val"},
                  {"image_id": 1, "phase": "val", "file_name": "x.jpg", "height": 10**7, "width": 10**7}):
        (base / "trainval_merged.json").write_text(json.dumps({"images": [image], "annos_segmentation": []}))
        with pytest.raises(NamebrushError, match="could not be converted"):
            open_dataset("context59", str(tmp_path))


@pytest.mark.parametrize("name", RAW)
def test_a_wrong_folder_is_told_which_file_is_missing(name, tmp_path):
    with pytest.raises(NamebrushError, match="which is missing") as error:
        open_dataset(name, str(tmp_path))
    assert "\n" not in str(error.value)
    root = miniature(name, tmp_path / "data")
    gone = next(p for p in sorted(root.rglob("*.png"), reverse=True) if "leftImg8bit" not in p.name)
    gone.unlink()
    with pytest.raises(NamebrushError) as error:
        open_dataset(name, str(root))
    assert gone.stem.split("_gtFine")[0] in str(error.value)


def test_all_459_classes_of_context_have_their_words_from_the_data(tmp_path):
    scipy_io = pytest.importorskip("scipy.io")
    base = tmp_path / "VOC2010"
    put(base / "JPEGImages/2008_000002.jpg", picture(0, *SIZE))
    (base / "trainval").mkdir()
    scipy_io.savemat(base / "trainval/2008_000002.mat", {"LabelMap": columns_of((1, 2, 0)).astype(np.uint16)})
    (base / "ImageSets/SegmentationContext").mkdir(parents=True)
    (base / "ImageSets/SegmentationContext/val.txt").write_text("2008_000002\n")
    with pytest.raises(NamebrushError, match="labels.txt"):
        open_dataset("context459", str(tmp_path))
    (base / "labels.txt").write_text("1: accordion\n2: aeroplane\n")
    dataset = open_dataset("context459", str(tmp_path))
    assert [c.name for c in dataset.classes] == ["accordion", "aeroplane"]
    assert np.unique(next(iter(dataset)).truth).tolist() == [-1, 0, 1]


def test_label_files_that_are_none_are_refused(tmp_path):
    (tmp_path / "a.png").write_bytes(b"no picture")
    put(tmp_path / "b.png", np.zeros((4, 4, 3), np.uint8))
    for name in ("a.png", "b.png", "c.png"):
        with pytest.raises(NamebrushError):
            labels.read_kept(tmp_path / name)
    root = miniature("ade20k", tmp_path / "data")
    put(next(root.rglob("annotations/validation/*.png")), columns_of((1, 200)))
    with pytest.raises(NamebrushError, match="holds class 199; there are 150"):
        list(open_dataset("ade20k", str(root)))


def test_the_listing_says_what_is_here_and_what_is_missing(tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("NAMEBRUSH_DATA", raising=False)
    assert main(["datasets"]) == 0
    told = capsys.readouterr().out
    assert "Nothing was looked for" in told and all(name in told for name in RAW)
    miniature("voc21", tmp_path)
    monkeypatch.setenv("NAMEBRUSH_DATA", str(tmp_path))
    assert main(["datasets"]) == 0
    told = capsys.readouterr().out
    assert "voc21: here, 2 pictures" in told and "voc20: here" in told and "which is missing" in told
