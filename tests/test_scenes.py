"""The painted scenes: their labels must be exact, for all else is measured against them."""

from collections import Counter

import cv2
import numpy as np
import pytest

from training.scenes import COLORS, NOUNS, STUFF, STYLES, TIMES, make_abstract, make_scene

THINGS = [n for n in NOUNS if n not in STUFF]


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    yield
    cv2.setNumThreads(before)


def test_vocabulary():
    assert len(NOUNS) == len(set(NOUNS)) == 30 and len(STUFF) == 8 and len(THINGS) == 22
    assert len(COLORS) == 12 and STUFF == set(NOUNS[:8])


@pytest.mark.parametrize("seed", [0, 7, 123456789])
def test_same_seed_same_pixels(seed):
    a = make_scene(seed)
    make_scene(seed + 1, 96, 200)  # nothing may linger between calls
    b = make_scene(seed)
    assert np.array_equal(a.image, b.image) and np.array_equal(a.classes, b.classes)
    assert np.array_equal(a.instances, b.instances) and a.objects == b.objects and a.captions == b.captions
    assert not np.array_equal(a.image, make_scene(seed + 1).image)


@pytest.mark.parametrize("height,width", [(64, 64), (65, 131), (256, 256), (300, 97), (64, 400), (640, 960)])
def test_labels_agree(height, width):
    for seed in range(3):
        scene = make_scene(seed, height, width)
        assert scene.image.shape == (height, width, 3) and scene.image.dtype == np.uint8
        assert scene.classes.shape == scene.instances.shape == (height, width)
        assert scene.classes.dtype == np.uint8 and scene.instances.dtype == np.uint16
        assert scene.classes.max() < len(NOUNS) and scene.time in TIMES and scene.style in STYLES
        things = scene.classes >= len(STUFF)
        assert np.array_equal(things, scene.instances > 0)
        assert sorted(o.id for o in scene.objects) == np.unique(scene.instances[things]).tolist()
        for o in scene.objects:
            mine = scene.instances == o.id
            ys, xs = np.nonzero(mine)
            assert o.box == (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)
            assert o.area == mine.sum() >= 12
            assert set(scene.classes[mine].tolist()) == {NOUNS.index(o.noun)}
            assert o.color is None or o.color in COLORS


def test_omit_takes_one_thing_and_its_shadow():
    for seed in range(12):
        whole = make_scene(seed)
        for o in whole.objects:
            less = make_scene(seed, omit={o.id})
            assert not (less.instances == o.id).any() and o.id not in {p.id for p in less.objects}
            assert {p.id for p in less.objects} == {p.id for p in whole.objects} - {o.id}
            kept = whole.instances != o.id
            assert np.array_equal(whole.classes[kept], less.classes[kept])
            assert np.array_equal(whole.instances[kept], less.instances[kept])
            assert (whole.image != less.image).any(-1)[~kept].mean() > 0.5
            x0, y0, x1, y1 = o.box
            far = np.ones(kept.shape, bool)  # a shadow reaches at most about a height away
            reach = max(x1 - x0, y1 - y0) + 24
            if x0 > 0 and x1 < 256 and y0 > 0 and y1 < 256 and o.area > 0.5 * (x1 - x0) * (y1 - y0):
                far[max(0, y0 - reach) : y1 + reach, max(0, x0 - reach) : x1 + reach] = False
                assert np.array_equal(whole.image[far], less.image[far])


def test_omit_all_leaves_the_landscape():
    scene = make_scene(3)
    bare = make_scene(3, omit={o.id for o in scene.objects})
    assert not bare.objects and not bare.instances.any() and bare.classes.max() < len(STUFF)
    again = make_scene(3, omit=frozenset({o.id for o in scene.objects}))
    assert np.array_equal(bare.image, again.image) and bare.captions


def test_every_noun_turns_up_and_is_large_enough():
    seen, sides, colors = Counter(), [], set()
    for seed in range(300):
        scene = make_scene(5000 + seed, 128, 128)
        seen.update(NOUNS[k] for k in np.unique(scene.classes))
        sides += [max(o.box[2] - o.box[0], o.box[3] - o.box[1]) for o in scene.objects]
        colors |= {o.color for o in scene.objects}
        assert 2 <= len(set(scene.captions)) == len(scene.captions) <= 4
    assert all(seen[n] >= 0.12 * 300 for n in THINGS), seen
    assert all(seen[n] >= 0.15 * 300 for n in STUFF), seen
    assert min(sides) >= 7 and np.mean(np.array(sides) >= 12) > 0.9 and max(sides) >= 50
    assert colors >= set(COLORS)


def test_style_changes_the_look_only():
    scenes = [make_scene(11, style=style) for style in STYLES]
    for other in scenes[1:]:
        assert np.array_equal(scenes[0].classes, other.classes)
        assert np.array_equal(scenes[0].instances, other.instances)
        assert not np.array_equal(scenes[0].image, other.image)
    assert {make_scene(11, time=time).time for time in TIMES} == set(TIMES)


@pytest.mark.parametrize("height,width", [(256, 256), (64, 91), (500, 260)])
def test_abstract(height, width):
    for seed in range(8):
        image, instances = make_abstract(seed, height, width)
        assert image.shape == (height, width, 3) and image.dtype == np.uint8
        assert instances.shape == (height, width) and instances.dtype == np.uint16
        ids = [k for k in np.unique(instances) if k]
        assert ids == list(range(1, len(ids) + 1)) and 4 <= len(ids) <= 14
        again = make_abstract(seed, height, width)
        assert np.array_equal(image, again[0]) and np.array_equal(instances, again[1])
