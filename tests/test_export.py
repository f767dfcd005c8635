"""Files a segmentation leaves: run-length masks, labels, tables. Literal expectations are pycocotools' own output."""

import io
import json
import os

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import NamebrushError
from pipeline.export import labels_png, mask_png, regions_json, write_mask, write_segmentation
from pipeline.palette import (
    COLORS,
    NO_CLASS_COLOR,
    OKABE_ITO,
    Palette,
    class_colors,
    hex_color,
    oklch_to_srgb,
    slot_color,
)
from pipeline.photo import photo_from_pixels
from pipeline.records import ClassName, Prompt, Region, Segmentation, Vocabulary
from pipeline.rle import decode_rle, encode_region, encode_rle


def region(mask, id=0, class_index=0, name="dog", **fields):
    fields = {"score": 0.912345, "prompt": Prompt(), "made_by": "sam"} | fields
    return Region.from_mask(mask, id=id, class_index=class_index, name=name, **fields)


def segmentation() -> Segmentation:
    labels = np.full((20, 30), -1, np.int32)
    labels[2:10, 3:9] = 0
    labels[12:, :] = 1
    prompt = Prompt(np.array([[4.5, 5.0], [8, 9]], np.float32), np.array([1, 0], np.int32), (3.0, 2.0, 9.25, 10.0))
    vocabulary = Vocabulary((ClassName("dog", ("puppy",)), ClassName("草"), ClassName("sky")), ("wall",), 0.1)
    return Segmentation(
        photo_from_pixels(np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)), vocabulary, labels,
        np.zeros((4, 5, 5), np.float32),
        (region(labels == 0, prompt=prompt, iou=0.87654), region(labels == 1, 1, 1, "草", made_by="coarse")),
        "tiny", "trident", "sam", {"encode": 1.23456, "refine": 0.0004},
    )  # fmt: skip


def example() -> np.ndarray:
    mask = np.zeros((100, 200), bool)
    mask[20:70, 30:35], mask[:, 100:103], mask[5, 199] = True, True, True
    return mask


SMALL = np.array([[1, 0, 0, 0, 0], [0, 1, 1, 1, 0], [0, 1, 1, 1, 0], [0, 0, 0, 0, 1]], bool)


@pytest.mark.parametrize(("mask", "counts"), [
    (np.zeros((10, 10), bool), "T3"),
    (np.ones((10, 10), bool), "0T3"),
    (SMALL, "0141N0002O"),
    (example(), "\\n2b1b10000000`Z6j7SP3eFifF"),
])  # fmt: skip
def test_rle_is_cocos(mask, counts):
    assert encode_rle(mask) == {"size": list(mask.shape), "counts": counts}
    assert np.array_equal(decode_rle({"size": mask.shape, "counts": counts}), mask)
    assert np.array_equal(decode_rle({"size": mask.shape, "counts": counts.encode()}), mask)


def test_rle_of_plain_counts():
    assert np.array_equal(decode_rle({"size": [4, 5], "counts": [0, 1, 4, 2, 2, 2, 2, 2, 4, 1]}), SMALL)


def test_rle_round_trips_and_regions_agree():
    rng = np.random.default_rng(1)
    for share in (0.0, 0.03, 0.5, 0.97, 1.0) * 8:
        mask = np.kron(rng.random(rng.integers(1, 25, 2)) < share, np.ones(rng.integers(1, 30, 2))).astype(bool)
        rle = encode_rle(mask)
        again = decode_rle(json.loads(json.dumps(rle)))
        assert np.array_equal(again, mask) and again.dtype == bool and again.flags.c_contiguous
        if mask.any():
            assert encode_region(region(mask)) == rle


@pytest.mark.parametrize("rle", [
    {"size": [10, 10], "counts": "T4"}, {"size": [10, 10], "counts": "T"}, {"size": [10, 10], "counts": ""},
    {"size": [10, 10], "counts": "é"}, {"size": [10, 10], "counts": "\x00"},
    {"size": [10, 10], "counts": "P" * 40 + "0"}, {"size": [2, 2], "counts": [[4]]}, {"size": [1], "counts": "1"},
    {"size": [10, 10], "counts": [101, -1]}, {"size": [-10, -10], "counts": "T3"}, {"counts": "T3"},
    {"size": [10, 10]}, {"size": [10**6, 10**6], "counts": [10**12]},
])  # fmt: skip
def test_malformed_rle_is_refused(rle):
    with pytest.raises(NamebrushError):
        decode_rle(rle)


def test_labels_png_is_an_8_bit_palette_file():
    labels = np.array([[0, 1, -1], [2, 2, 254]], np.int32)
    image = Image.open(io.BytesIO(labels_png(labels, class_colors([str(i) for i in range(255)]))))
    assert image.mode == "P" and image.size == (3, 2)
    assert np.asarray(image).tolist() == [[0, 1, 255], [2, 2, 254]]
    colours = np.asarray(image.convert("RGB"))
    assert tuple(colours[0, 0]) == OKABE_ITO[0] and tuple(colours[0, 2]) == NO_CLASS_COLOR
    with pytest.raises(NamebrushError, match="255 classes"):
        labels_png(labels, class_colors([str(i) for i in range(256)]))
    with pytest.raises(ValueError):
        labels_png(labels, class_colors(["a", "b"]))


def test_mask_png(tmp_path):
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(mask_png(SMALL)))), SMALL * 255)
    write_mask(SMALL, tmp_path / "m.png")
    image = Image.open(tmp_path / "m.png")
    assert image.mode == "L" and np.array_equal(np.asarray(image) > 0, SMALL)


def test_regions_json_keeps_the_contract():
    result = json.loads(json.dumps(regions_json(segmentation())))
    promised = {"photo", "preset", "method", "refine", "seconds", "classes", "regions"}
    assert promised <= set(result)
    assert result["photo"]["width"] == 30 and result["photo"]["height"] == 20
    assert (result["preset"], result["method"], result["refine"]) == ("tiny", "trident", "sam")
    assert result["seconds"] == {"encode": 1.235, "refine": 0.0}
    assert result["classes"] == [
        {"index": 0, "name": "dog", "synonyms": ["puppy"], "color": "#e69f00", "area": 48},
        {"index": 1, "name": "草", "synonyms": [], "color": "#56b4e9", "area": 240},
        {"index": 2, "name": "sky", "synonyms": [], "color": "#cc79a7", "area": 0},
    ]
    first, second = result["regions"]
    rle = first.pop("rle")
    assert first == {
        "id": 0, "class": "dog", "class_index": 0, "score": 0.9123, "area": 48, "box": [3, 2, 9, 10],
        "points": [[4.5, 5, 1], [8, 9, 0]], "prompt_box": [3.0, 2.0, 9.25, 10.0], "made_by": "sam", "iou": 0.8765,
    }  # fmt: skip
    assert np.array_equal(decode_rle(rle), segmentation().labels == 0)
    assert second["points"] == [] and second["prompt_box"] is None and second["class"] == "草"
    assert result["background"] == ["wall"] and result["threshold"] == 0.1


def test_write_segmentation(tmp_path):
    out = tmp_path / "new" / "folder"
    write_segmentation(segmentation(), out)
    assert sorted(os.listdir(out)) == ["labels.png", "overlay.png", "regions.json"]
    labels = np.asarray(Image.open(out / "labels.png"))
    assert np.array_equal(np.where(labels == 255, -1, labels.astype(int)), segmentation().labels)
    assert Image.open(out / "overlay.png").size == (30, 20)
    assert json.loads((out / "regions.json").read_text("utf-8")) == regions_json(segmentation())
    (out / "other.txt").write_text("stays")
    write_segmentation(segmentation(), out, colors=[(1, 2, 3), (4, 5, 6), (7, 8, 9)])
    assert json.loads((out / "regions.json").read_text("utf-8"))["classes"][1]["color"] == "#040506"
    assert len(os.listdir(out)) == 4


def test_write_segmentation_fails_whole(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(NamebrushError, match="Could not write"):
        write_segmentation(segmentation(), tmp_path / "file" / "out")
    with pytest.raises(NamebrushError, match="Could not write"):
        write_segmentation(segmentation(), tmp_path / "file")
    write_segmentation(segmentation(), tmp_path / "old")
    before = {name: (tmp_path / "old" / name).read_bytes() for name in os.listdir(tmp_path / "old")}
    calls = []

    def full_at_the_third(_):
        calls.append(1)
        if len(calls) % 3 == 0:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_at_the_third)
    for folder in ("old", "fresh"):
        with pytest.raises(NamebrushError, match="No space left"):
            write_segmentation(segmentation(), tmp_path / folder, colors=[(9, 9, 9)] * 3)
    assert {name: (tmp_path / "old" / name).read_bytes() for name in os.listdir(tmp_path / "old")} == before
    assert not (tmp_path / "fresh").exists()


def test_colours_are_okabe_itos_then_all_different():
    colours = class_colors([str(i) for i in range(COLORS)])
    assert sorted(colours[:8]) == sorted([(0, 0, 0), (230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66),
                                          (0, 114, 178), (213, 94, 0), (204, 121, 167)])  # fmt: skip
    assert len(set(colours)) == COLORS and NO_CLASS_COLOR not in colours
    assert slot_color(COLORS) == slot_color(0)
    assert hex_color((1, 171, 255)) == "#01abff"


def test_oklch():
    # sRGB red, green and blue in OKLCH (Ottosson's reference values).
    known = {
        (255, 0, 0): (0.62796, 0.25768, 29.234),
        (0, 255, 0): (0.86644, 0.29483, 142.495),
        (0, 0, 255): (0.45201, 0.31321, 264.052),
        (255, 255, 255): (1, 0, 0),
        (0, 0, 0): (0, 0, 0),
    }
    for rgb, lch in known.items():
        assert np.abs(np.subtract(oklch_to_srgb(*lch), rgb)).max() <= 1


def test_a_palette_remembers_names():
    palette = Palette()
    dog, cat = palette.colors(["dog", "cat"])
    assert (dog, cat) == OKABE_ITO[:2]
    assert palette.colors(["sky", "Dog"]) == [OKABE_ITO[2], dog]
    assert palette.color("cat") == cat
    assert Palette(["sky"]).color("sky") == OKABE_ITO[0]
