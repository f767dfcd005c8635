"""Words the model never met: told, with a word it did meet; and the model's own background names without weights."""

import dataclasses

import pytest

from pipeline import Pipeline
from pipeline.errors import NamebrushError
from pipeline.export import regions_json
from pipeline.models.builtin import distractors_of, load_clip
from pipeline.text.known import unknown_note
from tests.small_models import SMALL, picture, small_pipeline

WORLD = ("dog; puppy", "cat; kitten", "balloon; hot air balloon", "house; home; building", "sky")
KNOWN = frozenset("a the dog puppy cat kitten hot air balloon house home building sky red".split())


@pytest.mark.parametrize("word", ["dog", "DOG", "red dog", "hot air balloon", "the red house", "sky-dog"])
def test_nothing_is_said_of_words_it_met(word):
    assert unknown_note([word], KNOWN, WORLD) == ()


@pytest.mark.parametrize(
    ("word", "offered"),
    [
        ("zebra", '"dog"'),  # of one kind, by the lists of related words
        ("ballon", '"balloon"'),  # spelt alike
        ("dogs", '"dog"'),
        ("zeppelin", '"dog" or "cat" or "balloon"'),  # nothing near: the first of the world
        ("狗", '"dog"'),
        ("😀", '"dog"'),
    ],
)
def test_a_word_it_never_met_is_named_with_one_it_met(word, offered):
    (note,) = unknown_note(["sky", word], KNOWN, WORLD)
    assert note.startswith(f'The built-in model never met "{word}"; what it finds for it is a guess.')
    assert f"Try a word such as {offered}" in note and "\n" not in note


def test_many_are_one_sentence():
    (note,) = unknown_note([f"zz{i}" for i in range(9)], KNOWN, WORLD)
    assert '"zz3" and 5 more; what it finds for them' in note and "zz4" not in note
    assert unknown_note(["zz", "zz"], KNOWN, WORLD) == unknown_note(["zz"], KNOWN, WORLD)


def test_a_word_that_is_typed_already_is_not_offered():
    (note,) = unknown_note(["Dog", "zebra", "sky"], KNOWN, WORLD)
    assert 'such as "puppy" or "cat" or "kitten"' in note
    (note,) = unknown_note(["dog", "cat", "zeppelin"], KNOWN, WORLD)
    assert 'such as "balloon" or "house" or "sky"' in note
    (note,) = unknown_note(["dog"], KNOWN, WORLD, background=["sky", "zebra"])
    assert 'never met "zebra"' in note and '"puppy" or "cat"' in note
    (note,) = unknown_note(["zeppelin"], KNOWN, WORLD, background=["dog", "cat"])
    assert 'such as "dog" or "cat"' in note


def test_a_model_whose_words_are_not_known_says_nothing():
    assert unknown_note(["zeppelin"], None) == ()
    assert "house" in unknown_note(["zeppelin"], frozenset({"house"}))[0]


def test_the_background_names_are_read_without_the_weights(tmp_path):
    pipe = Pipeline.load("tiny", device="cpu")
    assert pipe.models.distractors == distractors_of() == load_clip().distractors != ()
    assert not any(part["loaded"] for part in pipe.models.describe())
    with pytest.raises(NamebrushError, match="at least one name"):
        pipe.segment(picture(), " , ")
    assert not any(part["loaded"] for part in pipe.models.describe())
    assert distractors_of(tmp_path) == () == Pipeline.load("base", device="cpu").models.distractors


def test_the_note_is_on_the_segmentation_and_in_its_file():
    pipe = small_pipeline()
    clip = dataclasses.replace(pipe.models.clip, known_words=KNOWN, distractors=WORLD)
    pipe = Pipeline.load("tiny", clip=clip, dino=pipe.models.dino, sam=pipe.models.sam, device="cpu")
    found = pipe.segment(picture(), "dog, dog, zeppelin", method="clip", refine="none", **SMALL)
    assert found.vocabulary.background == ("cat", "balloon", "house", "sky")
    assert [note.split('"')[1] for note in found.notes] == ["dog", "zeppelin"]
    assert regions_json(found)["notes"] == list(found.notes)
    assert pipe.segment(picture(), "dog, sky", method="clip", refine="none", **SMALL).notes == ()
