"""How an inpainting model wants to be asked: steps, guidance, the window it sees, the words it knows.

The values of each model live here and in the catalogue, nowhere else; what a person sets comes first.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..errors import NamebrushError

#: A folder of a model with few words lists them in this file: {"nouns": [...], "colors": [...], ...}.
WORDS = "words.json"
#: And may bring outlines of its things: [{"words": [...], "outlines": [COCO run lengths, ...]}, ...].
OUTLINES = "outlines.json"
#: What replace may widen a selection to, with a sentence each.
SHAPES = {
    "auto": "as the inpainting model needs it",
    "region": "what is selected and nothing more",
    "hull": "the selection's convex hull",
    "box": "the box around the selection",
    "outline": "an outline of the thing that is asked for, if the inpainting model brings some; "
    "what was there is filled in around it",
}


@dataclass(frozen=True)
class Sampling:
    """How the diffusion samples: steps, guidance (how closely it follows the words), strength (share of change)."""

    steps: int
    guidance: float
    strength: float


#: Restyling keeps the form of what is there, so it starts from a half-noised picture. A hole starts from what the
#: photo itself would put there, nearly all noise: its colours stay, and strong guidance, which brings things rather
#: than surroundings, is not wanted.
USUAL = {
    "remove": Sampling(50, 5.0, 0.95),
    "replace": Sampling(50, 7.5, 1.0),
    "restyle": Sampling(50, 7.5, 0.7),
    "move": Sampling(50, 5.0, 0.95),
    "extend": Sampling(50, 7.5, 0.95),
}


@dataclass(frozen=True)
class Painting:
    """How an inpainting model is asked; the defaults suit Stable Diffusion.

    Attributes:
        samplings: by kind of edit.
        fill: share of the window's side that the longer side of a mask takes.
        least: fewest pixels of surroundings on every side.
        shape: what `replace` widens a selection to, a name of `SHAPES` but "auto": a ball cannot be painted into a
            hole of a boat's form.
        margin: pixels by which the widened selection grows, as a share of the side of a square as large; None: as
            selections usually grow.
        hole: the words for a hole that is to show its surroundings, where nobody says what they are; with `bare`.
        bare: its words are given alone, without further wishes such as "photorealistic", which it never met.
        known: the words it knows by what they are, as its folder lists them; None: any.
        temperature: standard deviation of the noise that a picture starts from. Below 1 what is likeliest is painted,
            smoother and with less variety, which a model with few weights needs (as Kingma and Dhariwal, "Glow",
            section 6, do with theirs).
        note: a sentence for a person beside what it painted from their words.
        outlines: by word, outlines of a thing of that name as COCO run lengths; None: it paints forms by itself.
    """

    samplings: Mapping[str, Sampling] = field(default_factory=lambda: USUAL)
    fill: float = 0.5
    least: int = 32
    shape: str = "hull"
    margin: float | None = None
    bare: bool = False
    hole: str = ""
    known: Mapping[str, tuple[str, ...]] | None = None
    outlines: Mapping[str, tuple[Mapping, ...]] | None = None
    temperature: float = 1.0
    note: str = ""


#: The built-in model, and any folder that lists its words as that one does. It was trained on masks that fill some
#: three fifths of its window, and holes without a thing in them were "background" to it.
BUILTIN = Painting(
    samplings={
        "remove": Sampling(12, 2.0, 0.95),
        "replace": Sampling(12, 3.0, 1.0),
        "restyle": Sampling(12, 3.0, 0.93),
        "move": Sampling(12, 2.0, 0.95),
        "extend": Sampling(12, 2.0, 0.95),
    },
    fill=0.6, least=4, shape="box", margin=0.05, bare=True, hole="background", temperature=0.4,
    note="It paints as in the drawn scenes it was trained on; for photographs choose the preset base.",
)  # fmt: skip


def of_folder(folder: Path, usual: Painting | None = None) -> Painting:
    """How the model in a folder is asked: as `usual` says, or as the built-in one where it lists its words.

    Raises:
        NamebrushError: a list cannot be read.
    """
    path = folder / WORDS
    if not path.is_file():
        return usual or Painting()
    lists = _read(path, dict, "no list of words: lists by kind are needed, such as nouns")
    known = {str(kind): tuple(str(word).lower() for word in words) for kind, words in lists.items()
             if isinstance(words, list)}  # fmt: skip
    return replace(usual or BUILTIN, known=known, outlines=_outlines(folder / OUTLINES))


def _outlines(path: Path) -> dict[str, tuple[Mapping, ...]] | None:
    if not path.is_file():
        return None
    wanted = "no list of outlines: things with words and outlines are needed"
    try:
        return {str(word).lower(): tuple(thing["outlines"]) for thing in _read(path, list, wanted)
                for word in thing["words"] if thing["outlines"]}  # fmt: skip
    except (KeyError, TypeError) as error:
        raise NamebrushError(f"{path} is {wanted}.") from error


def _read(path: Path, kind: type, wanted: str):
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise NamebrushError(f"{path} is {wanted}.") from error
    if not isinstance(content, kind):
        raise NamebrushError(f"{path} is {wanted}.")
    return content
