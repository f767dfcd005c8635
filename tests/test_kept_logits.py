"""Answers kept small: exact near the region to half precision, means elsewhere, and a file gives them back."""

import numpy as np
import pytest

from pipeline.kept_logits import KeptLogits
from pipeline.records import Prompt, Region


def bump(side: int = 64) -> np.ndarray:
    """Above zero in a disc, falling outside."""
    ys, xs = np.mgrid[:side, :side]
    return (8 - np.hypot(ys - 30, xs - 20)).astype(np.float32)


def test_near_the_region_answers_are_kept_to_half_precision_and_elsewhere_as_means():
    logits = bump()
    kept = KeptLogits.of(logits)
    x0, y0, x1, y1 = kept.box
    assert x0 <= 13 - 4 and y0 <= 23 - 4 and x1 >= 28 + 4 and y1 >= 38 + 4
    back = kept.whole()
    assert back.dtype == np.float32 and back.shape == logits.shape
    assert np.abs(back - logits)[y0:y1, x0:x1].max() < 0.01
    assert back[56:, 56:] == pytest.approx(logits[56:, 56:].mean(), abs=0.05)
    assert ((back > 0) == (logits > 0)).all() and kept.nbytes < logits.nbytes / 8


@pytest.mark.parametrize("side", [4, 30, 32])
def test_any_size_and_an_empty_answer_come_back(side):
    logits = np.linspace(-9, -1, side * side, dtype=np.float32).reshape(side, side)
    kept = KeptLogits.of(logits)
    assert kept.whole().shape == (side, side) and kept.whole().max() < 0
    assert np.isfinite(KeptLogits.of(logits * 1e9).whole()).all()


def test_what_is_kept_of_many_regions_does_not_grow_with_their_number():
    total = {}
    for count in (4, 16):  # 16 or 256 squares over the whole answer
        cells = np.arange(256).reshape(count, -1).repeat(1, axis=0)
        total[count] = 0
        for rows in cells:
            for columns in cells:
                around = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
                total[count] += KeptLogits.of(np.zeros((256, 256), np.float32), around).nbytes
    assert total[16] < 3 * total[4], "sixteen times the regions"
    assert total[16] < 256 * 256 * 256 * 4 / 50


def test_a_region_keeps_its_answer_small_and_a_file_gives_it_back():
    region = Region.from_mask(
        bump() > 0, id=0, class_index=0, name="a", score=1.0, prompt=Prompt(), made_by="sam", logits=bump()
    )
    assert isinstance(region.logits, KeptLogits) and not region.logits.fine.flags.writeable
    again = KeptLogits.unpacked(region.logits.packed())
    assert again.box == region.logits.box and (again.whole() == region.logits.whole()).all()
