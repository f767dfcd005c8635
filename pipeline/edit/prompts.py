"""The words a diffusion model is given: what a person wrote and what is known about the selection."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..models.painting import Painting
from .vocabulary import known_part, nouns_in

_SURROUNDINGS = "empty background, only the surroundings, continued naturally, photorealistic"
_ONWARDS = "the scene continued naturally beyond the edge, photorealistic"
_NOT_IN_A_GAP = "object, person, animal, text, watermark, logo"
_NOT_IN_A_PICTURE = "blurry, distorted, watermark, text"


@dataclass(frozen=True)
class Words:
    """The prompt and the negative prompt."""

    prompt: str
    negative: str


def build_words(
    kind: str, prompt: str = "", negative: str = "", subject: str = "", painting: Painting | None = None
) -> Words:  # fmt: skip
    """The words for an edit.

    Removing asks for the surroundings, never for "no dog": naming a thing in a prompt brings it back. The thing's name
    goes to the negative prompt instead. Restyling keeps the thing, so its name leads.

    Args:
        kind: "remove", "move" (whose place is filled as if it were removed), "extend", "replace" or "restyle".
        prompt, negative: a person's own words; may be empty.
        subject: name of what was selected, or "" where nobody named it.
        painting: how the model is asked; one with few words is given no others.
    """
    prompt, negative, subject = (" ".join(text.split()) for text in (prompt, negative, subject))
    if painting is not None and painting.bare:
        return _bare(kind, prompt, negative, subject, painting)
    if kind in ("remove", "move"):
        return Words(_joined(prompt, _SURROUNDINGS), _joined(negative, subject, _NOT_IN_A_GAP))
    if kind == "extend":
        return Words(_joined(prompt, _ONWARDS), _joined(negative, _NOT_IN_A_PICTURE))
    if kind == "restyle":
        lead = "" if _mentions(prompt, subject) else subject
        return Words(_joined(lead, prompt), _joined(negative, _NOT_IN_A_PICTURE))
    unwanted = "" if _mentions(prompt, subject) else subject
    return Words(prompt, _joined(negative, unwanted, _NOT_IN_A_PICTURE))


def _bare(kind: str, prompt: str, negative: str, subject: str, painting: Painting) -> Words:
    """A caption as a small model met them: "a red ball", and nothing where surroundings are wanted."""
    if painting.known is not None:
        prompt, negative, subject = (known_part(text, painting.known) for text in (prompt, negative, subject))
    if kind == "restyle" and prompt and subject and not nouns_in(prompt, painting.known):
        prompt = f"{prompt} {subject}"
    if kind not in ("replace", "restyle"):
        return Words(prompt or painting.hole, negative)
    if prompt and prompt.split()[0] not in ("a", "an", "the"):
        prompt = f"a {prompt}"
    return Words(prompt, negative)


def _joined(*parts: str) -> str:
    return ", ".join(part for part in parts if part)


def _mentions(text: str, word: str) -> bool:
    return bool(word) and re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text, re.IGNORECASE) is not None
