import argparse
import dataclasses
import math

import pytest

from pipeline.edit.settings import EditSettings
from pipeline.errors import NamebrushError
from pipeline.records import EditRequest
from pipeline.refine.settings import RefineSettings
from pipeline.settings import (
    LoadSettings,
    SegmentSettings,
    SelectSettings,
    add_flags,
    choices_of,
    flag_of,
    from_flags,
    kind_of,
    split,
)

RECORDS = (SegmentSettings, SelectSettings, EditSettings, LoadSettings, RefineSettings)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: SegmentSettings(threshold=1.5), "Threshold must be a number between 0 and 1, got 1.5"),
        (lambda: SegmentSettings(threshold=math.nan), "between 0 and 1, got nan"),
        (lambda: SegmentSettings(threshold="0.5"), "Threshold must be a number"),
        (lambda: SegmentSettings(window=100.5), "Window must be a whole number between 32 and 4096, got 100.5"),
        (lambda: SegmentSettings(window=True), "Window must be a whole number"),
        (lambda: SegmentSettings(method="tridnet"), 'Method must be one of .*trident.*; got "tridnet"'),
        (lambda: SegmentSettings(refine="sharp"), 'Edges must be one of .*sam.*; got "sharp"'),
        (lambda: SegmentSettings(background=None), "Background must be text"),
        (lambda: SegmentSettings(window=64, stride=128), r"stride \(128\) must not exceed the window \(64\)"),
        (lambda: EditSettings(kind="erase"), "remove, replace, restyle"),
        (lambda: EditSettings(kind="replace", prompt="  "), '"replace" needs a prompt'),
        (lambda: EditSettings(candidates=0), "Candidates must be a whole number between 1 and 16, got 0"),
        (lambda: EditSettings(seed=-1), "Seed must be"),
    ],
)
def test_refused_with_the_range(make, said):
    with pytest.raises(NamebrushError, match=said):
        make()


def test_what_is_left_out_is_chosen_later():
    assert SegmentSettings().threshold is None and EditSettings().grow is None


@pytest.mark.parametrize("record", RECORDS)
def test_every_field_says_what_it_is(record):
    for field in dataclasses.fields(record):
        meta = field.metadata
        assert meta["label"] and meta["help"].endswith((".", "`.")), field.name
        kind, optional = kind_of(record, field)
        assert kind in (bool, int, float, str)
        assert (field.default is None) <= optional, f"{field.name} defaults to None but must not be None"
        if choices_of(field) is not None:
            assert field.default in choices_of(field)


def test_edit_settings_are_the_fields_of_a_request():
    request = {f.name: f.default for f in dataclasses.fields(EditRequest) if f.name not in ("mask", "picture")}
    ours = {f.name: f.default for f in dataclasses.fields(EditSettings)}
    assert sorted(ours) == sorted(request)
    assert {n: v for n, v in ours.items() if n != "kind"} == {n: v for n, v in request.items() if n != "kind"}


def test_flags_of_all_records_fit_into_one_command():
    flags = [flag_of(f) for record in RECORDS for f in dataclasses.fields(record) if flag_of(f)]
    assert len(flags) == len(set(flags))


def test_flags_there_and_back():
    parser = argparse.ArgumentParser()
    for record in RECORDS:
        add_flags(parser, record)
    args = parser.parse_args(
        "--threshold 0.25 --short-side 320 --no-use-boxes --painter exemplar --method sclip --prompt 100%".split()
    )
    assert from_flags(args, SegmentSettings) == {"threshold": 0.25, "short_side": 320, "method": "sclip"}
    assert from_flags(args, RefineSettings) == {"use_boxes": False}
    assert from_flags(args, EditSettings) == {"method": "exemplar", "prompt": "100%"}
    assert from_flags(args, LoadSettings) == {}
    assert "From 0 to 1." in parser.format_help().replace("\n", " ").replace("  ", " ")


def test_keyword_arguments_are_dealt_out():
    segment, refine = split({"method": "clip", "alpha": 0.1}, SegmentSettings, RefineSettings)
    assert segment == SegmentSettings(method="clip") and refine == RefineSettings(alpha=0.1)
    with pytest.raises(NamebrushError, match='no setting "metod".*method'):
        split({"metod": "clip"}, SegmentSettings, RefineSettings)
