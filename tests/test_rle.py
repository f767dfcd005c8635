"""Run lengths from anywhere: what is unsound is refused before anything of its size is allocated."""

import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import NamebrushError
from pipeline.rle import check_rle, decode_region, decode_rle, encode_rle

WRAPS = {"size": [640, 960], "counts": [2**62] * 4 + [614400]}


def test_runs_whose_sum_wraps_are_refused():
    """Their sum is 614400 modulo 2^64, and following them wrote far outside the mask: the process died."""
    code = (
        "from pipeline.rle import decode_rle\nfrom pipeline.errors import NamebrushError\n"
        f"try:\n    decode_rle({WRAPS!r})\nexcept NamebrushError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and "does not fill" in done.stdout, done


@pytest.mark.parametrize("rle", [
    {"size": [46341, 46341], "counts": [46341 * 46341]}, {"size": [2**40, 2**40], "counts": [1]},
    {"size": [4, 4], "counts": [16 + 2**64]}, {"size": [4, 4], "counts": [-1, 17]},
    {"size": [4, 4], "counts": [17, -1]},
    {"size": [4.0, 4], "counts": [16]}, {"size": ["4", 4], "counts": [16]}, {"size": [4, 4, 1], "counts": [16]},
    {"size": [4, 4], "counts": {"0": 16}}, {"size": [4, 4], "counts": [True, None]}, {"size": [4, 4], "counts": 16},
    {"size": [4, 4], "counts": [float("nan")]}, {"size": [4, 4], "counts": "oooooooooooo0" * 3},
    {"size": [2, 2], "counts": [0] * 100_000 + [4]}, {"size": [0, 0], "counts": []}, {"size": None, "counts": [1]},
    [4, 4], None, "T4",
])  # fmt: skip
def test_unsound_run_lengths_are_refused(rle):
    for reads in (decode_rle, check_rle, lambda one: decode_region(one, (4, 4))):
        with pytest.raises(NamebrushError):
            reads(rle)


def test_a_mask_of_another_size_than_its_photo_is_refused_before_it_is_made():
    rle = {"size": [16384, 16384], "counts": [16384 * 16384]}
    tracemalloc.start()
    with pytest.raises(NamebrushError, match="another size"):
        decode_rle(rle, size=(4, 4))
    with pytest.raises(NamebrushError, match="impossible size"):
        decode_rle({**rle, "size": [16385, 16384]})
    with pytest.raises(NamebrushError, match="impossible size"):
        decode_rle({"size": [10, 10], "counts": [100]}, max_pixels=99)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 20, "a mask of 256 MiB was made"


def test_a_region_is_decoded_inside_its_box():
    rng = np.random.default_rng(0)
    for index in range(200):
        height, width = rng.integers(1, 30, 2)
        mask = np.zeros((height, width), bool)
        y, x = rng.integers(0, height), rng.integers(0, width)
        mask[y : y + rng.integers(1, 30), x : x + rng.integers(1, 30)] = True
        mask &= rng.random(mask.shape) < (1.0 if index % 2 else 0.5)
        if not mask.any():
            with pytest.raises(NamebrushError, match="empty"):
                decode_region(encode_rle(mask), mask.shape)
            continue
        (x0, y0, x1, y1), crop = decode_region(encode_rle(mask), mask.shape)
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        assert (x0, y0, x1, y1) == (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
        assert crop.dtype == bool and np.array_equal(crop, mask[y0:y1, x0:x1])


@settings(max_examples=300, deadline=None)
@given(
    size=st.lists(st.integers(-3, 12) | st.integers(), min_size=2, max_size=2),
    counts=st.lists(st.integers(-2, 60) | st.integers(), max_size=12) | st.text("0123456789:;<=>?@PQTofk", max_size=30)
    | st.binary(max_size=30),
)  # fmt: skip
def test_whatever_is_given_is_a_mask_or_refused(size, counts):
    try:
        mask = decode_rle({"size": size, "counts": counts}, max_pixels=4096)
    except NamebrushError:
        return
    assert list(mask.shape) == size and mask.dtype == bool
    if mask.size and not isinstance(counts, list):
        assert np.array_equal(decode_rle(encode_rle(mask)), mask)
