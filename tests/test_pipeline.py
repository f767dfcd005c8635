import threading
import time
from dataclasses import replace

import numpy as np
import pytest

import pipeline.by_hand
from pipeline import Cancelled, NamebrushError, Pipeline, Progress, Vocabulary
from pipeline.picked import mask_of
from pipeline.records import ClassName, Prompt, Region
from tests.small_models import SMALL, counted, picture, small_pipeline

WORDS = "dog; puppy, grass, sky"


@pytest.fixture(scope="module")
def pipe():
    return small_pipeline()


def find(pipe, pixels, words=WORDS, **settings):
    return pipe.segment(pixels, words, **{"background": "none", **SMALL, **settings})


@pytest.mark.parametrize("method", ["clip", "maskclip", "sclip", "proxyclip", "trident"])
def test_every_method_labels_every_pixel(pipe, method):
    found = find(pipe, picture(), method=method, refine="none")
    assert found.labels.shape == (96, 128) and set(np.unique(found.labels)) <= {0, 1, 2}
    assert found.scores.shape == (3, 96, 128)
    assert (found.preset, found.method, found.refine) == ("tiny", method, "none")
    for region in found.regions:
        assert (found.labels[region.mask] == region.class_index).all()


def test_the_default_is_trident_refined_by_sam(pipe):
    found = pipe.segment(picture(), WORDS, iou_threshold=0.0, coarse_threshold=0.0, minimal_area=4)
    assert (found.method, found.refine) == ("trident", "sam")
    assert len(found.regions) and all(isinstance(r.prompt, Prompt) for r in found.regions)
    assert len(found.vocabulary.background) > 3, "three names alone need something to compete with"


def test_same_input_same_pixels(pipe):
    first = find(pipe, picture(), method="trident")
    pipe.cache.clear()
    again = find(pipe, picture(), method="trident")
    np.testing.assert_array_equal(first.labels, again.labels)
    np.testing.assert_array_equal(first.scores, again.scores)


def test_new_words_run_no_image_encoder_and_are_quick(pipe):
    pixels = picture(1)
    with counted(pipe) as counts:
        first = find(pipe, pixels)
        assert min(counts["clip"], counts["dino"], counts["sam"]) >= 1
        assert first.seconds["encode"] > 0
        before = dict(counts)
        start = time.perf_counter()
        found = find(pipe, pixels, "fox, rock, lake")
        assert time.perf_counter() - start < 1.0
    assert [c.name for c in found.vocabulary.classes] == ["fox", "rock", "lake"]
    assert {n: counts[n] for n in ("clip", "dino", "sam")} == {n: before[n] for n in ("clip", "dino", "sam")}
    assert counts["text"] == before["text"] + 1
    assert found.seconds["encode"] == found.seconds["sam"] == 0 and found.seconds["segment"] > 0


def test_known_words_a_threshold_and_another_refinement_run_nothing(pipe):
    pixels = picture(2)
    find(pipe, pixels)
    with counted(pipe) as counts:
        find(pipe, pixels, threshold=0.5)
        find(pipe, pixels, refine="none")
        find(pipe, pixels, "sky, dog")
        pipe.select(pixels, [(40, 40)], gate="sam")
    assert set(counts.values()) == {0}


def test_sam_runs_once_for_trident_refinement_and_clicks(pipe):
    with counted(pipe) as counts:
        find(pipe, picture(3), method="trident")
        find(pipe, picture(3), method="sclip")
        pipe.select(picture(3), [(40, 40)], gate="sam")
    assert counts["sam"] == 1


def test_a_method_runs_only_the_models_it_needs(pipe):
    with counted(pipe) as counts:
        find(pipe, picture(4), method="sclip", refine="none")
    assert counts["clip"] >= 1 and counts["dino"] == counts["sam"] == 0


def test_another_photo_or_geometry_is_encoded_anew(pipe):
    with counted(pipe) as counts:
        find(pipe, picture(5), method="sclip", refine="none")
        once = counts["clip"]
        find(pipe, picture(6), method="sclip", refine="none")
        assert counts["clip"] > once
        twice = counts["clip"]
        find(pipe, picture(6), method="sclip", refine="none", stride=64)
        assert counts["clip"] > twice


def test_cache_is_bounded():
    pipe = small_pipeline(cache_bytes=400_000)
    for seed in range(6):
        find(pipe, picture(seed))
    assert 0 < pipe.cache.nbytes <= 400_000


def test_two_threads_on_one_photo_encode_once_and_agree():
    pipe = small_pipeline(2)
    results, errors, barrier = [None] * 4, [], threading.Barrier(4)

    def work(i):
        try:
            barrier.wait()
            results[i] = find(pipe, picture(7), WORDS if i % 2 else "cat, rock")
        except Exception as error:
            errors.append(error)

    with counted(pipe) as counts:
        find(pipe, picture(8))
        alone = dict(counts)
        threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
        [t.start() for t in threads]
        [t.join() for t in threads]
    assert not errors
    assert {n: counts[n] for n in ("clip", "dino", "sam")} == {n: 2 * alone[n] for n in ("clip", "dino", "sam")}
    np.testing.assert_array_equal(results[1].labels, results[3].labels)
    np.testing.assert_array_equal(results[0].labels, results[2].labels)
    np.testing.assert_array_equal(results[1].labels, find(pipe, picture(7)).labels)


def test_threads_on_different_photos_do_not_mix():
    pipe = small_pipeline(3)
    alone = [find(pipe, picture(seed)).labels for seed in (10, 11, 12)]
    pipe.cache.clear()
    together = [None] * 3

    def work(i):
        together[i] = find(pipe, picture(10 + i)).labels

    threads = [threading.Thread(target=work, args=(i,)) for i in range(3)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one, other)


def test_progress_is_told_and_cancels_and_nothing_stays_half_made(pipe):
    told = []

    def report(message, share=None):
        told.append((message, share))
        if len(told) == 3:
            raise Cancelled

    with pytest.raises(Cancelled):
        find(pipe, picture(20), progress=Progress(report))
    progress = Progress(lambda message, share=None: told.append((message, share)))
    found = find(pipe, picture(20), progress=progress)
    shares = [s for _, s in told[3:] if s is not None]
    assert shares and all(0 <= s <= 1 for s in shares)
    assert dict(found.seconds) == progress.seconds


def test_a_ready_vocabulary_is_taken_as_it_is(pipe):
    vocabulary = Vocabulary((ClassName("dog"), ClassName("sky", ("heaven",))), ("rock",), 0.2)
    assert pipe.segment(picture(), vocabulary, refine="none", **SMALL).vocabulary is vocabulary


def test_background_may_be_a_list(pipe):
    found = pipe.segment(picture(), "dog", background=["wall", "floor"], refine="none", **SMALL)
    assert found.vocabulary.background == ("wall", "floor") and found.scores.shape[0] == 2


def test_compare_keeps_the_order_and_refuses_before_any_work(pipe):
    found = pipe.compare(picture(), WORDS, ["sclip", "clip"], refine="none", **SMALL)
    assert [s.method for s in found] == ["sclip", "clip"]
    with counted(pipe) as counts, pytest.raises(NamebrushError, match="nonsense"):
        pipe.compare(picture(99), WORDS, ["clip", "nonsense"], **SMALL)
    assert set(counts.values()) == {0}
    with pytest.raises(NamebrushError, match="at least one method"):
        pipe.compare(picture(), WORDS, [])


@pytest.mark.parametrize(
    ("classes", "settings", "said"),
    [
        ("", {}, "at least one name"),
        ("dog", {"method": "none"}, "Method must be one of"),
        ("dog", {"thresold": 1}, 'no setting "thresold"'),
        ("dog", {"stride": 2000}, "must not exceed the window"),
    ],
)
def test_mistakes_are_told_before_any_model_runs(pipe, classes, settings, said):
    with counted(pipe) as counts, pytest.raises(NamebrushError, match=said):
        pipe.segment(picture(98), classes, **settings)
    assert set(counts.values()) == {0}


def test_missing_photo(pipe, tmp_path):
    with pytest.raises(NamebrushError, match="no file"):
        pipe.segment(tmp_path / "gone.jpg", "dog")


def test_select_refuses_no_prompt_and_points_outside(pipe):
    with pytest.raises(NamebrushError):
        pipe.select(picture(), [])
    with pytest.raises(NamebrushError, match="outside"):
        pipe.select(picture(), [(500, 20)])


def test_select_by_grabcut_runs_no_model(pipe):
    with counted(pipe) as counts:
        region = pipe.select(picture(97), box=(20, 20, 80, 70), gate="grabcut")
    assert region.made_by == "grabcut" and region.area > 0 and set(counts.values()) == {0}


def region(mask, **fields):
    return Region.from_mask(mask, id=0, class_index=0, name="x", score=1.0, prompt=Prompt(), made_by="mask", **fields)


def test_what_is_edited_may_be_a_region_several_or_a_mask():
    left, right = np.zeros((4, 6), bool), np.zeros((4, 6), bool)
    left[1:3, :2], right[1:3, 4:] = True, True
    np.testing.assert_array_equal(mask_of(region(left), (4, 6)), left)
    np.testing.assert_array_equal(mask_of((region(left), region(right)), (4, 6)), left | right)
    np.testing.assert_array_equal(mask_of([left, region(right)], (4, 6)), left | right)
    np.testing.assert_array_equal(mask_of(right, (4, 6)), right)
    with pytest.raises(NamebrushError, match="Nothing is selected"):
        mask_of((), (4, 6))
    with pytest.raises(NamebrushError, match="Nothing is selected"):
        mask_of(np.zeros((4, 6), bool), (4, 6))
    with pytest.raises(NamebrushError, match="mask is 6 x 4 pixels but the photo is 9 x 5"):
        mask_of(left, (5, 9))


def test_edit_removes_and_leaves_the_rest_alone(pipe):
    pixels = picture(30)
    mask = np.zeros((96, 128), bool)
    mask[30:60, 40:80] = True
    result = pipe.edit(pixels, mask, kind="remove", seed=3)
    assert result.seeds[0] == 3 and result.changed_outside == 0 and result.mask[mask].all()
    np.testing.assert_array_equal(result.images[0].pixels[~result.mask], pixels[~result.mask])
    assert (result.images[0].pixels[mask] != pixels[mask]).any()


def test_edit_refuses_bad_requests_before_any_work(pipe):
    mask = np.ones((96, 128), bool)
    with pytest.raises(NamebrushError, match="needs a prompt"):
        pipe.edit(picture(), mask, kind="replace")
    with pytest.raises(NamebrushError, match='no setting "sed"'):
        pipe.edit(picture(), mask, sed=3)
    with pytest.raises(NamebrushError, match="Candidates"):
        pipe.edit(picture(), mask, candidates=99)


def test_edit_is_told_what_the_regions_are(pipe, monkeypatch):
    asked = []
    monkeypatch.setattr(pipeline.by_hand, "edit", lambda photo, request, models, progress: asked.append(request))
    mask = np.zeros((96, 128), bool)
    mask[2:5, 2:5] = True
    dog, by_hand = region(mask), replace(region(mask), class_index=-1, name="by hand")
    pipe.edit(picture(), (r for r in (dog, dog, by_hand)))
    pipe.edit(picture(), mask, subject="cat")
    pipe.edit(picture(), by_hand)
    assert [r.subject for r in asked] == ["x", "cat", ""]


def test_unknown_preset():
    with pytest.raises(NamebrushError, match="tiny"):
        Pipeline.load("gigantic")
