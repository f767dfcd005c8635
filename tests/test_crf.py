"""The dense CRF against sums over all pairs, on small pictures."""

import numpy as np
import pytest

from pipeline.refine.crf import Blur, colour_features, dense_crf


def pairs(pixels, near, alike):
    """Both kernels over all pairs, by their formulas, normalised symmetrically without the pixel itself."""
    height, width = pixels.shape[:2]
    ys, xs = np.mgrid[:height, :width]
    place = np.stack([ys, xs], -1).reshape(-1, 2).astype(float)
    colour = pixels.reshape(-1, 3).astype(float)
    apart = ((place[:, None] - place) ** 2).sum(-1)
    differ = ((colour[:, None] - colour) ** 2).sum(-1)
    kernels = []
    for weight, kernel in (
        (near[0], np.exp(-apart / (2 * near[1] ** 2))),
        (alike[0], np.exp(-apart / (2 * alike[1] ** 2) - differ / (2 * alike[2] ** 2))),
    ):
        d = 1 / np.sqrt(kernel.sum(1))
        kernel = kernel - np.eye(len(kernel))
        kernels.append(weight * d[:, None] * kernel * d)
    return sum(kernels)


def plain_crf(pixels, probabilities, steps, near, alike):
    kernel = pairs(pixels, near, alike)
    logs = np.log(np.maximum(probabilities, 1e-8)).reshape(len(probabilities), -1).T.astype(float)
    q = np.exp(logs) / np.exp(logs).sum(1, keepdims=True)
    for _ in range(steps):
        x = logs + kernel @ q
        q = np.exp(x - x.max(1, keepdims=True))
        q /= q.sum(1, keepdims=True)
    return q.T.reshape(probabilities.shape)


def scene(height, width, seed=0):
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 25, (height, width, 3)) + np.array([40, 90, 60])
    pixels[:, width // 2 :] += 70
    pixels[height // 3 : height // 2, 3:9] = [200, 30, 30]
    p = rng.random((3, height, width)).astype(np.float32) + 0.2
    p[0, :, : width // 2] += 0.3
    p[1, :, width // 2 :] += 0.3
    return pixels.clip(0, 255).astype(np.uint8), (p / p.sum(0)).astype(np.float32)


@pytest.mark.parametrize("alike", [(4.0, 4.0, 20.0), (6.0, 15.0, 12.0), (5.0, 40.0, 30.0)])
def test_ten_iterations_are_those_of_the_formulas(alike):
    pixels, p = scene(30, 37)
    expected = plain_crf(pixels, p, 10, (3.0, 2.0), alike)
    got = dense_crf(pixels, p, 10, (3.0, 2.0), alike)
    assert np.allclose(got.sum(0), 1, atol=1e-5)
    assert (got.argmax(0) != expected.argmax(0)).mean() < 0.01
    assert np.abs(got - expected).mean() < 0.02


def test_the_wide_blur_is_close_to_the_sum_over_all_pairs():
    pixels, p = scene(48, 40, 2)
    for width, colour in ((3.0, None), (13.0, None), (20.0, 25.0)):
        features = None if colour is None else colour_features(pixels, colour)
        got = Blur((48, 40), width, features)._sum(np.ascontiguousarray(p.transpose(1, 2, 0))).reshape(-1, 3)
        ys, xs = np.mgrid[:48, :40]
        place = np.stack([ys, xs], -1).reshape(-1, 2).astype(float)
        kernel = np.exp(-((place[:, None] - place) ** 2).sum(-1) / (2 * width**2))
        if colour is not None:
            flat = pixels.reshape(-1, 3).astype(float)
            kernel *= np.exp(-((flat[:, None] - flat) ** 2).sum(-1) / (2 * colour**2))
        expected = kernel @ p.reshape(3, -1).T
        assert np.abs(got - expected).max() < 0.04 * expected.max(), (width, colour)


def test_colour_features_multiply_to_the_kernel():
    pixels, _ = scene(24, 24)
    f = colour_features(pixels, 15.0, features=400)
    f = f.reshape(-1, f.shape[2])
    flat = pixels.reshape(-1, 3).astype(float)
    kernel = np.exp(-((flat[:, None] - flat) ** 2).sum(-1) / (2 * 15.0**2))
    assert np.abs(f @ f.T - kernel).max() < 0.1 and (f**2).sum(1).max() < 1 + 1e-3


def test_speckles_go_and_edges_follow_colours():
    pixels, _ = scene(40, 40)
    p = np.full((2, 40, 40), 0.3, np.float32)
    p[0, :, :23] = 0.7  # the guess is off by three columns from where the colours change
    p[1, :, 23:] = 0.7
    p[:, 10, 5] = p[::-1, 10, 5]
    labels = dense_crf(pixels, p, 10, (3.0, 3.0), (8.0, 20.0, 20.0)).argmax(0)
    assert labels[10, 5] == 0
    rows = np.r_[22:38]
    assert (labels[rows][:, :19] == 0).all() and (labels[rows][:, 21:] == 1).all()
