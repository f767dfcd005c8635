"""The inpainting model this repository carries: what a person asks for by noun and colour is what appears."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline import Pipeline
from pipeline.errors import NamebrushError
from pipeline.models import PRESETS, builtin
from pipeline.photo import open_photo
from pipeline.rle import decode_rle
from training.scenes import make_scene

SEED = 1_000_020_003


@pytest.fixture(scope="module")
def engine():
    return Pipeline.load("tiny", device="cpu")


@pytest.fixture(scope="module")
def scene():
    """A held-out scene, and the mask of one of its larger things."""
    drawn = make_scene(SEED, 320, 320)
    thing = max(drawn.objects, key=lambda thing: thing.area)
    return open_photo(drawn.image), drawn.instances == thing.id, thing.noun


def _hue(pixels):
    """The commonest hue of strong colours, in degrees."""
    hsv = cv2.cvtColor(pixels.reshape(1, -1, 3), cv2.COLOR_RGB2HSV)[0].astype(int)
    strong = hsv[(hsv[:, 1] > 90) & (hsv[:, 2] > 60)]
    assert len(strong) > 0.3 * len(hsv)
    return 2 * np.bincount(strong[:, 0], minlength=180).argmax()


@pytest.mark.parametrize(("color", "hue"), [("red", 0), ("green", 128), ("blue", 220)])
def test_a_ball_of_the_asked_colour_takes_the_place(engine, scene, color, hue):
    photo, mask, noun = scene
    result = engine.edit(photo, mask, "replace", f"a {color} ball", subject=noun, steps=6, seed=2)
    ball = decode_rle(result.things[0])
    ys, xs = np.nonzero(ball)
    assert ball.sum() > 0.7 * np.pi / 4 * np.ptp(xs) * np.ptp(ys)  # round
    off = abs(_hue(result.images[0].pixels[cv2.erode(ball.astype(np.uint8), np.ones((9, 9))) > 0]) - hue)
    assert min(off, 360 - off) < 30
    assert result.changed_outside == 0 and result.made_by == "Namebrush inpainting"
    assert "for photographs choose the preset base" in " ".join(result.notes)


def test_restyling_keeps_most_of_what_is_not_the_colour(engine):
    drawn = next(s for s in (make_scene(SEED + i, 320, 320) for i in range(400)) if _car(s))
    car = _car(drawn)
    mask = drawn.instances == car.id
    photo = open_photo(drawn.image)
    result = engine.edit(photo, mask, "restyle", "red", subject="car", seed=1)
    off = abs(_hue(result.images[0].pixels[mask]) - 0)
    assert min(off, 360 - off) < 30 and result.changed_outside == 0


def _car(drawn):
    """A car of another colour than red, wholly inside."""
    found = [o for o in drawn.objects if o.noun == "car" and o.color in ("blue", "green", "turquoise", "purple")]
    return next((o for o in found if o.area > 3000 and min(o.box[:2]) > 2 and max(o.box[2:]) < 318), None)


def test_the_same_seed_paints_the_same_and_a_strange_word_is_refused(engine, scene):
    photo, mask, _ = scene
    one, two = (engine.edit(photo, mask, "replace", "a yellow tent", steps=3, seed=9).images[0] for _ in range(2))
    assert np.array_equal(one.pixels, two.pixels)
    with pytest.raises(NamebrushError, match='cannot paint "fox".*its nouns are tree.*sd2-inpainting'):
        engine.edit(photo, mask, "replace", "a fox")


def test_all_weights_of_the_repository_stay_small_and_have_cards():
    assert PRESETS["tiny"].inpaint == "namebrush-inpaint"
    files = list(Path(builtin.ASSETS).rglob("*.safetensors"))
    assert sum(file.stat().st_size for file in files) < 80_000_000
    assert all((Path(builtin.ASSETS) / kind / "README.md").is_file() for kind in ("clip", "dino", "sam", "inpainting"))
    assert not list(Path(builtin.ASSETS).rglob("*.bin"))
