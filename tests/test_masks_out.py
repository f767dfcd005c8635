"""Masks for other programs and layered files: what is written is read back, by us and by the format's own rules."""

import io
import json
import zipfile
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest
from PIL import Image

from pipeline.edit import edit
from pipeline.errors import NamebrushError
from pipeline.masks_out import FORMATS, mask_files, polygons, write_masks
from pipeline.openraster import Layer, flatten, layers_of, ora_bytes
from pipeline.photo import open_photo
from pipeline.records import ClassName, EditRequest, Prompt, Region, Segmentation, Vocabulary
from pipeline.rle import decode_rle


def photo_of(height=40, width=60):
    return open_photo(np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8))


def region_of(mask, number=0, name="dog", class_index=0):
    return Region.from_mask(mask, id=number, class_index=class_index, name=name, score=0.5, prompt=Prompt(),
                            made_by="mask")  # fmt: skip


def masks():
    rows, cols = np.mgrid[:40, :60]
    large = (rows - 20) ** 2 + (cols - 25) ** 2 < 200
    small = (rows - 20) ** 2 + (cols - 30) ** 2 < 30
    islands = np.zeros((40, 60), bool)
    islands[0, 0], islands[30:40, 50:60] = True, True
    return [region_of(small), region_of(large, 1, "wet/dog", 0), region_of(islands, 2, "by hand", -1)]


def test_single_masks():
    files = mask_files(photo_of(), masks(), "png")
    assert list(files) == ["dog-1.png", "wet-dog-2.png", "by-hand-3.png"]
    for data, region in zip(files.values(), masks(), strict=True):
        assert np.array_equal(np.array(Image.open(io.BytesIO(data))) > 0, region.mask)


def test_an_indexed_png_puts_small_masks_on_top():
    files = mask_files(photo_of(), masks(), "indexed")
    image = Image.open(io.BytesIO(files["masks.png"]))
    labels, (small, large, islands) = np.array(image), (r.mask for r in masks())
    assert image.mode == "P" and set(np.unique(labels)) == {0, 1, 2, 3}
    assert np.array_equal(labels == 1, small) and np.array_equal(labels == 2, large & ~small)
    assert np.array_equal(labels == 3, islands)
    told = json.loads(files["masks.json"])["masks"]
    assert [one["index"] for one in told] == [0, 1, 2, 3] and told[2]["name"] == "wet/dog"


def test_coco():
    told = json.loads(mask_files(photo_of(), masks(), "coco")["coco.json"])
    assert told["images"] == [{"id": 1, "file_name": "photo", "width": 60, "height": 40}]
    names = {c["id"]: c["name"] for c in told["categories"]}
    for one, region in zip(told["annotations"], masks(), strict=True):
        assert np.array_equal(decode_rle(one["segmentation"]), region.mask) and one["area"] == region.area
        x, y, w, h = one["bbox"]
        assert (x, y, x + w, y + h) == region.box and names[one["category_id"]] == region.name
        assert one["image_id"] == 1 and one["iscrowd"] == 0


def test_labelme_polygons_enclose_the_masks():
    told = json.loads(mask_files(photo_of(), masks(), "labelme")["labelme.json"])
    assert (told["imageHeight"], told["imageWidth"]) == (40, 60)
    assert [shape["group_id"] for shape in told["shapes"]] == [1, 2, 3, 3]  # the islands are two outlines
    for region in masks():
        drawn = np.zeros((400, 600), np.uint8)
        for outline in polygons(region):
            cv2.fillPoly(drawn, [np.rint(np.array(outline) * 10).astype(np.int32)], 1)
        filled = cv2.resize(drawn.astype(np.float32), (60, 40), interpolation=cv2.INTER_AREA) > 0.4
        assert np.count_nonzero(filled != region.mask) <= 0.05 * region.area + 1


def test_what_cannot_be_written(tmp_path):
    with pytest.raises(NamebrushError, match="choose from png, indexed"):
        mask_files(photo_of(), masks(), "tiff")
    for name in FORMATS:
        with pytest.raises(NamebrushError, match="no masks"):
            mask_files(photo_of(), [], name)
    with pytest.raises(NamebrushError, match="254 masks"):
        mask_files(photo_of(), masks() * 100, "indexed")
    write_masks(photo_of(), masks(), tmp_path / "out", "indexed")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["masks.json", "masks.png"]


def segmentation_of(photo):
    labels = np.full(photo.size, -1, np.int32)
    return Segmentation(photo, Vocabulary((ClassName("dog <1>"),)), labels, np.zeros((1, 4, 4), np.float32),
                        tuple(masks()), "tiny", "sclip", "none")  # fmt: skip


def test_an_openraster_file_has_every_layer_in_its_place():
    photo = photo_of()
    first = edit(photo, EditRequest("recolor", masks()[1].mask, color="red"), None)
    second = edit(first.images[0], EditRequest("remove", masks()[0].mask), None)
    layers = layers_of(photo, segmentation_of(photo), [("red", first, 0), ("removed & gone", second, 0)])
    data = ora_bytes(layers, photo.size)
    archive = zipfile.ZipFile(io.BytesIO(data))
    entry = archive.infolist()[0]
    assert entry.filename == "mimetype" and entry.compress_type == zipfile.ZIP_STORED
    assert archive.read("mimetype") == b"image/openraster" and data[30:38] == b"mimetype"
    stack = ElementTree.fromstring(archive.read("stack.xml"))
    assert (stack.get("w"), stack.get("h")) == ("60", "40")
    listed = stack.findall("stack/layer")
    names = ["dog 1", "wet/dog 2", "by hand 3", "removed & gone", "red", "photo"]
    assert [layer.get("name") for layer in listed] == names
    canvas = np.zeros((40, 60, 3), np.uint8)
    for layer in reversed(listed):
        pixels = np.array(Image.open(io.BytesIO(archive.read(layer.get("src")))))
        y, x = int(layer.get("y")), int(layer.get("x"))
        if layer.get("visibility") == "visible":
            part = canvas[y : y + pixels.shape[0], x : x + pixels.shape[1]]
            part[pixels[..., 3] > 0] = pixels[..., :3][pixels[..., 3] > 0]
    assert np.array_equal(canvas, second.images[0].pixels)  # the layers together are the result, bit for bit
    merged = np.array(Image.open(io.BytesIO(archive.read("mergedimage.png"))))
    assert np.array_equal(merged[..., :3], canvas) and (merged[..., 3] == 255).all()
    assert max(Image.open(io.BytesIO(archive.read("Thumbnails/thumbnail.png"))).size) <= 256


def test_a_cut_out_hides_what_lies_below_it():
    photo = photo_of()
    cut = edit(photo, EditRequest("cutout", masks()[1].mask), None)
    merged = flatten(layers_of(photo, None, [("cut out", cut, 0)]), photo.size)
    image = cut.images[0]
    assert np.array_equal(merged[..., 3], image.alpha)
    assert np.array_equal(merged[image.alpha > 0][:, :3], image.pixels[image.alpha > 0])


def test_odd_layers():
    half = Layer("half", np.full((4, 4, 4), 128, np.uint8), x=-2, y=38, opacity=0.5)
    hidden = Layer("hidden", np.full((40, 60, 4), 255, np.uint8), visible=False)
    merged = flatten([half, hidden], (40, 60))
    assert merged[39, 1].tolist() == [128, 128, 128, 64] and not merged[:38].any() and not merged[:, 2:].any()
    with pytest.raises(NamebrushError, match="open a photo"):
        ora_bytes([], (40, 60))
    photo = photo_of()
    wider = edit(photo, EditRequest("extend", np.zeros((40, 60), bool), left=4), None)
    with pytest.raises(NamebrushError, match="changed the canvas"):
        layers_of(photo, None, [("wider", wider, 0)])
