import base64
import io
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from PIL import Image

from pipeline.compare import as_pixels, lay_out, printed, write_figure
from pipeline.errors import NamebrushError
from pipeline.palette import class_colors, hex_color
from pipeline.photo import open_photo
from pipeline.records import ClassName, Segmentation, Vocabulary
from tests.small_models import picture

NAMES = ("dog", "grass & <script>alert(1)</script>", "天空")


def found(method="clip", names=NAMES, height=60, width=90):
    photo = open_photo(picture(0, height, width))
    vocabulary = Vocabulary(tuple(ClassName(n) for n in names))
    labels = np.full(photo.size, -1, np.int32)
    labels[:, : width // 2] = 1
    scores = np.zeros((len(names), *photo.size), np.float32)
    return Segmentation(photo, vocabulary, labels, scores, (), "tiny", method, "none", {"encode": 1.25})


def test_a_figure_is_as_wide_on_paper_as_asked(tmp_path):
    one = [found(names=("dog", "sky")), found("trident", names=("dog", "sky"))]
    for ending in ("pdf", "svg", "png"):
        write_figure(one, tmp_path / f"f.{ending}", width_mm=90)
    width = float(re.search(rb"/MediaBox \[0 0 ([\d.]+)", (tmp_path / "f.pdf").read_bytes())[1])
    assert width * 25.4 / 72 == pytest.approx(90, abs=0.5)
    assert ET.parse(tmp_path / "f.svg").getroot().get("width") == "90mm"
    image = Image.open(tmp_path / "f.png")
    assert image.width / image.info["dpi"][0] * 25.4 == pytest.approx(90, abs=0.5)
    sizes = printed(90, 3, 1.5)
    assert sizes.title / sizes.dots_per_inch * 72 == pytest.approx(8, abs=0.2) and sizes.columns == 2
    with pytest.raises(NamebrushError, match="between 20 and 1000 mm"):
        write_figure(one, tmp_path / "g.pdf", width_mm=5)


def test_svg_holds_pictures_and_plain_text(tmp_path):
    write_figure([found("clip"), found("trident")], tmp_path / "f.svg")
    root = ET.parse(tmp_path / "f.svg").getroot()
    tag = "{http://www.w3.org/2000/svg}"
    texts = [t.text for t in root.iter(f"{tag}text")]
    assert [t for t in texts if t.startswith("(")] == ["(a) photo", "(b) clip", "(c) trident"]
    assert NAMES[0] in texts and NAMES[2] in texts
    assert any(t.startswith("grass & <script>") for t in texts), "markup must stay text"
    assert not list(root.iter(f"{tag}script"))
    images = [i.get("href").partition("base64,")[2] for i in root.iter(f"{tag}image")]
    sizes = [Image.open(io.BytesIO(base64.b64decode(data))).size for data in images]
    assert sizes == [(480, 320)] * 3
    fills = [r.get("fill") for r in root.iter(f"{tag}rect")]
    assert [hex_color(c) for c in class_colors(NAMES)] == fills[1:]


def test_png_shows_the_photo_as_it_is_and_the_classes_in_their_colours(tmp_path):
    one = found()
    write_figure([one], tmp_path / "f.png")
    plate = lay_out([one])
    drawn = np.asarray(Image.open(tmp_path / "f.png"))
    np.testing.assert_array_equal(drawn, as_pixels(plate))
    (x, y, photo), (_, _, labelled) = plate.images
    np.testing.assert_array_equal(drawn[y : y + 320, x : x + 480], photo)
    assert (labelled[:, 300:] == photo[:, 300:]).all() and (labelled[:, :200] != photo[:, :200]).any()
    for x, y, side, color in plate.swatches:
        assert (drawn[y : y + side, x : x + side] == color).all()


@pytest.mark.parametrize("count", [1, 3, 4, 7])
@pytest.mark.parametrize("size", [(60, 90), (90, 60), (16, 300)])
def test_nothing_overlaps_or_leaves_the_plate(count, size):
    names = tuple(f"a rather long name number {i}" for i in range(40))
    plate = lay_out([found(f"m{i}", names, *size) for i in range(count)])
    covered = np.zeros((plate.height, plate.width), int)
    for x, y, pixels in plate.images:
        part = covered[y : y + pixels.shape[0], x : x + pixels.shape[1]]
        assert part.shape == pixels.shape[:2]
        part += 1
    for x, y, side, _ in plate.swatches:
        part = covered[y : y + side, x : x + side]
        assert part.shape == (side, side)
        part += 1
    assert covered.max() == 1 and len(plate.swatches) == 40


def test_pdf_is_one_page(tmp_path):
    write_figure([found()], tmp_path / "f.PDF")
    data = (tmp_path / "f.PDF").read_bytes()
    assert data.startswith(b"%PDF") and data.rstrip().endswith(b"%%EOF") and data.count(b"/Type /Page\n") == 1


def test_refuses_other_endings_and_missing_folders(tmp_path):
    with pytest.raises(NamebrushError, match=".png, .pdf, .svg"):
        write_figure([found()], tmp_path / "f.jpg")
    with pytest.raises(NamebrushError, match="does not exist"):
        write_figure([found()], tmp_path / "no" / "f.png")
    assert list(tmp_path.iterdir()) == []
