"""Painting by diffusion, on a tiny pipeline of the official classes with random weights."""

import warnings

import cv2
import numpy as np
import pytest
import torch

from pipeline.edit import diffusion, edit
from pipeline.edit.diffusion import full_precision, native_side, sampling_of, usable
from pipeline.edit.judge import FAR, Judge, score, seam_cost
from pipeline.edit.pieces import Piece
from pipeline.errors import Cancelled, NamebrushError
from pipeline.models import load_models, memory
from pipeline.models.lora import fuse
from pipeline.models.official import load_inpaint
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
    assert sorted(three.seeds) == [5, 6, 7]
    assert np.array_equal(three.images[three.seeds.index(6)].pixels, alone.images[0].pixels)
    scores = [score(rank) for rank in three.ranks]
    assert scores == sorted(scores, reverse=True) and all(0 < rank["seam"] < 3 for rank in three.ranks)
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
    assert any("came out as not a number in half precision" in note for note in result.notes)
    assert not edit(photo, request(), OneModel(pipe)).notes
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


def test_previews_are_made_for_whoever_looks(pipe):
    seen = []
    edit(picture(), request(steps=16), OneModel(pipe), Progress(show=lambda one, box: seen.append((one, box))))
    assert 7 <= len(seen) <= 8
    for image, (x0, y0, x1, y1) in seen:
        assert image.dtype == np.uint8 and image.shape == (24, 32, 3)
        assert 0 <= x0 < x1 <= 120 and 0 <= y0 < y1 <= 90 and (x1 - x0) * 24 == pytest.approx((y1 - y0) * 32, rel=0.1)


def test_a_removed_thing_that_is_still_there_is_painted_again_with_another_seed(pipe):
    photo, asked = picture(), []

    def there(image, mask):
        asked.append(image)
        return 0.8 if len(asked) <= 2 else 0.1  # seen before and after the first try, gone after the second

    job = request(kind="remove", prompt="", method="diffusion", subject="dog", seed=4)
    result = edit(photo, job, OneModel(pipe), judge=Judge(there=there))
    assert asked[0] is photo and len(asked) == 3
    assert result.seeds == (4 + FAR,) and result.ranks[0]["there"] == 0.125
    assert result.notes == (f"With seed 4 the dog was still there; seed {4 + FAR} was taken instead.",)
    again = edit(photo, request(kind="remove", prompt="", method="diffusion", subject="dog", seed=4 + FAR),
                 OneModel(pipe))  # fmt: skip
    assert np.array_equal(again.images[0].pixels, result.images[0].pixels)
    stays = edit(photo, job, OneModel(pipe), judge=Judge(there=lambda image, mask: 0.8))
    assert "may still be there" in stays.notes[-1] and stays.seeds == (4,)
    unseen = edit(photo, job, OneModel(pipe), judge=Judge(there=lambda image, mask: 0.0))
    assert not unseen.notes and "there" not in unseen.ranks[0]  # what was not seen before tells nothing after


def test_candidates_are_ranked_by_likeness(pipe):
    likeness = {}

    def like(image, box):
        assert 0 <= box[0] < box[2] <= 120 and 0 <= box[1] < box[3] <= 90
        return likeness.setdefault(image.hash, 0.1 + 0.2 * len(likeness))

    result = edit(picture(), request(candidates=3), OneModel(pipe), judge=Judge(likeness=like))
    assert [rank["clip"] for rank in result.ranks] == pytest.approx([0.5, 0.3, 0.1]) and result.seeds == (2, 1, 0)


def test_the_engine_judges_with_its_own_models(pipe):
    from .small_models import picture as small_picture
    from .small_models import small_pipeline

    engine = small_pipeline(5, inpaint=pipe)
    photo, mask = engine.open(small_picture(5)), np.zeros((96, 128), bool)
    mask[20:50, 30:70] = True
    painted = engine.edit(photo, mask, "replace", "a red fox", candidates=2, steps=2)
    clips = [rank["clip"] for rank in painted.ranks]
    assert all(-1 <= value <= 1 for value in clips) and {"judge", "paint"} <= set(painted.seconds)
    removed = engine.edit(photo, mask, "remove", method="diffusion", subject="dog", steps=3)
    assert removed.models == {"inpaint": "StableDiffusionInpaintPipeline (given in memory)"}
    assert removed.changed_outside == 0 and {"seam"} <= set(removed.ranks[0])


def test_holes_start_from_the_photos_own_filling(pipe, monkeypatch):
    started = []
    cut_out = diffusion.cut_out
    monkeypatch.setattr(diffusion, "cut_out", lambda *all: started.append((all[1], cut_out(*all))) or started[-1][1])
    photo = picture()
    edit(photo, request(kind="remove", method="diffusion"), OneModel(pipe))
    edit(photo, request(kind="remove", method="diffusion", strength=1.0), OneModel(pipe))
    (crop, (filled, hole)), (other, (plain, _)) = started
    assert crop.box == other.box and np.array_equal(plain, cut_out(photo.pixels, crop)[0])
    differs = (filled != plain).any(axis=2)
    assert differs[hole].mean() > 0.9 and not differs[cv2.dilate(hole.view(np.uint8), np.ones((9, 9))) == 0].any()


class Mean(torch.nn.Module):
    """Looks like LaMa: fills a hole with the mean of the rest."""

    def forward(self, image: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        known = 1 - mask
        mean = (image * known).sum(dim=(2, 3), keepdim=True) / known.sum(dim=(2, 3), keepdim=True)
        return image * known + mean * mask


def test_lama_fills_and_only_fills(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is what LaMa is published as
        torch.jit.script(Mean()).save(str(tmp_path / "lama.pt"))
    models = load_models("tiny", inpaint=tmp_path / "lama.pt", device="cpu", trust_weights=True)
    photo = picture(93, 121)
    mask = np.zeros((93, 121), bool)
    mask[30:60, 40:80] = True
    result = edit(photo, EditRequest("remove", mask, method="diffusion"), models)
    filled = result.images[0].pixels[mask].astype(int)
    assert result.changed_outside == 0 and np.abs(filled - photo.pixels.reshape(-1, 3).mean(axis=0)).max() < 8
    assert result.made_by == "lama.pt" and "sha256:" in result.models["inpaint"]
    wider = edit(photo, EditRequest("extend", mask, method="diffusion", left=40), models)
    assert wider.images[0].size == (93, 161) and wider.changed_outside == 0
    with pytest.raises(NamebrushError, match="knows no words"):
        edit(photo, EditRequest("replace", mask, prompt="a fox"), models)
    (tmp_path / "bad.pt").write_bytes(b"no")
    with pytest.raises(NamebrushError, match="cannot be loaded as a TorchScript network"):
        load_models("tiny", inpaint=tmp_path / "bad.pt", device="cpu").inpaint()


def test_an_adapter_is_laid_into_the_weights(folder, tmp_path):
    from safetensors.torch import save_file

    generator = torch.Generator().manual_seed(0)
    pipe = _loaded(folder)
    names = {name: module for name, module in pipe.unet.named_modules() if hasattr(module, "weight")}
    linear = next(n for n, m in names.items() if isinstance(m, torch.nn.Linear) and n.endswith("to_q"))
    conv = next(n for n, m in names.items() if isinstance(m, torch.nn.Conv2d) and m.kernel_size == (3, 3))
    parts, expected = {}, {}
    for name in (linear, conv):
        weight, stem = names[name].weight, f"lora_unet_{name.replace('.', '_')}"
        down = torch.randn((2, *weight.shape[1:]), generator=generator)
        up = torch.randn((weight.shape[0], 2, *[1] * (weight.ndim - 2)), generator=generator)
        parts |= {f"{stem}.lora_down.weight": down, f"{stem}.lora_up.weight": up, f"{stem}.alpha": torch.tensor(1.0)}
        change = torch.einsum("or,r...->o...", up.flatten(1), down)
        expected[name] = weight.detach() + 0.5 * change
    save_file(parts, tmp_path / "lcm.safetensors")
    fast = load_inpaint(folder, torch.device("cpu"), tmp_path / "lcm.safetensors")
    after = dict(fast.unet.named_modules())
    for name, weight in expected.items():
        torch.testing.assert_close(after[name].weight.detach(), weight, atol=1e-5, rtol=1e-5)
    assert sampling_of("replace", None, None, None, fast).steps == 6
    assert edit(picture(), request(steps=None), OneModel(fast)).changed_outside == 0
    other = {key.replace(linear.replace(".", "_"), "mid_block_nothing"): value for key, value in parts.items()}
    save_file(other, tmp_path / "other.safetensors")
    with pytest.raises(NamebrushError, match="another model"):
        fuse(_loaded(folder).unet, tmp_path / "other.safetensors")
    save_file({"x": torch.zeros(1)}, tmp_path / "none.safetensors")
    with pytest.raises(NamebrushError, match="is no adapter"):
        fuse(_loaded(folder).unet, tmp_path / "none.safetensors")


def test_memory_plans_follow_the_room(pipe):
    weights = sum(memory.bytes_of(pipe).values())
    largest = max(memory.bytes_of(pipe).values())
    card = torch.device("cuda")
    assert memory.choose(pipe, torch.device("cpu"), None) == "whole"
    assert memory.choose(pipe, card, weights + memory.WORKING) == "whole"
    assert memory.choose(pipe, card, weights + memory.WORKING - 1) == "offload"
    assert memory.choose(pipe, card, largest + memory.WORKING - 1) == "sequential"
    assert memory.place(pipe, torch.device("cpu"), "offload") == "whole"  # one memory: nothing to move in and out
    with pytest.raises(NamebrushError, match="no plan for memory"):
        memory.place(pipe, torch.device("cpu"), "half")
    with pytest.raises(NamebrushError, match="no plan for memory"):
        load_models("tiny", memory="half")


def test_a_visible_seam_costs_more():
    rows, cols = np.mgrid[:60, :60]
    pixels = np.random.default_rng(0).integers(100, 140, (60, 60, 3)).astype(np.uint8)
    used = (rows - 30) ** 2 + (cols - 30) ** 2 < 200
    piece = Piece((0, 0, 60, 60), used, used, used.astype(np.float32))
    even = seam_cost(pixels, [piece])
    patched = pixels.copy()
    patched[used] += 60
    assert 0.8 < even < 1.2 and seam_cost(patched, [piece]) > 2 * even
    assert score({"seam": 3.0}) < score({"seam": 1.0}) < score({"seam": 1.0, "clip": 0.2})
    assert score({"there": 0.1, "seam": 3.0}) > score({"there": 0.9, "seam": 1.0})
