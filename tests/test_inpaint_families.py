"""Stable Diffusion XL and FLUX Fill, tiny and with random weights, of the official classes: all families paint."""

import numpy as np
import pytest
import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    FlowMatchEulerDiscreteScheduler,
    FluxFillPipeline,
    FluxTransformer2DModel,
    StableDiffusionXLInpaintPipeline,
    UNet2DConditionModel,
)
from tokenizers import Tokenizer, models
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    PreTrainedTokenizerFast,
    T5Config,
    T5EncoderModel,
)

from pipeline.edit import edit
from pipeline.edit.diffusion import native_side, sampling_of
from pipeline.errors import Cancelled
from pipeline.photo import open_photo
from pipeline.progress import Progress
from pipeline.records import EditRequest

from . import checkpoints
from .test_diffusion import OneModel

WORDS = {"vocab_size": 49408, "bos_token_id": 49406, "eos_token_id": 49407, "pad_token_id": 1}
TEXT = {**WORDS, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}


def autoencoder(**more):
    return AutoencoderKL(
        in_channels=3, out_channels=3, latent_channels=4, norm_num_groups=8, sample_size=64,
        block_out_channels=(16, 16, 32, 32), layers_per_block=1,
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4, **more,
    )  # fmt: skip


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    return checkpoints.clip_tokenizer(tmp_path_factory.mktemp("words") / "tokenizer")


@pytest.fixture(scope="module")
def xl(words):
    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        sample_size=8, in_channels=9, out_channels=4, block_out_channels=(32, 64), layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=64, attention_head_dim=(2, 4), norm_num_groups=8, use_linear_projection=True,
        addition_embed_type="text_time", addition_time_embed_dim=8, projection_class_embeddings_input_dim=80,
    )  # fmt: skip
    pipe = StableDiffusionXLInpaintPipeline(
        vae=autoencoder(), unet=unet, text_encoder=CLIPTextModel(CLIPTextConfig(**TEXT)), tokenizer=words,
        text_encoder_2=CLIPTextModelWithProjection(CLIPTextConfig(**TEXT, projection_dim=32)), tokenizer_2=words,
        scheduler=DDIMScheduler(beta_schedule="scaled_linear", clip_sample=False, steps_offset=1),
    )  # fmt: skip
    pipe.set_progress_bar_config(disable=True)
    return pipe


@pytest.fixture(scope="module")
def flux(words):
    torch.manual_seed(0)
    plain = Tokenizer(models.WordLevel({"<pad>": 0, "<unk>": 1}, unk_token="<unk>"))
    other = PreTrainedTokenizerFast(tokenizer_object=plain, pad_token="<pad>", unk_token="<unk>")
    # 16 packed latents, 16 of the masked photo, and the mask: 64 pixels a latent, four latents a token
    transformer = FluxTransformer2DModel(
        patch_size=1, in_channels=16 + 16 + 256, out_channels=16, num_layers=1, num_single_layers=1,
        attention_head_dim=16, num_attention_heads=2, joint_attention_dim=32, pooled_projection_dim=32,
        guidance_embeds=True, axes_dims_rope=(4, 4, 8),
    )  # fmt: skip
    t5 = T5EncoderModel(T5Config(vocab_size=8, d_model=32, d_kv=8, d_ff=32, num_layers=1, num_heads=2)).eval()
    pipe = FluxFillPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(), vae=autoencoder(shift_factor=0.1), tokenizer=words,
        text_encoder=CLIPTextModel(CLIPTextConfig(**TEXT)), text_encoder_2=t5, tokenizer_2=other,
        transformer=transformer,
    )  # fmt: skip
    pipe.default_sample_size = 8
    pipe.set_progress_bar_config(disable=True)
    return pipe


@pytest.mark.parametrize("family", ["xl", "flux"])
def test_every_family_paints_stops_and_shows(family, request):
    pipe = request.getfixturevalue(family)
    photo = open_photo(np.random.default_rng(0).integers(60, 200, (90, 120, 3), np.uint8))
    mask = np.zeros((90, 120), bool)
    mask[30:60, 40:80] = True
    said, shown = [], []
    job = EditRequest("replace", mask, prompt="a red fox", negative_prompt="rain", steps=4, seed=3)
    progress = Progress(lambda text, _: said.append(text), show=lambda picture, box: shown.append(picture))
    result = edit(photo, job, OneModel(pipe), progress)
    differs = (result.images[0].pixels != photo.pixels).any(axis=2)
    assert result.changed_outside == 0 and differs[result.mask].mean() > 0.9 and not (differs & ~result.mask).any()
    assert sum("Painting, step" in text for text in said) == 4
    assert bool(shown) == (family == "xl")  # FLUX's latents are packed: none is shown rather than a wrong one
    again = edit(photo, job, OneModel(pipe))
    assert np.array_equal(again.images[0].pixels, result.images[0].pixels)

    def stop(text, _):
        if "step 2" in text:
            raise Cancelled

    with pytest.raises(Cancelled):
        edit(photo, job, OneModel(pipe), Progress(stop))
    assert edit(photo, EditRequest("remove", mask, method="diffusion", steps=2), OneModel(pipe)).changed_outside == 0


def test_sizes_and_defaults_of_the_families(xl, flux):
    assert native_side(xl) == (64, 8) and native_side(flux) == (64, 16)
    assert sampling_of("replace", None, None, None, flux).guidance == 30
    assert sampling_of("replace", None, None, None, xl).guidance == 7.5
