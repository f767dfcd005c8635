"""Trained comparators on small random checkpoints of their official classes."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
import torch

import pipeline.pipeline
from pipeline import NamebrushError, Pipeline, Progress
from pipeline.__main__ import main
from pipeline.comparators.registry import COMPARATORS
from pipeline.comparators.shelf import Shelf, place
from pipeline.methods import all_methods, canonical, get_method
from pipeline.settings import LoadSettings, SegmentSettings
from tests.small_models import picture, small_pipeline
from tests.trained_checkpoints import MAKERS

WORDS = ["dog", "a red ball", "sky"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return {name: make(tmp_path_factory.mktemp(name)) for name, make in MAKERS.items()}


@pytest.fixture(scope="module")
def pipe(folders):
    pipe = small_pipeline()
    pipe.shelf = Shelf(torch.device("cpu"), folders)
    return pipe


def asker(pipe, name):
    return pipe.shelf.get(COMPARATORS[name], Progress())[0]


def test_they_are_methods_like_the_others(capsys):
    assert set(COMPARATORS) == set(MAKERS) and list(all_methods())[-3:] == list(COMPARATORS)
    assert canonical("ClipSeg") == "clipseg" and get_method("SAM3").title == "SAM 3"
    assert SegmentSettings(method="GroupViT").method == "groupvit"
    with pytest.raises(NamebrushError, match="Known methods: .*trident.*clipseg, groupvit, sam3"):
        get_method("sam9")
    assert main(["methods"]) == 0
    told = capsys.readouterr().out
    assert all(name in told for name in ("clipseg", "groupvit", "sam3", "trident"))
    assert {f.name for f in dataclasses.fields(LoadSettings)} >= set(COMPARATORS)


@pytest.mark.parametrize("name", list(MAKERS))
def test_each_answers_with_a_segmentation_of_the_same_kind(pipe, name):
    found = pipe.segment(picture(), "dog; puppy, grass, sky", method=name, refine="none", background="sea", islands=0)
    assert found.method == name and found.labels.shape == (96, 128) and found.scores.shape == (4, 96, 128)
    assert np.isfinite(found.scores).all() and 0 <= found.scores.min() and found.scores.max() <= 1
    own = COMPARATORS[name].threshold
    assert found.vocabulary.threshold == (0.1 if own is None else own)
    best = found.scores.argmax(axis=0)
    sure = (best < 3) & (found.scores[:3].max(axis=0) >= found.vocabulary.threshold) & (found.scores.max(axis=0) > 0)
    np.testing.assert_array_equal(found.labels, np.where(sure, best, -1))
    assert {"encode", "words", "segment", "refine"} <= set(found.seconds)


@pytest.mark.parametrize("name", list(MAKERS))
def test_new_words_look_at_the_photo_no_second_time(pipe, name, monkeypatch):
    one, looks = asker(pipe, name), []
    look = one.look
    monkeypatch.setattr(one, "look", lambda pixels: looks.append(1) or look(pixels))
    for words in ("dog, sky", "cat", "dog"):
        pipe.segment(picture(7), words, method=name, refine="none", background="none")
    assert len(looks) == 1
    first = pipe.segment(picture(7), "dog, sky", method=name, refine="none", background="none")
    pipe.cache.clear()
    again = pipe.segment(picture(7), "dog, sky", method=name, refine="none", background="none")
    np.testing.assert_array_equal(first.scores, again.scores)


def test_clipseg_is_the_librarys_own_answer(pipe):
    from PIL import Image

    one = asker(pipe, "clipseg")
    image = Image.fromarray(picture(4))
    inputs = one._processor(text=WORDS, images=[image] * 3, padding=True, return_tensors="pt")
    with torch.inference_mode():
        expected = one._model(**inputs).logits.sigmoid()
    found = one.scores(one.look(picture(4)), WORDS, Progress())
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
    assert (found[0] - found[1]).abs().max() > 1e-4, "words make no difference in this checkpoint"


def test_groupvit_is_the_librarys_own_answer_over_the_whole_photo(pipe):
    one = asker(pipe, "groupvit")
    pixels = picture(4, 64, 64)  # nothing to resize or to cut away
    sentences = [f"a photo of a {word}." for word in WORDS]
    inputs = one._processor(text=sentences, images=pixels, padding=True, return_tensors="pt")
    with torch.inference_mode():
        logits = one._model(**inputs, output_segmentation=True).segmentation_logits[0]
    found = one.scores(one.look(pixels), WORDS, Progress())
    torch.testing.assert_close(found, logits.softmax(dim=0), atol=1e-4, rtol=1e-3)
    wide = np.zeros((64, 256, 3), np.uint8)
    edge = wide.copy()
    edge[:, :40] = 255  # what a cut to the middle would not see
    seen = [one.look(pixels)[0] for pixels in (wide, edge)]
    assert (seen[0] - seen[1]).abs().max() > 1e-4


@pytest.mark.parametrize(
    ("name", "preprocess"),
    [
        ("clipseg", {"feature_extractor_type": "ViTFeatureExtractor", "size": 64}),
        ("groupvit", {"feature_extractor_type": "CLIPFeatureExtractor", "size": 64, "crop_size": 64,
                      "do_center_crop": True}),
    ],
)  # fmt: skip
def test_folders_laid_out_as_published_answer_the_same(pipe, folders, tmp_path, name, preprocess):
    """The hub's repositories are older than processor_config.json, and one of them has no safetensors."""
    folder = shutil.copytree(folders[name], tmp_path / name)
    for late in ("processor_config.json", "preprocessor_config.json", "tokenizer.json", "model.safetensors"):
        (folder / late).unlink(missing_ok=True)
    images = asker(pipe, name)._processor.image_processor
    old = {"do_normalize": True, "do_resize": True, "image_mean": list(images.image_mean),
           "image_std": list(images.image_std), "resample": int(images.resample), **preprocess}  # fmt: skip
    (folder / "preprocessor_config.json").write_text(json.dumps(old))
    torch.save(asker(pipe, name)._model.state_dict(), folder / "pytorch_model.bin")
    again = Shelf(torch.device("cpu"), {name: folder}).get(COMPARATORS[name], Progress())[0]
    one = asker(pipe, name)
    expected = one.scores(one.look(picture(4)), WORDS, Progress())
    torch.testing.assert_close(again.scores(again.look(picture(4)), WORDS, Progress()), expected, atol=1e-4, rtol=1e-3)


def test_sam3_is_the_librarys_own_answer(pipe, monkeypatch):
    one, pixels = asker(pipe, "sam3"), picture(4)
    monkeypatch.setattr("pipeline.comparators.sam3.SCORE", 0.0)  # random weights are never sure
    found = one.scores(one.look(pixels), WORDS, Progress())
    for word, mine in zip(WORDS, found, strict=True):
        inputs = one._processor(images=pixels, text=word, return_tensors="pt")
        with torch.inference_mode():
            answer = one._model(**{k: v for k, v in inputs.items() if k != "original_sizes"})
        score = answer.pred_logits.sigmoid() * answer.presence_logits.sigmoid()
        expected = (answer.pred_masks.sigmoid() * score[..., None, None])[0].amax(dim=0)
        torch.testing.assert_close(mine, expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"upsample": "bilateral"}, "upsample"),
        ({"templates": "top7"}, "templates"),
        ({"proxy": "sam"}, "proxy"),
        ({"groups": "auto"}, "groups"),
        ({"window": 96}, "window"),
        ({"denoise": True}, "denoise"),
        ({"scale": 20.0}, "scale"),
    ],
)
def test_what_only_the_training_free_methods_have_is_refused(pipe, settings, field):
    with pytest.raises(NamebrushError, match=f"trained model .*so {field} cannot be chosen") as told:
        pipe.segment(picture(), "dog, sky", method="clipseg", **settings)
    assert "\n" not in str(told.value)


def test_refinement_and_comparison_take_them_too(pipe):
    found = pipe.compare(picture(), "dog, sky, grass", ["sclip", "clipseg"], refine="sam", iou_threshold=0.0,
                         minimal_area=4, coarse_threshold=0.0)  # fmt: skip
    assert [one.method for one in found] == ["sclip", "clipseg"] and found[1].refine == "sam"
    assert found[1].regions


def test_the_command_line_compares_with_them(pipe, monkeypatch, tmp_path, capsys):
    from PIL import Image

    monkeypatch.setattr(pipeline.pipeline.Pipeline, "load", classmethod(lambda cls, **options: pipe))
    Image.fromarray(picture()).save(tmp_path / "photo.png")
    argv = ["compare", str(tmp_path / "photo.png"), "--classes", "dog, sky", "--methods", "clip, CLIPSeg, groupvit"]
    assert main([*argv, "--out", str(tmp_path / "f.svg"), "--refine", "none"]) == 0
    told = capsys.readouterr().out
    assert "clipseg: " in told and "groupvit: " in told and b">(d) groupvit<" in (tmp_path / "f.svg").read_bytes()


def test_weights_that_are_not_here_are_said_plainly(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    pipe = small_pipeline()
    for name, one in COMPARATORS.items():
        with pytest.raises(NamebrushError, match=f"{one.title} is not .*{one.repo}.*{name}=PATH") as told:
            pipe.segment(picture(), "dog, sky", method=name, refine="none")
        assert "\n" not in str(told.value)


def test_a_folder_of_something_else_is_refused(folders, tmp_path):
    with pytest.raises(NamebrushError, match="neither a folder nor a hub name such as CIDAS"):
        Pipeline.load("tiny", clipseg="no such folder", device="cpu")
    with pytest.raises(NamebrushError, match="holds no CLIPSeg: config.json"):
        Pipeline.load("tiny", clipseg=tmp_path, device="cpu")
    with pytest.raises(NamebrushError, match="is a 'groupvit' model; clipseg is needed"):
        Shelf(torch.device("cpu"), {"clipseg": folders["groupvit"]}).get(COMPARATORS["clipseg"], Progress())
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(NamebrushError, match="cannot be loaded as SAM 3") as told:
        Shelf(torch.device("cpu"), {"sam3": tmp_path}).get(COMPARATORS["sam3"], Progress())
    assert "\n" not in str(told.value)
    assert place(COMPARATORS["sam3"], "someone/sam3-copy").sources[0].repo == "someone/sam3-copy"


def test_pipeline_load_takes_folders(folders):
    pipe = Pipeline.load("tiny", groupvit=str(folders["groupvit"]), device="cpu")
    found = pipe.segment(picture(), "dog, cloud, rock", method="groupvit", refine="none", background="none")
    assert found.scores.shape == (3, 96, 128) and found.notes == ()


def test_a_comparison_leaves_out_what_is_not_theirs_and_says_so(pipe):
    both = pipe.compare(picture(), "dog, sky, grass", ["sclip", "groupvit"], refine="none", temperature=0.5,
                        templates="auto", short_side=96, window=64, stride=32)  # fmt: skip
    assert both[0].notes == ()
    assert both[1].notes == (
        "GroupViT goes its own way: temperature, short_side, window, stride did not hold for it.",
    )


def test_what_needs_dense_features_is_refused_or_asked_of_the_presets_own(pipe):
    from pipeline.models.catalog import get_preset
    from pipeline.suggest import suggest

    with pytest.raises(NamebrushError, match="CLIPSeg is a trained model without CLIP's dense features"):
        pipe.encode(picture(), "ClipSeg")
    assert suggest(pipe, picture(), method="clipseg") == suggest(pipe, picture(), method=get_preset("tiny").method)
