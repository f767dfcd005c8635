"""Names and options of somebody hostile: files stay well-formed, numbers finite, nothing breaks with a traceback."""

from __future__ import annotations

import io
import xml.etree.ElementTree as ET
import zipfile

import numpy as np
import pytest

from pipeline.comparison.plate import Plate, as_svg
from pipeline.dense.options import asked_recipe, option_names
from pipeline.dense.recipes import RECIPES
from pipeline.errors import NamebrushError
from pipeline.openraster import Layer, ora_bytes
from pipeline.settings import SegmentSettings
from pipeline.xml_text import xml_text

NASTY = ["\ufffe", "\uffff", "a\x00b", "\x0b\x1f", "\ud800", "<b>&\"'", "]]>", "\x85\u2028", "\U0001fffe", "dog\ufffe"]


@pytest.mark.parametrize("name", NASTY, ids=ascii)
def test_any_name_makes_well_formed_files(name):
    plate = Plate(40, 40, texts=[(1, 1, 8, (0, 0, 0), name)])
    assert ET.fromstring(as_svg(plate)).tag.endswith("svg")
    layer = Layer(name, np.zeros((4, 4, 4), np.uint8), 0, 0)
    with zipfile.ZipFile(io.BytesIO(ora_bytes([layer], (4, 4)))) as archive:
        assert ET.fromstring(archive.read("stack.xml")).tag == "image"


def test_characters_that_xml_has_stay():
    kept = "größe 犬 🐕\t\n<&>"
    assert xml_text(kept) == kept and xml_text("dog\ufffe") == "dog"


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e9", "-1e400", "x", "1+" * 40 + "1", "nan+nan"])
def test_options_of_every_method_are_finite_numbers_within_bounds(value):
    """Each option of each method in turn gets the value: it is taken, or refused in a sentence."""
    tried = 0
    for method in RECIPES.values():
        for name in option_names(method):
            tried += 1
            try:
                made = asked_recipe(method.name, options=f"{name}={value}")
            except NamebrushError as error:
                assert "\n" not in str(error)
                continue
            found = getattr(made, name, None)
            found = getattr(made.own, name) if found is None else found
            numbers = found if isinstance(found, tuple) else (found,)
            numbers = [n for n in numbers if isinstance(n, (float, int))]
            assert all(np.isfinite(n) and abs(n) <= 10_000 for n in numbers), (name, found)
    assert tried > 30


@pytest.mark.parametrize("options", ["beta=nan", "gamma=inf", "beta=-inf", "scales=" + "1+" * 40 + "1", "sigma=1e300"])
def test_numbers_that_are_none_are_refused(options):
    with pytest.raises(NamebrushError, match="must be"):
        asked_recipe("proxyclip", options=options)


def test_settings_hold_no_endless_text():
    with pytest.raises(NamebrushError, match="characters long"):
        SegmentSettings(options="x" * 3000)
    with pytest.raises(NamebrushError, match="characters long"):
        SegmentSettings(proxy="x" * 3000)
