"""Loading checkpoints of the original models with the libraries they were made for."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from ..errors import NamebrushError
from . import builtin, hub
from .catalog import of_kind
from .lora import fuse
from .memory import place
from .records import IMAGENET_MEAN, IMAGENET_STD, OPENAI_MEAN, OPENAI_STD, ClipModel, DinoModel, Sam2, SamModel
from .trust import check_program, is_program

_SAM_WIDTHS = {768: "vit_b", 1024: "vit_l", 1280: "vit_h"}
#: What `config.json` of SAM 2 calls it: the published folders hold the video model.
SAM2_KINDS = ("sam2", "sam2_video")
_JIT_EXTRAS = ("input_resolution", "context_length", "vocab_size")


def load_clip(path: Path, architecture: str = "", trusted: bool = False) -> ClipModel:
    """Load CLIP from a file or folder; float32, on the CPU.

    Args:
        path: a state dict (`.pt`, `.bin`, `.safetensors`), OpenAI's TorchScript archive, a folder with
            `open_clip_config.json`, or a folder of `builtin.save_clip`.
        architecture: `open_clip` model name for a file. If its shapes are not the file's, the first of the
            catalogue's that fits is taken; shapes do not tell QuickGELU from GELU, so name it where it matters.
        trusted: see `trust.check_program`.

    Raises:
        NamebrushError: not such weights, no plain vision transformer, or a program that is not a published one.
    """
    import open_clip

    if path.is_dir():
        return _clip_folder(path)
    with _readable(path, "CLIP weights"):
        state = _torchscript_state(path, trusted)
        if state is None:  # open_clip reads files with weights_only=True, which refuses TorchScript
            state = open_clip.factory.load_state_dict(str(path))
        architecture = _fitting(state, architecture, path)
        config = open_clip.get_model_config(architecture)
        config.pop("custom_text", None)
        with torch.device("meta"):  # no random weights that would be thrown away at once
            model = open_clip.CLIP(**config)
        model.load_state_dict({key: value.float() for key, value in state.items()}, assign=True)
    size = model.context_length
    # The only tensor of the model that is not in the state: a word sees the words before it.
    model.attn_mask = torch.full((size, size), float("-inf")).triu_(1)
    return _clip_record(model, open_clip.SimpleTokenizer(context_length=size), f"{architecture}-{fingerprint(path)}")


def _clip_folder(folder: Path) -> ClipModel:
    import open_clip

    if (folder / builtin.CONFIG).is_file() and not (folder / "open_clip_config.json").is_file():
        config = json.loads((folder / builtin.CONFIG).read_text(encoding="utf-8"))
        if "model_cfg" in config:
            return builtin.load_clip(folder)
    weights = [p for p in sorted(folder.iterdir()) if p.suffix in (".safetensors", ".bin", ".pth")]
    if not (folder / "open_clip_config.json").is_file() or not weights:
        raise NamebrushError(f"{folder} holds no CLIP: open_clip_config.json and a weights file are needed.")
    _check_names_nothing(folder)
    with _readable(folder, "an open_clip folder"):
        model = open_clip.create_model(f"local-dir:{folder}")
        tokenizer = open_clip.get_tokenizer(f"local-dir:{folder}")
    return _clip_record(model, tokenizer, f"{folder.name}-{fingerprint(weights[0])}")


def _check_names_nothing(folder: Path) -> None:
    """Refuse a folder whose configuration names a text model or tokenizer of the hub: its code would be fetched."""
    with _readable(folder, "an open_clip folder"):
        text = json.loads((folder / "open_clip_config.json").read_text(encoding="utf-8"))["model_cfg"]["text_cfg"]
        named = [key for key in ("hf_model_name", "hf_tokenizer_name") if text.get(key)]
    if named:
        raise NamebrushError(f"{folder} names {named[0]}, a part of the hub, which is not fetched for a folder.")


def _clip_record(model, tokenizer, name: str) -> ClipModel:
    from open_clip.transformer import VisionTransformer

    if not isinstance(model.visual, VisionTransformer):
        raise NamebrushError(f"{name} has no plain vision transformer, which dense features are read from.")
    preprocess = getattr(model.visual, "preprocess_cfg", None) or {}
    return ClipModel(
        model=model.eval().requires_grad_(False), tokenizer=tokenizer, name=name,
        mean=tuple(preprocess.get("mean", OPENAI_MEAN)), std=tuple(preprocess.get("std", OPENAI_STD)), weights=name,
    )  # fmt: skip


def _torchscript_state(path: Path, trusted: bool) -> dict[str, torch.Tensor] | None:
    """The weights of a TorchScript archive, as OpenAI published CLIP; None for any other file."""
    if not is_program(path):
        return None
    check_program(path, trusted)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # OpenAI's files will not be published in another form
        state = torch.jit.load(path, map_location="cpu").state_dict()
    return {key: value for key, value in state.items() if key not in _JIT_EXTRAS}


def _fitting(state: dict[str, torch.Tensor], wanted: str, path: Path) -> str:
    """The wanted `open_clip` architecture if the state has its shapes, else the first known one that has."""
    import open_clip

    if "visual.conv1.weight" not in state or "token_embedding.weight" not in state:
        raise NamebrushError(f"{path} holds no CLIP with a plain vision transformer in open_clip's or OpenAI's form.")
    if wanted and open_clip.get_model_config(wanted) is None:
        raise NamebrushError(f"open_clip knows no architecture {wanted!r}; see open_clip.list_models().")
    conv = state["visual.conv1.weight"].shape
    positions, width = state["visual.positional_embedding"].shape[0], state["token_embedding.weight"].shape[1]
    layers = len({key.split(".")[3] for key in state if key.startswith("visual.transformer.resblocks.")})
    for name in dict.fromkeys([wanted, *(c.architecture for c in of_kind("clip"))]):
        config = open_clip.get_model_config(name) if name else None
        if config is None:
            continue
        vision, text = config["vision_cfg"], config["text_cfg"]
        grid = vision.get("image_size", 224) // vision.get("patch_size", 16)
        shape = (vision["width"], vision.get("patch_size", 16), vision["layers"], grid * grid + 1, text["width"])
        if shape == (conv[0], conv[-1], layers, positions, width):
            return name
    raise NamebrushError(
        f"{path} is a CLIP of width {conv[0]}, {layers} layers and patches of {conv[-1]}, none of the known ones; "
        "name its open_clip architecture as clip=ARCHITECTURE=PATH."
    )


def load_dino(path: Path) -> DinoModel:
    """Load DINO or DINOv2 from a `transformers` folder (`config.json` and weights); float32, on the CPU.

    Raises:
        NamebrushError: no such folder, another kind of model, or weights that do not fit.
    """
    from transformers import Dinov2Model, ViTModel

    if not (path / "config.json").is_file():
        raise NamebrushError(f"{path} holds no DINO: a folder with config.json and model.safetensors is needed.")
    with _readable(path, "a DINO folder"):
        config = json.loads((path / "config.json").read_text(encoding="utf-8"))
        kinds: dict[str, tuple[Any, dict]] = {
            "vit": (ViTModel, {"add_pooling_layer": False}),
            "dinov2": (Dinov2Model, {}),
        }
        if config.get("model_type") not in kinds:
            raise NamebrushError(f"{path} is a {config.get('model_type')!r} model; DINO (vit) or DINOv2 is needed.")
        family, extra = kinds[config["model_type"]]
        with quiet():
            model, info = family.from_pretrained(
                path, dtype=torch.float32, local_files_only=True, trust_remote_code=False, output_loading_info=True,
                **extra,
            )
        if info["missing_keys"]:
            raise NamebrushError(f"{path} lacks weights, among them {sorted(info['missing_keys'])[0]}.")
        side = path / "preprocessor_config.json"
        preprocess = json.loads(side.read_text(encoding="utf-8")) if side.is_file() else config
    weights = next(p for p in sorted(path.iterdir()) if p.suffix in (".safetensors", ".bin"))
    return DinoModel(
        model=model.eval().requires_grad_(False), name=f"{config['model_type']}-{fingerprint(weights)}",
        mean=tuple(preprocess.get("image_mean") or IMAGENET_MEAN),
        std=tuple(preprocess.get("image_std") or IMAGENET_STD),
    )  # fmt: skip


def load_sam(path: Path) -> SamModel | Sam2:
    """Load SAM from the published state dict (`.pth`, or the same as `.safetensors`), or a folder of the built-in
    kind or of SAM 2; float32, on the CPU.

    Raises:
        NamebrushError: not such weights.
    """
    if path.is_dir():
        config = path / "config.json"
        if config.is_file() and json.loads(config.read_text(encoding="utf-8")).get("model_type") in SAM2_KINDS:
            return load_sam2(path)
        return builtin.load_sam(path)
    from safetensors.torch import load_file
    from segment_anything import sam_model_registry

    with _readable(path, "SAM weights"):
        if path.suffix == ".safetensors":
            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
        positions = state.get("image_encoder.pos_embed") if isinstance(state, dict) else None
        kind = None if positions is None else _SAM_WIDTHS.get(positions.shape[-1])
        if kind is None:
            raise NamebrushError(f"{path} holds none of SAM's published models (ViT-B, ViT-L, ViT-H).")
        with torch.device("meta"):  # no random weights that would be thrown away at once
            sam = sam_model_registry[kind]()
        sam.load_state_dict({key: value.float() for key, value in state.items()}, assign=True)
    # These two buffers are not part of the state; the values are segment_anything's own.
    for name, values in (("pixel_mean", (123.675, 116.28, 103.53)), ("pixel_std", (58.395, 57.12, 57.375))):
        sam.register_buffer(name, torch.tensor(values).view(-1, 1, 1), persistent=False)
    return SamModel(sam=sam.eval().requires_grad_(False), name=f"sam_{kind}-{fingerprint(path)}")


def load_sam2(path: Path) -> Sam2:
    """Load SAM 2 from a `transformers` folder (`config.json` and weights); float32, on the CPU.

    The published folders hold the video model, of which only the part for single pictures is taken.

    Raises:
        NamebrushError: weights that do not fit.
    """
    from transformers import Sam2Model

    with _readable(path, "a SAM 2 folder"), quiet():
        config = json.loads((path / "config.json").read_text(encoding="utf-8"))
        model, info = Sam2Model.from_pretrained(
            path, dtype=torch.float32, local_files_only=True, trust_remote_code=False, output_loading_info=True
        )
        if info["missing_keys"]:
            raise NamebrushError(f"{path} lacks weights, among them {sorted(info['missing_keys'])[0]}.")
    weights = next(p for p in sorted(path.iterdir()) if p.suffix in (".safetensors", ".bin"))
    return Sam2(model.eval().requires_grad_(False), name=f"{config['model_type']}-{fingerprint(weights)}")


def load_lama(path: Path, device: torch.device, trusted: bool = False):
    """Load LaMa's TorchScript file: an image [1, 3, h, w] and a mask [1, 1, h, w] in, an image out.

    Raises:
        NamebrushError: not such a file, or a program that is not a published one; see `trust.check_program`.
    """
    from ..edit.lama import Lama

    if is_program(path):
        check_program(path, trusted)

    with _readable(path, "a TorchScript network that fills holes"):
        module = torch.jit.load(str(path), map_location=device).eval()
    return Lama(module, device)


def load_inpaint(
    path: Path, device: torch.device, adapter: Path | None = None, plan: str = "auto", trusted: bool = False
):
    """Load a `diffusers` inpainting pipeline from a folder, or LaMa from its TorchScript file.

    float16 on a graphics card, else float32. A checker for unsafe pictures is kept if the folder has one; if not, its
    absence is told to the pipeline.

    Args:
        path: the folder or file.
        device: where it shall paint.
        adapter: a low-rank adapter of latent consistency to lay into the denoiser, which then needs few steps.
        plan: for memory, see `memory.PLANS`.
        trusted: see `trust.check_program`.

    Raises:
        NamebrushError: not such a folder or file, or parts of it are missing.
    """
    if path.is_file():
        return load_lama(path, device, trusted)
    if not (path / "model_index.json").is_file():
        raise NamebrushError(f"{path} is no diffusers pipeline: a folder with model_index.json is needed.")
    missing = [part for part in hub.missing_parts(path) if part not in ("safety_checker", "feature_extractor")]
    if missing:
        raise NamebrushError(f"{path} is not complete: {', '.join(missing)} without weights.")
    from diffusers import AutoPipelineForInpainting, DiffusionPipeline
    from transformers.utils import is_accelerate_available

    index = hub.read_index(path / "model_index.json")
    _check_classes(index, path)
    extra: dict[str, Any] = {}
    if "safety_checker" in index:
        wanted = index["safety_checker"] != [None, None]
        if not wanted or not (path / "safety_checker" / "config.json").is_file():
            extra = {"safety_checker": None, "requires_safety_checker": False}
            if not (path / "feature_extractor").is_dir():
                extra["feature_extractor"] = None
    with _readable(path, "an inpainting pipeline"), quiet():
        # the automatic choice knows no FLUX Fill and would take a class for whole pictures; the folder names its own
        fill = index["_class_name"].endswith("FillPipeline")
        pipe = (DiffusionPipeline if fill else AutoPipelineForInpainting).from_pretrained(
            path, dtype=torch.float16 if device.type == "cuda" else torch.float32,
            variant=hub.variant(path), local_files_only=True, low_cpu_mem_usage=is_accelerate_available(), **extra,
        )  # fmt: skip
    pipe.set_progress_bar_config(disable=True)
    if adapter is not None:
        from diffusers import LCMScheduler

        fuse(pipe.unet, adapter)
        pipe.scheduler = LCMScheduler.from_config(pipe.scheduler.config)
    place(pipe, device, plan)
    return pipe


def _check_classes(index: dict[str, Any], path: Path) -> None:
    """Refuse a pipeline, or a part of one, whose class the installed libraries do not have."""
    import diffusers
    import transformers
    from diffusers.pipelines import stable_diffusion

    homes = {"diffusers": diffusers, "transformers": transformers, "stable_diffusion": stable_diffusion}
    asked = [("diffusers", index["_class_name"])] if index["_class_name"] else []
    asked += [tuple(index[part]) for part in hub.parts_of(index)]
    for library, name in asked:
        if not hasattr(homes[library], name):
            raise NamebrushError(f'The installed {library} has no class "{name[:60]}", which {path} asks for.')


def fingerprint(path: Path) -> str:
    """Eight hexadecimal digits that tell weights apart: the size and sixteen samples spread over the file."""
    size = path.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with open(path, "rb") as file:
        for i in range(16):
            file.seek(max(size - 65536, 0) * i // 15)
            digest.update(file.read(65536))
    return digest.hexdigest()[:8]


@contextmanager
def quiet() -> Iterator[None]:
    """Loading without the libraries' own progress bars and reports; ours speak for them."""
    import diffusers.utils.logging as of_diffusers
    import transformers.utils.logging as of_transformers

    before = [(lib, lib.get_verbosity(), lib.is_progress_bar_enabled()) for lib in (of_transformers, of_diffusers)]
    for library, _, _ in before:
        library.set_verbosity_error()
        library.disable_progress_bar()
    try:
        yield
    finally:
        for library, level, bars in before:
            library.set_verbosity(level)
            if bars:
                library.enable_progress_bar()


@contextmanager
def _readable(path: Path, what: str) -> Iterator[None]:
    """Turn what the libraries raise on a broken or foreign file into one clear line."""
    try:
        yield
    except (NamebrushError, MemoryError, AttributeError, NameError, ImportError):
        raise  # said already, or no fault of the file's
    except Exception as error:
        # The libraries raise some ten unrelated kinds of errors for a file they cannot read.
        first = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise NamebrushError(f"{path} cannot be loaded as {what}: {first[:200]}") from error
