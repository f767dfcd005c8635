"""Reading what people type."""

import pytest

from pipeline.errors import NamebrushError
from pipeline.records import ClassName, Vocabulary
from pipeline.vocabulary import DEFAULT_THRESHOLD, DISTRACTORS, clean_name, parse_vocabulary


def classes(text, **options):
    return [c.words for c in parse_vocabulary(text, **options).classes]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("dog", [("dog",)]),
        ("dog; puppy, grass, sky", [("dog", "puppy"), ("grass",), ("sky",)]),
        ("dog\ngrass\r\nsky", [("dog",), ("grass",), ("sky",)]),
        (" , dog ,, ;; , ; puppy;, \n", [("dog",), ("puppy",)]),
        ("  red \t  toy\u00a0car ", [("red toy car",)]),
        (["dog; puppy", "grass, sky"], [("dog", "puppy"), ("grass",), ("sky",)]),
        ("狗，草、天空；云", [("狗",), ("草",), ("天空", "云")]),
        ("كلب، عشب؛ حشيش", [("كلب",), ("عشب", "حشيش")]),
        ("🐕, 👩‍🚀, ❤️", [("🐕",), ("👩‍🚀",), ("❤️",)]),
        ("می‌خواهم", [("می‌خواهم",)]),
        ("cafe\u0301, do\x00g\x07, \u202eevil\u202c", [("café",), ("dog",), ("evil",)]),
        ("<script>alert(1)</script>, <b>dog</b> & \"x\"", [("<script>alert(1)</script>",), ('<b>dog</b> & "x"',)]),
        ("C++, 2, ?", [("C++",), ("2",), ("?",)]),
    ],
)  # fmt: skip
def test_names_and_synonyms(text, expected):
    vocabulary = parse_vocabulary(text)
    assert [c.words for c in vocabulary.classes] == expected
    assert vocabulary.notes == ()


@pytest.mark.parametrize("text", ["", "   ", ",;\n;,", "\u200b\u200d\ufeff", "\ufe0f, \x00", [], [" "]])
def test_nothing_typed(text):
    with pytest.raises(NamebrushError, match="at least one name"):
        parse_vocabulary(text)


def test_duplicates_count_once_and_are_said():
    vocabulary = parse_vocabulary("Dog; puppy, cat, dog; hound; PUPPY, cat")
    assert [c.words for c in vocabulary.classes] == [("Dog", "puppy", "hound"), ("cat",)]
    assert vocabulary.notes == ('"Dog" was typed more than once and counts once.',
                                '"cat" was typed more than once and counts once.')  # fmt: skip


def test_a_word_belongs_to_one_class():
    vocabulary = parse_vocabulary("dog; Cat; pet, cat; PET, horse")
    assert [c.words for c in vocabulary.classes] == [("dog", "pet"), ("cat",), ("horse",)]
    assert vocabulary.notes == ('"Cat" is a name of its own, so it is no synonym of "dog".',
                                '"PET" already belongs to "dog", so it is no synonym of "cat".')  # fmt: skip


def test_limits():
    vocabulary = parse_vocabulary("x" * 5000 + ", dog")
    assert [len(c.name) for c in vocabulary.classes] == [80, 3]
    assert "80 characters" in vocabulary.notes[0] and len(vocabulary.notes[0]) < 120
    assert len(parse_vocabulary("y" * 80).classes[0].name) == 80 and not parse_vocabulary("y" * 80).notes
    assert len(classes(",".join(f"n{i}" for i in range(200)))) == 200
    with pytest.raises(NamebrushError, match="201 names"):
        parse_vocabulary(",".join(f"n{i}" for i in range(201)))
    with pytest.raises(NamebrushError, match="1001 words"):
        parse_vocabulary(";".join(f"n{i}" for i in range(1001)))
    with pytest.raises(NamebrushError, match="characters long"):
        parse_vocabulary("a" * 300_000)
    with pytest.raises(TypeError):
        parse_vocabulary(["dog", 3])


def test_auto_background_competes_with_few_names():
    vocabulary = parse_vocabulary("dog")
    assert "sky" in vocabulary.background and "grass" in vocabulary.background
    assert len(vocabulary.background) == len(set(vocabulary.background)) >= 12
    assert vocabulary.threshold == DEFAULT_THRESHOLD
    assert vocabulary.queries[0] == "dog" and vocabulary.query_classes == (0,) + (1,) * len(vocabulary.background)
    typed = vocabulary.background[:7]
    assert not set(typed) & set(parse_vocabulary(", ".join(typed)).background)


def test_auto_background_leaves_out_what_is_typed_or_near_it():
    def background(text):
        return parse_vocabulary(text).background

    assert "sky" not in background("SKY") and "sky" not in background("blue sky")
    assert "animal" not in background("dogs") and "animal" in background("lamp")
    assert "person" not in background("the girl") and "person" in background("car")
    assert "food" not in background("cherries") and "building" not in background("thing; house")
    custom = parse_vocabulary("traffic cone", distractors=("traffic light; lamp", "cone; pylon", "sky"))
    assert custom.background == ("traffic light", "sky")
    assert all(clean_name(word) for entry in DISTRACTORS for word in entry.split(";"))


def test_enough_names_stand_alone():
    vocabulary = parse_vocabulary("a, b, c, d, e, f, g, h")
    assert vocabulary.background == () and vocabulary.threshold == 0.0
    assert parse_vocabulary("a, b, c, d, e, f, g").background != ()


def test_background_asked_for():
    assert parse_vocabulary("dog, cat", "none").background == ()
    assert parse_vocabulary("dog, cat", " None ").background == parse_vocabulary("dog, cat", "").background == ()
    assert "wins every pixel" in parse_vocabulary("dog", "none").notes[0]
    vocabulary = parse_vocabulary("dog; puppy", "sky, wall; Puppy\nsky")
    assert vocabulary.background == ("sky", "wall")
    assert vocabulary.notes == ('"Puppy" is one of the names, so it is no background.',)
    assert parse_vocabulary("a, b, c, d, e, f, g, h, i", ["sky", "wall"]).background == ("sky", "wall")


def test_threshold():
    assert parse_vocabulary("dog", threshold=0.4).threshold == 0.4
    assert parse_vocabulary("dog", threshold=0).threshold == 0.0
    assert parse_vocabulary("dog, cat", "none").threshold == 0.0
    for bad in (-0.1, 1.5, float("nan")):
        with pytest.raises(NamebrushError, match="between 0 and 1"):
            parse_vocabulary("dog", threshold=bad)


def test_a_vocabulary_passes_through():
    vocabulary = Vocabulary((ClassName("dog"),))
    assert parse_vocabulary(vocabulary) is vocabulary


@pytest.mark.parametrize(
    ("text", "names", "groups"),
    [
        ("animals: dog; puppy, cat | plants: grass | sky", ["dog", "cat", "grass", "sky"],
         (("animals", (0, 1)), ("plants", (2,)))),
        ("animals: dog\nanimals: cat\nsky, sea", ["dog", "cat", "sky", "sea"], (("animals", (0, 1)),)),
        (["a: dog, cat", "b: cat, cow"], ["dog", "cat", "cow"], (("a", (0, 1)), ("b", (2,)))),
        ("动物：狗，猫｜天空", ["狗", "猫", "天空"], (("动物", (0, 1)),)),
        ("dog, cat", ["dog", "cat"], ()),
        (": dog | a:: b", [": dog", ": b"], (("a", (1,)),)),
        ("sky, animals: dog", ["sky", "animals: dog"], ()),
    ],
)  # fmt: skip
def test_groups(text, names, groups):
    vocabulary = parse_vocabulary(text, "none", grouped=True)
    assert [c.name for c in vocabulary.classes] == names and vocabulary.groups == groups


def test_without_being_asked_for_a_group_is_a_name_and_that_is_said():
    vocabulary = parse_vocabulary("animals: dog, 10:30, a|b, http://x", "none")
    assert [c.name for c in vocabulary.classes] == ["animals: dog", "10:30", "a|b", "http://x"]
    assert vocabulary.groups == ()
    assert vocabulary.notes == ('"animals: dog" was read as one name; for a group of names set Groups to given.',)
