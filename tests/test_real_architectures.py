"""The downloaded presets without a hub: checkpoints of the real architectures in the published formats, end to end.

The weights are random, so nothing is asked of what the models find; everything is asked of how they are loaded, called
and kept apart. SAM's encoder at 1024 px is by far the dearest step and runs once.
"""

from __future__ import annotations

import shutil
import warnings

import numpy as np
import pytest
import torch

from pipeline.models import load_models, official

from . import checkpoints


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """Paths of CLIP ViT-B/16 (TorchScript), DINO ViT-B/16, SAM ViT-B (1 GB together) and a small inpainting folder."""
    folder = tmp_path_factory.mktemp("weights")
    yield {
        "clip": checkpoints.openai_clip(folder / "ViT-B-16.pt"),
        "dino": checkpoints.dino(folder / "dino-vitb16"),
        "sam": checkpoints.sam(folder / "sam_vit_b_01ec64.pth"),
        "inpaint": checkpoints.inpainting(folder / "inpainting", half=True),
    }
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def pipe(parts):
    from pipeline import Pipeline

    return Pipeline.load("base", **parts, device="cpu", trust_weights=True)


@pytest.fixture(scope="module")
def photo():
    """120 x 160, three plain areas."""
    pixels = np.full((120, 160, 3), (90, 150, 220), np.uint8)
    pixels[70:] = (60, 140, 50)
    pixels[50:100, 40:90] = (200, 40, 30)
    rng = np.random.default_rng(0)
    return np.clip(pixels + rng.integers(-6, 7, pixels.shape), 0, 255).astype(np.uint8)


def test_clip_is_the_published_architecture(pipe, parts):
    import open_clip
    from open_clip.transformer import QuickGELU, VisionTransformer

    clip = pipe.models.clip
    visual = clip.model.visual
    assert isinstance(clip.model, open_clip.CLIP) and isinstance(visual, VisionTransformer)
    assert (visual.image_size, visual.patch_size, len(visual.transformer.resblocks)) == ((224, 224), (16, 16), 12)
    assert isinstance(visual.transformer.resblocks[0].mlp.gelu, QuickGELU), "OpenAI's weights need QuickGELU"
    assert sum(p.numel() for p in clip.model.parameters()) == 149_620_737
    with warnings.catch_warnings():  # newer releases of torch warn of it, the lowest allowed does not
        warnings.simplefilter("ignore", FutureWarning)
        published = torch.jit.load(parts["clip"], map_location="cpu").state_dict()
    for name, tensor in clip.model.state_dict().items():
        assert tensor.dtype == torch.float32 and torch.equal(tensor, published[name].float()), name
    assert not any(tensor.is_meta for tensor in (*clip.model.parameters(), *clip.model.buffers()))
    assert clip.tokenizer(["a dog"]).shape == (1, 77) and clip.known_words is None and clip.logit_scale == 40


def test_clip_text_is_causal_and_a_mirror_of_the_weights_loads_alike(pipe, tmp_path):
    """The attention mask is not among the weights; and a plain state dict gives the same model as the archive."""
    from safetensors.torch import save_file

    clip = pipe.models.clip
    words = clip.tokenizer(["a dog", "a dog on the grass"])
    with torch.no_grad():
        one = clip.model.encode_text(words)
        mask = clip.model.attn_mask
        assert torch.equal(mask == 0, torch.ones(77, 77).tril().bool()) and mask.min() == float("-inf")
        save_file({k: v.half().contiguous() for k, v in clip.model.state_dict().items()}, tmp_path / "w.safetensors")
        mirror = official.load_clip(tmp_path / "w.safetensors", "ViT-L-14-quickgelu")
        assert torch.equal(mirror.model.encode_text(words), one)
    assert mirror.name.startswith("ViT-B-16-quickgelu-"), "shapes decide where the preset's architecture does not fit"
    assert type(mirror.model.visual.transformer.resblocks[0].mlp.gelu).__name__ == "QuickGELU"


def test_dino_is_the_published_architecture(pipe):
    dino = pipe.models.dino
    assert type(dino.model).__name__ == "ViTModel" and dino.model.pooler is None and dino.patch_size == 16
    assert sum(p.numel() for p in dino.model.parameters()) == 85_798_656
    assert dino.mean == (0.485, 0.456, 0.406) and next(dino.model.parameters()).dtype == torch.float32


def test_sam_is_the_published_architecture(pipe, parts):
    sam = pipe.models.sam.sam
    assert (sam.image_encoder.img_size, len(sam.image_encoder.blocks)) == (1024, 12)
    assert sum(p.numel() for p in sam.parameters()) == 93_735_472
    published = torch.load(parts["sam"], weights_only=True, mmap=True)
    assert set(published) == set(sam.state_dict())
    assert torch.equal(published["image_encoder.blocks.2.attn.rel_pos_h"], sam.image_encoder.blocks[2].attn.rel_pos_h)
    assert not any(tensor.is_meta for tensor in (*sam.parameters(), *sam.buffers()))
    black = sam.preprocess(torch.zeros(1, 3, 8, 8))
    assert torch.allclose(black[0, :, 0, 0], torch.tensor([-123.675 / 58.395, -116.28 / 57.12, -103.53 / 57.375]))


def test_whole_pipeline(pipe, photo):
    """Segment, refine, select, remove, replace, and new words: SAM's encoder runs once for all of it."""
    runs = []
    sam = pipe.models.sam.sam
    hook = sam.image_encoder.patch_embed.register_forward_hook(lambda *_: runs.append(1))
    try:
        seg = pipe.segment(
            photo, "dog; puppy, grass, sky", method="trident", refine="sam", short_side=336, background="none",
            threshold=0.0, templates="word",
        )  # fmt: skip
        assert seg.labels.shape == (120, 160) and seg.labels.min() >= 0 and seg.labels.max() <= 2
        assert seg.scores.shape == (3, 120, 160) and np.isfinite(seg.scores).all()
        assert seg.regions and seg.preset == "base" and seg.method == "trident"
        assert all(region.mask.shape == (120, 160) and region.mask.any() for region in seg.regions)
        again = pipe.segment(
            photo, "boat, sea", method="trident", refine="none", short_side=336, background="none", threshold=0.0,
            templates="word",
        )  # fmt: skip
        assert again.labels.max() <= 1 and again.seconds["encode"] == 0
        region = pipe.select(photo, points=[(65, 75)])
        assert region.made_by == "sam" and region.mask.all() and len(region.prompt.points) == 1
        box = np.zeros((120, 160), bool)
        box[50:100, 40:90] = True
        removed = pipe.edit(photo, box, kind="remove")
        replaced = pipe.edit(photo, box, kind="replace", prompt="a red fox", seed=7, steps=2)
        assert len(runs) == 1, "SAM's image encoder ran more than once on one photo"
    finally:
        hook.remove()
    for result in (removed, replaced):
        image = result.images[0].pixels
        assert image.shape == photo.shape
        assert np.array_equal(image[~result.mask], photo[~result.mask]), "outside the mask nothing may change"
        assert not np.array_equal(image[result.mask], photo[result.mask])


def test_preset_says_what_it_is_made_of(parts):
    models = load_models("base", **parts)
    rows = {row["kind"]: row for row in models.describe()}
    assert rows["sam"]["bytes"] > 374e6 and rows["sam"]["here"] and not rows["sam"]["loaded"]
    assert rows["clip"]["title"] == "ViT-B-16.pt"
