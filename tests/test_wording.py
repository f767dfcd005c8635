import pytest

from pipeline.text.templates import TEMPLATES, fill
from pipeline.text.wording import ADAPTIVE, MATERIAL, STUFF, THING, kind_of_word, reworded


@pytest.mark.parametrize(
    ("word", "kind", "said"),
    [
        ("sky", STUFF, ["this is sky", "the sky"]),
        ("Green Grass", STUFF, ["this is Green Grass", "the Green Grass"]),
        ("dog", THING, ["a photo of a dog", "dog in the image"]),
        ("sky diver", THING, ["a photo of a sky diver", "sky diver in the image"]),
        ("wood", STUFF, ["this is wood", "the wood"]),
        ("brick", MATERIAL, ["a brick surface", "brick texture"]),
        ("wall-brick", STUFF, ["this is brick wall", "the brick wall"]),
        ("ceiling-tile", STUFF, ["this is tile ceiling", "the tile ceiling"]),
        ("sky-other", STUFF, ["this is sky", "the sky"]),
        ("t-shirt", THING, ["a photo of a t-shirt", "t-shirt in the image"]),
        ("{}", THING, ["a photo of a {}", "{} in the image"]),
        ("🐕", THING, ["a photo of a 🐕", "🐕 in the image"]),
    ],
)
def test_the_kind_of_a_word_chooses_its_sentences(word, kind, said):
    assert kind_of_word(word) == kind and fill(word, "adaptive") == said


def test_compounds_put_the_head_last():
    assert reworded("floor-wood") == "wood floor" and reworded("food-other") == "food"
    assert reworded("wall-") == "wall-" and reworded("a-b-c") == "a-b-c"


def test_the_set_is_listed_with_the_others():
    assert TEMPLATES["adaptive"] == tuple(s for kind in (STUFF, THING, MATERIAL) for s in ADAPTIVE[kind])
