"""Masks that take rather too much than too little."""

from dataclasses import replace

import numpy as np

from pipeline import Pipeline
from pipeline.ample import LARGER, ample
from pipeline.photo import open_photo
from pipeline.records import Prompt, Region


def animal(seed=0):
    """A brown body with black feet on sand: pixels, the whole, and what a click on the body found."""
    rng = np.random.default_rng(seed)
    whole, body = np.zeros((200, 260), bool), np.zeros((200, 260), bool)
    body[60:120, 70:190] = True
    body[110:150, 80:100] = body[110:150, 160:180] = True
    feet = np.zeros_like(body)
    feet[140:156, 76:104] = feet[130:156, 156:184] = True
    whole |= body | feet
    color = np.where(feet[..., None], (20, 20, 25), np.where(body[..., None], (150, 95, 50), (215, 200, 165)))
    pixels = (color + rng.normal(0, 6, (200, 260, 3))).clip(0, 255).astype(np.uint8)
    found = body & ~feet
    found[140:150, 80:90] = True
    return open_photo(pixels), whole, found


def picked(mask, made_by="grabcut", box=None):
    prompt = Prompt(np.array([[130.0, 90.0]], np.float32), np.array([1], np.int32), box)
    return Region.from_mask(mask, id=3, class_index=-1, name="by hand", prompt=prompt, made_by=made_by, score=0.7)


def test_what_a_click_left_out_is_taken_along():
    photo, whole, found = animal()
    region = picked(found)
    wide = ample(photo, region)
    assert (wide.mask & found).sum() == found.sum() and wide.area <= LARGER * region.area
    assert (wide.mask & whole).sum() > 0.97 * whole.sum() > (found & whole).sum()
    assert (wide.mask & ~whole).sum() < 0.04 * whole.sum() and (wide.id, wide.score) == (3, 0.7)


def test_it_stays_as_it_is_where_it_was_not_guessed_or_the_second_look_differs():
    photo, whole, found = animal()
    for region in (picked(found, "sam"), picked(found, box=(60.0, 50.0, 200.0, 160.0))):
        assert ample(photo, region) is region
    for region in (picked(found, "sam"), picked(found, "sam", box=(60.0, 50.0, 200.0, 160.0))):
        assert (ample(photo, region, coarse=True).mask & whole).sum() > 0.97 * whole.sum()  # the built-in SAM guesses
    accepted = replace(picked(found), accepted=True)
    assert ample(photo, accepted) is accepted
    sliver = np.zeros_like(found)
    sliver[62:118, 75:185:8] = True  # a mask that shares its box with the body, but not its form
    region = picked(sliver)
    assert ample(photo, region) is region


def test_removing_from_the_command_line_is_ample(monkeypatch, tmp_path):
    from pipeline.__main__ import main

    photo, _, _ = animal()
    photo.save(tmp_path / "a.png")
    asked, select = [], Pipeline.select

    def told(self, *prompts, **settings):
        asked.append(settings.get("ample"))
        return select(self, *prompts, **settings)

    monkeypatch.setattr(Pipeline, "select", told)
    point = ["--point", "130,90", "--gate", "grabcut", "--quiet", "--out", str(tmp_path / "b.png")]
    for more in (["--kind", "remove"], ["--kind", "remove", "--no-ample"], ["--kind", "recolor", "--color", "teal"]):
        assert main(["edit", str(tmp_path / "a.png"), *point, *more]) == 0
    assert asked == [True, False, False]
