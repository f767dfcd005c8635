"""Parts of the methods beyond the last block, and steps on label maps, against literal arrays."""

import numpy as np
import pytest
import torch

from pipeline.dense.cliper import fuse
from pipeline.dense.cliptrase import cluster_map, dbscan, denoised, vote
from pipeline.dense.gem import resized_to_size
from pipeline.dense.resclip import feedback_attention, patch_labels
from pipeline.dense.scclip import ScSettings, fill_outliers, gather, local_outlier_factor, scaled_blocks, strong
from pipeline.dense.surgery import feature_surgery, min_max, similarity_points
from pipeline.refine.labelmaps import close_labels, drop_small_classes
from pipeline.refine.pamr import pamr


def test_dbscan_numbers_clusters_by_their_first_core_and_leaves_noise_out():
    points = np.array([[9.0], [0.0], [0.4], [0.8], [5.0], [5.3], [5.6], [1.2]])
    assert dbscan(points, 0.5, 3).tolist() == [-1, 0, 0, 0, 1, 1, 1, 0]
    assert dbscan(points, 0.1, 2).tolist() == [-1] * 8


def test_a_row_between_two_clusters_belongs_to_the_first():
    points = np.array([[0.0], [0.1], [0.2], [1.0], [1.8], [1.9], [2.0]])  # 1.0 reaches 0.2 and 1.8, but is no core
    assert dbscan(points, 0.8, 4).tolist() == [0, 0, 0, 0, 1, 1, 1]


def test_clusters_are_mapped_and_voted():
    affinity = torch.zeros(4, 4)
    affinity[0, 0] = affinity[1, 1] = affinity[0, 1] = affinity[1, 0] = 1  # left column against right, in a 2 x 2 grid
    affinity[2, 2] = affinity[3, 3] = affinity[2, 3] = affinity[3, 2] = 1
    clusters = cluster_map(affinity, np.array([0, 0, 1, 1]), (2, 2), (4, 4))
    assert clusters[0].tolist() == [0] * 4 and clusters[3].tolist() == [1] * 4
    labels = np.array([[2, 2, 1, 1], [2, 2, 2, 0], [3, 3, 3, 3], [3, 3, 3, 3]])
    assert vote(labels, np.repeat([0, 0, 1, 1], 4).reshape(4, 4)).tolist() == [[2] * 4] * 2 + [[3] * 4] * 2
    assert vote(np.array([[4, 1]]), np.zeros((1, 2), int)).tolist() == [[1, 1]]  # the smallest on a tie


def test_denoising_subtracts_the_class_token():
    correlation = torch.tensor([[1.0, 0.5, 0.2], [0.5, 1.0, 0.1], [0.2, 0.4, 1.0]])
    torch.testing.assert_close(denoised(correlation), torch.tensor([[0.5, 0.0], [0.0, 0.8]]))


def test_a_far_point_is_the_outlier():
    points = torch.cat([torch.linspace(0, 1, 20)[:, None], torch.tensor([[9.0]])])
    factors = local_outlier_factor(points, neighbours=4)
    assert factors.argmax() == 20 and factors[20] > 5 and (factors[3:17] - 1).abs().max() < 0.3


def test_outliers_are_filled_from_good_neighbours_only():
    tokens = torch.arange(9.0)[:, None]
    filled = fill_outliers(tokens, torch.tensor([0, 4]), (3, 3))[:, 0]
    assert filled[0] == (1 + 3) / 2 and filled[4] == (1 + 2 + 3 + 5 + 6 + 7 + 8) / 7
    assert filled[[1, 2, 3, 5, 6, 7, 8]].tolist() == [1, 2, 3, 5, 6, 7, 8]
    alone = fill_outliers(tokens, torch.arange(9), (3, 3))
    assert torch.equal(alone, tokens)


def test_gathering_by_strong_similarities():
    similarity = strong(torch.tensor([[1.0, 0.5], [0.3, 1.0]]), 0.4)
    mixed = gather(torch.tensor([[3.0], [6.0]]), similarity)
    torch.testing.assert_close(mixed, torch.tensor([[4.0], [6.0]]), atol=1e-4, rtol=0)


@pytest.mark.parametrize("layers", [3, 6, 12, 24])
def test_block_numbers_fit_every_depth(layers):
    scaled = scaled_blocks(ScSettings(), layers)
    assert 0 <= scaled.after <= scaled.before <= layers - 2
    assert scaled.multi_start < scaled.multi_end <= layers - 1
    assert layers != 12 or scaled == ScSettings()


def test_patch_labels_take_the_most_frequent_and_the_smallest_on_a_tie():
    probabilities = torch.zeros(3, 2, 4)
    winners = torch.tensor([[1, 1, 2, 1], [1, 2, 2, 1]])
    probabilities.scatter_(0, winners[None], 0.9)
    assert patch_labels(probabilities, (1, 2), 0.5).tolist() == [[1, 1]]
    assert patch_labels(probabilities, (1, 2), 0.95).tolist() == [[0, 0]]


def test_feedback_links_equal_labels_and_weakens_broken_paths():
    labels = torch.tensor([[1, 2, 1]])
    whole = feedback_attention(labels, sigma=0.1, apart=False)
    expected = [[0, 0, 0, 0], [0, 0.5, 0, 0.5], [0, 0, 1, 0], [0, 0.5, 0, 0.5]]
    np.testing.assert_allclose(whole.numpy(), expected, atol=1e-6)
    broken = feedback_attention(labels, sigma=0.1, apart=True)
    weak = float(np.exp(-1))
    np.testing.assert_allclose(broken[1, 1:].numpy(), [1 / (1 + weak), 0, weak / (1 + weak)], atol=1e-6)


def test_feature_surgery_by_its_definition():
    generator = torch.Generator().manual_seed(0)
    features, text = (torch.nn.functional.normalize(torch.randn(n, 5, generator=generator), dim=-1) for n in (4, 3))
    share = (2 * features[:1] @ text.T).softmax(-1)
    parts = features[:, None] * text[None] * (share / share.mean())[..., None]
    expected = (parts - parts.mean(1, keepdim=True)).sum(-1)
    torch.testing.assert_close(feature_surgery(features, text), expected)


def test_points_lie_on_the_best_and_the_worst_cells():
    similarity = torch.zeros(4, 4)
    similarity[0:2, 2:4], similarity[2:4, 0:2] = 1.0, -1.0
    points, labels = similarity_points(similarity.flatten(), (4, 4), (80, 40))
    assert points.tolist() == [[30, 20], [10, 60]] and labels.tolist() == [1, 0]
    assert min_max(torch.tensor([[1.0, 5.0], [3.0, 7.0], [2.0, 6.0]])).tolist() == [[0, 0], [1, 1], [0.5, 0.5]]


def test_fused_attention_is_row_stochastic():
    total, weights = fuse(torch.rand(2, 6, 6) + 0.1)
    torch.testing.assert_close(total.sum(-1), torch.ones(2, 6))
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 6))
    assert (weights >= 0).all() and (weights == 0).any()


def test_positions_resized_by_size_keep_the_class_row():
    table = torch.randn(17, 3)
    assert resized_to_size(table, (4, 4), "bicubic") is table
    for mode in ("bicubic", "bilinear"):
        flat = resized_to_size(torch.ones(17, 3), (3, 6), mode)
        torch.testing.assert_close(flat, torch.ones(19, 3))


def test_pamr_keeps_edges_that_the_image_has():
    image = torch.zeros(3, 24, 24)
    image[:, :, 12:] = 1
    image += 0.01 * torch.randn(3, 24, 24, generator=torch.Generator().manual_seed(0))
    maps = torch.zeros(1, 24, 24)
    maps[:, :, 9:] = 1  # three columns too far left
    refined = pamr(image, maps, steps=10, dilations=(1, 2))
    assert refined.shape == (1, 24, 24) and refined[0, :, 9:12].mean() < 0.5 < refined[0, :, 14:].mean()
    flat = pamr(image, torch.full((2, 12, 12), 0.3), steps=3)
    torch.testing.assert_close(flat, torch.full((2, 24, 24), 0.3))


def test_small_classes_are_dropped_and_the_background_never():
    scores = np.zeros((3, 10, 10), np.float32)
    scores[0], scores[1, :, :9], scores[2, 0, 9] = 0.2, 0.5, 0.9
    kept = drop_small_classes(scores, 0.05, background=0)
    assert kept[2].max() == 0 and np.array_equal(kept[:2], scores[:2]) and scores[2].max() > 0
    assert np.array_equal(drop_small_classes(scores, 0.01, background=0), scores)


def test_closing_fills_small_gaps_of_low_labels():
    labels = np.full((7, 7), 2, np.int32)
    labels[3, 3] = labels[0, 0] = 0
    closed = close_labels(labels)
    assert closed.dtype == np.int32 and closed[3, 3] == 2
