"""Sentences around a word, so that a text tower sees what it saw in training."""

from __future__ import annotations

from typing import Any

from ..errors import NamebrushError
from .wording import ADAPTIVE, kind_of_word, reworded

#: The seven sentences of Trident's and ProxyCLIP's relatives that a thesis in our sources found to be enough.
_TOP7 = (
    "a photo of a {}",
    "{} in the image",
    "this is a {}",
    "there is a {}",
    "{} in the scene",
    "a picture of a {}",
    "an image of a {}",
)

#: The 80 sentences of the CLIP paper, as `open_clip.OPENAI_IMAGENET_TEMPLATES` spells them, are read on first use
#: because importing `open_clip` takes seconds.
_IMAGENET80 = "imagenet80"

_SETS: dict[str, tuple[str, ...]] = {
    "top7": _TOP7,
    "top3": _TOP7[:3],
    "simple": ("a photo of a {}",),
    "word": ("{}",),
    "adaptive": tuple(sentence for sentences in ADAPTIVE.values() for sentence in sentences),
}

#: What each template set is, in words for a person; "auto" is the set the loaded CLIP model was trained with.
TEMPLATE_HELP = {
    "auto": "the set that fits the loaded CLIP model",
    _IMAGENET80: "the 80 sentences of the CLIP paper, averaged",
    "top7": "seven sentences, averaged",
    "top3": "three sentences, averaged",
    "adaptive": "two sentences that suit the word: stuff, thing or material",
    "simple": '"a photo of a …"',
    "word": "the word alone",
}


def templates(name: str) -> tuple[str, ...]:
    """The sentences of a set; `{}` stands for the word.

    Raises:
        NamebrushError: there is no set of that name.
    """
    if name == _IMAGENET80 and name not in _SETS:
        from open_clip import OPENAI_IMAGENET_TEMPLATES

        _SETS[name] = tuple(template("{}") for template in OPENAI_IMAGENET_TEMPLATES)
    if name not in _SETS:
        known = ", ".join(n for n in TEMPLATE_HELP if n != "auto")
        raise NamebrushError(f'There is no template set "{name}". Choose one of: {known}.')
    return _SETS[name]


def fill(word: str, name: str) -> list[str]:
    """A word in the sentences of a set, the word exactly as typed: braces and percent signs in it are plain text.

    In the set "adaptive" the word's kind chooses two of the sentences, and a compound such as "wall-brick" is read as
    "brick wall".
    """
    if name == "adaptive":
        sentences, word = ADAPTIVE[kind_of_word(word)], reworded(word)
    else:
        sentences = templates(name)
    return [sentence.replace("{}", word, 1) for sentence in sentences]


def __getattr__(name: str) -> Any:
    """`TEMPLATES`: every set by its name, made when asked for."""
    if name == "TEMPLATES":
        return {known: templates(known) for known in TEMPLATE_HELP if known != "auto"}
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
