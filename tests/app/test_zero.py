"""ZeroGPU with a stand-in for the package `spaces` that, like it, passes everything by pickle."""

from __future__ import annotations

import importlib
import pickle
import sys
import types

import numpy as np
import pytest

from app import borrowed, engine, zero
from pipeline.models.loaders import load_models
from pipeline.records import EditRequest
from tests.small_models import picture, small_pipeline

SMALL = {"short_side": 64, "window": 32, "stride": 16}


@pytest.fixture
def calls(monkeypatch):
    """`app.zero` as it is on a ZeroGPU Space; the list of what the card was asked for, and for how many seconds."""
    asked = []

    def gpu(duration):
        def decorate(function):
            def lent(*args):
                there = pickle.loads(pickle.dumps(args))
                asked.append((args[1], duration(*there)))
                return pickle.loads(pickle.dumps(function(*there)))

            return lent

        return decorate

    stand_in = types.ModuleType("spaces")
    stand_in.GPU = gpu
    stand_in.__spec__ = importlib.machinery.ModuleSpec("spaces", None)
    monkeypatch.setitem(sys.modules, "spaces", stand_in)
    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    importlib.reload(zero)
    monkeypatch.setattr(zero, "DEVICE", "cpu")
    monkeypatch.setattr(borrowed, "_on_cards", {})
    yield asked
    monkeypatch.undo()
    importlib.reload(zero)


@pytest.fixture
def pipe(monkeypatch):
    plain = small_pipeline()
    made = borrowed.BorrowingPipeline(plain.models)
    monkeypatch.setattr(engine, "_pipelines", {"tiny": made})
    return made


def test_without_the_package_nothing_changes(monkeypatch):
    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    assert not zero.here() and not zero.active()

    def function():
        return 3

    assert zero.gpu(lambda: 1)(function) is function
    from pipeline import Pipeline

    assert type(engine._load("tiny")) is Pipeline


def test_with_the_package_on_another_space_nothing_is_lent(calls, monkeypatch):
    monkeypatch.delenv("SPACES_ZERO_GPU")
    assert zero.here() and not zero.active()


def test_on_a_zerogpu_space_the_models_wait_on_the_processor(calls):
    made = engine._load("tiny")
    assert isinstance(made, borrowed.BorrowingPipeline) and str(made.models.device) == "cpu"


def test_only_what_no_kept_feature_can_serve_asks_for_the_card(calls, pipe):
    plain = small_pipeline()
    first = pipe.segment(picture(), "dog, sky", method="sclip", refine="sam", **SMALL)
    assert [name for name, _ in calls] == ["segment"]
    expected = plain.segment(picture(), "dog, sky", method="sclip", refine="sam", **SMALL)
    np.testing.assert_array_equal(first.labels, expected.labels)
    other = pipe.segment(picture(), "car, grass, sky", method="sclip", refine="sam", threshold=0.1, **SMALL)
    mask = pipe.select(picture(), box=(5, 5, 40, 40))
    pipe.correct(other, other.regions[0].id, add=[(10, 10)])
    assert len(calls) == 1, "other words and clicks asked for a card"
    assert mask.area > 0
    pipe.segment(picture(), "dog", method="sclip", refine="none", short_side=96, window=32, stride=16)
    assert len(calls) == 2, "another size has other features"
    pipe.select(picture(7), box=(5, 5, 40, 40))
    assert [name for name, _ in calls] == ["segment", "segment", "select"]


def test_painting_asks_for_the_card_and_arithmetic_does_not(calls, pipe, monkeypatch):
    mask = np.zeros((48, 64), bool)
    mask[10:20, 10:20] = True
    photo = pipe.open(picture(0, 48, 64))
    done = pipe.edit(photo, mask, kind="recolor", color="#00ff00")
    assert not calls and done.changed_outside == 0
    sent = []
    monkeypatch.setattr(zero, "on_card", lambda *args: sent.append(args) or ("painted", []))
    assert pipe.edit(photo, mask, kind="replace", prompt="a fox", candidates=2) == "painted"
    (preset, name, (_, request), kwargs), = sent
    assert (preset, name, kwargs) == ("tiny", "do", {})
    assert isinstance(request, EditRequest) and request.candidates == 2


def test_the_time_asked_for_follows_the_work():
    small, large = picture(0, 480, 640), picture(0, 480, 4800)

    def seconds(preset, name, *args, **kwargs):
        return zero.seconds_for(preset, name, args, kwargs)

    class Sized:
        def __init__(self, pixels):
            self.size = pixels.shape[:2]

    near, wide = Sized(small), Sized(large)
    assert seconds("tiny", "segment", near, "dog") == zero.LEAST
    base, huge = (seconds(p, "segment", near, "dog") for p in ("base", "huge"))
    assert zero.LEAST <= base < huge <= 30
    assert seconds("huge", "segment", wide, "dog") > huge
    assert seconds("base", "segment", near, "dog", refine="vote-auto") > base
    assert seconds("base", "compare", near, "dog", ["clip", "sclip", "trident"]) >= base
    few, many = (
        seconds("base", "do", near, EditRequest("replace", np.ones((2, 2), bool), "x", steps=n, candidates=c))
        for n, c in ((8, 1), (50, 4))
    )
    assert few < many <= zero.MOST


def test_features_come_home_without_a_trace_of_the_card():
    import torch

    from pipeline.dense.sam_features import encode_sam

    features = encode_sam(load_models("tiny").sam.sam, picture(0, 64, 64))
    half = borrowed.dataclasses.replace(features, values=features.values.half())
    home = borrowed.on_processor(half)
    assert home.values.dtype == torch.float32 and home.values.device.type == "cpu"
    assert borrowed.on_processor(features.embedding) is features.embedding
