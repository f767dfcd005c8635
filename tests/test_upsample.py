"""Joint bilateral upsampling against its formula, and what it is for: edges where the photo has them."""

import numpy as np
import pytest
import torch

from pipeline.errors import NamebrushError
from pipeline.records import Encoded, FeatureMap
from pipeline.segment import segment
from pipeline.upsample.bilateral import JointBilateral, grid_of
from pipeline.upsample.loftup import load_loftup, refine_features
from pipeline.vocabulary import parse_vocabulary


def by_formula(coarse, pixels, points, radius, space, color):
    """Kopf et al.'s sum, pixel by pixel; `points` is the photo at the coarse size."""
    (height, width), (rows, columns) = pixels.shape[:2], coarse.shape[1:]
    out = np.zeros((len(coarse), height, width))
    for y in range(height):
        for x in range(width):
            v, u = (y + 0.5) * rows / height - 0.5, (x + 0.5) * columns / width - 0.5
            total = 0.0
            for r in range(round(v) - radius, round(v) + radius + 1):
                for c in range(round(u) - radius, round(u) + radius + 1):
                    if 0 <= r < rows and 0 <= c < columns:
                        unlike = ((pixels[y, x] - points[:, r, c]) ** 2).sum()
                        weight = np.exp(-((v - r) ** 2 + (u - c) ** 2) / (2 * space**2) - unlike / (2 * color**2))
                        out[:, y, x] += weight * coarse[:, r, c]
                        total += weight
            out[:, y, x] /= total
    return out


def test_it_is_the_formula_band_by_band():
    rng = np.random.default_rng(0)
    pixels = rng.integers(100, 156, (18, 25, 3), np.uint8)
    coarse = rng.normal(size=(3, 6, 5)).astype(np.float32)
    one = JointBilateral(pixels, (6, 5), radius=1, sigma_space=0.7, sigma_color=0.2)
    bands = [one.rows(torch.from_numpy(coarse), (18, 25), a, b) for a, b in ((0, 7), (7, 8), (8, 18))]
    small = torch.nn.functional.interpolate(
        torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255, size=(6, 5), mode="area"
    )[0].numpy()
    expected = by_formula(coarse, pixels / 255.0, small, 1, 0.7, 0.2)
    np.testing.assert_allclose(torch.cat(bands, dim=1).numpy(), expected, atol=1e-4)


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (64, 48), (33, 20)])
def test_the_same_everywhere_stays_the_same_everywhere(size):
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 256, (*size, 3), np.uint8)
    grid = max(1, size[0] // 8), max(1, size[1] // 8)
    one = JointBilateral(pixels, grid)
    found = one.rows(one.coarse(torch.full((2, 5, 9), 0.25)), size, 0, size[0])
    assert found.shape == (2, *size) and torch.isfinite(found).all()
    np.testing.assert_allclose(found, 0.25, rtol=1e-5)


def test_edges_lie_where_the_photo_has_them():
    # A red thing on green; its edge, at column 27, is no multiple of the 8-pixel cells.
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[:, :27], pixels[:, 27:] = (200, 30, 30), (30, 160, 30)
    features = np.zeros((2, 8, 8), np.float32)
    features[0, :, :3], features[1, :, 4:] = 1, 1
    features[:, :, 3] = np.sqrt(0.5)  # the cell the edge runs through is undecided
    encoded = Encoded((FeatureMap(features, (0, 0, 64, 64)),), (64, 64), "hash", "test", "test")
    text, vocabulary = np.eye(2, dtype=np.float32), parse_vocabulary("thing, ground", "none")
    truth = np.where(np.arange(64) < 27, 0, 1)
    wrong = {}
    for name, up in (("bilinear", None), ("bilateral", JointBilateral(pixels, grid_of(encoded)))):
        labels, scores = segment(encoded, text, vocabulary, (64, 64), 40, upsampler=up)
        wrong[name] = int((labels != truth).sum())
        assert scores.shape == (2, 64, 64) and (scores >= 0).all()
    assert wrong["bilinear"] >= 64 and wrong["bilateral"] == 0


def test_the_grid_is_that_of_the_features():
    windows = tuple(FeatureMap(np.zeros((4, 8, 8), np.float32), (x, 0, x + 128, 128)) for x in (0, 64, 128))
    assert grid_of(Encoded(windows, (128, 256), "h", "p", "m")) == (8, 16)
    whole = (FeatureMap(np.zeros((4, 20, 30), np.float32), (0, 0, 30, 20)),)
    assert grid_of(Encoded(whole, (20, 30), "h", "p", "m")) == (20, 30)
    two = (*windows, FeatureMap(np.zeros((4, 16, 32), np.float32), (0, 0, 512, 256), (256, 512)))
    assert grid_of(Encoded(two, (128, 256), "h", "p", "m")) == (16, 32)


def test_a_photo_without_any_near_colour_takes_the_nearest_point():
    pixels = np.zeros((16, 16, 3), np.uint8)
    pixels[5, 5] = 255
    one = JointBilateral(pixels, (2, 2), sigma_color=0.01)
    coarse = torch.tensor([[[1.0, 2.0], [3.0, 4.0]]])
    assert one.rows(coarse, (16, 16), 0, 16)[0, 5, 5] == 1.0


class Doubling(torch.nn.Module):
    """Stands in for LoftUp: nearest features, and it remembers the images it was given."""

    def __init__(self):
        super().__init__()
        self.images = []

    def forward(self, features, image):
        self.images.append(image)
        return 3 * torch.nn.functional.interpolate(features, size=image.shape[2:], mode="nearest")


def wide(frame=(32, 64)):
    """Two windows of 512 channels over a frame, the second reaching beyond it."""
    rng = np.random.default_rng(2)
    features = rng.normal(size=(2, 512, 4, 4)).astype(np.float32)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    boxes = ((0, 0, 40, 32), (40, 0, 80, 32))
    return Encoded(tuple(FeatureMap(f, b) for f, b in zip(features, boxes, strict=True)), frame, "h", "p", "m")


def test_loftup_is_given_each_windows_own_part_of_the_photo():
    pixels = np.zeros((64, 128, 3), np.uint8)
    pixels[:, 80:] = 255
    network, encoded = Doubling(), wide()
    finer = refine_features(encoded, pixels, network, torch.device("cpu"), factor=2)
    assert [m.features.shape for m in finer.maps] == [(512, 8, 8)] * 2
    assert [m.box for m in finer.maps] == [m.box for m in encoded.maps] and finer.frame == encoded.frame
    np.testing.assert_allclose(finer.maps[1].features[:, ::2, ::2], encoded.maps[1].features, atol=1e-6)
    black, white = network.images
    assert black.shape == (1, 3, 8, 8)  # the column at the edge is mixed
    assert (black[..., :-1] < -1.7).all() and (white[..., 1:] > 2).all()


def test_loftup_takes_no_other_features():
    encoded = Encoded((FeatureMap(np.ones((128, 4, 4), np.float32), (0, 0, 4, 4)),), (4, 4), "h", "p", "m")
    with pytest.raises(NamebrushError, match="512 channels, and this CLIP has 128"):
        refine_features(encoded, np.zeros((8, 8, 3), np.uint8), Doubling(), torch.device("cpu"))


def test_loftup_says_plainly_that_it_is_not_here(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(NamebrushError, match="LoftUp is not on this machine.*forbids.*haiwen/loftup-clip") as told:
        load_loftup(torch.device("cpu"))
    assert "\n" not in str(told.value)
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.delenv("TRANSFORMERS_OFFLINE", raising=False)

    def unreachable(*_, **__):
        raise OSError("no route to host\nmore")

    monkeypatch.setattr(torch.hub, "load", unreachable)
    with pytest.raises(NamebrushError, match="could not be loaded .no route to host.*bilateral needs no"):
        load_loftup(torch.device("cpu"))


def test_loftup_is_loaded_through_its_published_interface(tmp_path, monkeypatch):
    """A repository laid out like the authors', with the entry's name and arguments, where torch.hub keeps it."""
    home = tmp_path / "andrehuang_loftup_main"
    home.mkdir()
    (home / "hubconf.py").write_text(
        "import torch\n"
        "class Up(torch.nn.Module):\n"
        "    def forward(self, features, image):\n"
        "        return torch.nn.functional.interpolate(features, size=image.shape[2:], mode='nearest')\n"
        "def loftup_clip(pretrained=True, progress=True, **kwargs):\n"
        "    assert pretrained\n"
        "    return Up()\n"
    )
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr("pipeline.upsample.loftup._loaded", {})
    network = load_loftup(torch.device("cpu"))
    assert load_loftup(torch.device("cpu")) is network
    finer = refine_features(wide(), np.zeros((32, 64, 3), np.uint8), network, torch.device("cpu"))
    assert finer.maps[0].features.shape == (512, 16, 16)
