"""Texts are run on as many tokens as they have, and become what the library makes of all of them."""

import copy

import open_clip
import pytest
import torch

from pipeline.models.builtin import build_clip, build_tokenizer
from pipeline.text.tower import batches, encode_texts, text_ends
from tests.small_models import CLIP

TEXTS = ["a photo of a dog", "dog", "", "a very large red fox that runs over the green grass by the lake", "grass"]


def small(text=None, custom=False):
    torch.manual_seed(1)
    config = copy.deepcopy(CLIP)
    config["text_cfg"].update(text or {})
    model = open_clip.CustomTextCLIP(**config) if custom else build_clip(config)
    for weight in model.parameters():
        if weight.ndim > 1:
            torch.nn.init.normal_(weight, std=0.2)
    return model.eval().requires_grad_(False), build_tokenizer(CLIP)(TEXTS)


def tokens_run(model, run):
    """The result of `run` and the tokens that went through the tower's first block."""
    tower, shapes = getattr(model, "text", model), []
    block = tower.transformer.resblocks[0]
    hook = block.register_forward_pre_hook(lambda _m, given: shapes.append(tuple(given[0].shape[:2])))
    try:
        return run(), shapes
    finally:
        hook.remove()


@pytest.mark.parametrize("text", [{}, {"pool_type": "eos", "eos_id": 49407}, {"proj_type": "none", "width": 32}])
@pytest.mark.parametrize("custom", [False, True])
def test_what_stands_behind_the_longest_text_is_not_run(text, custom):
    model, tokens = small(text, custom)
    for chosen in ([0, 1, 2, 3, 4], [1], [2, 4]):
        ours, shapes = tokens_run(model, lambda some=tokens[chosen]: encode_texts(model, some))
        assert shapes == [(len(chosen), int((tokens[chosen] > 0).sum(1).max()))]
        torch.testing.assert_close(ours, model.encode_text(tokens[chosen]), atol=4e-6, rtol=1e-5)


@pytest.mark.parametrize("text", [
    {"no_causal_mask": True}, {"pool_type": "last"}, {"pool_type": "first"}, {"embed_cls": True},
    {"no_causal_mask": True, "pad_id": 0},
])  # fmt: skip
@pytest.mark.parametrize("custom", [False, True])
def test_towers_that_see_the_end_run_as_the_library_has_them(text, custom):
    if text.get("embed_cls") and not custom:
        pytest.skip("a plain CLIP has no class embedding in its text")
    model, tokens = small(text, custom)
    assert text_ends(getattr(model, "text", model), tokens) is None
    assert torch.equal(encode_texts(model, tokens), model.encode_text(tokens))


@pytest.mark.parametrize("most", [1, 12, 40, 10_000])
def test_batches_are_of_like_length_and_miss_no_text(most):
    model, tokens = small()
    found = list(batches(model, tokens, most))
    assert sorted(torch.cat(found).tolist()) == list(range(len(TEXTS)))
    lengths = (tokens > 0).sum(1)
    assert all(len(one) == 1 or len(one) * int(lengths[one].max()) <= most for one in found)
    assert lengths[torch.cat(found)].tolist() == sorted(lengths.tolist())
    whole = torch.empty(len(TEXTS), 32)
    for one in found:
        whole[one] = encode_texts(model, tokens[one])
    torch.testing.assert_close(whole, model.encode_text(tokens), atol=4e-6, rtol=1e-5)
