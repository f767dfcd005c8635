"""The built-in models: how they are built, saved and loaded.

Each lives in a folder of `assets/` with `config.json`, `model.safetensors` in float16 and a `README.md` card. They are
instances of the libraries' own classes, only smaller, so that everything that runs on a downloaded model runs on
them. In memory they are float32.
"""

from __future__ import annotations

import copy
import hashlib
import json
import tempfile
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from ..errors import NamebrushError
from .records import IMAGENET_MEAN, IMAGENET_STD, OPENAI_MEAN, OPENAI_STD, ClipModel, DinoModel, SamModel
from .stem import ConvStem

ASSETS = Path(__file__).resolve().parents[2] / "assets"
CONFIG, WEIGHTS = "config.json", "model.safetensors"
#: The inpainting model lies there in the form of `diffusers`.
INPAINTING, PIPELINE = "inpainting", "model_index.json"

#: `open_clip` model configuration, as `open_clip.CLIP(**config)` takes it.
CLIP_CONFIG: dict[str, Any] = {
    "embed_dim": 128,
    "vision_cfg": {"image_size": 128, "layers": 6, "width": 256, "head_width": 64, "patch_size": 16},
    "text_cfg": {"context_length": 24, "vocab_size": 49408, "width": 160, "heads": 4, "layers": 3},
}

#: Arguments of `transformers.ViTConfig`.
DINO_CONFIG: dict[str, Any] = {
    "image_size": 128, "patch_size": 8, "hidden_size": 128, "num_hidden_layers": 6, "num_attention_heads": 4,
    "intermediate_size": 512, "hidden_act": "gelu", "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0,
    "layer_norm_eps": 1e-6, "qkv_bias": True,
}  # fmt: skip

#: Sizes of the parts of `segment_anything.modeling.Sam`; `stem` lists (channels, stride) of `ConvStem`.
SAM_CONFIG: dict[str, Any] = {
    "image_size": 256, "patch_size": 8,
    "stem": [[32, 2], [64, 2], [96, 2], [96, 1]],
    "embed_dim": 128, "depth": 6, "num_heads": 4, "mlp_ratio": 4.0, "window_size": 8, "global_attn_indexes": [2, 5],
    "use_rel_pos": False,
    "prompt_dim": 128, "mask_in_chans": 16,
    "decoder_depth": 2, "decoder_heads": 4, "decoder_mlp_dim": 512, "iou_head_depth": 3, "iou_head_hidden_dim": 128,
    "pixel_mean": [123.675, 116.28, 103.53], "pixel_std": [58.395, 57.12, 57.375],
}  # fmt: skip


def home(kind: str) -> Path:
    """The folder of a built-in model."""
    return ASSETS / (INPAINTING if kind == "inpaint" else kind)


def here(kind: str) -> bool:
    """Whether a built-in model's weights are in this copy of the repository."""
    return (home(kind) / (PIPELINE if kind == "inpaint" else WEIGHTS)).is_file()


def size_of(kind: str) -> int:
    """Bytes of a built-in model's weights."""
    files = home(kind).rglob("*.safetensors") if kind == "inpaint" else [home(kind) / WEIGHTS]
    return sum(file.stat().st_size for file in files)


def build_clip(config: dict[str, Any] | None = None):
    """A small `open_clip.CLIP` with fresh weights.

    Args:
        config: `open_clip`'s `model_cfg`, or a whole `config.json` that holds one; None: `CLIP_CONFIG`.
    """
    from open_clip import CLIP

    config = CLIP_CONFIG if config is None else config
    return CLIP(**copy.deepcopy(config.get("model_cfg", config)))


def build_tokenizer(config: dict[str, Any] | None = None):
    """`open_clip`'s byte-pair tokenizer with the context length of `config` (as in `build_clip`)."""
    from open_clip import SimpleTokenizer

    config = CLIP_CONFIG if config is None else config
    return SimpleTokenizer(context_length=config.get("model_cfg", config)["text_cfg"]["context_length"])


def build_dino(config: dict[str, Any] | None = None):
    """A small `transformers.ViTModel` without pooler, fresh weights; `config` holds arguments of `ViTConfig`."""
    from transformers import ViTConfig, ViTModel

    return ViTModel(ViTConfig(**(DINO_CONFIG if config is None else config)), add_pooling_layer=False)


def build_sam(config: dict[str, Any] | None = None):
    """A small `segment_anything.modeling.Sam` with fresh weights, its patch embedding replaced by `ConvStem`.

    Args:
        config: as `SAM_CONFIG`, whose entries stand in for those left out.

    Raises:
        ValueError: the stem's strides do not multiply to `patch_size`.
    """
    from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer

    c = {**SAM_CONFIG, **(config or {})}
    stride = 1
    for _, step in c["stem"]:
        stride *= step
    if stride != c["patch_size"]:
        raise ValueError(f"the stem's strides multiply to {stride}, not to patch_size {c['patch_size']}")
    size, grid, dim = c["image_size"], c["image_size"] // c["patch_size"], c["prompt_dim"]
    encoder = ImageEncoderViT(
        img_size=size, patch_size=c["patch_size"], embed_dim=c["embed_dim"], depth=c["depth"],
        num_heads=c["num_heads"], mlp_ratio=c["mlp_ratio"], out_chans=dim, qkv_bias=True,
        norm_layer=partial(torch.nn.LayerNorm, eps=1e-6), use_abs_pos=True, use_rel_pos=c["use_rel_pos"],
        window_size=c["window_size"], global_attn_indexes=tuple(c["global_attn_indexes"]),
    )  # fmt: skip
    encoder.patch_embed = ConvStem([(w, s) for w, s in c["stem"]], c["embed_dim"])
    # segment_anything starts positions at zero, which from scratch leaves the tokens of a flat image alike.
    torch.nn.init.trunc_normal_(encoder.pos_embed, std=0.02)
    prompt_encoder = PromptEncoder(
        embed_dim=dim, image_embedding_size=(grid, grid), input_image_size=(size, size),
        mask_in_chans=c["mask_in_chans"],
    )  # fmt: skip
    transformer = TwoWayTransformer(
        depth=c["decoder_depth"], embedding_dim=dim, mlp_dim=c["decoder_mlp_dim"], num_heads=c["decoder_heads"]
    )
    decoder = MaskDecoder(
        num_multimask_outputs=3, transformer=transformer, transformer_dim=dim,
        iou_head_depth=c["iou_head_depth"], iou_head_hidden_dim=c["iou_head_hidden_dim"],
    )  # fmt: skip
    return Sam(encoder, prompt_encoder, decoder, pixel_mean=c["pixel_mean"], pixel_std=c["pixel_std"])


def save_clip(
    folder: str | Path, model, config: dict[str, Any], used_token_ids: Iterable[int], known_words: Iterable[str]
) -> None:
    """Write a built-in CLIP: all weights in float16, but of the token table only the rows that training touched.

    The table of 49,408 rows would be two thirds of the file and all but a few hundred rows would be noise.

    Args:
        folder: made if missing.
        model: `open_clip.CLIP` built from `config`.
        config: `model_cfg` alone, or `{"model_cfg", "preprocess_cfg": {"mean", "std"}, "logit_scale", ...}`; every
            further key is kept. `logit_scale` left out: that of the model.
        used_token_ids: ids that occurred in training texts; the start and end of a text are always among them.
        known_words: words seen in training.
    """
    full = copy.deepcopy(config) if "model_cfg" in config else {"model_cfg": copy.deepcopy(config)}
    preprocess = {"mean": list(OPENAI_MEAN), "std": list(OPENAI_STD), **full.get("preprocess_cfg", {})}
    full["preprocess_cfg"] = preprocess
    full.setdefault("logit_scale", round(model.logit_scale.exp().item(), 4))
    full["known_words"] = sorted({word.lower() for word in known_words})
    tokenizer = build_tokenizer(full)
    ids = sorted({int(i) for i in used_token_ids} | {tokenizer.sot_token_id, tokenizer.eot_token_id})
    state = dict(model.state_dict())
    table = state.pop("token_embedding.weight")
    if ids[0] < 0 or ids[-1] >= len(table):
        raise ValueError(f"token ids must lie in 0..{len(table) - 1}, got {ids[0]}..{ids[-1]}")
    state["token_ids"] = torch.tensor(ids, dtype=torch.int32)
    state["token_rows"] = table[torch.tensor(ids, device=table.device)]
    _write(Path(folder), full, state)


def load_clip(folder: str | Path | None = None) -> ClipModel:
    """Load a folder of `save_clip`; None: the one in `assets/`. Rows of tokens never trained get the rows' mean.

    Raises:
        NamebrushError: the weights are not there or do not fit their configuration.
    """
    folder, config = _open(folder, "clip")
    model = build_clip(config)
    state = load_file(folder / WEIGHTS)
    try:
        ids, rows = state.pop("token_ids").long(), state.pop("token_rows").float()
        table = rows.mean(0).repeat(model.vocab_size, 1)
        table[ids] = rows
    except (KeyError, IndexError) as error:
        raise _unfit(folder, "clip", error) from error
    state["token_embedding.weight"] = table
    _fill(model, state, folder, "clip")
    return ClipModel(
        model=model, tokenizer=build_tokenizer(config), name=_name(folder, "clip"),
        mean=tuple(config["preprocess_cfg"]["mean"]), std=tuple(config["preprocess_cfg"]["std"]),
        logit_scale=float(config["logit_scale"]), known_words=frozenset(config["known_words"]),
        drop_residual=bool(config.get("drop_residual", False)), templates=str(config.get("templates", "top7")),
        distractors=tuple(config.get("distractors", ())), weights=_name(folder, "clip"),
        match=float(config.get("match", ClipModel.match)),
    )  # fmt: skip


def distractors_of(folder: str | Path | None = None) -> tuple[str, ...]:
    """The distractors of a folder of `save_clip` (None: `assets/`) without its weights; () where it says none."""
    path = (ASSETS / "clip" if folder is None else Path(folder)) / CONFIG
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        return tuple(config.get("distractors", ()))
    except (OSError, ValueError, AttributeError):  # not such a folder; loading it will say so
        return ()


def save_dino(folder: str | Path, model, mean=IMAGENET_MEAN, std=IMAGENET_STD) -> None:
    """Write a built-in DINO (`build_dino`) in float16 with `save_pretrained`, whose names every release can read.

    `config.json` also keeps the normalisation as `image_mean` and `image_std`.
    """
    model = copy.deepcopy(model).cpu().half()
    with tempfile.TemporaryDirectory() as scratch:
        model.save_pretrained(scratch)
        config = json.loads((Path(scratch) / CONFIG).read_text(encoding="utf-8"))
        state = load_file(Path(scratch) / WEIGHTS)
    _write(Path(folder), {**config, "image_mean": list(mean), "image_std": list(std)}, state)


def load_dino(folder: str | Path | None = None) -> DinoModel:
    """Load a folder of `save_dino` with `transformers`; None: the one in `assets/`. Raises like `load_clip`."""
    from transformers import ViTModel

    folder, config = _open(folder, "dino")
    try:
        model, info = ViTModel.from_pretrained(
            folder, add_pooling_layer=False, dtype=torch.float32, local_files_only=True, trust_remote_code=False,
            output_loading_info=True,
        )
    except (RuntimeError, ValueError, OSError) as error:
        raise _unfit(folder, "dino", error) from error
    if info["missing_keys"]:
        raise _unfit(folder, "dino", f"missing {sorted(info['missing_keys'])[0]}")
    return DinoModel(
        model=model.eval().requires_grad_(False), name=_name(folder, "dino"),
        mean=tuple(config.get("image_mean", IMAGENET_MEAN)), std=tuple(config.get("image_std", IMAGENET_STD)),
    )  # fmt: skip


def save_sam(folder: str | Path, model, config: dict[str, Any]) -> None:
    """Write a built-in SAM (`build_sam(config)`) in float16, its whole configuration beside it."""
    _write(Path(folder), {**SAM_CONFIG, **config}, model.state_dict())


def load_sam(folder: str | Path | None = None) -> SamModel:
    """Load a folder of `save_sam`; None: the one in `assets/`. Raises like `load_clip`."""
    folder, config = _open(folder, "sam")
    model = build_sam(config)
    _fill(model, load_file(folder / WEIGHTS), folder, "sam")
    return SamModel(
        sam=model, name=_name(folder, "sam"),
        iou_threshold=float(config.get("iou_threshold", 0.8)), cos_fac=config.get("cos_fac"), zoom=config.get("zoom"),
        mask_prompts=bool(config.get("mask_prompts", True)),
        stability_offset=float(config.get("stability_offset", 1.0)),
    )  # fmt: skip


def _open(folder: str | Path | None, kind: str) -> tuple[Path, dict[str, Any]]:
    """The folder and its parsed configuration, or what is missing and how to make it."""
    folder = ASSETS / kind if folder is None else Path(folder)
    missing = [name for name in (CONFIG, WEIGHTS) if not (folder / name).is_file()]
    if missing:
        raise NamebrushError(
            f"The built-in {kind.upper()} is not in {folder} ({' and '.join(missing)} missing); "
            f"train it with `python -m training.{kind}` or name another checkpoint."
        )
    try:
        return folder, json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except ValueError as error:
        raise _unfit(folder, kind, error) from error


def _fill(model, state: dict[str, torch.Tensor], folder: Path, kind: str) -> None:
    """Load a whole state in float32 and make the model ready for use."""
    try:
        model.load_state_dict({key: value.float() for key, value in state.items()})
    except RuntimeError as error:
        raise _unfit(folder, kind, error) from error
    model.eval().requires_grad_(False)


def _unfit(folder: Path, kind: str, why: object) -> NamebrushError:
    lines = [line.strip() for line in str(why).splitlines() if line.strip()]
    return NamebrushError(
        f"The weights in {folder} do not fit their configuration ({' '.join(lines)[:200]}); "
        f"make them again with `python -m training.{kind}`."
    )


def _name(folder: Path, kind: str) -> str:
    """A name that changes with the weights, so that nothing cached from older ones is taken for theirs."""
    return f"namebrush-{kind}-{hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()[:8]}"


def _write(folder: Path, config: dict[str, Any], state: dict[str, torch.Tensor]) -> None:
    """Write weights and configuration, each replaced at once; what float16 cannot hold is an error."""
    small = {}
    for key, value in state.items():
        value = value.detach().cpu()
        if value.is_floating_point():
            if not torch.isfinite(value.half()).all():
                raise ValueError(f"{key} has values that float16 cannot hold")
            value = value.half()
        small[key] = value.contiguous().clone()
    folder.mkdir(parents=True, exist_ok=True)
    weights = folder / f"{WEIGHTS}.tmp"
    save_file(small, weights, metadata={"format": "pt"})
    weights.chmod(0o644)  # safetensors makes files that only their owner can read
    weights.replace(folder / WEIGHTS)
    text = folder / f"{CONFIG}.tmp"
    text.write_text(json.dumps(config, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    text.replace(folder / CONFIG)
