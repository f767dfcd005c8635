"""The recipe of the built-in inpainting model, from drawing windows to a pipeline that paints, in miniature."""

import sys

import numpy as np
import pytest
import torch

from training import closeups, inpainting, judge, vae
from training.pool import HELD_OUT


@pytest.fixture(scope="module")
def windows():
    return [one for seed in range(4) for one in closeups.closeups(closeups.FIRST_SEED + seed)]


def test_a_hole_covers_its_thing_and_fills_the_window_as_told(windows):
    assert len(windows) > 8
    for one in windows:
        assert one.image.shape == (256, 256, 3) and one.image.dtype == np.uint8
        assert not (one.thing & ~one.hole).any()
        ys, xs = np.nonzero(one.hole)
        longest = max(np.ptp(ys), np.ptp(xs)) + 1
        assert 0.4 * 256 < longest <= 0.81 * 256
        assert (one.noun is None) == (not one.thing.any())


def test_the_same_seed_draws_the_same_windows_and_none_is_held_out(windows):
    again = closeups.closeups(closeups.FIRST_SEED)
    assert all((a.image == b.image).all() and (a.hole == b.hole).all() for a, b in zip(again, windows, strict=False))
    assert closeups.FIRST_SEED + 10_000_000 < HELD_OUT


def test_words_say_what_the_hole_shows():
    rng = np.random.default_rng(0)
    told = {closeups.caption(rng, "ball", "red", ("grass",)) for _ in range(200)}
    assert all("ball" in text for text in told) and any("red" in text for text in told)
    ground = {closeups.caption(rng, None, None, ("sea", "sky")) for _ in range(200)}
    assert "sea" in ground and "sea and sky" in ground and "background" in ground


def test_every_known_word_is_one_piece_and_strange_words_fall_into_letters():
    tokenizer = inpainting.build_tokenizer()
    for words in inpainting.known_words().values():
        for word in " ".join(words).split():
            assert len(tokenizer(word).input_ids) == 3, word  # between start and end
    assert len(tokenizer("xylophone").input_ids) > 4
    assert tokenizer.unk_token_id not in tokenizer("Zoë, 7!").input_ids[1:-1]


def test_latents_have_unit_variance_and_hold_most_of_a_picture(windows):
    images = np.stack([one.image for one in windows])
    whiten = vae.principal(images)
    pixels = vae.to_pixels(images)
    latents = vae.whitened(pixels, whiten)
    assert latents.shape == (len(images), 4, 64, 64)
    torch.testing.assert_close(latents.var((0, 2, 3)), torch.ones(4), rtol=0.02, atol=0)
    columns = vae.patches(pixels).permute(0, 2, 3, 1).reshape(-1, 48)
    codes = torch.cat([latents.permute(0, 2, 3, 1).reshape(-1, 4), torch.ones(len(columns), 1)], 1)
    rest = columns - codes @ torch.linalg.lstsq(codes, columns).solution
    assert rest.var() < 0.1 * columns.var()


def test_the_judge_looks_at_the_box_around_a_hole():
    image = np.zeros((100, 120, 3), np.uint8)
    image[40:60, 70:110] = 255
    hole = image[..., 0] > 0
    seen = judge.cut(image, hole, margin=0.0)
    assert seen.shape == (64, 64, 3)
    assert (seen[32] > 200).all() and (seen[4] < 50).all()


def test_the_whole_recipe_makes_a_pipeline_that_loads_and_paints(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    closeups.render(closeups.FOLDER, 12, closeups.FIRST_SEED, 1)
    short = ["--threads", "1", "--steps", "2", "--batch", "2"]
    for recipe, more in ((vae, ["--side", "64"]), (inpainting, ["--half", "1"])):
        monkeypatch.setattr(sys, "argv", ["recipe", *short, *more])
        recipe.main()
    from pipeline.models.official import load_inpaint

    pipe = load_inpaint(tmp_path / "assets/inpainting", torch.device("cpu"))
    assert pipe.unet.config.in_channels == 9 and pipe.scheduler.config.rescale_betas_zero_snr
    image, mask = np.full((256, 256, 3), 90, np.uint8), np.zeros((256, 256), np.uint8)
    mask[80:180, 80:180] = 255
    from PIL import Image

    painted = pipe("a red ball", image=Image.fromarray(image), mask_image=Image.fromarray(mask), height=256, width=256,
                   num_inference_steps=2, output_type="np").images[0]  # fmt: skip
    assert painted.shape == (256, 256, 3) and np.isfinite(painted).all()
