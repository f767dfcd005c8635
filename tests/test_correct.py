"""Correcting one region: only the mask decoder runs, and only for it."""

import numpy as np
import pytest

from pipeline import NamebrushError
from tests.small_models import SMALL, counted, picture, small_pipeline


@pytest.fixture(scope="module")
def pipe():
    return small_pipeline()


@pytest.fixture(scope="module")
def found(pipe):
    return pipe.segment(
        picture(2), "dog; puppy, grass, sky", method="sclip", refine="sam", background="none", iou_threshold=0.0,
        coarse_threshold=0.0, minimal_area=4, **SMALL,
    )  # fmt: skip


def shown(pipe, work):
    """What the decoder was shown while `work` ran: mask prompts, and how many prompts were decoded."""
    sam, seen = pipe.models.sam.sam, {"masks": [], "decoded": 0}

    def count(module, args, out):
        seen["decoded"] += len(out)

    hooks = [
        sam.mask_decoder.iou_prediction_head.register_forward_hook(count),
        sam.prompt_encoder.mask_downscaling[0].register_forward_pre_hook(
            lambda module, args: seen["masks"].append(args[0].numpy().copy())
        ),
    ]
    try:
        return work(), seen
    finally:
        for hook in hooks:
            hook.remove()


def test_one_click_decodes_one_region_from_its_own_logits(pipe, found):
    target = next(r for r in found.regions if r.made_by == "sam")
    x0, y0, x1, y1 = target.box
    with counted(pipe) as counts:
        changed, seen = shown(pipe, lambda: pipe.correct(found, target.id, add=[(x0 + 1, y0 + 1, 0)], gate="sam"))
    assert not any(counts.values()), "no encoder runs"
    (mask,) = seen["masks"]
    assert mask.shape[0] == 1 and np.array_equal(mask[0, 0], target.logits.whole()) and seen["decoded"] == 1
    made = changed.region(target.id)
    assert (made.id, made.name, made.class_index) == (target.id, target.name, target.class_index)
    assert made.prompt.labels.tolist() == [*target.prompt.labels.tolist(), 0] and made.made_by == "sam"
    assert (changed.labels[made.mask] == made.class_index).all()
    assert made.score == pytest.approx(found.scores[made.class_index][made.mask].mean(), abs=1e-5)
    others = {r.id for r in found.regions} - {target.id}
    for i in others & {r.id for r in changed.regions}:
        assert (changed.region(i).mask == (found.region(i).mask & ~made.mask)).all()


def test_points_go_and_boxes_move(pipe, found):
    target = next(r for r in found.regions if r.made_by == "sam")
    two = pipe.correct(found, target, add=[(5, 6)], gate="sam").region(target.id)
    back = pipe.correct(found, two.id, remove=[(5, 6)], box=(10, 10, 60, 60), gate="sam").region(target.id)
    assert back.prompt.box == (10, 10, 60, 60) and (5, 6) not in map(tuple, back.prompt.points.tolist())
    bare = pipe.correct(found, target.id, box=False, gate="sam").region(target.id)
    assert bare.prompt.box is None and len(bare.prompt.points)
    outside = [(1, 1)] if target.box[0] > 1 and target.box[1] > 1 else [(126, 94)]
    assert pipe.correct(found, target.id, add=outside, box=(20, 20, 40, 40), gate="sam").region(
        target.id
    ).prompt.box == (20, 20, 40, 40), "a box moved by hand holds"


def test_what_cannot_be_corrected_is_said(pipe, found):
    target = found.regions[0]
    with pytest.raises(NamebrushError, match="Say what to change"):
        pipe.correct(found, target.id)
    with pytest.raises(NamebrushError, match="Nothing would be left"):
        pipe.correct(found, target.id, remove=range(len(target.prompt.points)), box=False)
    with pytest.raises(NamebrushError, match="no region 99"):
        pipe.correct(found, 99, add=[(1, 1)])
