"""Refinement by a diffusion model's self-attention, on a tiny UNet in the library's own classes."""

import numpy as np
import pytest
import torch

from pipeline import NamebrushError
from pipeline.models.official import load_inpaint
from pipeline.refine.diffusion import attention_smooth, reading, spread
from pipeline.refine.settings import SmoothSettings
from tests.checkpoints import inpainting
from tests.small_models import SMALL, picture, small_pipeline

SETTINGS = SmoothSettings(diffusion_steps="20, 80", diffusion_side=64)


@pytest.fixture(scope="module")
def painter(tmp_path_factory):
    return load_inpaint(inpainting(tmp_path_factory.mktemp("painter")), torch.device("cpu"))


def test_maps_flow_along_attention_and_stay_shares(painter):
    before = dict(painter.unet.attn_processors)
    maps = np.random.default_rng(0).random((3, 48, 64)).astype(np.float32)
    maps /= maps.sum(0)
    out = attention_smooth(painter, picture(0, 48, 64), maps, SETTINGS)
    assert out.shape[0] == 3 and out.shape[1] == out.shape[2]
    np.testing.assert_allclose(out.sum(0), 1, atol=1e-3)
    assert out.std() < maps.std(), "attention averages"
    again = attention_smooth(painter, picture(0, 48, 64), maps, SETTINGS)
    np.testing.assert_array_equal(out, again)
    after = painter.unet.attn_processors
    assert {k: id(v) for k, v in after.items()} == {k: id(v) for k, v in before.items()}, "the model is as it was"


def test_what_is_read_is_the_attention_the_layer_uses(painter):
    """Replaying queries and keys with the layer's own values gives the layer's own output."""
    unet, seen = painter.unet, {}
    name, layer = next((n, m) for n, m in unet.named_modules() if n.endswith("attn1"))
    hook = layer.register_forward_hook(
        lambda module, args, kwargs, out: seen.update(states=kwargs.get("hidden_states", args[0] if args else None),
                                                      out=out), with_kwargs=True)  # fmt: skip
    latents = torch.randn((1, unet.config.in_channels, 8, 8), generator=torch.Generator().manual_seed(1))
    words = torch.zeros((1, 4, unet.config.cross_attention_dim))
    with torch.no_grad(), reading(unet) as kept:
        unet(latents, torch.tensor([10]), encoder_hidden_states=words)
    hook.remove()
    places = seen["out"].shape[1]
    q, k = next((q, k) for q, k in kept if q.shape[1] == places and q.shape[0] == layer.heads)
    with torch.no_grad():
        values = layer.to_v(seen["states"])[0].unflatten(-1, (layer.heads, -1)).transpose(0, 1)
        mixed = (q @ k.mT).softmax(-1) @ values
        out = layer.to_out[0](mixed.transpose(0, 1).flatten(1))
    assert name and torch.allclose(out, seen["out"][0], atol=1e-4)


def test_heads_as_a_chain_are_the_product_of_their_attentions():
    g = torch.Generator().manual_seed(3)
    q, k, values = (torch.randn(s, generator=g) for s in ((3, 6, 4), (3, 6, 4), (6, 2)))
    a = (q @ k.mT).softmax(-1)
    assert torch.allclose(spread(q, k, values, "chain"), a[0] @ a[1] @ a[2] @ values, atol=1e-5)
    assert torch.allclose(spread(q, k, values, "mean"), a.mean(0) @ values, atol=1e-5)


def test_it_is_a_refinement_like_any_other(painter):
    pipe = small_pipeline(inpaint=painter)
    settings = {"method": "sclip", "background": "none", "diffusion_side": 64, **SMALL}
    found = pipe.segment(picture(), "dog, grass, sky", refine="diffusion", **settings)
    assert found.refine == "diffusion" and found.scores.shape == (3, 96, 128)
    np.testing.assert_allclose(found.scores.sum(0), 1, atol=1e-3)


def test_a_pipeline_without_unet_is_refused():
    with pytest.raises(NamebrushError, match="with a UNet"):
        attention_smooth(object(), picture(), np.ones((1, 8, 8), np.float32), SETTINGS)
