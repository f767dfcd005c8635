"""How words come in: votes, surgery, readings and feedback; and the parts of the newer methods, by hand."""

import dataclasses
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from pipeline.dense.cliper import cliper_features, window_probabilities, with_mean
from pipeline.dense.encode import encode
from pipeline.dense.entropy import channel_correlation, gini, spatial_entropy, spatial_probabilities
from pipeline.dense.foundation import dino_windows, padding_multiple, sam_windows
from pipeline.dense.methods.cliptrase import published_radius
from pipeline.dense.methods.corrclip import inner_count, merged_regions, region_tokens, scoped_weights
from pipeline.dense.methods.s2clip import S2Constants, chosen_blocks, fused_weights
from pipeline.dense.proxy import masked_softmax
from pipeline.dense.recipes import RECIPES, get_recipe
from pipeline.dense.regions_of_sam import region_map
from pipeline.dense.trunk import head, run_trunk
from pipeline.dense.windows import Layout, cut_regions, window_boxes
from pipeline.dense.words import Asked, as_scores, read_words, vote_scores
from pipeline.models.records import DinoModel, SamModel
from pipeline.records import ClassName, SamEmbedding, Vocabulary
from tests.small_models import SMALL, counted, picture, small_pipeline


@pytest.fixture(scope="module")
def pipe():
    return small_pipeline()


def find(pipe, words="dog; puppy, grass, sky", pixels=None, **settings):
    settings = {"background": "none", "refine": "none", **SMALL, **settings}
    return pipe.segment(picture() if pixels is None else pixels, words, **settings)


def asked(owners, scale=10.0):
    return Asked(torch.eye(len(owners)), tuple(owners), len(owners), scale, RECIPES["cliptrase"])


# votes ------------------------------------------------------------------------------------------------------------


def test_a_vote_is_exact_and_scores_only_change_places():
    owners = [0, 0, 1, 2]
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(4, 6, 7, generator=generator)
    groups = torch.randint(-1, 4, (6, 7), generator=generator)
    voted = vote_scores(scores, groups, asked(owners))
    classes = torch.tensor(owners)
    before, after = classes[scores.argmax(0)], classes[voted.argmax(0)]
    for group in range(4):
        inside = groups == group
        assert (after[inside] == before[inside].bincount(minlength=3).argmax()).all()
    assert (after[groups < 0] == before[groups < 0]).all()
    assert torch.equal(voted.sort(0).values, scores.sort(0).values)


def test_votes_of_nobody_change_nothing():
    scores = torch.randn(2, 3, 3)
    assert torch.equal(vote_scores(scores, torch.full((3, 3), -1), asked([0, 1])), scores)


def test_probabilities_come_back_from_their_scores():
    shares = torch.tensor([[0.7, 0.2], [0.2, 0.2], [0.1, 0.6]])
    assert torch.allclose((40 * as_scores(shares, 40.0)).softmax(0), shares, atol=1e-6)


def test_radius_of_the_published_sizes():
    assert published_radius(14 * 14) == pytest.approx((0.7, 3))
    assert published_radius(21 * 21) == pytest.approx((1.1, 7))
    assert published_radius(64)[1] == 3


# methods with words of their own ----------------------------------------------------------------------------------


@pytest.mark.parametrize("method, option", [
    ("clip-surgery", "feature_surgery=no"), ("resclip", "sfr=no"), ("resclip", "rcs=no"),
    ("cliper", "threshold=0.9"), ("corrclip", "semantic=0"), ("corrclip", "spatial=0"), ("corrclip", "vote=no"),
    ("s2clip", "mix=0"), ("s2clip", "blocks=1"), ("s2clip", "fusion=clip"),
    ("multilayer", "through=head"), ("clip-rc", "region=0"),
    ("cliptrase", "vote=no"), ("trident", "aggregation=none"), ("trident", "aggregation=cosine"),
    ("trident", "aggregation=attention"), ("itaclip", "own_share=1"), ("rcs-simple", "gathered=2"),
])  # fmt: skip
def test_every_switch_changes_something(pipe, method, option):
    base = {"cliptrase": "radius=2,least=2", "corrclip": "iou=-10,stability=0"}.get(method, "")
    plain = find(pipe, method=method, options=base)
    changed = find(pipe, method=method, options=f"{base},{option}")
    assert np.abs(plain.scores - changed.scores).max() > 1e-6


def test_new_words_run_no_image_encoder_whatever_the_method(pipe):
    pixels = picture(5)
    for method in RECIPES:
        find(pipe, pixels=pixels, method=method)
        with counted(pipe) as counts:
            find(pipe, "fox, rock, lake", pixels, method=method)
        assert counts["clip"] == counts["dino"] == counts["sam"] == 0, method


def test_one_word_is_freed_of_what_the_empty_word_has(pipe):
    pixels = picture(2)
    one = find(pipe, "dog", pixels, method="clip-surgery", background="none")
    assert np.isfinite(one.scores).all() and (one.labels == 0).all()
    encoded = pipe.encode(pixels, "clip-surgery", **SMALL)
    vocabulary = Vocabulary((ClassName("dog"),))
    text = np.eye(32, dtype=np.float32)
    (maps,) = read_words(encoded, text[:1], vocabulary, 40.0, empty=lambda: text[1:2])
    (plain,) = read_words(dataclasses.replace(encoded, recipe=None), text[:1], vocabulary, 40.0)
    (other,) = read_words(dataclasses.replace(encoded, recipe=None), text[1:2], vocabulary, 40.0)
    torch.testing.assert_close(maps, plain - other, atol=1e-5, rtol=1e-5)


def test_splicing_is_for_any_variant_of_the_last_block(pipe):
    plain = find(pipe, method="clearclip")
    spliced = find(pipe, method="clearclip", options="splice=features")
    joined = find(pipe, method="clearclip", options="splice=features,aggregation=affinity")
    assert np.abs(plain.scores - spliced.scores).max() > 1e-6
    assert np.abs(joined.scores - spliced.scores).max() > 1e-6


@pytest.mark.parametrize("size", [(64, 64), (64, 400), (333, 64)])
def test_small_and_long_photos(pipe, size):
    pixels = picture(3, *size)
    for method in ("sclip", "cliper", "cliptrase", "resclip", "s2clip", "corrclip", "trident"):
        found = find(pipe, pixels=pixels, method=method)
        assert found.labels.shape == size and np.isfinite(found.scores).all(), method


def test_a_large_photo(pipe):
    found = find(pipe, pixels=np.repeat(np.repeat(picture(4, 50, 200), 20, 0), 20, 1), method="corrclip")
    assert found.labels.shape == (1000, 4000)


# entropy ----------------------------------------------------------------------------------------------------------


def test_entropy_by_its_definition():
    features = torch.tensor([[[1.0, 2.0, 4.0], [3.0, 3.0, 6.0]]], dtype=torch.float64)
    total = 0.0
    deviations = [math.sqrt(7 / 3), math.sqrt(3.0)]
    eps = max(min(deviations) * 1e-2, 1e-6)
    for row, deviation in zip(features[0].tolist(), deviations, strict=True):
        mean = sum(row) / 3
        scaled = [(v - mean) / (deviation + eps) for v in row]
        raised = [math.exp(v - max(scaled)) for v in scaled]
        shares = [max(v / (sum(raised) + eps), eps) for v in raised]
        shares = [v / sum(shares) for v in shares]
        total -= sum(v * math.log(v) for v in shares)
    assert spatial_entropy(features) == pytest.approx(total / 2, abs=1e-12)


def test_entropy_is_low_where_few_places_stand_out():
    flat, peaked = torch.rand(1, 4, 50), torch.zeros(1, 4, 50)
    peaked[..., 0] = 9
    assert spatial_entropy(peaked) < spatial_entropy(flat) < math.log(50)
    assert gini(peaked) > gini(flat) >= 0
    assert spatial_entropy(torch.full((1, 2, 8), float("nan"))) == 0 and spatial_entropy(torch.ones(1, 2, 1)) == 0
    same = torch.rand(1, 1, 20).expand(1, 3, 20)
    assert channel_correlation(same) == pytest.approx(1) and spatial_probabilities(same).sum(-1).allclose(
        torch.ones(1, 3, dtype=torch.float64))


# s2clip -----------------------------------------------------------------------------------------------------------


def test_blocks_of_the_lowest_entropy_or_the_middle():
    outputs = [torch.rand(1, 30, 6) for _ in range(6)]
    for index in (1, 4):
        outputs[index] = torch.zeros(1, 30, 6)
        outputs[index][:, 0] = 5
    assert chosen_blocks(outputs, S2Constants(choice="entropy", blocks=2)) == [1, 4]
    assert chosen_blocks(outputs, S2Constants(choice="middle", blocks=3)) == [2, 3, 4]
    assert chosen_blocks(outputs, S2Constants(blocks=0)) == []


def test_fusion_of_two_affinities():
    clip, other = torch.randn(1, 5, 3, 3), torch.randn(1, 4, 3, 3)
    weights = {f: fused_weights(clip, other, get_recipe("s2clip", fusion=f)) for f in ("mean", "mask", "dino", "clip")}
    for one in weights.values():
        torch.testing.assert_close(one.sum(-1), torch.ones(1, 9))
    assert ((weights["mask"] > 0) == (weights["dino"] > 0)).all()
    torch.testing.assert_close(fused_weights(None, other, get_recipe("s2clip")), weights["dino"])


def test_a_row_below_the_cut_keeps_itself():
    logits = torch.tensor([[-1.0, -2.0], [0.5, 1.0]])
    torch.testing.assert_close(masked_softmax(logits)[0], torch.tensor([1.0, 0.0]))
    torch.testing.assert_close(masked_softmax(logits)[1], logits[1].softmax(0))


# corrclip ---------------------------------------------------------------------------------------------------------


def test_attention_stays_inside_regions():
    unit = F.normalize(torch.randn(5, 8), dim=-1)
    weights = scoped_weights(unit, torch.tensor([0, 0, 1, 1, -1]), 4.0)[0]
    assert (weights[:2, 2:] == 0).all() and (weights[2:4, [0, 1, 4]] == 0).all() and weights[4, 4] > 0
    similarity = unit @ unit.T
    torch.testing.assert_close(weights[0, :2], (4 * similarity[0, :2]).softmax(0))
    assert ((weights[4] > 0) == ((similarity[4] > similarity.mean()) | (torch.arange(5) == 4))).all()


def test_alike_regions_are_merged():
    unit = F.normalize(torch.tensor([[1.0, 0], [1, 0.01], [1, 0.02], [0, 1], [1, 1]]), dim=-1)
    merged = merged_regions(torch.tensor([3, 3, 7, 9, -1]), unit, 0.2)
    assert merged.tolist() == [0, 0, 0, 1, -1]
    assert merged_regions(torch.full((5,), -1), unit, 0.2).tolist() == [-1] * 5


@torch.no_grad()
def test_a_region_of_everything_has_clips_own_class_token(pipe):
    visual = pipe.models.clip.model.visual
    pixels = torch.randn(1, 3, 64, 64)
    trunk = run_trunk(visual, pixels, keep=range(3))
    tokens, numbers = region_tokens(visual, [trunk.inputs[i] for i in range(3)], torch.zeros(16, dtype=torch.long))
    assert numbers.tolist() == [0]
    torch.testing.assert_close(head(visual, tokens), visual(pixels), atol=1e-5, rtol=1e-5)


def test_depths_of_the_spatial_branch():
    assert [inner_count(n) for n in (3, 6, 12, 24, 32)] == [1, 2, 5, 12, 28]


def test_regions_of_sam_cover_the_photo_they_were_asked_of(pipe):
    embedding = pipe.sam_features(pipe.open(picture(1))).embedding
    regions = region_map(pipe.models.sam, embedding, (48, 64), points=4, iou=-10.0, stability=0.0)
    assert regions.shape == (48, 64) and regions.dtype == np.int64 and regions.min() >= -1 and regions.max() >= 0
    none = region_map(pipe.models.sam, embedding, (48, 64), points=2, iou=10.0)
    assert (none == -1).all()
    cut = cut_regions(torch.zeros(5, 6, dtype=torch.long), Layout((5, 6), (), 4), (0, 0, 6, 5))
    assert cut.shape == (8, 8) and (cut[1:6, 1:7] == 0).all() and (cut[0] == -1).all()


# foundation models ------------------------------------------------------------------------------------------------


def test_windows_are_padded_where_it_costs_little(pipe):
    dino = pipe.models.dino
    fourteen = DinoModel(type("M", (), {"config": type("C", (), {"patch_size": 14})})(), "fourteen")
    assert padding_multiple(16, dino) == 16 and padding_multiple(14, dino) == 56
    assert padding_multiple(16, fourteen) == 16 and padding_multiple(16, None) == 16
    features = dino_windows(dino, torch.randn(2, 3, 68, 60), pipe.models.clip)
    assert features.shape == (2, 32, 8, 8), "68 and 60 pixels are nearest to 8 patches of 8"


def test_sams_embedding_is_sampled_where_the_window_lies():
    rows, cols = torch.meshgrid(torch.arange(16.0), torch.arange(16.0), indexing="ij")
    features = torch.stack([rows, cols])[None].numpy()
    run = type("Run", (), {"embedding": SamEmbedding(features, (96, 128), (96, 128))})()
    layout = Layout((96, 128), ((0, 0, 64, 96), (64, 0, 128, 96)))
    left, right = sam_windows(run, layout, 16)
    assert left.shape == (2, 12, 8)
    torch.testing.assert_close(left[0, :, 0], torch.arange(12.0))
    torch.testing.assert_close(left[1, 0], torch.arange(8.0))
    torch.testing.assert_close(right[1, 0], torch.arange(8.0) + 8)


def test_both_facets_of_a_dino(pipe):
    dino = pipe.models.dino.model
    pixels = torch.randn(1, 3, 32, 48)
    from pipeline.dense.dino_features import dino_features

    tokens, pairs = dino_features(dino, pixels), dino_features(dino, pixels, "qk")
    assert tokens.shape == pairs.shape == (1, 32, 4, 6) and not torch.allclose(tokens, pairs)
    assert not any(m._forward_hooks for m in dino.modules())


@torch.no_grad()
def test_cliper_reads_windows_too(pipe):
    visual = pipe.models.clip.model.visual
    pixels, texts = torch.randn(1, 3, 64, 96), with_mean(torch.eye(32)[:2], torch.eye(32)[2:3])
    boxes = window_boxes((64, 96), 64, 32)
    shares = window_probabilities(visual, pixels, boxes, texts)
    assert shares.shape == (3, 24, 4)
    torch.testing.assert_close(shares.sum(-1), torch.ones(3, 24))
    plain = cliper_features(visual, pixels, attention="identity", every=False)
    assert torch.equal(plain.features[0], plain.features[1]) and not torch.equal(plain.features[0], plain.features[2])


def test_a_sam_of_its_own_for_regions_and_another_as_proxy(pipe):
    photo = pipe.open(picture(6))
    models = pipe.models
    other = SamModel(models.sam.sam, "another")

    class With:
        preset, geometry, clip, dino, sam = "test", models.geometry, models.clip, models.dino, models.sam

        def proxy(self, name):
            return other

    encoded = encode(photo, get_recipe("corrclip", foundation="sam-b"), With())
    assert set(encoded.seconds) == {"clip", "sam"}


# half precision ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", RECIPES)
def test_every_method_runs_in_half_precision(pipe, method, monkeypatch):
    """The processor's bfloat16 stands in for a graphics card's float16: the same casts, less exact."""
    photo = pipe.open(picture(7))
    exact = encode(photo, RECIPES[method], pipe.models)

    def half(device):
        return torch.autocast("cpu", dtype=torch.bfloat16)

    monkeypatch.setattr("pipeline.dense.encode.half_precision", half)
    monkeypatch.setattr("pipeline.dense.sam_features.half_precision", half)
    rough = encode(photo, RECIPES[method], pipe.models)
    for a, b in zip(exact.maps, rough.maps, strict=True):
        assert b.features.dtype == np.float32 and np.isfinite(b.features).all()
        unit = [m / np.linalg.norm(m, axis=0) for m in (a.features, b.features)]
        assert (unit[0] * unit[1]).sum(0).mean() > 0.9
