"""The settings of proposals, with the words and ranges the page and the command line show; the defaults are the
thesis's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..settings import setting, validate


@dataclass(frozen=True)
class Proposal:
    """A method that names masks. `name` is what a person types, `title` what they read, `needs` the models it runs."""

    name: str
    title: str
    about: str
    paper: str
    needs: tuple[str, ...]


_PAPER = "thesis on SCLIP, SAM 2 and Stable Diffusion"
PROPOSALS: dict[str, Proposal] = {
    one.name: one
    for one in (
        Proposal(
            "proposals", "Proposals", "SAM masks the whole photo, CLIP names every mask.", _PAPER, ("clip", "sam")
        ),
        Proposal(
            "hybrid", "Hybrid", "Things by proposals, stuff by a dense method, the surer where both speak.", _PAPER,
            ("clip", "dino", "sam"),
        ),
    )
}  # fmt: skip
METHODS = tuple(PROPOSALS)


@dataclass(frozen=True)
class ProposalSettings:
    """How SAM's masks of the whole photo are named by CLIP."""

    TITLE: ClassVar[str] = "proposals"

    proposal_grid: int = setting(32, "Grid", "Points per side that SAM is asked with.", min=1, max=64)
    proposal_iou: float | None = setting(
        None, "Mask quality", "Overlap SAM must expect of a mask; left out: 0.88 as published, less for a SAM whose "
        "own gate is lower.",
        min=0.0, max=1.0,
    )  # fmt: skip
    proposal_stability: float = setting(
        0.95, "Mask stability", "How little a mask may change when its threshold moves.", min=0.0, max=1.0
    )
    proposal_background: float = setting(
        0.3, "Background", "How much of a mask's likeness to nothing in particular is taken off.", min=0.0, max=1.0
    )
    proposal_floor: float = setting(
        0.12, "Likeness floor", "Names no mask is this like are left out where many names are typed.",
        min=-1.0, max=1.0,
    )  # fmt: skip
    proposal_many: int = setting(
        20, "Many names", "From this many names on, those below the median likeness are left out.", min=2, max=1000
    )
    proposal_large: float = setting(
        0.15, "Least likeness, large", "A mask of a tenth of the photo must be this like its name.", min=-1.0, max=1.0
    )
    proposal_small: float = setting(
        0.20, "Least likeness, small", "A mask of a hundredth of the photo must be this like its name.",
        min=-1.0, max=1.0,
    )  # fmt: skip
    proposal_top: int = setting(2, "Masks per name", "How many things of one name are kept at most.", min=1, max=100)
    proposal_overlap: float = setting(
        0.7, "Same thing", "Of masks of one name that overlap more than this the better one stays.", min=0.0, max=1.0
    )
    hybrid_dense: str = setting(
        "", "Dense partner", "The dense method that hybrid names stuff with; the preset's best if left out."
    )

    def __post_init__(self):
        validate(self)
