"""Dense features: windows, attention, cosines and encoding against literal arrays and the libraries."""

import dataclasses

import numpy as np
import pytest
import torch

from pipeline.cache import ByteCache
from pipeline.dense.attention import attention_weights, last_block, neighbourhood
from pipeline.dense.cosines import cosine_maps
from pipeline.dense.dino_features import dino_features
from pipeline.dense.encode import encode
from pipeline.dense.proxy import mean_similarity, proxy_weights
from pipeline.dense.recipes import RECIPES, get_recipe
from pipeline.dense.sam_features import encode_sam
from pipeline.dense.splice import cells_per_patch, halves, join_columns, resize_canvas, splice_windows
from pipeline.dense.trunk import head, resized_positions, run_trunk
from pipeline.dense.windows import (
    cut,
    layout_of,
    padded_box,
    padding,
    patch_frame,
    resize_photo,
    short_side_frame,
    window_boxes,
)
from pipeline.errors import Cancelled, NamebrushError
from pipeline.models.builtin import build_clip, build_dino
from pipeline.models.records import ClipModel, DinoModel, Geometry, SamModel
from pipeline.progress import Progress
from pipeline.records import Encoded, FeatureMap, Photo
from tests.test_dense_sam import sam_of

CLIP = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 64, "layers": 3, "width": 32, "head_width": 16, "patch_size": 16},
    "text_cfg": {"context_length": 8, "vocab_size": 100, "width": 16, "heads": 2, "layers": 1},
}
DINO = {
    "image_size": 32, "patch_size": 8, "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2,
    "intermediate_size": 32, "layer_norm_eps": 1e-6,
}


@dataclasses.dataclass
class Loaded:
    clip: ClipModel
    dino: DinoModel
    sam: SamModel
    preset: str = "test"
    geometry: Geometry = Geometry(short_side=96, window=64, stride=32)


@pytest.fixture(scope="module")
def models():
    torch.manual_seed(1)
    clip, dino = build_clip(CLIP).eval().requires_grad_(False), build_dino(DINO).eval().requires_grad_(False)
    return Loaded(ClipModel(clip, None, "clip"), DinoModel(dino, "dino"), SamModel(sam_of(), "sam"))


@pytest.fixture(scope="module")
def photo():
    pixels = np.random.default_rng(0).integers(0, 256, (70, 110, 3), np.uint8)
    return Photo(pixels, "f00")


# windows ----------------------------------------------------------------------------------------------------------


def test_windows_cover_and_the_last_is_moved_back():
    assert window_boxes((10, 7), 4, 3) == (
        (0, 0, 4, 4), (3, 0, 7, 4), (0, 3, 4, 7), (3, 3, 7, 7), (0, 6, 4, 10), (3, 6, 7, 10))
    assert window_boxes((9, 4), 4, 3) == ((0, 0, 4, 4), (0, 3, 4, 7), (0, 5, 4, 9))
    assert window_boxes((3, 5), 8, 2) == ((0, 0, 5, 3),)


def test_padding_puts_the_smaller_half_left_and_on_top():
    assert padding(50, 61, 56) == (25, 26, 3, 3)
    assert padding(56, 112, 56) == (0, 0, 0, 0)
    assert padded_box((4, 0, 9, 6), 4) == (3, -1, 11, 7)
    image = torch.arange(12.0).reshape(1, 3, 4).expand(3, -1, -1)
    assert cut(image, (1, 0, 4, 3), 4)[0].tolist() == [[1, 2, 3, 0], [5, 6, 7, 0], [9, 10, 11, 0], [0, 0, 0, 0]]


def test_frames():
    assert short_side_frame((300, 400), 96) == (96, 128)
    assert short_side_frame((401, 300), 96) == (128, 96)
    assert patch_frame((96, 128), 16, 112) == (96, 128)  # whole patches already, smaller than the window
    assert patch_frame((113, 150), 16, 112) == (128, 160)
    assert patch_frame((70, 100), 16, 112) == (112, 112)
    assert patch_frame((100, 450), 16, 64) == (112, 464)


def test_layout_of_whole_patches_rounds_windows_and_strides():
    layout = layout_of((100, 130), 100, 60, 25, patch=16, multiple=16, whole_patches=True, pad=True)
    assert layout.frame == (112, 144)
    assert all(n % 16 == 0 for box in layout.boxes for n in box)
    assert layout.boxes[0] == (0, 0, 64, 64) and layout.boxes[1] == (32, 0, 96, 64)


def test_resizing_does_not_alias_and_keeps_the_range():
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    small = resize_photo(stripes, (16, 16))
    assert small.dtype == torch.float32 and (small - 0.5).abs().max() < 0.05
    assert torch.equal(resize_photo(stripes, (64, 64)) * 255, torch.tensor(stripes).permute(2, 0, 1).float())


# CLIP -------------------------------------------------------------------------------------------------------------


@torch.no_grad()
def test_unchanged_block_is_the_library_at_its_own_size(models):
    visual = models.clip.model.visual
    pixels = torch.randn(2, 3, 64, 64)
    trunk = run_trunk(visual, pixels, keep=(0, 2))
    features = head(visual, last_block(visual, trunk.tokens, trunk.grid, "qk", residual=True))
    torch.testing.assert_close(features[:, 0], visual(pixels), atol=1e-5, rtol=1e-5)
    assert set(trunk.inputs) == {0, 2} and torch.equal(trunk.inputs[2], trunk.tokens)


def test_positions_keep_the_class_row_and_follow_the_grid():
    table = torch.randn(17, 8)
    assert resized_positions(table, (4, 4)) is table
    other = resized_positions(table, (5, 7))
    assert other.shape == (36, 8) and torch.equal(other[0], table[0])
    flat = resized_positions(torch.ones(17, 8), (6, 9))
    torch.testing.assert_close(flat, torch.ones(55, 8))
    with pytest.raises(ValueError, match="square"):
        resized_positions(torch.ones(16, 8), (6, 9))


def test_neighbourhood_by_hand():
    near = neighbourhood((1, 3), sigma=1.0)
    e = float(np.exp(-0.5)), float(np.exp(-2.0))
    expected = [[0, 0, 0, 0], [0, 1, e[0], e[1]], [0, e[0], 1, e[0]], [0, e[1], e[0], 1]]
    np.testing.assert_allclose(near.numpy(), expected, atol=1e-7)


@pytest.mark.parametrize(("variant", "total"), [("qk", 1), ("qq+kk", 2), ("qq+kk+vv", 3), ("(qq+kk)", 1), ("near", 1)])
def test_rows_of_attention_sum_up(variant, total):
    q, k, v = torch.randn(3, 2, 4, 7, 5).unbind(0)
    sums = attention_weights(variant, q, k, v, (2, 3)).sum(-1)
    torch.testing.assert_close(sums, torch.full((2, 4, 7), float(total)))
    with pytest.raises(ValueError, match="no attention variant"):
        attention_weights("qx", q, k, v, (2, 3))


# foundation features ----------------------------------------------------------------------------------------------


@torch.no_grad()
def test_dino_is_the_library_at_its_own_size_and_runs_at_others(models):
    pixels = torch.randn(2, 3, 32, 32)
    own = models.dino.model(pixels).last_hidden_state[:, 1:].transpose(1, 2).unflatten(-1, (4, 4))
    torch.testing.assert_close(dino_features(models.dino.model, pixels), own, atol=1e-5, rtol=1e-5)
    assert dino_features(models.dino.model, torch.randn(1, 3, 45, 64)).shape == (1, 24, 5, 8)


def test_mean_similarity_needs_no_matrix():
    features = torch.randn(3, 6, 2, 4)
    unit = torch.nn.functional.normalize(features, dim=1).flatten(2)
    torch.testing.assert_close(mean_similarity(features), (unit.mT @ unit).mean((1, 2)))


def test_proxy_weights_leave_out_what_is_unlike():
    features = torch.tensor([[[[1.0, 1.0, 0.0]], [[0.0, 0.0, 1.0]]]])  # two places alike, one apart; mean S = 5 / 9
    weights = proxy_weights(features, beta=1.0, gamma=2.0)[0]
    torch.testing.assert_close(weights, torch.tensor([[0.5, 0.5, 0.0], [0.5, 0.5, 0.0], [0.0, 0.0, 1.0]]))


# splice -----------------------------------------------------------------------------------------------------------


def test_splice_averages_where_windows_overlap():
    windows = torch.tensor([[1.0, 2.0, 3.0, 4.0], [10.0, 20.0, 30.0, 40.0]])[..., None]
    canvas = splice_windows(windows, (2, 2), [(0, 0, 2, 2), (0, 1, 2, 3)], (2, 3))
    assert canvas[..., 0].tolist() == [[1.0, 6.0, 20.0], [3.0, 17.0, 40.0]]
    with pytest.raises(ValueError, match="uncovered"):
        splice_windows(windows, (2, 2), [(0, 0, 2, 2), (0, 1, 2, 3)], (2, 4))


def test_cells_per_patch_rounds_half_to_even():
    assert cells_per_patch((8, 8), (4, 4)) == 2
    assert cells_per_patch((10, 10), (4, 4)) == 2  # 2.5 -> 2
    assert cells_per_patch((14, 14), (4, 4)) == 4  # 3.5 -> 4


def test_halves_join_again():
    canvas = torch.arange(24.0).reshape(2, 6, 2)
    left, right = (resize_canvas(half, (2, 3)) for half in halves(canvas))
    assert torch.equal(join_columns(left, right, rows=2), canvas.flatten(0, 1))


# cosines ----------------------------------------------------------------------------------------------------------


def flat_map(cosine, box, frame=None):
    """A map of one patch whose cosine with the word (1, 0) is given."""
    return FeatureMap(np.array([[[cosine]], [[(1 - cosine**2) ** 0.5]]], np.float32), box, frame)


def test_cosines_are_averaged_where_windows_overlap_and_cut_where_padded():
    maps = (flat_map(1.0, (-1, 0, 3, 2)), flat_map(0.0, (2, 0, 5, 3)))
    encoded = Encoded(maps, (2, 4), "", "", "")
    result = cosine_maps(encoded, np.array([[1, 0]], np.float32), (2, 4))
    np.testing.assert_allclose(result, [[[1, 1, 0.5, 0], [1, 1, 0.5, 0]]], atol=1e-6)


def test_scales_are_averaged_at_the_photo():
    maps = (flat_map(1.0, (0, 0, 4, 2)), flat_map(0.5, (0, 0, 8, 4), (4, 8)))
    result = cosine_maps(Encoded(maps, (2, 4), "", "", ""), np.array([[1, 0], [0, 1]], np.float32), (3, 5))
    assert result.shape == (2, 3, 5)
    np.testing.assert_allclose(result[0], 0.75, atol=1e-6)


def test_uncovered_frames_and_foreign_words_are_refused():
    encoded = Encoded((flat_map(1.0, (0, 0, 2, 2)),), (2, 3), "", "", "")
    with pytest.raises(ValueError, match="uncovered"):
        cosine_maps(encoded, np.array([[1, 0]], np.float32), (2, 3))
    with pytest.raises(ValueError, match="words of 3"):
        cosine_maps(encoded, np.array([[1, 0, 0]], np.float32), (2, 3))


# encode -----------------------------------------------------------------------------------------------------------


#: Methods whose maps are means of unit vectors.
MEANS = ("itaclip", "clip-rc", "multilayer")


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_gives_unit_maps_that_cover_the_photo(models, photo, name):
    steps = []
    encoded = encode(photo, RECIPES[name], models, progress=Progress(lambda m, s=None: steps.append((m, s))))
    assert encoded.method == name and encoded.photo_hash == "f00" and encoded.preset == "test"
    for one in encoded.maps:
        lengths = np.linalg.norm(one.features, axis=0)
        assert lengths.max() <= 1 + 1e-5 and (name in MEANS or lengths.min() >= 1 - 1e-5)
    text = np.eye(16, dtype=np.float32)[:3]
    cosines = cosine_maps(encoded, text, photo.size)
    assert cosines.shape == (3, 70, 110) and np.isfinite(cosines).all() and cosines.std() > 1e-3
    shares = [s for _, s in steps]
    assert shares == sorted(shares) and 0 <= shares[0] and shares[-1] <= 1
    assert any("windows" in message for message, _ in steps)
    assert set(encoded.seconds) == set(RECIPES[name].needs)


def test_trident_gives_one_map_on_sams_grid(models, photo):
    encoded = encode(photo, RECIPES["trident"], models)
    (one,) = encoded.maps
    assert one.features.shape == (16, 81 // 8, 16) and encoded.frame == (10, 16) and one.box == (0, 0, 16, 10)
    wide = encode(photo, get_recipe("trident", halves=True), models)
    assert wide.frame == (16, 2 * (101 // 8))


def test_scales_and_batches(models, photo, monkeypatch):
    once = encode(photo, get_recipe("sclip"), models)
    monkeypatch.setattr("pipeline.dense.encode.ATTENTION_BYTES", 1)
    single = encode(photo, get_recipe("sclip"), models)
    for a, b in zip(once.maps, single.maps, strict=True):
        assert a.box == b.box
        np.testing.assert_allclose(a.features, b.features, atol=1e-5)
    both = encode(photo, get_recipe("sclip", scales=(1.0, 1.5)), models)
    assert both.frame == once.frame and {m.frame for m in both.maps} == {None, (144, 226)}
    assert len(both.maps) > len(once.maps)


class Calls:
    """Counts the runs of the image encoders."""

    def __init__(self, models):
        self.count = {"clip": 0, "dino": 0, "sam": 0}
        watched = {
            "clip": models.clip.model.visual.conv1,
            "dino": models.dino.model.embeddings.patch_embeddings.projection,
            "sam": models.sam.sam.image_encoder.patch_embed,
        }
        self.hooks = [m.register_forward_hook(lambda *_, n=n: self.count.update({n: self.count[n] + 1}))
                      for n, m in watched.items()]

    def remove(self):
        for hook in self.hooks:
            hook.remove()


def test_methods_share_what_they_have_in_common(models, photo):
    calls, cache = Calls(models), ByteCache(2**26)
    try:
        encode(photo, RECIPES["trident"], models, shared=cache)
        assert min(calls.count.values()) >= 1 and calls.count["sam"] == 1
        before = dict(calls.count)
        encode(photo, get_recipe("trident", refine_neg_cos=False), models, shared=cache)
        assert calls.count == before
        encode(photo, RECIPES["sclip"], models, shared=cache)
        between = dict(calls.count)
        assert between["clip"] > before["clip"] and between["dino"] == before["dino"]
        encode(photo, RECIPES["naclip"], models, shared=cache)
        assert calls.count == between
        encode(photo, RECIPES["trident"], models, sam=encode_sam(models.sam.sam, photo.pixels))
        assert calls.count["sam"] == between["sam"] + 1  # the run made here, none inside
    finally:
        calls.remove()


def test_cancelling_between_windows(models, photo):
    def stop(message, share=None):
        if "Looking" in message:
            raise Cancelled

    with pytest.raises(Cancelled):
        encode(photo, RECIPES["trident"], models, progress=Progress(stop))


def test_recipes_refuse_what_does_not_fit():
    assert get_recipe(" SCLIP ", residual=False).residual is False
    bad = {"nonsense": 1, "attention": "kq", "aggregation": "affinity", "scales": (), "padding": "all"}
    for field, value in bad.items():
        with pytest.raises(NamebrushError):
            get_recipe("sclip", **{field: value})
    with pytest.raises(NamebrushError, match="Known methods: clip"):
        get_recipe("sclipp")
    with pytest.raises(NamebrushError, match="foundation"):
        get_recipe("proxyclip", foundation="")


def test_a_tower_without_patches_is_refused(models, photo):
    class Pooled:
        visual = torch.nn.Linear(1, 1)

    clip = dataclasses.replace(models.clip, model=Pooled())
    with pytest.raises(NamebrushError, match="ViT"):
        encode(photo, RECIPES["clip"], _With(models, clip))


class _With:
    def __init__(self, models, clip):
        self.clip, self.preset, self.geometry = clip, models.preset, models.geometry
