"""The built-in models' files, the catalogue, and loading by name, path and hub name."""

from __future__ import annotations

import json
import threading
import time

import pytest
import torch
from safetensors.torch import load_file

from pipeline.errors import NamebrushError
from pipeline.models import CHECKPOINTS, KINDS, PRESETS, Geometry, builtin, fetch, load_models, loaders, official
from pipeline.models.catalog import HAS_PAINTER
from pipeline.models.download import Check
from pipeline.models.records import ClipModel
from pipeline.progress import Progress

from . import checkpoints

SMALL_CLIP = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "head_width": 32, "patch_size": 16},
    "text_cfg": {"context_length": 12, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}
SMALL_DINO = {
    **builtin.DINO_CONFIG, "image_size": 32, "hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 3,
    "intermediate_size": 96,
}  # fmt: skip
SMALL_SAM = {
    "image_size": 64, "embed_dim": 32, "depth": 2, "num_heads": 2, "global_attn_indexes": [1], "prompt_dim": 32,
    "stem": [[8, 2], [16, 2], [16, 2]], "decoder_mlp_dim": 64, "iou_head_hidden_dim": 32,
}  # fmt: skip


@pytest.fixture(autouse=True)
def fixed_seed():
    torch.manual_seed(0)


def close(a: torch.Tensor, b: torch.Tensor, limit: float) -> bool:
    """Equal up to what half precision on disk loses."""
    return a.shape == b.shape and float((a - b).abs().max()) < limit


# --- built-in models


def test_clip_survives_saving(tmp_path):
    model = builtin.build_clip(SMALL_CLIP).eval()
    tokenizer = builtin.build_tokenizer(SMALL_CLIP)
    words = tokenizer(["a red ball", "sky"])
    preprocess = {"mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6]}
    config = {"model_cfg": SMALL_CLIP, "preprocess_cfg": preprocess, "logit_scale": 30.0}
    builtin.save_clip(tmp_path, model, config, words.unique().tolist(), ["Ball", "sky", "ball"])
    loaded = builtin.load_clip(tmp_path)
    image = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        assert close(loaded.model.encode_image(image), model.encode_image(image), 0.02)
        assert close(loaded.model.encode_text(words), model.encode_text(words), 0.02)
    assert loaded.known_words == {"ball", "sky"} and loaded.logit_scale == 30 and loaded.patch_size == 16
    assert loaded.mean == (0.1, 0.2, 0.3) and loaded.std == (0.4, 0.5, 0.6)
    assert loaded.tokenizer(["sky"]).shape == (1, 12)
    assert all(p.dtype == torch.float32 and not p.requires_grad for p in loaded.model.parameters())
    assert not loaded.model.training


def test_token_table_is_stored_without_the_rows_nobody_used(tmp_path):
    model = builtin.build_clip(SMALL_CLIP)
    builtin.save_clip(tmp_path, model, SMALL_CLIP, [320, 1929, 320], [])
    state = load_file(tmp_path / "model.safetensors")
    assert state["token_ids"].tolist() == [320, 1929, 49406, 49407] and state["token_ids"].dtype == torch.int32
    assert state["token_rows"].shape == (4, 32) and "token_embedding.weight" not in state
    assert all(value.dtype == torch.float16 for key, value in state.items() if key != "token_ids")
    table = builtin.load_clip(tmp_path).model.token_embedding.weight
    assert torch.equal(table[1929], state["token_rows"][1].float())
    assert close(table[7], state["token_rows"].float().mean(0), 1e-6) and torch.equal(table[7], table[40000])
    assert (tmp_path / "model.safetensors").stat().st_size < 700_000


def test_clip_config_is_open_clips_own_form(tmp_path):
    """`open_clip` itself can build the model from the file's `model_cfg`."""
    import open_clip

    builtin.save_clip(tmp_path, builtin.build_clip(SMALL_CLIP), SMALL_CLIP, [320], ["dog"])
    config = json.loads((tmp_path / "config.json").read_text())
    assert set(config) == {"model_cfg", "preprocess_cfg", "logit_scale", "known_words"}
    assert config["logit_scale"] == pytest.approx(1 / 0.07, abs=1e-3)
    assert open_clip.CLIP(**config["model_cfg"]).visual.patch_size == (16, 16)


def test_dino_survives_saving(tmp_path):
    from transformers import ViTModel

    model = builtin.build_dino(SMALL_DINO).eval()
    builtin.save_dino(tmp_path, model, mean=(0.5, 0.5, 0.5))
    loaded = builtin.load_dino(tmp_path)
    image = torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        expected = model(image).last_hidden_state
        assert close(loaded.model(image).last_hidden_state, expected, 0.02)
        alone = ViTModel.from_pretrained(tmp_path, add_pooling_layer=False, dtype=torch.float32)
        assert close(alone(image).last_hidden_state, expected, 0.02), "transformers reads the folder without us"
    assert loaded.patch_size == 8 and loaded.mean == (0.5, 0.5, 0.5) and loaded.std == (0.229, 0.224, 0.225)
    assert next(loaded.model.parameters()).dtype == torch.float32


def test_sam_survives_saving(tmp_path):
    model = builtin.build_sam(SMALL_SAM).eval()
    builtin.save_sam(tmp_path, model, SMALL_SAM)
    loaded = builtin.load_sam(tmp_path).sam
    image = loaded.preprocess(torch.rand(1, 3, 48, 64) * 255)
    assert image.shape == (1, 3, 64, 64)
    with torch.no_grad():
        features = loaded.image_encoder(image)
        assert features.shape == (1, 32, 8, 8) and close(features, model.image_encoder(image), 0.05)
        point = (torch.tensor([[[10.0, 20.0]]]), torch.ones(1, 1))
        sparse, dense = loaded.prompt_encoder(points=point, boxes=None, masks=None)
        masks, iou = loaded.mask_decoder(
            image_embeddings=features, image_pe=loaded.prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse, dense_prompt_embeddings=dense, multimask_output=True,
        )  # fmt: skip
    assert masks.shape == (1, 3, 32, 32) and iou.shape == (1, 3)


def test_padding_beside_a_photo_does_not_reach_its_stem_tokens():
    """The stem normalises per position: far from the border the tokens do not depend on what lies beside."""
    stem = builtin.build_sam(SMALL_SAM).image_encoder.patch_embed.eval()
    image = torch.randn(1, 3, 64, 64)
    other = image.clone()
    other[..., 48:] = 0
    with torch.no_grad():
        assert torch.equal(stem(image)[:, :, :3], stem(other)[:, :, :3])


def test_stem_must_fit_the_patch():
    with pytest.raises(ValueError, match="multiply to 8, not to patch_size 16"):
        builtin.build_sam({"patch_size": 16})


def test_standard_sizes_stay_small():
    """What will be shipped: three models of at most 40 MB in half precision, token table pruned."""
    clip, dino, sam = builtin.build_clip(), builtin.build_dino(), builtin.build_sam()
    assert sam.image_encoder.img_size == 256 and sam.prompt_encoder.image_embedding_size == (32, 32)
    rows = clip.token_embedding.weight.numel()
    total = sum(p.numel() for m in (clip, dino, sam) for p in m.parameters()) - rows
    assert total * 2 < 30e6


def test_name_changes_with_the_weights(tmp_path):
    names = set()
    for seed in (0, 1):
        torch.manual_seed(seed)
        builtin.save_sam(tmp_path, builtin.build_sam(SMALL_SAM), SMALL_SAM)
        names.add(builtin.load_sam(tmp_path).name)
    assert len(names) == 2


@pytest.mark.parametrize("kind", ["clip", "dino", "sam"])
def test_missing_weights_name_the_training(tmp_path, kind):
    with pytest.raises(NamebrushError, match=f"python -m training.{kind}"):
        getattr(builtin, f"load_{kind}")(tmp_path)


def test_weights_of_another_shape_are_refused(tmp_path):
    builtin.save_sam(tmp_path, builtin.build_sam(SMALL_SAM), {**SMALL_SAM, "depth": 3})
    with pytest.raises(NamebrushError, match="do not fit their configuration"):
        builtin.load_sam(tmp_path)


def test_weights_half_precision_cannot_hold_are_not_written(tmp_path):
    model = builtin.build_sam(SMALL_SAM)
    model.image_encoder.pos_embed.data[0, 0, 0, 0] = 1e6
    with pytest.raises(ValueError, match="float16 cannot hold"):
        builtin.save_sam(tmp_path, model, SMALL_SAM)
    assert not list(tmp_path.iterdir())


# --- catalogue


def test_presets_are_made_of_known_checkpoints():
    assert list(PRESETS) == ["tiny", "base", "large", "huge"]
    for preset in PRESETS.values():
        for kind in KINDS:
            own = kind == "inpaint" and preset.name == "tiny" and not HAS_PAINTER
            assert preset.part(kind) == "" if own else CHECKPOINTS[preset.part(kind)].kind == kind


def test_openai_files_and_hashes_are_those_open_clip_states():
    from open_clip.pretrained import get_pretrained_cfg

    found = [c for c in CHECKPOINTS.values() if c.sources and "openaipublic" in c.sources[0].url]
    assert len(found) == 2
    for one in found:
        stated = get_pretrained_cfg(one.architecture, "openai")
        assert one.sources[0].url == stated["url"] and stated["quick_gelu"]
        assert one.sources[0].checks == (f"sha256:{stated['url'].split('/')[-2]}",)
        assert one.sources[1].repo == stated["hf_hub"].rstrip("/")
    for name, tag in (("clip-vit-h14", "laion2b_s32b_b79k"), ("clip-vit-b16-metaclip", "metaclip_400m")):
        stated = get_pretrained_cfg(CHECKPOINTS[name].architecture, tag)
        assert CHECKPOINTS[name].sources[0].repo == stated["hf_hub"].rstrip("/")


def test_sam_files_carry_their_md5_in_their_names():
    from segment_anything import sam_model_registry

    first = [c for c in CHECKPOINTS.values() if c.kind == "sam" and c.sources and c.architecture != "sam2"]
    assert len(first) == 3
    for one in first:
        assert one.architecture in sam_model_registry
        for source in one.sources:
            file = (source.url or source.files[0]).rsplit("/", 1)[-1]
            md5, sha = (Check.parse(text) for text in source.checks)
            assert (md5.algorithm, sha.algorithm, len(sha.start)) == ("md5", "sha256", 64)
            assert file == f"sam_{one.architecture}_{md5.start}.pth"


def test_every_download_says_what_it_is():
    for one in CHECKPOINTS.values():
        assert one.licence and one.card.endswith(".") and one.bytes > 1e6 and one.name != one.title
        for source in one.sources:
            assert source.place.startswith("https://") and bool(source.url) != bool(source.repo)


# --- choosing


def test_choose_by_name_hub_name_and_path(tmp_path):
    base = PRESETS["base"]
    assert fetch.choose("clip", None, base).checkpoint is CHECKPOINTS["clip-vit-b16"]
    assert fetch.choose("dino", "dinov2-small", base).architecture == "dinov2"
    hub = fetch.choose("inpaint", "someone/their-inpainting", base)
    assert hub.checkpoint.sources[0].repo == "someone/their-inpainting" and hub.path is None
    file = tmp_path / "w.pt"
    file.write_bytes(b"12345")
    local = fetch.choose("clip", file, base)
    assert (local.path, local.bytes, local.architecture) == (file, 5, "ViT-B-16-quickgelu")
    assert fetch.choose("clip", f"ViT-B-16={file}", base).architecture == "ViT-B-16"


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("clip", "sam-vit-b", "is a sam checkpoint"),
        ("clip", "vit-b", "is no known clip checkpoint; choose one of namebrush-clip, clip-vit-b16"),
        ("sam", "/no/such/file.pth", "no file or folder"),
    ],
)
def test_choosing_wrongly_says_what_to_do(kind, value, text):
    with pytest.raises(NamebrushError, match=text):
        load_models("base", **{kind: value})


def test_unknown_preset_device_and_kind():
    with pytest.raises(NamebrushError, match="tiny, base, large, huge"):
        load_models("small")
    with pytest.raises(NamebrushError, match="use cpu"):
        load_models(device="cuda:99")
    with pytest.raises(NamebrushError, match="no kind of model"):
        load_models().load("diffusion")
    with pytest.raises(NamebrushError, match="ClipModel"):
        load_models(clip=object())


def test_downloaded_preset_offline_is_one_clear_line(monkeypatch, tmp_path):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HOME", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    models = load_models("base")
    assert [row["here"] for row in models.describe()] == [False] * 4
    for get, name in (
        (lambda: models.clip, "CLIP ViT-B/16"), (lambda: models.dino, "DINO ViT-B/16"),
        (lambda: models.sam, "SAM ViT-B"), (models.inpaint, "Stable Diffusion 2 inpainting"),
    ):  # fmt: skip
        with pytest.raises(NamebrushError, match=f"{name}.*not on this machine.*HF_HUB_OFFLINE.*=PATH") as error:
            get()
        assert "\n" not in str(error.value)


# --- loading


def tiny_parts(folder) -> dict:
    """Folders of small built-in models."""
    builtin.save_clip(folder / "clip", builtin.build_clip(SMALL_CLIP), SMALL_CLIP, [320], ["dog"])
    builtin.save_dino(folder / "dino", builtin.build_dino(SMALL_DINO))
    builtin.save_sam(folder / "sam", builtin.build_sam(SMALL_SAM), SMALL_SAM)
    return {kind: folder / kind for kind in ("clip", "dino", "sam")}


def test_parts_load_when_first_used_and_once(tmp_path, monkeypatch):
    told = []
    parts = tiny_parts(tmp_path)
    models = load_models("tiny", **parts, progress=Progress(lambda text, share: told.append(text)))
    assert [row["loaded"] for row in models.describe()] == [False] * 4 and told == []
    assert models.clip.known_words == {"dog"} and models.clip is models.clip
    assert told == ["Loading clip"]
    models.load()
    assert told == ["Loading clip", "Loading dino", "Loading sam"]
    assert [row["loaded"] for row in models.describe()] == [True, True, True, False]
    assert models.describe()[0]["bytes"] == sum(p.stat().st_size for p in parts["clip"].iterdir())
    assert models.geometry == PRESETS["tiny"].geometry and isinstance(models.geometry, Geometry)
    assert models.preset == "tiny" and models.device == torch.device("cpu")


def test_many_threads_share_one_load(tmp_path, monkeypatch):
    calls, real = [], official.load_sam

    def slow(path):
        calls.append(path)
        time.sleep(0.1)
        return real(path)

    monkeypatch.setattr(loaders.official, "load_sam", slow)
    models, got = load_models("tiny", **tiny_parts(tmp_path)), []
    threads = [threading.Thread(target=lambda: got.append(models.sam)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 1 and len(got) == 8 and len({id(one) for one in got}) == 1


def test_failed_load_is_tried_again(tmp_path):
    parts = tiny_parts(tmp_path)
    weights = parts["sam"] / "model.safetensors"
    data = weights.read_bytes()
    weights.unlink()
    models = load_models("tiny", **parts)
    with pytest.raises(NamebrushError, match="missing"):
        _ = models.sam
    weights.write_bytes(data)
    assert models.sam.sam.image_encoder.img_size == 64


def test_models_in_memory_can_be_parts(tmp_path):
    clip = builtin.load_clip(tiny_parts(tmp_path)["clip"])
    models = load_models("tiny", clip=clip)
    assert isinstance(models.clip, ClipModel) and models.clip.model is clip.model
    assert models.title("clip") == clip.name


def test_dinov2_folder(tmp_path):
    loaded = official.load_dino(checkpoints.dinov2(tmp_path))
    assert type(loaded.model).__name__ == "Dinov2Model" and loaded.patch_size == 14


def test_dino_folder_with_weights_missing(tmp_path):
    folder = checkpoints.dino(tmp_path, patch=8, width=48, layers=1, heads=3)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 2}))
    with pytest.raises(NamebrushError, match="lacks weights"):
        official.load_dino(folder)
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "bert"}))
    with pytest.raises(NamebrushError, match="'bert' model; DINO"):
        official.load_dino(folder)


@pytest.mark.parametrize("kind", ["clip", "sam"])
@pytest.mark.parametrize("content", [b"", b"<html>sorry</html>", b"PK\x03\x04 broken"])
def test_files_that_are_no_weights(tmp_path, kind, content):
    file = tmp_path / "weights.pth"
    file.write_bytes(content)
    with pytest.raises(NamebrushError, match=r"weights\.pth cannot be loaded as") as error:
        getattr(load_models("base", **{kind: file}), kind)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("kind", ["clip", "sam"])
def test_weights_of_something_else(tmp_path, kind):
    file = tmp_path / "weights.pth"
    torch.save({"layer.weight": torch.zeros(2, 2)}, file)
    with pytest.raises(NamebrushError, match=r"weights\.pth holds no"):
        getattr(load_models("base", **{kind: file}), kind)


def test_code_in_a_checkpoint_is_not_run(tmp_path):
    class Harm:
        def __reduce__(self):
            return (open, (str(tmp_path / "harm"), "w"))

    torch.save({"image_encoder.pos_embed": Harm()}, tmp_path / "w.pth")
    for kind in ("clip", "sam"):
        with pytest.raises(NamebrushError, match="cannot be loaded"):
            getattr(load_models("base", **{kind: tmp_path / "w.pth"}), kind)
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize("half", [False, True])
def test_inpainting_folder(tmp_path, half):
    from PIL import Image

    folder = checkpoints.inpainting(tmp_path, half=half, checker=half)
    pipe = load_models("tiny", inpaint=folder).inpaint()
    assert type(pipe).__name__ == "StableDiffusionInpaintPipeline" and pipe.unet.config.in_channels == 9
    assert pipe.unet.dtype == torch.float32 and (pipe.safety_checker is not None) == half
    images = []
    for _ in range(2):
        images.append(pipe(
            "a red ball", Image.new("RGB", (64, 64), "blue"), Image.new("L", (64, 64), 255), height=64, width=64,
            num_inference_steps=2, generator=torch.Generator().manual_seed(3),
        ).images[0])  # fmt: skip
    assert images[0].size == (64, 64) and images[0].tobytes() == images[1].tobytes()


def test_inpainting_folder_with_a_part_missing(tmp_path):
    folder = checkpoints.inpainting(tmp_path)
    next((folder / "vae").glob("*.safetensors")).unlink()
    with pytest.raises(NamebrushError, match="not complete: vae"):
        load_models("tiny", inpaint=folder).inpaint()
    with pytest.raises(NamebrushError, match="no diffusers pipeline"):
        load_models("tiny", inpaint=folder / "vae").inpaint()
