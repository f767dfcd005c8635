"""The edits that need no model, and the shaping of masks: what they promise, measured."""

import cv2
import numpy as np
import pytest

from benchmarks.random_edits import disc
from pipeline.edit import edit
from pipeline.edit.background import covering
from pipeline.edit.crop import split
from pipeline.edit.kinds import KINDS, parse_color
from pipeline.edit.masks import Stroke, difference, draw_strokes, drop_specks, fill_holes, growth_by_share, union
from pipeline.edit.matte import matte
from pipeline.edit.pieces import shape_pieces
from pipeline.edit.recolor import recolored
from pipeline.edit.shadow import propose_shadow
from pipeline.errors import NamebrushError
from pipeline.photo import open_photo
from pipeline.picked import selection
from pipeline.records import EditRequest


def lab(pixels):
    return cv2.cvtColor(np.asarray(pixels, np.float32) / 255, cv2.COLOR_RGB2Lab)


def scene(height=120, width=160):
    """A soft red disc (mixed pixels at its edge) on a blue-green ramp; pixels, mask, true share and colours."""
    ramp = np.linspace(0, 1, width)[None, :, None]
    back = np.array([20, 120, 160]) * (1 - ramp) + np.array([60, 200, 90]) * ramp + np.zeros((height, 1, 1))
    rows, cols = np.mgrid[:height, :width]
    far = np.hypot(rows - 60, cols - 80)
    share = np.clip(31 - far, 0, 2)[..., None] / 2
    front = np.full((height, width, 3), (210, 40, 40)) + (rows[..., None] - 60) * 0.5
    pixels = np.clip(np.rint(share * front + (1 - share) * back), 0, 255).astype(np.uint8)
    return pixels, far < 30, share[..., 0], front, back


def run(pixels, mask, kind, **fields):
    return edit(open_photo(pixels), EditRequest(kind, mask, **fields), None)


def test_a_cut_out_has_the_true_edge_and_no_old_background():
    pixels, mask, share, front, _ = scene()
    (image,) = run(pixels, mask, "cutout").images
    assert np.abs(image.alpha / 255.0 - share).mean() < 0.004
    edge = (share > 0.2) & (share < 0.8)
    assert np.abs(image.alpha[edge] / 255.0 - share[edge]).mean() < 0.12
    error = np.abs(image.pixels[edge].astype(float) - front[edge]).mean()
    assert error < 14 < np.abs(pixels[edge].astype(float) - front[edge]).mean()  # the old background is out of it
    inside = disc(120, 160, 60, 80, 27)
    assert np.array_equal(image.pixels[inside], pixels[inside]) and (image.alpha[inside] == 255).all()
    assert not image.pixels[image.alpha == 0].any()


def test_a_hard_edge_and_thin_things():
    pixels, mask, *_ = scene()
    (image,) = run(pixels, mask, "cutout", feather=0, holes=False, specks=False).images
    assert set(np.unique(image.alpha)) == {0, 255} and np.array_equal(image.alpha > 0, mask)
    line = np.zeros(mask.shape, bool)
    line[60, 20:140] = True
    (image,) = run(pixels, line, "cutout").images
    assert (image.alpha[60, 20:140] == 255).all()  # a thin thing keeps a sure middle
    alpha, colors = matte(pixels, np.ones(mask.shape, bool), 2)
    assert (alpha == 1).all() and np.array_equal(colors, pixels)


def test_a_new_background_shows_no_halo():
    pixels, mask, share, front, _ = scene()
    (image,) = run(pixels, mask, "background", color="#ffffff").images
    truth = share[..., None] * front + (1 - share[..., None]) * 255
    ring = (share > 0) & (share < 1)
    assert np.abs(image.pixels[ring] - truth[ring]).mean() < 14
    assert (image.pixels[share == 0].astype(int) > 250).mean() > 0.99
    other = open_photo(np.random.default_rng(0).integers(0, 256, (50, 90, 3), np.uint8))
    (image,) = run(pixels, mask, "background", picture=other).images
    far = ~disc(120, 160, 60, 80, 36)
    assert np.array_equal(image.pixels[far], covering(other.pixels, (120, 160))[far])


@pytest.mark.parametrize("size", [(10, 10), (10, 300), (300, 10), (64, 48)])
def test_a_covering_picture_covers(size):
    assert covering(np.zeros((37, 53, 3), np.uint8), size).shape == (*size, 3)


def test_a_blur_leaves_the_thing_sharp_and_does_not_smear_it():
    rng = np.random.default_rng(0)
    pixels = rng.integers(90, 110, (120, 160, 3)).astype(np.uint8)
    mask = disc(120, 160, 60, 80, 25)
    pixels[mask] = (255, 0, 0)
    result = run(pixels, mask, "blur", blur=8.0)
    (image,) = result.images
    inside = disc(120, 160, 60, 80, 22)
    assert np.array_equal(image.pixels[inside], pixels[inside])
    around = disc(120, 160, 60, 80, 40) & ~disc(120, 160, 60, 80, 29)
    red = image.pixels[around].astype(int)
    assert (red[:, 0] - red[:, 1]).max() < 12  # a plain blur would glow red here
    assert image.pixels[~disc(120, 160, 60, 80, 30)].std() < 3 < pixels[~mask].std()


def test_a_new_colour_keeps_light_and_shade():
    rows, cols = np.mgrid[:80, :80]
    shade = (0.6 + 0.4 * np.sin(cols / 9))[..., None]
    pixels = np.rint(shade * np.array([200, 60, 50])).astype(np.uint8)
    mask = disc(80, 80, 40, 40, 28)
    goal = (40, 90, 200)
    (image,) = run(pixels, mask, "recolor", color="#285ac8").images
    before, after, wanted = lab(pixels)[mask], lab(image.pixels)[mask], lab([[goal]])[0, 0]
    assert np.corrcoef(before[:, 0], after[:, 0])[0, 1] > 0.97
    hue = np.degrees(np.arctan2(np.median(after[:, 2]), np.median(after[:, 1])) - np.arctan2(wanted[2], wanted[1]))
    assert abs((hue + 180) % 360 - 180) < 8 and abs(np.median(after[:, 0]) - wanted[0]) < 6
    grey = np.full((1, 30, 3), 128, np.uint8)  # a grey part of a coloured thing stays grey
    part = recolored(np.concatenate([pixels[40:41], grey], axis=1), pixels[mask], goal)[0, 80:]
    assert np.hypot(*lab(part[None])[0, 0, 1:]) < 6
    half = run(pixels, mask, "recolor", color="#285ac8", amount=0.5).images[0].pixels[mask].astype(int)
    assert np.abs(half - pixels[mask]).sum() < np.abs(image.pixels[mask].astype(int) - pixels[mask]).sum()
    none = run(pixels, mask, "recolor", color="#285ac8", amount=0.0).images[0].pixels.astype(int)
    assert np.abs(none - pixels).max() <= 1


def test_a_moved_thing_is_the_same_elsewhere_and_its_place_is_filled():
    pixels, mask, share, _, back = scene()
    result = run(pixels, mask, "move", dx=-40, dy=10)
    image = result.images[0].pixels
    inside = disc(120, 160, 60, 80, 26)
    shifted = np.roll(inside, (10, -40), (0, 1))
    assert np.array_equal(image[shifted], pixels[inside])  # whole pixels: not computed anew
    left = disc(120, 160, 60, 95, 12)
    assert np.abs(image[left].astype(float) - back[left]).mean() < 25
    assert result.mask[shifted].all() and result.mask[inside].all()
    larger = run(pixels, mask, "move", scale=1.4).images[0].pixels
    ring = disc(120, 160, 60, 80, 38) & ~disc(120, 160, 60, 80, 33)
    assert (larger[ring].astype(int)[:, 0] - larger[ring].astype(int)[:, 1]).min() > 80
    smaller = run(pixels, mask, "move", scale=0.5).images[0].pixels
    assert (smaller[disc(120, 160, 60, 80, 12)].astype(int)[:, 0] > 150).all()
    assert (smaller[ring].astype(int)[:, 0] < 150).all()
    half_out = run(pixels, mask, "move", dx=70)
    assert half_out.changed_outside == 0 and half_out.mask[60, 159]


def test_a_wider_canvas_holds_the_photo_in_its_place():
    pixels, mask, *_ = scene(60, 80)
    result = run(pixels, mask[:60, :80], "extend", left=10, top=4, bottom=7)
    assert result.origin == (10, 4) and result.images[0].size == (71, 90) and result.mask.shape == (71, 90)
    assert np.array_equal(result.images[0].pixels[4:64, 10:], pixels) and not result.mask[4:64, 10:].any()
    assert "no new things are invented" in result.notes[0]
    with pytest.raises(NamebrushError, match="more than 50 megapixels"):
        run(pixels, mask[:60, :80], "extend", left=8192, top=8192)


def test_what_has_one_result_says_so():
    pixels, mask, *_ = scene()
    result = run(pixels, mask, "recolor", color="teal", candidates=4)
    assert len(result.images) == 1 and "one way to recolor" in result.notes[0] and result.request.candidates == 4


def test_masks_are_joined_taken_away_and_brushed():
    a, b = disc(60, 60, 20, 20, 10), disc(60, 60, 20, 30, 10)
    assert np.array_equal(union(a, b), a | b) and np.array_equal(difference(a, b), a & ~b)
    assert np.array_equal(difference(a), a) and difference(a) is not a
    dab = draw_strokes(np.zeros((60, 60), bool), [Stroke(((30, 20),), 6)])
    assert np.count_nonzero(dab ^ disc(60, 60, 20, 30, 6)) <= 8
    line = draw_strokes(a, [Stroke(((5, 50), (55, 50)), 3), Stroke(((30, 40), (30, 59)), 2, add=False)])
    assert line[50, 10] and line[52, 50] and not line[50, 30] and line[20, 20] and not line[56, 10]
    assert np.array_equal(selection([a, b], (60, 60), minus=b), a & ~b)
    assert selection(None, (60, 60), strokes=[Stroke(((30, 20),), 6)]).any()
    with pytest.raises(NamebrushError, match="needs points"):
        draw_strokes(a, [Stroke(())])
    with pytest.raises(NamebrushError, match="above 0"):
        draw_strokes(a, [Stroke(((1, 1),), 0)])
    with pytest.raises(NamebrushError, match="Nothing is left"):
        selection(a, (60, 60), minus=[a])


def test_holes_specks_and_growth_by_share():
    mask = disc(100, 100, 50, 50, 30)
    mask[48:50, 48:50], mask[5, 5] = False, True
    assert fill_holes(mask, 5)[48, 48] and not fill_holes(mask, 4)[48, 48]
    assert not drop_specks(mask, 2)[5, 5] and drop_specks(mask, 1)[5, 5]
    assert growth_by_share(np.ones((50, 200), bool), 0.1) == 10 and growth_by_share(mask, -0.1) == -5
    pixels = np.zeros((100, 100, 3), np.uint8)
    request = {"kind": "recolor", "mask": mask, "color": "red"}
    kept = shape_pieces(EditRequest(**request, holes=False, specks=False, grow=0), pixels, 1)
    assert sum(int(p.used.sum()) for p in kept) == mask.sum()
    (tidy,) = shape_pieces(EditRequest(**request, grow=0), pixels, 1)
    assert tidy.used.sum() == disc(100, 100, 50, 50, 30).sum()
    (wide,) = shape_pieces(EditRequest(**request, grow_share=0.1), pixels, 1)
    assert wide.used.sum() > 1.15 * tidy.used.sum()
    (rest,) = shape_pieces(EditRequest(**request, invert=True, grow=0), pixels, 1)
    assert not rest.used[50, 50] and rest.used[0, 99]


@pytest.mark.parametrize("size", [(100, 140), (700, 900)])  # pixel by pixel, and in blocks
def test_pieces_are_the_mask(size):
    rng = np.random.default_rng(0)
    for _ in range(5):
        mask = np.zeros(size, bool)
        for _ in range(6):
            mask |= disc(*size, int(rng.integers(size[0])), int(rng.integers(size[1])), int(rng.integers(0, 12)))
        again = np.zeros(size, int)
        for (x0, y0, x1, y1), part in split(mask, 0.2, 4):
            assert part.any(axis=0)[[0, -1]].all() and part.any(axis=1)[[0, -1]].all()
            again[y0:y1, x0:x1] += part
        assert np.array_equal(again, mask)


def test_a_shadow_is_proposed_where_one_is_and_only_there():
    rng = np.random.default_rng(0)
    ground = np.full((140, 180, 3), (150, 170, 110)) + rng.integers(-4, 5, (140, 180, 3))
    rows, cols = np.mgrid[:140, :180]
    shadow = ((rows - 92) / 7.0) ** 2 + ((cols - 105) / 34.0) ** 2 < 1
    lit = ground.astype(np.uint8).copy()
    lit[:, :] = np.clip(lit, 0, 255)
    thing = disc(140, 180, 66, 85, 26)
    pixels = lit.copy()
    pixels[shadow] = (pixels[shadow] * 0.62).astype(np.uint8)
    pixels[thing] = (220, 60, 40)
    found = propose_shadow(pixels, thing)
    true = shadow & ~thing
    assert (found & true).sum() / (found | true).sum() > 0.6 and not (found & thing).any()
    bare = lit.copy()
    bare[thing] = (220, 60, 40)
    assert not propose_shadow(bare, thing).any()
    assert propose_shadow(pixels, thing, 1.0).sum() >= propose_shadow(pixels, thing, 0.0).sum()
    result = run(pixels, thing, "remove", shadow=0.5)
    assert result.mask[true].mean() > 0.75
    left = result.images[0].pixels[true].astype(int).sum(axis=1)
    assert np.median(left) > 0.85 * np.median(lit[true].astype(int).sum(axis=1))


def test_every_kind_tells_what_it_reads():
    fields = EditRequest.__dataclass_fields__
    for kind in KINDS.values():
        assert set(kind.fields) <= set(fields) and kind.about.endswith(".") and kind.title and kind.done
    assert parse_color(" Teal") == (0, 128, 128) and parse_color("#f00") == (255, 0, 0)
