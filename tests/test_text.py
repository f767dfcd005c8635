import threading

import numpy as np
import pytest
import torch
from open_clip import OPENAI_IMAGENET_TEMPLATES

from pipeline.errors import NamebrushError
from pipeline.models.records import ClipModel
from pipeline.text.embed import embed_words
from pipeline.text.templates import TEMPLATE_HELP, TEMPLATES, fill


class Tower(torch.nn.Module):
    """A text tower whose embedding of a text is known: counts of its letters, times the text's length."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.seen: list[str] = []

    def encode_text(self, tokens):
        return tokens


def model(templates="simple"):
    tower = Tower()

    def tokenizer(texts):
        tower.seen.extend(texts)
        counts = [[t.count(c) + 0.1 * i for i, c in enumerate("abcdefghij")] for t in texts]
        return torch.tensor(counts) * torch.tensor([[float(len(t))] for t in texts])

    return ClipModel(tower, tokenizer, "letters", templates=templates), tower


def test_template_sets():
    assert list(TEMPLATES) == [n for n in TEMPLATE_HELP if n != "auto"]
    assert len(TEMPLATES["imagenet80"]) == 80 and len(TEMPLATES["top7"]) == 7 and len(TEMPLATES["top3"]) == 3
    assert fill("red fox", "imagenet80") == [t("red fox") for t in OPENAI_IMAGENET_TEMPLATES]
    assert all(t.count("{}") == 1 for sentences in TEMPLATES.values() for t in sentences)


@pytest.mark.parametrize("word", ["{}", "{0}", "100% wool", "%s", "{name}", "a {} b", "狗", "\\n"])
def test_a_word_is_plain_text(word):
    assert fill(word, "simple") == ["a photo of a " + word]


def test_unknown_set():
    with pytest.raises(NamebrushError, match="imagenet80, top7"):
        fill("dog", "nonsense")


def test_each_template_counts_the_same_whatever_its_length():
    clip, tower = model()
    got = embed_words(clip, ["bee"], "top3")
    raw = clip.tokenizer(fill("bee", "top3")).numpy().astype(np.float64)
    unit = raw / np.linalg.norm(raw, axis=1, keepdims=True)
    mean = unit.mean(axis=0)
    np.testing.assert_allclose(got[0], mean / np.linalg.norm(mean), rtol=1e-5)
    assert got.dtype == np.float32 and got.shape == (1, 10)


def test_order_is_kept_and_a_word_runs_once():
    clip, tower = model()
    first = embed_words(clip, ["bee", "dad"], "simple")
    assert tower.seen == ["a photo of a bee", "a photo of a dad"]
    again = embed_words(clip, ["dad", "jib", "bee"], "simple")
    assert tower.seen[2:] == ["a photo of a jib"]
    np.testing.assert_array_equal(again[[2, 0]], first)
    embed_words(clip, ["bee"], "word")
    assert tower.seen[3:] == ["bee"]


def test_auto_takes_the_models_own_set():
    clip, tower = model(templates="word")
    embed_words(clip, ["bee"], "auto")
    assert tower.seen == ["bee"]


def test_two_models_of_one_name_share_nothing():
    one, other = model()[0], model()[1]
    embed_words(one, ["bee"], "simple")
    clip, tower = model()
    embed_words(clip, ["bee"], "simple")
    assert tower.seen == ["a photo of a bee"] and other.seen == []


def test_the_device_is_held_only_while_the_tower_runs():
    clip, _ = model()
    held = threading.Lock()
    asked = []

    def guard():
        asked.append(held)
        return held

    embed_words(clip, ["bee"], "simple", guard=guard)
    assert len(asked) == 1 and not held.locked()
    embed_words(clip, ["bee"], "simple", guard=guard)  # known by now
    assert len(asked) == 1


def test_more_texts_than_one_batch():
    clip, tower = model()
    words = [f"w{i}" for i in range(7)]
    many = embed_words(clip, words, "imagenet80")
    assert len(tower.seen) == 560
    alone, _ = model()
    np.testing.assert_allclose(many[6], embed_words(alone, ["w6"], "imagenet80")[0], rtol=1e-5, atol=1e-6)
