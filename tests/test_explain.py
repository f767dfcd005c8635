"""Likely names, what goes together with a point, and the page of PDF that figures are written as."""

import re
import zlib

import numpy as np
import pytest

from pipeline.errors import NamebrushError
from pipeline.explain import correlations, feature_at
from pipeline.pdf import pdf_page
from pipeline.records import Encoded, FeatureMap
from pipeline.suggest import ranked, suggest
from tests.small_models import SMALL, picture, small_pipeline

SHAPE = {k: v for k, v in SMALL.items() if k in ("short_side", "window", "stride")}


@pytest.fixture(scope="module")
def pipe():
    return small_pipeline()


@pytest.mark.parametrize("method", ["sclip", "trident", "clipseg"])
def test_three_maps_for_a_point_are_largest_at_it(pipe, method):
    maps = correlations(pipe, picture(), 100.0, 20.0, method=method, **SHAPE)
    assert set(maps) == {"clip", "dino", "sam"}
    for name, one in maps.items():
        assert one.dtype == np.float32 and one.ndim == 2 and np.isfinite(one).all() and one.max() <= 1.0001, name
    h, w = maps["dino"].shape
    assert maps["dino"][int(20 / 96 * h), int(100 / 128 * w)] == pytest.approx(maps["dino"].max(), abs=1e-5)


def test_a_point_outside_the_photo_is_refused(pipe):
    with pytest.raises(NamebrushError, match="outside the photo"):
        correlations(pipe, picture(), 400.0, 20.0)


def test_the_feature_at_a_point_is_of_the_window_that_holds_it_in_its_middle():
    left, right = (np.full((3, 2, 2), v, np.float32) for v in (1, -1))
    maps = (FeatureMap(left, (0, 0, 8, 8)), FeatureMap(right, (4, 0, 12, 8)))
    encoded = Encoded(maps, (8, 12), "x", "tiny", "sclip")
    assert feature_at(encoded, (0.5, 0.4))[0] > 0 > feature_at(encoded, (0.5, 0.65))[0]
    assert np.linalg.norm(feature_at(encoded, (0.5, 0.4))) == pytest.approx(1)


def test_names_are_ranked_by_what_they_won():
    shares = np.zeros((3, 10, 10), np.float32)
    shares[0, :, :2], shares[1, :, 2:], shares[2, 0, 0] = 0.9, 0.5, 0.95
    assert ranked(["dog", "sky", "speck"], shares, 5, least=0.05) == ["sky", "dog"]
    assert ranked(["dog", "sky", "speck"], shares, 1, least=0) == ["sky"]


def test_likely_names_are_different_words(pipe):
    names = suggest(pipe, picture(), count=4, method="sclip", **SHAPE)
    assert 1 <= len(names) <= 4 and len(set(names)) == len(names) and not any(";" in n for n in names)


def test_a_pdf_page_has_its_size_pictures_and_text():
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    data = pdf_page(300, 150, 300, [(10, 20, pixels)], [(5, 5, 9, (255, 0, 0))], [(7, 9, 12, (0, 0, 0), "a (b) c\\d")])
    assert re.search(rb"/MediaBox \[0 0 72.000 36.000\]", data)
    parts = re.findall(rb"stream\n(.*?)\nendstream", data, re.S)
    content, image = (zlib.decompress(p) for p in parts)
    assert image == pixels.tobytes()
    assert b"(a \\(b\\) c\\\\d) Tj" in content and b"1.0000 0.0000 0.0000 rg 5 136 9 9 re f" in content
    start = int(re.search(rb"startxref\n(\d+)", data)[1])
    assert data[start:].startswith(b"xref\n0 6\n")
    with pytest.raises(UnicodeEncodeError):
        pdf_page(10, 10, 72, [], [], [(0, 0, 5, (0, 0, 0), "\u5929")])
