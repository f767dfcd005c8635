"""Checkpoints of the real architectures with random weights, in the file formats of the published ones.

Built with the official classes, so that the loaders are proven without any hub. The three backbones are of full size
(about 300 MB each): write them to a temporary folder and delete them afterwards.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import torch


def openai_clip(path: Path, architecture: str = "ViT-B-16-quickgelu", script: bool = True) -> Path:
    """OpenAI's CLIP as published: half precision, a TorchScript archive with three numbers among its tensors.

    Args:
        path: file to write.
        architecture: `open_clip` model name.
        script: False: only the state dict, as mirrors carry it.
    """
    import open_clip

    with torch.device("meta"):
        model = open_clip.CLIP(**open_clip.get_model_config(architecture))
    model = filled(model).half()
    if not script:
        torch.save(model.state_dict(), path)
        return path
    archive = torch.nn.Module()
    for name, child in model.named_children():
        setattr(archive, name, _bare(child))
    for name, parameter in model.named_parameters(recurse=False):
        archive.register_parameter(name, parameter)
    for name, value in (("input_resolution", 224), ("context_length", 77), ("vocab_size", 49408)):
        archive.register_buffer(name, torch.tensor(value))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # TorchScript is what OpenAI published
        torch.jit.script(archive).save(str(path))
    return path


def filled(model: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    """Random weights of a sensible size for a model built on the `meta` device; a third of the time init takes."""
    generator = torch.Generator().manual_seed(seed)
    model.to_empty(device="cpu")
    for name, tensor in model.state_dict().items():
        if tensor.ndim >= 2:
            tensor.normal_(0, 0.02, generator=generator)
        else:
            tensor.fill_(1.0 if name.endswith("weight") else 0.0)
    return model


def _bare(module: torch.nn.Module) -> torch.nn.Module:
    """The same parameters under the same names in modules without code."""
    bare = torch.nn.Module()
    for name, child in module.named_children():
        setattr(bare, name, _bare(child))
    for name, parameter in module.named_parameters(recurse=False):
        bare.register_parameter(name, parameter)
    for name, buffer in module.named_buffers(recurse=False):
        if name not in module._non_persistent_buffers_set:
            bare.register_buffer(name, buffer)
    return bare


def dino(folder: Path, patch: int = 16, width: int = 768, layers: int = 12, heads: int = 12) -> Path:
    """A `transformers` folder as `facebook/dino-vitb16`: with the pooler nobody trained, ImageNet's normalisation."""
    from transformers import ViTConfig, ViTModel

    config = ViTConfig(
        hidden_size=width, num_hidden_layers=layers, num_attention_heads=heads, intermediate_size=4 * width,
        image_size=224, patch_size=patch, layer_norm_eps=1e-12, qkv_bias=True,
    )  # fmt: skip
    with torch.device("meta"):
        model = ViTModel(config)
    filled(model).save_pretrained(folder)
    preprocess = {
        "do_normalize": True, "do_resize": True, "image_processor_type": "ViTFeatureExtractor", "size": 224,
        "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225], "resample": 2,
    }  # fmt: skip
    (folder / "preprocessor_config.json").write_text(json.dumps(preprocess))
    return folder


def dinov2(folder: Path) -> Path:
    """A small DINOv2 folder."""
    from transformers import Dinov2Config, Dinov2Model

    config = Dinov2Config(hidden_size=48, num_hidden_layers=2, num_attention_heads=3, image_size=56, patch_size=14)
    Dinov2Model(config).save_pretrained(folder)
    return folder


def sam(path: Path, kind: str = "vit_b") -> Path:
    """SAM's state dict as Meta publishes it: float32, one `.pth` file.

    The decoder is biased so that every mask covers the photo; masks of random weights are often empty, which is an
    error a person is told of.
    """
    from segment_anything import sam_model_registry

    with torch.device("meta"):
        model = sam_model_registry[kind]()
    state = filled(model).state_dict()
    for name, tensor in state.items():
        if name == "mask_decoder.output_upscaling.3.bias":
            tensor.fill_(1.0)
        elif "output_hypernetworks_mlps" in name and name.endswith("layers.2.bias"):
            tensor.fill_(0.2)
    torch.save(state, path)
    return path


def inpainting(folder: Path, half: bool = False, checker: bool = False) -> Path:
    """A folder laid out like Stable Diffusion 2 inpainting: real classes, nine input channels, small widths.

    Args:
        folder: written by `save_pretrained`.
        half: float16 weights under the names of that variant.
        checker: with a checker for unsafe pictures, as Stable Diffusion 1.5 has one.
    """
    from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionInpaintPipeline, UNet2DConditionModel
    from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPTextConfig, CLIPTextModel, CLIPVisionConfig

    unet = UNet2DConditionModel(
        sample_size=8, in_channels=9, out_channels=4, block_out_channels=(32, 64), layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=32, attention_head_dim=4, norm_num_groups=8,
    )  # fmt: skip
    vae = AutoencoderKL(
        in_channels=3, out_channels=3, latent_channels=4, norm_num_groups=8, sample_size=64,
        block_out_channels=(16, 16, 32, 32), layers_per_block=1,
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
    )  # fmt: skip
    text = CLIPTextModel(CLIPTextConfig(
        vocab_size=49408, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        bos_token_id=49406, eos_token_id=49407, pad_token_id=1,
    ))  # fmt: skip
    small = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
    safety = None
    if checker:
        vision = CLIPVisionConfig(**small, image_size=32, patch_size=16)
        joint = CLIPConfig(vision_config=vision.to_dict(), projection_dim=32)
        safety = StableDiffusionSafetyChecker(joint)
        safety.concept_embeds_weights.data.fill_(9.0)  # nothing is like what it looks for
        safety.special_care_embeds_weights.data.fill_(9.0)
    pipe = StableDiffusionInpaintPipeline(
        vae=vae, text_encoder=text, tokenizer=clip_tokenizer(folder / "tokenizer"), unet=unet,
        scheduler=DDIMScheduler(
            beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012, clip_sample=False, steps_offset=1,
        ),
        safety_checker=safety, feature_extractor=CLIPImageProcessor(size=32, crop_size=32) if checker else None,
        requires_safety_checker=checker,
    )  # fmt: skip
    if half:
        pipe = pipe.to(torch.float16)
    pipe.save_pretrained(folder, variant="fp16" if half else None)
    return folder


def clip_tokenizer(folder: Path):
    """`transformers`' CLIP tokenizer from `vocab.json` and `merges.txt` written out of `open_clip`'s byte pairs."""
    from open_clip import SimpleTokenizer
    from transformers import CLIPTokenizer

    own = SimpleTokenizer()
    renamed = {"<start_of_text>": "<|startoftext|>", "<end_of_text>": "<|endoftext|>"}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps({renamed.get(k, k): v for k, v in own.encoder.items()}))
    merges = [" ".join(pair) for pair in own.bpe_ranks if len(pair) == 2]
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n", encoding="utf-8")
    tokenizer = CLIPTokenizer.from_pretrained(folder, model_max_length=77, local_files_only=True)
    assert tokenizer("a red ball").input_ids == [49406, *own.encode("a red ball"), 49407]
    return tokenizer


def small_inpainting(folder: Path, words: dict[str, list[str]]) -> Path:
    """A folder laid out like the built-in inpainting model: a vocabulary of its own, 256 px, float16 weights.

    Args:
        folder: written by `save_pretrained`, with the list of words beside.
        words: by kind, as in its `words.json`.
    """
    from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionInpaintPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    tokenizer = small_tokenizer(folder / "tokenizer", sorted({w for some in words.values() for w in some} | {"a"}))
    unet = UNet2DConditionModel(
        sample_size=32, in_channels=9, out_channels=4, block_out_channels=(16, 32), layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=16, attention_head_dim=2, norm_num_groups=8,
    )  # fmt: skip
    vae = AutoencoderKL(
        in_channels=3, out_channels=3, latent_channels=4, norm_num_groups=4, sample_size=256, layers_per_block=1,
        block_out_channels=(4, 8, 8, 16), down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
    )  # fmt: skip
    text = CLIPTextModel(CLIPTextConfig(
        vocab_size=len(tokenizer), hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
        max_position_embeddings=16, bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    ))  # fmt: skip
    pipe = StableDiffusionInpaintPipeline(
        vae=vae, text_encoder=text, tokenizer=tokenizer, unet=unet,
        scheduler=DDIMScheduler(
            prediction_type="v_prediction", rescale_betas_zero_snr=True, timestep_spacing="trailing",
            beta_schedule="scaled_linear", clip_sample=False, set_alpha_to_one=False, steps_offset=1,
        ),
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip
    pipe.to(torch.float16).save_pretrained(folder)
    (folder / "words.json").write_text(json.dumps(words))
    return folder


def small_tokenizer(folder: Path, words: list[str]):
    """`transformers`' CLIP tokenizer that knows some words whole and all others by their letters."""
    from transformers import CLIPTokenizer

    letters = [chr(i) for i in range(33, 127)]
    vocabulary, merges = letters + [f"{letter}</w>" for letter in letters], []
    for word in words:
        parts = [*word[:-1], f"{word[-1]}</w>"]
        while len(parts) > 1:
            merges.append((parts[0], parts[1]))
            parts[:2] = [parts[0] + parts[1]]
            vocabulary.append(parts[0])
    vocabulary = [*dict.fromkeys(vocabulary), "<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(vocabulary)}))
    lines = [" ".join(pair) for pair in dict.fromkeys(merges)]
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(lines) + "\n")
    return CLIPTokenizer.from_pretrained(folder, model_max_length=16, local_files_only=True)
