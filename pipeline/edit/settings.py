"""The settings of an edit: the page's controls and the command line's flags are made from them."""

from __future__ import annotations

import typing
from dataclasses import dataclass

from ..errors import NamebrushError
from ..models.painting import SHAPES
from ..settings import setting, validate
from .kinds import KINDS, MAX_CANDIDATES, MAX_MARGIN, MAX_SHIFT, METHODS


@dataclass(frozen=True)
class EditSettings:
    """How a selected mask is changed; the fields are those of `records.EditRequest` but for the mask and picture."""

    TITLE: typing.ClassVar[str] = "edit"

    kind: str = setting("remove", "Change", "What to do to the selection.", choices=tuple(KINDS))
    prompt: str = setting("", "Words", "What shall be there, in words; needed for replace and restyle.")
    negative_prompt: str = setting("", "Not wanted", "What shall not be there, in words.")
    grow: int | None = setting(
        None, "Grow", "Pixels by which the selection grows first, negative shrinks; as the change needs if left out.",
        min=-512, max=512,
    )
    grow_share: float | None = setting(
        None, "Grow by share", "Growth as a share of the selection's size, in place of pixels; negative shrinks.",
        min=-0.5, max=1.0,
    )
    feather: int = setting(2, "Soft seam", "Width in pixels of the soft seam inside the selection.", min=0, max=256)
    holes: bool = setting(True, "Fill holes", "Small holes in the selection are filled first.")
    specks: bool = setting(True, "Drop specks", "Small specks of the selection are dropped first.")
    shadow: float = setting(
        0.0, "Shadow", "Takes the darker area below the thing along: 0 not at all, 1 readily.", min=0.0, max=1.0
    )
    shape: str = setting(
        "auto", "Room", "What the selection is widened to first, so that another form fits: " +
        "; ".join(f"{name}, {about}" for name, about in SHAPES.items()) + ".", choices=tuple(SHAPES),
    )
    invert: bool = setting(False, "Change the rest", "Everything but the selection is changed.")
    seed: int = setting(0, "Seed", "Same seed, same picture.", min=0, max=2**63 - 1)
    candidates: int = setting(1, "Candidates", "How many results to make.", min=1, max=MAX_CANDIDATES)
    method: str = setting(
        "auto", "Painter", "What paints the new pixels.", choices=METHODS, flag="painter"
    )
    steps: int | None = setting(
        None, "Steps", "Steps of the diffusion; the kind's default if left out.", min=1, max=500
    )
    guidance: float | None = setting(
        None, "Guidance", "How closely the diffusion follows the words; the kind's default if left out.",
        min=0.0, max=50.0,
    )
    strength: float | None = setting(
        None, "Strength", "How much of what is there may change; the kind's default if left out.", min=0.01, max=1.0
    )
    subject: str = setting("", "What it is", "Name of what is selected, for the painter; regions bring their own.")
    color: str = setting("", "Colour", "The new colour, as #c03020 or teal; for recolor and background.")
    amount: float = setting(1.0, "Amount", "How far a recolour goes.", min=0.0, max=1.0)
    blur: float | None = setting(
        None, "Blur", "Width of the background's blur in pixels; by the photo's size if left out.", min=0.1, max=1000.0
    )
    dx: int = setting(
        0, "To the right", "Pixels by which move goes to the right, negative to the left.", min=-MAX_SHIFT,
        max=MAX_SHIFT,
    )
    dy: int = setting(0, "Down", "Pixels by which move goes down, negative up.", min=-MAX_SHIFT, max=MAX_SHIFT)
    scale: float = setting(1.0, "Scale", "Size of what is moved, as a factor.", min=0.02, max=50.0, flag="resize")
    left: int = setting(0, "Left", "Pixels added at the left by extend.", min=0, max=MAX_MARGIN)
    top: int = setting(0, "Top", "Pixels added at the top by extend.", min=0, max=MAX_MARGIN)
    right: int = setting(0, "Right", "Pixels added at the right by extend.", min=0, max=MAX_MARGIN)
    bottom: int = setting(0, "Bottom", "Pixels added at the bottom by extend.", min=0, max=MAX_MARGIN)

    def __post_init__(self):
        validate(self)
        if KINDS[self.kind].prompt and not self.prompt.strip():
            raise NamebrushError(f'Say in words what shall be there: "{self.kind}" needs a prompt.')
