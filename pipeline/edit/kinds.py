"""The kinds of edits: what each is called, needs and reads, and who can paint it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import NamebrushError
from ..models.painting import SHAPES

if TYPE_CHECKING:
    from ..edit_records import EditRequest

METHODS = ("auto", "exemplar", "diffusion")
MAX_CANDIDATES = 16
#: Pixels by which a canvas may grow on one side.
MAX_MARGIN = 8192
#: Pixels by which a thing is moved at most, in either direction.
MAX_SHIFT = 65_536

_SAMPLING = ("negative_prompt", "steps", "guidance", "strength")
_SHAPING = ("grow", "grow_share", "feather", "holes", "specks", "shadow", "invert")


@dataclass(frozen=True)
class Kind:
    """One kind of edit.

    Attributes:
        name: what `EditRequest.kind` says.
        title: one or two words for a button.
        done: the past participle, for "the dog was ...".
        about: one sentence for a person.
        painters: who can paint it, the one that "auto" stands for first; empty: it is computed, nothing is invented.
        fields: the fields of `EditRequest` it reads beside the mask, in the order a person is asked.
        growth: pixels by which the mask grows where nobody says; None: by the mask's size.
        prompt: whether words are needed.
        mask: whether a selection is needed.
    """

    name: str
    title: str
    done: str
    about: str
    painters: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    growth: int | None = 0
    prompt: bool = False
    mask: bool = True


_ALL = (
    Kind("remove", "Remove", "removed", "The thing goes, its surroundings go on.", ("exemplar", "diffusion"),
         ("prompt", "method", "shape", *_SHAPING, "seed", "candidates", *_SAMPLING), growth=None),
    Kind("replace", "Replace", "replaced", "Something else takes its place, told in words.", ("diffusion",),
         ("prompt", "shape", *_SHAPING, "seed", "candidates", *_SAMPLING), growth=None, prompt=True),
    Kind("restyle", "Restyle", "restyled", "It keeps its form and gets another look, told in words.", ("diffusion",),
         ("prompt", "shape", *_SHAPING, "seed", "candidates", *_SAMPLING), growth=2, prompt=True),
    Kind("recolor", "Recolour", "recoloured", "It gets another colour and keeps its light and shade.", (),
         ("color", "amount", *_SHAPING), growth=1),
    Kind("blur", "Blur background", "kept sharp", "All but the selection goes out of focus.", (),
         ("blur", *_SHAPING)),
    Kind("background", "New background", "kept", "All but the selection becomes a colour or another photo.", (),
         ("color", "picture", *_SHAPING)),
    Kind("cutout", "Cut out", "cut out", "All but the selection becomes transparent; save as PNG or WebP.", (),
         _SHAPING),
    Kind("move", "Move", "moved", "It goes elsewhere, larger or smaller; where it was is filled.",
         ("exemplar", "diffusion"), ("dx", "dy", "scale", "method", *_SHAPING, "seed", "candidates", *_SAMPLING)),
    Kind("extend", "Extend canvas", "extended", "The photo goes on beyond its edges.", ("exemplar", "diffusion"),
         ("left", "top", "right", "bottom", "prompt", "method", "seed", "candidates", *_SAMPLING), mask=False),
)  # fmt: skip

KINDS: dict[str, Kind] = {kind.name: kind for kind in _ALL}


def parse_color(text: str) -> tuple[int, int, int]:
    """8-bit sRGB of "#rgb", "#rrggbb", "rgb(1, 2, 3)" or a CSS name.

    Raises:
        NamebrushError: none of these.
    """
    from PIL import ImageColor

    try:
        return ImageColor.getrgb(text.strip())[:3]
    except (ValueError, AttributeError):
        raise NamebrushError(f'"{text}" is no colour; give one like #c03020 or a name like teal.') from None


def painter_of(request: EditRequest) -> str:
    """Refuse a request that cannot be met; returns who paints: "exemplar", "diffusion" or "" for nobody.

    Raises:
        NamebrushError: which value is wrong, and what it may be.
    """
    kind = KINDS.get(request.kind)
    if kind is None:
        raise NamebrushError(f'"{request.kind}" is no kind of edit; choose from {", ".join(KINDS)}.')
    if request.method not in METHODS:
        raise NamebrushError(f'"{request.method}" is no way of painting; choose from {", ".join(METHODS)}.')
    if request.method != "auto" and request.method not in kind.painters:
        raise NamebrushError(_no_painter(kind, request.method))
    if not 1 <= request.candidates <= MAX_CANDIDATES:
        raise NamebrushError(f"Between 1 and {MAX_CANDIDATES} candidates can be made, got {request.candidates}.")
    if not 0 <= request.seed < 2**63:
        raise NamebrushError(f"The seed must be between 0 and 2^63 - 1, got {request.seed}.")
    if request.feather < 0:
        raise NamebrushError(f"The soft seam must be 0 pixels wide or more, got {request.feather}.")
    if request.grow is not None and request.grow_share is not None:
        raise NamebrushError("Let the selection grow by pixels or by a share of its size, not by both.")
    if not 0 <= request.shadow <= 1:
        raise NamebrushError(f"The shadow must lie between 0 and 1, got {request.shadow}.")
    if request.shape not in SHAPES:
        raise NamebrushError(f'"{request.shape}" is no shape to widen to; choose from {", ".join(SHAPES)}.')
    if request.shape == "outline" and kind.name != "replace":
        raise NamebrushError(f"Outlines are for replacing; to {kind.name} choose another room, such as auto or hull.")
    if request.color:
        parse_color(request.color)
    _NEEDS.get(kind.name, _needs_words)(kind, request)
    if not kind.painters:
        return ""
    return kind.painters[0] if request.method == "auto" else request.method


def _no_painter(kind: Kind, method: str) -> str:
    if not kind.painters:
        return f"To {kind.name} nothing is painted; leave the method at auto."
    if method == "exemplar":
        return f"Copying from the photo can only remove; to {kind.name} choose the method diffusion or auto."
    return f"To {kind.name} choose the method {' or '.join(kind.painters)} or auto."


def _needs_words(kind: Kind, request: EditRequest) -> None:
    if kind.prompt and not request.prompt.strip():
        raise NamebrushError(f'Say in words what shall be there: "{kind.name}" needs a prompt.')


def _needs_color(kind: Kind, request: EditRequest) -> None:
    if not request.color:
        raise NamebrushError("Choose the new colour, like #c03020 or teal.")
    if not 0 <= request.amount <= 1:
        raise NamebrushError(f"The amount must lie between 0 and 1, got {request.amount}.")


def _needs_background(kind: Kind, request: EditRequest) -> None:
    if bool(request.color) == (request.picture is not None):
        raise NamebrushError("Give the new background as a colour, like #c03020 or teal, or as another photo.")


def _needs_radius(kind: Kind, request: EditRequest) -> None:
    if request.blur is not None and not 0 < request.blur <= 1000:
        raise NamebrushError(f"The blur must be above 0 and at most 1000 pixels wide, got {request.blur}.")


def _needs_place(kind: Kind, request: EditRequest) -> None:
    if not 0.02 <= request.scale <= 50:
        raise NamebrushError(f"The scale must lie between 0.02 and 50, got {request.scale}.")
    if (request.dx, request.dy, request.scale) == (0, 0, 1):
        raise NamebrushError("Say where it goes: pixels to the right (dx) and down (dy), or another scale.")


def _needs_margin(kind: Kind, request: EditRequest) -> None:
    margins = (request.left, request.top, request.right, request.bottom)
    if min(margins) < 0 or max(margins) > MAX_MARGIN:
        wrong = min(margins) if min(margins) < 0 else max(margins)
        raise NamebrushError(f"The canvas grows by 0 to {MAX_MARGIN} pixels a side, got {wrong}.")
    if not any(margins):
        raise NamebrushError("Say by how many pixels the canvas grows: left, top, right or bottom.")


_NEEDS: dict[str, Callable[[Kind, EditRequest], None]] = {
    "recolor": _needs_color, "background": _needs_background, "blur": _needs_radius, "move": _needs_place,
    "extend": _needs_margin,
}  # fmt: skip
