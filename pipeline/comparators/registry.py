"""The trained comparators by name: what each is, where its weights are, and what cannot be asked of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import NamebrushError

#: Settings of `settings.SegmentSettings` that mean the same for a trained model; all others are of the recipes.
SHARED = ("method", "refine", "background", "threshold")


@dataclass(frozen=True)
class Comparator:
    """A model trained to segment by words.

    Attributes:
        name: what a person types as the method; title: what they read; about: one plain sentence.
        paper: where it comes from.
        repo: its published weights on the hub; files: what is needed of them beside the weights.
        licence: of the weights; bytes: of the download, rounded.
        gated: the hub gives the weights only to people who accepted their terms.
        threshold: least score of a labelled pixel where the person names none.
        states: its constants, for the table of methods.
    """

    name: str
    title: str
    about: str
    paper: str
    repo: str
    files: tuple[str, ...]
    licence: str
    bytes: int
    gated: bool = False
    threshold: float | None = None
    states: str = ""

    @property
    def needs(self) -> tuple[str, ...]:
        """The models it runs: itself."""
        return (self.name,)


_CLIP_FILES = ("config.json", "preprocessor_config.json", "vocab.json", "merges.txt")

COMPARATORS: dict[str, Comparator] = {
    one.name: one
    for one in (
        Comparator(
            "clipseg", "CLIPSeg", "Trained: a small decoder on CLIP, taught with phrases and masks.",
            "Lüddecke and Ecker, CVPR 2022", "CIDAS/clipseg-rd64-refined", _CLIP_FILES, "Apache-2.0", 603_000_000,
            threshold=0.3, states="a sigmoid per word at 352 px; pixels above 0.3",
        ),
        Comparator(
            "groupvit", "GroupViT", "Trained: patches gather into groups, taught with captions alone.",
            "Xu et al., CVPR 2022", "nvidia/groupvit-gcc-yfcc", _CLIP_FILES, "see its page", 223_000_000,
            states='softmax over words at 224 px, asked as "a photo of a …."',
        ),
        Comparator(
            "sam3", "SAM 3", "Trained: finds every instance of a phrase, with Meta's masks.",
            "Carion et al., 2025", "facebook/sam3",
            ("config.json", "processor_config.json", "vocab.json", "merges.txt"), "SAM License", 3_450_000_000,
            gated=True, threshold=0.15,
            states="presence x score x mask at 1008 px; instances above 0.3, pixels above half of that",
        ),
    )
}  # fmt: skip


def get_comparator(name: str) -> Comparator | None:
    """A comparator by its name in any case, or None where the method is another."""
    return COMPARATORS.get(name.strip().casefold())


def own_settings(method: str, given: Mapping[str, Any], record: type) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Settings of a comparison as far as they are a method's, and a sentence about those that are not.

    Args:
        method: any method's name.
        given: keyword arguments of `Pipeline.segment`.
        record: `settings.SegmentSettings`; what is not among its fields (refinement) is every method's.
    """
    comparator = get_comparator(method)
    if comparator is None:
        return dict(given), ()
    defaults = {f.name: f.default for f in dataclasses.fields(record) if f.name not in SHARED}
    dropped = [name for name, value in given.items() if name in defaults and value != defaults[name]]
    kept = {name: value for name, value in given.items() if name not in defaults}
    note = f"{comparator.title} goes its own way: {', '.join(dropped)} did not hold for it."
    return kept, (note,) if dropped else ()


def check_settings(comparator: Comparator, settings: Any) -> None:
    """Refuse settings that only the training-free methods have.

    Args:
        comparator: what was chosen as the method.
        settings: a `settings.SegmentSettings`.

    Raises:
        NamebrushError: one of them is not at its default.
    """
    for field in dataclasses.fields(settings):
        if field.name not in SHARED and getattr(settings, field.name) != field.default:
            raise NamebrushError(
                f"{comparator.title} is a trained model with its own way from words to pixels, so {field.name} cannot "
                f"be chosen for it; leave it out, or choose a training-free method."
            )
