"""Edits: exact outside the mask whatever the mask, repeatable, stoppable, and clear about what they cannot do."""

import numpy as np
import pytest
from PIL import Image

from benchmarks import random_edits
from pipeline.edit import edit
from pipeline.edit import masks as shaping
from pipeline.edit.composite import compose, count_changed
from pipeline.edit.crop import bounds, cut_out, groups_of, plan_crops, put_back
from pipeline.edit.kinds import KINDS
from pipeline.edit.prompts import build_words
from pipeline.errors import Cancelled, NamebrushError
from pipeline.photo import open_photo
from pipeline.progress import Progress
from pipeline.records import EditRequest


class NoModels:
    """Stands where `Models` would be when no model may be touched."""

    def inpaint(self):
        raise NamebrushError("The preset tiny has no inpainting model; load the preset base.")

    def title(self, kind):
        return "none"


def photo_of(height, width, seed=0):
    """Blotches with grain: something to copy, and nothing that repeats."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (height // 8 + 2, width // 8 + 2, 3), np.uint8))
    soft = np.asarray(small.resize((width, height), Image.Resampling.BICUBIC), np.int16)
    return open_photo(np.clip(soft + rng.integers(-12, 13, soft.shape), 0, 255).astype(np.uint8))


disc = random_edits.disc


def test_nothing_outside_the_mask_ever_changes():
    done, wrong = random_edits.run(0, 75)
    assert not wrong
    assert sum(n for kind, n in done.items() if kind in KINDS) >= 60 and set(KINDS) <= set(done)


def test_the_same_seed_gives_the_same_pixels_and_candidates_follow_the_seed():
    photo, mask = photo_of(96, 80), disc(96, 80, 50, 40, 16)
    both = edit(photo, EditRequest("remove", mask, seed=4, candidates=2), NoModels())
    again = edit(photo, EditRequest("remove", mask, seed=5), NoModels())
    assert both.seeds == (4, 5) and again.seeds == (5,)
    assert np.array_equal(both.images[1].pixels, again.images[0].pixels)
    assert not np.array_equal(both.images[0].pixels, both.images[1].pixels)
    assert both.made_by == "exemplar fill"
    assert set(both.seconds) == {"mask", "paint", "check"} and all(v >= 0 for v in both.seconds.values())


def test_the_thing_is_gone_and_its_place_looks_like_the_rest():
    pixels = np.array(photo_of(96, 96).pixels // 4 + 120)
    mask = disc(96, 96, 48, 48, 14)
    pixels[mask] = (255, 0, 0)
    image = edit(open_photo(pixels), EditRequest("remove", mask), NoModels()).images[0].pixels
    red = image[mask].astype(int)
    assert (red[:, 0] - red[:, 1]).max() < 60 and 100 < image[mask].mean() < 200


def test_alpha_exif_profile_and_name_survive():
    alpha = np.full((40, 40), 200, np.uint8)
    photo = photo_of(40, 40)
    photo = type(photo)(photo.pixels, photo.hash, alpha=alpha, exif=b"Exif\0\0some", icc=b"profile", name="kept.png")
    image = edit(photo, EditRequest("remove", disc(40, 40, 20, 20, 5)), NoModels()).images[0]
    assert np.array_equal(image.alpha, alpha)
    assert (image.exif, image.icc, image.name) == (photo.exif, photo.icc, "kept.png")
    assert image.hash != photo.hash


def test_stopping_stops_at_once_and_leaves_the_photo_alone():
    photo, calls = photo_of(120, 120), []
    before = photo.pixels.copy()

    def stop(message, share):
        calls.append(share)
        if len(calls) == 3:
            raise Cancelled

    with pytest.raises(Cancelled):
        edit(photo, EditRequest("remove", disc(120, 120, 60, 60, 30)), NoModels(), Progress(stop))
    assert len(calls) == 3
    assert np.array_equal(photo.pixels, before)


def test_progress_only_moves_forward():
    shares = []
    request = EditRequest("remove", disc(120, 120, 60, 60, 25), candidates=2)
    edit(photo_of(120, 120), request, NoModels(), Progress(lambda _, share: shares.append(share)))
    known = [s for s in shares if s is not None]
    assert known == sorted(known) and known[0] == 0 and known[-1] == 1 and len(known) > 4


@pytest.mark.parametrize(
    ("fields", "size", "words"),
    [
        ({"kind": "erase"}, (40, 40), "no kind of edit; choose from remove, replace, restyle, recolor"),
        ({"method": "magic"}, (40, 40), "choose from auto, exemplar, diffusion"),
        ({"kind": "replace"}, (40, 40), "needs a prompt"),
        ({"kind": "restyle", "prompt": "  "}, (40, 40), "needs a prompt"),
        ({"kind": "replace", "prompt": "a fox", "method": "exemplar"}, (40, 40), "can only remove"),
        ({"kind": "replace", "prompt": "a fox"}, (40, 40), "no inpainting model"),
        ({"method": "diffusion"}, (40, 40), "no inpainting model"),
        ({"candidates": 0}, (40, 40), "Between 1 and 16"),
        ({"seed": -1}, (40, 40), "seed must be"),
        ({"feather": -1}, (40, 40), "0 pixels wide or more"),
        ({"grow": -30}, (40, 40), "shrink it less"),
        ({}, (40, 41), "The mask is 40x40 and the photo 41x40"),
        ({"kind": "replace", "prompt": "x", "steps": 0}, (40, 40), "At least one step"),
        ({"kind": "replace", "prompt": "x", "strength": 1.5}, (40, 40), "at most at 1"),
        ({"kind": "replace", "prompt": "x", "steps": 3, "strength": 0.2}, (40, 40), "leave none to take"),
        ({"kind": "replace", "prompt": "x", "guidance": -1.0}, (40, 40), "guidance must be 0 or more"),
    ],
)
def test_what_cannot_be_done_is_said_plainly(fields, size, words):
    request = EditRequest(**{"kind": "remove", "mask": disc(40, 40, 20, 20, 6), **fields})
    with pytest.raises(NamebrushError, match=words):
        edit(photo_of(*size), request, NoModels())


def test_empty_and_full_masks():
    photo = photo_of(30, 30)
    with pytest.raises(NamebrushError, match="mask is empty"):
        edit(photo, EditRequest("remove", np.zeros((30, 30), bool)), NoModels())
    for method in ("auto", "diffusion"):
        with pytest.raises(NamebrushError, match="covers the whole photo"):
            edit(photo, EditRequest("remove", np.ones((30, 30), bool), method=method), NoModels())


def test_growing_and_shrinking_are_by_discs():
    one = disc(21, 21, 10, 10, 0)
    assert np.array_equal(shaping.grow(one, 4), disc(21, 21, 10, 10, 4))
    assert np.array_equal(shaping.grow(disc(21, 21, 10, 10, 6), 0), disc(21, 21, 10, 10, 6))
    small = shaping.grow(disc(41, 41, 20, 20, 12), -3)
    assert small[20, 29] and not small[20, 30] and (small <= disc(41, 41, 20, 20, 12)).all()


def test_growth_follows_the_size():
    sizes = [shaping.automatic_growth(np.ones((s, s), bool)) for s in (1, 50, 250, 500, 5000)]
    assert sizes == [2, 2, 5, 10, 24]


def test_small_holes_are_filled_and_specks_dropped():
    mask = disc(100, 100, 50, 50, 30)
    mask[50, 50], mask[5, 5] = False, True
    assert np.array_equal(shaping.tidy(mask), disc(100, 100, 50, 50, 30))
    ring = disc(100, 100, 50, 50, 30) & ~disc(100, 100, 50, 50, 15)
    assert np.array_equal(shaping.tidy(ring), ring)  # a large hole is meant
    pixel = disc(100, 100, 3, 3, 0)
    assert np.array_equal(shaping.tidy(pixel), pixel)  # and so is a single pixel, alone


def test_the_seam_lies_inside_the_grown_mask():
    mask = np.zeros((80, 80), bool)
    mask[20:61, 20:56] = True
    shaped = shaping.shape_mask(mask, (80, 80), pixels=6, feather=3)
    assert np.array_equal(shaped.alpha > 0, shaped.used)
    assert (shaped.alpha[mask] == 1).all()
    row = shaped.alpha[40, 55:63]
    assert row.tolist() == pytest.approx([1, 1, 1, 1, 0.75, 0.5, 0.25, 0], abs=0.02)
    hard = shaping.shape_mask(mask, (80, 80), pixels=6, feather=0)
    assert set(np.unique(hard.alpha)) == {0.0, 1.0}


def test_composing_copies_what_it_does_not_paint():
    photo = photo_of(20, 20)
    alpha = np.zeros((20, 20), np.float32)
    alpha[5, 5], alpha[6, 6] = 1.0, 0.5
    painted = np.full((20, 20, 3), 255, np.uint8)
    image = compose(photo, [((0, 0, 20, 20), painted, alpha)])
    assert image.pixels[5, 5].tolist() == [255, 255, 255]
    assert image.pixels[6, 6].tolist() == np.rint((255 + photo.pixels[6, 6].astype(float)) / 2).tolist()
    assert count_changed(photo.pixels, image.pixels, np.ones((20, 20), bool)) == 2
    assert count_changed(photo.pixels, image.pixels, alpha == 0) == 0


def test_far_parts_are_groups_of_their_own_and_near_ones_are_not():
    mask = disc(400, 400, 50, 50, 10) | disc(400, 400, 60, 90, 10) | disc(400, 400, 350, 350, 10)
    groups = groups_of(mask)
    assert len(groups) == 2 and np.array_equal(groups[0] | groups[1], mask) and not (groups[0] & groups[1]).any()
    # a third part joins two that are too far from each other to meet
    chain = disc(400, 400, 200, 40, 4) | disc(400, 400, 200, 180, 4) | disc(400, 400, 200, 110, 4)
    assert len(groups_of(chain)) == 1


@pytest.mark.parametrize("size", [(40, 300), (64, 64), (700, 500), (9, 200)])
@pytest.mark.parametrize("native", [64, 512])
def test_crops_cover_the_mask_at_the_models_size(size, native):
    rng = np.random.default_rng(0)
    for _ in range(10):
        mask = disc(*size, rng.integers(size[0]), rng.integers(size[1]), rng.integers(1, 30))
        covered = np.zeros(size, bool)
        for crop in plan_crops(mask, native):
            x0, y0, x1, y1 = crop.box
            assert 0 <= x0 < x1 <= size[1] and 0 <= y0 < y1 <= size[0]
            assert crop.size[0] % 8 == crop.size[1] % 8 == 0 and max(crop.size) == native
            covered[y0:y1, x0:x1] |= crop.mask
        assert np.array_equal(covered, mask)


def test_a_crop_returns_at_the_photos_resolution_with_the_photos_colours():
    photo, mask = photo_of(200, 160), disc(200, 160, 100, 80, 20)
    (crop,) = plan_crops(mask, 64)
    seen, hidden = cut_out(photo.pixels, crop)
    assert seen.shape == (*crop.size, 3) and hidden.shape == crop.size and hidden.any() and not hidden.all()
    shifted = np.clip(seen.astype(int) + (20, -10, 5), 0, 255).astype(np.uint8)
    back = put_back(shifted, crop, photo.pixels, mask).astype(float)
    x0, y0, x1, y1 = crop.box
    error = (back - photo.pixels[y0:y1, x0:x1])[~crop.mask].mean(axis=0)
    assert back.shape == (y1 - y0, x1 - x0, 3) and np.abs(error).max() < 4
    assert bounds(mask) == (60, 80, 101, 121)


def test_words_never_ask_for_what_is_removed():
    remove = build_words("remove", subject="dog")
    assert "dog" not in remove.prompt and "dog" in remove.negative
    assert build_words("replace", "a red fox", subject="dog").prompt == "a red fox"
    assert "dog" in build_words("replace", "a red fox", subject="dog").negative
    assert "dog" not in build_words("replace", "a smaller Dog", subject="dog").negative
    assert build_words("restyle", "oil painting", subject="dog").prompt == "dog, oil painting"
    assert build_words("restyle", "a dog in oil", subject="dog").prompt == "a dog in oil"
    assert "rain" in build_words("remove", negative="rain").negative
