"""Masks by hand: grabCut and SAM from points and boxes, corrections, the gate, bad prompts, clicks on regions."""

import cv2
import numpy as np
import pytest

from pipeline.errors import NamebrushError
from pipeline.grabcut import Cut, cut, enlarge, stable_area, tidy
from pipeline.records import ClassName, Photo, Prompt, Region, SamEmbedding, Segmentation, Vocabulary
from pipeline.refine.sam import low_side
from pipeline.select import GATE, SURE, choose, click_region, doubted, select

from .small_sam import counted, embed, small_sam

NO_POINTS = (np.zeros((0, 2)), np.zeros(0, int))


def disc_photo(height=240, width=320, center=(150, 110), radius=60) -> tuple[np.ndarray, np.ndarray]:
    """A red disc on green ground, both with grain; pixels and the true mask."""
    rng = np.random.default_rng(1)
    rows, cols = np.mgrid[:height, :width]
    mask = np.hypot(cols - center[0], rows - center[1]) < radius
    pixels = np.where(mask[..., None], (190, 50, 40), (60, 140, 70)) + rng.normal(0, 9, (height, width, 3))
    return pixels.clip(0, 255).astype(np.uint8), mask


def photo_of(pixels: np.ndarray) -> Photo:
    return Photo(pixels, hash="test")


def iou(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / (a | b).sum())


def test_grabcut_finds_a_clean_disc_in_a_box_at_any_size():
    for scale in (1, 4):
        pixels, mask = disc_photo(240 * scale, 320 * scale, (150 * scale, 110 * scale), 60 * scale)
        box = (82 * scale, 44 * scale, 218 * scale, 177 * scale)
        made = cut(pixels, *NO_POINTS, box=box)
        assert made.mask.shape == mask.shape and iou(made.mask, mask) > 0.95
        assert not made.mask[:, : box[0]].any() and not made.mask[: box[1]].any()
        assert 0.9 < made.stability <= 1


def test_grabcut_takes_a_box_as_large_as_the_photo():
    pixels, mask = disc_photo()
    assert iou(cut(pixels, *NO_POINTS, box=(0, 0, 320, 240)).mask, mask) > 0.9


def test_grabcut_finds_the_disc_from_one_point():
    pixels, mask = disc_photo()
    assert iou(cut(pixels, np.array([[140.0, 100.0]]), np.array([1])).mask, mask) > 0.9


def test_grabcut_gives_the_same_pixels_twice():
    pixels, _ = disc_photo()
    first, second = (cut(pixels, *NO_POINTS, box=(80, 40, 220, 180)).mask for _ in range(2))
    assert (first == second).all()


def test_a_negative_point_removes_its_part():
    pixels, mask = disc_photo()
    half = mask & (np.mgrid[:240, :320][1] >= 150)
    pixels[half] = (40, 60, 190)
    photo = photo_of(pixels)
    whole = select(photo, None, None, box=(82, 44, 218, 177))
    assert whole.made_by == "grabcut" and iou(whole.mask, mask) > 0.9
    less = select(photo, None, None, points=[(180, 110, 0)], region=whole)
    assert iou(less.mask, mask & ~half) > 0.9
    more = select(photo, None, None, points=[(180, 110, 1)], region=less)
    assert iou(more.mask, mask) > 0.9


def test_sharpening_a_mask_stays_near_it():
    pixels, mask = disc_photo()
    rough = np.zeros_like(mask)
    rough[60:160, 100:200] = True
    seen = {"points": np.array([[150.0, 110.0]]), "labels": np.array([1])}
    assert iou(cut(pixels, **seen, start=rough, reach=0.2).mask, mask) > 0.95
    small = np.zeros_like(mask)
    small[100:120, 140:160] = True
    made = cut(pixels, **seen, start=small, reach=0.2).mask
    assert made[110, 150]
    made[94:126, 134:166] = False
    assert not made.any(), "its like-coloured surroundings stay out"


def test_two_positive_points_join_two_parts():
    pixels, mask = disc_photo()
    half = mask & (np.mgrid[:240, :320][1] >= 150)
    pixels[half] = (40, 60, 190)
    made = select(photo_of(pixels), None, None, points=[(120, 110), (180, 110, 1)])
    assert iou(made.mask, mask) > 0.9
    assert made.prompt.points.tolist() == [[120, 110], [180, 110]] and made.prompt.labels.tolist() == [1, 1]


def test_a_region_by_hand_says_who_made_it():
    pixels, _ = disc_photo()
    region = select(photo_of(pixels), None, None, box=(218, 177, 82, 44))
    assert (region.name, region.class_index, region.made_by, region.iou) == ("by hand", -1, "grabcut", None)
    assert region.prompt.box == (82, 44, 218, 177), "corners are put in order"
    assert 0 <= region.score <= 1 and region.size == (240, 320)


def test_tidy_removes_islands_and_holes_but_not_what_was_clicked():
    mask = np.zeros((40, 40), bool)
    mask[5:35, 5:25] = True
    mask[20, 15] = False
    mask[2, 38] = mask[38, 38] = True
    expected = np.zeros((40, 40), bool)
    expected[5:35, 5:25] = True
    assert (tidy(mask) == expected).all()
    expected[38, 38] = True
    assert (tidy(mask, np.array([[38, 38]])) == expected).all()
    assert not tidy(np.zeros((4, 4), bool)).any()


def test_stable_area_stops_at_the_edge_of_a_colour():
    lab = np.zeros((30, 40, 3), np.float32)
    lab[10:20, 10:30] = (80, 20, 20)
    lab[..., 0] += np.linspace(0, 3, 40, dtype=np.float32)
    expected = np.zeros((30, 40), bool)
    expected[10:20, 10:30] = True
    assert (stable_area(lab, 15, 12) == expected).all()
    assert (stable_area(lab, 2, 2) == ~expected).all()


def test_enlarge_draws_the_edge_to_the_photo():
    pixels, mask = disc_photo(480, 640, (300, 220), 120)
    small = cv2.resize(mask.astype(np.uint8), (80, 60), interpolation=cv2.INTER_NEAREST).astype(bool)
    plain = cv2.resize(small.astype(np.uint8), (640, 480), interpolation=cv2.INTER_NEAREST).astype(bool)
    assert iou(enlarge(small, pixels), mask) > iou(plain, mask) + 0.02


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        ({}, "Point at the thing"),
        ({"points": [(10, 10, 0)]}, "Point at the thing"),
        ({"points": [(320, 10)]}, "lies outside the photo of 320 x 240"),
        ({"points": [(10, -1, 1)]}, "lies outside the photo"),
        ({"points": [(float("nan"), 1)]}, "lies outside the photo"),
        ({"points": [(10, 10, 2)]}, "label is 1"),
        ({"points": [(10,)]}, "A point is x,y"),
        ({"box": (10, 10, 400, 50)}, "lies outside the photo"),
        ({"box": (10, 10, 10, 50)}, "box is empty"),
        ({"box": (10, 10, 50)}, "A box is x0,y0,x1,y1"),
        ({"box": (10, 10, 50, 60), "gate": "magic"}, "gate must be one of"),
        ({"box": (10, 10, 50, 60), "gate": "sam"}, "SAM is not loaded"),
    ],
)
def test_bad_prompts_get_one_clear_line(ask, words):
    pixels, _ = disc_photo()
    with pytest.raises(NamebrushError, match=words) as error:
        select(photo_of(pixels), None, None, **ask)
    assert "\n" not in str(error.value)


def test_a_mask_of_another_photo_is_refused():
    pixels, mask = disc_photo()
    region = select(photo_of(pixels), None, None, box=(82, 44, 218, 177))
    with pytest.raises(NamebrushError, match="another photo"):
        select(photo_of(pixels[:100]), None, None, points=[(5, 5)], region=region)


def test_a_click_is_one_decoder_call_and_no_encoder_call():
    pixels, _ = disc_photo()
    sam = small_sam()
    embedding = embed(sam, pixels)
    with counted(sam) as calls:
        region = select(photo_of(pixels), sam, lambda: embedding, points=[(150, 110)], gate="sam")
    assert calls == {"image_encoder": 0, "prompt_encoder": 1}
    assert region.made_by == "sam" and region.logits.side == low_side(sam)
    assert region.score == pytest.approx(min(max(region.iou, 0), 1)) and region.prompt.mask is None


def test_a_correction_starts_from_the_stored_logits():
    pixels, _ = disc_photo()
    sam = small_sam()
    photo, embedding = photo_of(pixels), embed(sam, pixels)
    first = select(photo, sam, embedding, points=[(150, 110)], gate="sam")
    second = select(photo, sam, embedding, points=[(20, 20, 0)], region=first, gate="sam")
    assert (second.prompt.mask == first.logits.whole()).all()
    assert second.prompt.points.tolist() == [[150, 110], [20, 20]] and second.prompt.labels.tolist() == [1, 0]
    again = select(photo, sam, embedding, points=[(150, 110), (20, 20, 0)], region=first, gate="sam")
    assert (again.mask == second.mask).all(), "points may be given anew or only the new ones"


def test_a_correction_of_a_mask_without_logits_starts_from_its_pixels():
    pixels, mask = disc_photo()
    sam = small_sam()
    region = Region.from_mask(
        mask, id=3, class_index=0, name="disc", score=1, made_by="mask", prompt=Prompt(box=(80.0, 40.0, 220.0, 180.0))
    )
    made = select(photo_of(pixels), sam, embed(sam, pixels), points=[(100, 110, 0)], region=region, gate="sam")
    low = low_side(sam)
    assert made.prompt.box == (80, 40, 220, 180)
    inside = made.prompt.mask[int(110 * low / 320), int(150 * low / 320)]
    assert inside == 8 and made.prompt.mask[0, 0] == -8 and made.prompt.mask[-1, 0] == -8
    outside = select(photo_of(pixels), sam, embed(sam, pixels), points=[(300, 110, 1)], region=region, gate="sam")
    assert outside.prompt.box is None, "a point that belongs outside the old box lifts it"


def test_the_gate_asks_sam_only_for_what_it_does_better():
    sam = small_sam()
    box, point = Prompt(box=(1.0, 1.0, 5.0, 5.0)), Prompt(np.ones((1, 2), np.float32), np.ones(1, np.int32))
    own = type(sam)(sam.sam, "namebrush-sam-01234567")
    for prompt, kind in ((box, "box"), (point, "point")):
        assert choose("auto", prompt, None, own) == GATE["tiny"][kind]
        assert choose("auto", prompt, None, sam) == "sam", "downloaded weights"
        assert choose("auto", prompt, None, None) == "grabcut"
        assert choose("grabcut", prompt, None, sam) == "grabcut"


def _says(monkeypatch, field: np.ndarray, expected: float, whole: np.ndarray | None = None):
    """A built-in SAM without a second look that answers with these logits [low, low]; all three masks: `whole`."""

    def answers(*_, multimask=False, best=True, **__):
        if best:
            return field[None], np.array([expected], np.float32)
        return np.stack([field, field, whole])[None], np.full((1, 3), expected, np.float32)

    monkeypatch.setattr("pipeline.select.decode", answers)
    sam = small_sam()
    return type(sam)(sam.sam, "namebrush-x")


@pytest.mark.parametrize("expected", [0.4, 0.95])
def test_a_mask_that_the_built_in_sam_doubts_is_taken_until_it_reaches_across_its_box(monkeypatch, expected):
    pixels, _ = disc_photo()
    field = np.full((32, 32), -20.0, np.float32)  # cells of 10 photo pixels
    field[4:20, 8:24] = -2.2  # the thing, of which SAM is not sure
    field[8:14, 12:18] = 3.0  # its middle, of which it is
    sam = _says(monkeypatch, field, expected)
    made = select(photo_of(pixels), sam, embed(sam, pixels), box=(80, 40, 240, 200))
    x0, y0, x1, y1 = made.box
    if expected < SURE["box"]:
        assert made.made_by == "sam" and doubted(made)
        assert (x1 - x0) * (y1 - y0) >= 0.9 * 160 * 160 and x0 >= 80 and y0 >= 40 and x1 <= 240 and y1 <= 200
    else:
        assert x1 - x0 < 110 and not doubted(made), "a mask that it is sure of stays what it is"
    fixed = select(photo_of(pixels), sam, embed(sam, pixels), box=(80, 40, 240, 200), gate="sam")
    assert fixed.box[2] - fixed.box[0] < 110, "who asks for SAM alone gets its own mask"


def test_of_a_doubted_box_grabcut_is_taken_where_it_reaches_across(monkeypatch):
    pixels, mask = disc_photo()
    sam = _says(monkeypatch, np.full((32, 32), -1.0, np.float32), 0.3)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    tight = (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
    made = select(photo_of(pixels), sam, embed(sam, pixels), box=tight)
    assert made.made_by == "grabcut" and iou(made.mask, mask) > 0.9 and not doubted(made)
    flat = np.full_like(pixels, 90)  # nothing for grabCut to find
    made = select(photo_of(flat), sam, embed(sam, flat), box=(82, 44, 218, 177))
    assert made.made_by == "sam" and doubted(made)


def test_a_doubted_mask_from_a_point_is_the_whole_of_the_three(monkeypatch):
    pixels, _ = disc_photo()
    part, whole = np.full((32, 32), -5.0, np.float32), np.full((32, 32), -5.0, np.float32)
    part[10:13, 14:17], whole[4:20, 8:24] = 4.0, 4.0
    sam = _says(monkeypatch, part, 0.3, whole)
    made = select(photo_of(pixels), sam, embed(sam, pixels), points=[(150, 110)])
    assert doubted(made) and made.area > 0.9 * 160 * 160
    sam = _says(monkeypatch, part, 0.9, whole)
    assert select(photo_of(pixels), sam, embed(sam, pixels), points=[(150, 110)]).area < 0.3 * 160 * 160


def test_grabcut_never_asks_for_the_embedding():
    pixels, mask = disc_photo()
    sam = small_sam()

    def embedding() -> SamEmbedding:
        raise AssertionError("SAM's encoder was asked for")

    made = select(photo_of(pixels), sam, embedding, box=(82, 44, 218, 177), gate="grabcut")
    assert iou(made.mask, mask) > 0.9


def test_grabcut_redraws_the_edges_of_sams_mask_and_keeps_its_logits(monkeypatch):
    pixels, mask = disc_photo()
    sam = small_sam()
    logits = np.full((1, 32, 32), -1.0, np.float32)
    logits[0, 5:17, 9:21] = 1  # the square around the disc, in low-resolution cells of 10 photo pixels
    monkeypatch.setattr("pipeline.select.decode", lambda *_, **__: (logits, np.array([0.7], np.float32)))
    ask = {"embedding": embed(sam, pixels), "points": [(150, 110)]}
    plain = select(photo_of(pixels), sam, gate="sam", **ask)
    redrawn = select(photo_of(pixels), sam, gate="sam+grabcut", **ask)
    assert (plain.made_by, redrawn.made_by) == ("sam", "grabcut")
    assert iou(redrawn.mask, mask) > iou(plain.mask, mask) + 0.1
    assert (redrawn.logits.whole() == logits[0]).all() and redrawn.iou == plain.iou == pytest.approx(0.7)
    monkeypatch.setattr("pipeline.select.cut", lambda *_: Cut(~plain.mask, 1.0))
    lost = select(photo_of(pixels), sam, gate="sam+grabcut", **ask)
    assert lost.made_by == "sam" and (lost.mask == plain.mask).all(), "grabCut lost the thing"


def test_where_one_maker_finds_nothing_the_other_is_asked():
    pixels, mask = disc_photo()
    sam = small_sam()
    for head in sam.sam.mask_decoder.output_hypernetworks_mlps:
        head.layers[-1].weight.zero_()
        head.layers[-1].bias.zero_()  # every logit is 0: nothing is above it
    ask = {"embedding": embed(sam, pixels), "points": [(140, 100)]}
    with pytest.raises(NamebrushError, match="mask is empty"):
        select(photo_of(pixels), sam, gate="sam", **ask)
    made = select(photo_of(pixels), sam, **ask)
    assert made.made_by == "grabcut" and iou(made.mask, mask) > 0.9
    flat = photo_of(np.full((240, 320, 3), 90, np.uint8))
    with pytest.raises(NamebrushError):
        select(flat, None, None, box=(100, 60, 200, 160))
    seeing = small_sam()
    made = select(flat, type(seeing)(seeing.sam, "namebrush-x"), embed(seeing, pixels), box=(100, 60, 200, 160))
    assert made.made_by == "sam"


def test_a_click_takes_the_region_under_it():
    labels = np.full((4, 6), -1, np.int32)
    labels[1:3, 1:3], labels[0, 4] = 0, 0
    fields = {"class_index": 0, "name": "a", "score": 1.0, "prompt": Prompt(), "made_by": "coarse"}
    big, small = np.zeros((4, 6), bool), np.zeros((4, 6), bool)
    big[1:3, 1:3], small[0, 4] = True, True
    regions = (Region.from_mask(big, id=0, **fields), Region.from_mask(small, id=1, **fields))
    photo = photo_of(np.zeros((4, 6, 3), np.uint8))
    scores = np.zeros((1, 4, 6), np.float32)
    seg = Segmentation(photo, Vocabulary((ClassName("a"),)), labels, scores, regions, "tiny", "clip", "none")
    assert click_region(seg, 2.9, 1.0) is regions[0]
    assert click_region(seg, 4, 0) is regions[1]
    assert click_region(seg, 3, 1) is None
    with pytest.raises(NamebrushError, match="outside the photo"):
        click_region(seg, 6, 0)
