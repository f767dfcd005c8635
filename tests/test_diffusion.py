"""Painting by diffusion, on a tiny pipeline of the official classes with random weights."""

import numpy as np
import pytest
import torch

from pipeline.edit import edit
from pipeline.edit.diffusion import full_precision, native_side, sampling_of, usable
from pipeline.errors import Cancelled, NamebrushError
from pipeline.photo import open_photo
from pipeline.progress import Progress
from pipeline.records import EditRequest

from . import checkpoints


class OneModel:
    """As much of `Models` as an edit needs."""

    def __init__(self, pipe):
        self.pipe = pipe

    def inpaint(self):
        return self.pipe

    def title(self, kind):
        return "Tiny inpainting"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return checkpoints.inpainting(tmp_path_factory.mktemp("inpainting"))


@pytest.fixture(scope="module")
def pipe(folder):
    return _loaded(folder)


def _loaded(folder):
    from diffusers import AutoPipelineForInpainting

    pipe = AutoPipelineForInpainting.from_pretrained(folder, safety_checker=None, local_files_only=True)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def picture(height=90, width=120):
    rng = np.random.default_rng(0)
    return open_photo(rng.integers(60, 200, (height, width, 3), np.uint8))


def request(**fields):
    mask = np.zeros((90, 120), bool)
    mask[30:60, 40:80] = True
    return EditRequest(**{"kind": "replace", "mask": mask, "prompt": "a red fox", "steps": 3, **fields})


@pytest.mark.parametrize("kind", ["replace", "restyle", "remove"])
def test_every_kind_paints_inside_and_only_inside(pipe, kind):
    photo = picture()
    result = edit(photo, request(kind=kind, method="diffusion"), OneModel(pipe))
    (image,) = result.images
    differs = (image.pixels != photo.pixels).any(axis=2)
    assert image.size == photo.size and result.changed_outside == 0
    assert not (differs & ~result.mask).any() and differs[result.mask].mean() > 0.9
    assert result.made_by == "Tiny inpainting" and {"mask", "load", "paint", "check"} <= set(result.seconds)


def test_a_candidate_depends_on_its_seed_alone(pipe):
    photo = picture()
    three = edit(photo, request(seed=5, candidates=3), OneModel(pipe))
    alone = edit(photo, request(seed=6), OneModel(pipe))
    assert three.seeds == (5, 6, 7)
    assert np.array_equal(three.images[1].pixels, alone.images[0].pixels)
    assert not np.array_equal(three.images[0].pixels, three.images[1].pixels)


def test_far_parts_are_painted_in_crops_of_their_own(pipe):
    photo, mask = picture(300, 400), np.zeros((300, 400), bool)
    mask[10:30, 10:40], mask[250:280, 350:390] = True, True
    said = []
    result = edit(photo, request(mask=mask), OneModel(pipe), Progress(lambda text, _: said.append(text)))
    differs = (result.images[0].pixels != photo.pixels).any(axis=2)
    assert differs[mask].mean() > 0.9 and not (differs & ~result.mask).any()
    assert said.count("Painting, step 3 of 3") == 2


def test_stopping_between_two_steps(pipe):
    said = []

    def stop(text, share):
        said.append(text)
        if "step 2" in text:
            raise Cancelled

    with pytest.raises(Cancelled):
        edit(picture(), request(steps=8), OneModel(pipe), Progress(stop))
    assert said[-1] == "Painting, step 2 of 8"
    assert edit(picture(), request(), OneModel(pipe)).changed_outside == 0  # and the pipeline still works


def test_progress_only_moves_forward(pipe):
    shares = []
    edit(picture(), request(candidates=2), OneModel(pipe), Progress(lambda _, share: shares.append(share)))
    assert shares == sorted(shares) and shares[0] == 0 and shares[-1] == 1


def test_the_whole_photo_can_be_restyled(pipe):
    photo = picture()
    result = edit(photo, request(kind="restyle", mask=np.ones((90, 120), bool)), OneModel(pipe))
    assert result.mask.all() and (result.images[0].pixels != photo.pixels).any(axis=2).mean() > 0.9


def _black_in_half_precision(decoder):
    """What float16 overflow in a decoder looks like from outside."""

    def hook(_module, args, output):
        return output if args[0].dtype == torch.float32 else output * torch.nan

    return decoder.register_forward_hook(hook)


def test_a_black_picture_is_painted_again_in_full_precision(folder):
    pipe, said = _loaded(folder).to(torch.float16), []
    handle = _black_in_half_precision(pipe.vae.decoder)
    photo = picture()
    result = edit(photo, request(), OneModel(pipe), Progress(lambda text, _: said.append(text)))
    handle.remove()
    again = edit(photo, request(), OneModel(pipe))
    assert any("in full precision" in text for text in said)
    assert result.changed_outside == 0 and next(pipe.vae.parameters()).dtype == torch.float16
    before, after = (r.images[0].pixels[r.mask].astype(int) for r in (result, again))
    assert np.abs(before - after).mean() < 4  # the same seed: the same picture but for rounding


def test_a_picture_that_stays_black_is_an_error_not_a_result(folder):
    pipe = _loaded(folder)
    pipe.vae.decoder.register_forward_hook(lambda _module, _args, output: output * torch.nan)
    with pytest.raises(NamebrushError, match="no usable picture.*already runs in full precision"):
        edit(picture(), request(), OneModel(pipe))
    pipe = pipe.to(torch.float16)
    with pytest.raises(NamebrushError, match="in full precision too"):
        edit(picture(), request(), OneModel(pipe))


def test_the_checker_for_unsafe_pictures_is_named(tmp_path):
    from diffusers import AutoPipelineForInpainting

    pipe = AutoPipelineForInpainting.from_pretrained(checkpoints.inpainting(tmp_path, checker=True))
    pipe.set_progress_bar_config(disable=True)
    pipe.safety_checker.concept_embeds_weights.data.fill_(-9.0)
    with pytest.raises(NamebrushError, match="checker for unsafe pictures"):
        edit(picture(), request(), OneModel(pipe))


def test_full_precision_is_given_back_even_after_an_error(folder):
    vae = _loaded(folder).vae.to(torch.float16)
    with pytest.raises(RuntimeError, match="inside"), full_precision(vae):
        latents = vae.encode(torch.zeros(1, 3, 16, 16, dtype=torch.float16)).latent_dist.mode()
        assert latents.dtype == torch.float16  # what the denoiser expects
        raise RuntimeError("inside")
    assert next(vae.parameters()).dtype == torch.float16
    assert not any(part._forward_pre_hooks for part in (vae.encoder, vae.decoder))


def test_sizes_and_defaults(pipe):
    assert native_side(pipe) == (64, 8)
    assert sampling_of("restyle", None, None, None).strength < sampling_of("replace", None, None, None).strength == 1.0
    assert sampling_of("replace", 7, None, None).steps == 7
    mask = np.ones((2, 2), bool)
    assert usable(np.full((2, 2, 3), 0.5, np.float32), mask)
    assert not usable(np.zeros((2, 2, 3), np.float32), mask)
    assert not usable(np.full((2, 2, 3), np.nan, np.float32), mask)
