"""The benchmarks of methods measure what they say; small shapes, no timings are judged."""

import torch

from benchmarks import affinity_memory, first_segmentation, methods
from pipeline.dense.affinity import aggregate
from pipeline.progress import Progress
from tests.small_models import small_pipeline


@torch.no_grad()
def test_both_ways_of_aggregating_give_the_same():
    canvas, values, attention = affinity_memory.inputs(grid=9, heads=3, channels=8, width=12)
    blocks = aggregate(canvas, values, attention, budget=50_000)
    full = affinity_memory.aggregate_full(canvas, values, attention)
    torch.testing.assert_close(blocks, full, atol=1e-6, rtol=1e-5)
    assert (blocks - canvas).abs().max() > 0.1


def test_variants_are_measured_side_by_side(capsys):
    specs = ["sclip", "trident:aggregation=none"]
    rows = methods.measure(small_pipeline(), specs, 1_000_600_000, 1, "none", "own")
    assert [row["spec"] for row in rows] == specs
    assert all(0 <= row["miou"] <= 1 and row["seconds"] > 0 for row in rows)


def test_stages_are_watched_by_their_paths_and_left_alone_after():
    before, watch = Progress.stage, first_segmentation.Watch()
    with watch.watching(None):
        run = Progress()
        with run.stage("encode"), Progress().stage("clip"):
            pass
    assert Progress.stage is before and "encode" in run.seconds
    assert set(watch.found) == {"encode", "encode/clip"}
    assert watch.found["encode"][0] >= watch.found["encode/clip"][0] > 0
    assert set(first_segmentation.STAGES) >= {"sam", "encode/clip", "words", "refine"}


def test_the_peak_is_a_speed():
    assert first_segmentation.matmul_peak(0.01) > 1e8
