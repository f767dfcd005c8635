"""Alpha at boundaries: the filter by its definition, and what it must do to a mask."""

import numpy as np

from pipeline.refine.matting import guided_filter, snap_alpha


def by_definition(guide, values, radius, eps):
    """Per window a least-squares fit, per pixel the mean of all windows' answers."""
    height, width = values.shape
    total, count = np.zeros(values.shape), np.zeros(values.shape)
    for y in range(height):
        for x in range(width):
            at = (slice(max(y - radius, 0), y + radius + 1), slice(max(x - radius, 0), x + radius + 1))
            colours, targets = guide[at].reshape(-1, 3).astype(float), values[at].ravel().astype(float)
            middle = colours - colours.mean(0)
            slope = np.linalg.solve(middle.T @ middle / len(targets) + eps * np.eye(3),
                                    middle.T @ (targets - targets.mean()) / len(targets))  # fmt: skip
            total[at] += (guide[at] - colours.mean(0)) @ slope + targets.mean()
            count[at] += 1
    return total / count


def test_the_filter_is_its_definition():
    rng = np.random.default_rng(0)
    guide, values = rng.random((14, 17, 3)).astype(np.float32), rng.random((14, 17)).astype(np.float32)
    assert np.abs(guided_filter(guide, values, 2, 0.01) - by_definition(guide, values, 2, 0.01)).max() < 1e-4


def blended(width=120, soft=6):
    """A bright thing whose edge fades over `soft` pixels into a dark ground, and the true alpha."""
    xs = np.arange(width, dtype=np.float32)
    true = np.clip((80 - xs) / soft + 0.5, 0, 1)[None] + np.zeros((60, 1), np.float32)
    colour, ground = np.array([230, 200, 60.0]), np.array([20, 40, 90.0])
    return (true[..., None] * colour + (1 - true[..., None]) * ground).round().astype(np.uint8), true


def test_a_soft_edge_gets_its_alpha_back_and_all_else_stays():
    pixels, true = blended()
    mask = true > 0.5
    alpha = snap_alpha(pixels, mask, 8)
    assert np.abs(alpha - true).mean() < 0.3 * np.abs(mask - true).mean()
    assert (alpha[:, :71] == 1).all() and (alpha[:, 90:] == 0).all()
    assert alpha[0, 5] == 1, "the photo's own rim is no boundary"


def test_a_mask_a_little_off_moves_to_the_edge_of_the_photo():
    pixels = np.full((60, 100, 3), 30, np.uint8)
    pixels[:, :50] = (200, 180, 40)
    mask = np.zeros((60, 100), bool)
    mask[:, :53] = True
    alpha = snap_alpha(pixels, mask, 6)
    assert (alpha[:, 50:53] < 0.5).mean() > 0.9 and (alpha[:, :49] > 0.9).all()


def test_thin_parts_survive_and_nothing_stays_nothing():
    pixels = np.full((60, 60, 3), 40, np.uint8)
    pixels[30] = 220
    mask = np.zeros((60, 60), bool)
    mask[30] = True
    alpha = snap_alpha(pixels, mask, 6)
    assert (alpha[30] > 0.5).all() and alpha[10:20].max() == 0
    assert not snap_alpha(pixels, np.zeros((60, 60), bool)).any()
