"""What is asked of an edit, and what came of it: records like those in `records`, which hands them on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from .arrays import frozen

if TYPE_CHECKING:
    from .records import Photo


@dataclass(frozen=True, eq=False)
class EditRequest:
    """What to do to a mask. Which fields a kind reads is told by `edit.kinds.KINDS`.

    Attributes:
        kind: a name of `edit.kinds.KINDS`: "remove", "replace", "restyle", "recolor", "blur", "background",
            "cutout", "move" or "extend".
        mask: bool [H, W], what the person selected; not read for "extend".
        prompt: words for what shall be there; needed for replace and restyle.
        negative_prompt: words for what shall not be there.
        grow: pixels by which the mask grows before the edit (negative shrinks); None: as the kind needs it.
        feather: width in pixels of the soft seam, which lies inside the grown mask.
        seed: of the first candidate; candidate i uses seed + i.
        candidates: how many results to make.
        method: "auto", "exemplar" or "diffusion".
        steps, guidance, strength: of the diffusion; None takes the kind's default.
        subject: name of what is selected, where it has one; the diffusion is told what to keep or to avoid.
        grow_share: growth as a share of the side of a square as large as the mask; in place of `grow`.
        holes, specks: whether small holes are filled and small specks dropped first.
        shadow: 0 leaves the shadow; above, up to 1, how readily a darker area below the thing counts as its shadow.
        invert: everything but the selection is changed.
        color: "#rrggbb" or a CSS name; for recolor, and for background where there is no picture.
        amount: 0..1, how far recolor goes.
        blur: standard deviation of the background's blur in pixels; None: by the photo's size.
        dx, dy, scale: where move puts the thing: pixels to the right and down, and its size about its centre.
        left, top, right, bottom: pixels by which extend widens the canvas.
        picture: the photo that becomes the background, or None.
        shape: what the mask is widened to before it grows: "region" (as it is), "hull", "box", "outline" (one of the
            thing asked for), or "auto", which for replace is what the inpainting model needs, and else the region.
    """

    kind: str
    mask: np.ndarray
    prompt: str = ""
    negative_prompt: str = ""
    grow: int | None = None
    feather: int = 2
    seed: int = 0
    candidates: int = 1
    method: str = "auto"
    steps: int | None = None
    guidance: float | None = None
    strength: float | None = None
    subject: str = ""
    grow_share: float | None = None
    holes: bool = True
    specks: bool = True
    shadow: float = 0.0
    invert: bool = False
    color: str = ""
    amount: float = 1.0
    blur: float | None = None
    dx: int = 0
    dy: int = 0
    scale: float = 1.0
    left: int = 0
    top: int = 0
    right: int = 0
    bottom: int = 0
    picture: Photo | None = None
    shape: str = "auto"

    def __post_init__(self):
        object.__setattr__(self, "mask", frozen(self.mask, np.bool_, "EditRequest.mask", None, None))


@dataclass(frozen=True, eq=False)
class EditResult:
    """What came of an edit.

    Attributes:
        photo: the photo that was edited.
        images: one edited photo per candidate, best first where they were ranked; outside `mask` they equal `photo`
            bit for bit.
        mask: bool, of the images' size: the pixels that may differ (the mask grown, with its feather inside).
        seeds: the seed of each image.
        made_by: what painted the new pixels, in words ("exemplar fill", "Stable Diffusion 2 inpainting").
        changed_outside: measured number of pixels outside `mask` that differ from the photo, over all images; 0.
        seconds: seconds per stage.
        origin: x and y of the old photo's corner in the images; (0, 0) but for a canvas extended to the left or top.
        notes: sentences a person should read, such as that a thing was still there and another seed was tried.
        ranks: per image what was measured to rank and check it: "clip", "seam", "gone"; empty where nothing was.
        request: what was asked, or None.
        models: revision of each model used, by its kind.
        things: per image the outline of what was painted into it and its name, {"name": str, "size": [H, W],
            "counts": str} (COCO run lengths); empty where nothing with an outline of its own was.
    """

    photo: Photo
    images: tuple[Photo, ...]
    mask: np.ndarray
    seeds: tuple[int, ...]
    made_by: str
    changed_outside: int
    seconds: Mapping[str, float] = field(default_factory=dict)
    origin: tuple[int, int] = (0, 0)
    notes: tuple[str, ...] = ()
    ranks: tuple[Mapping[str, float], ...] = ()
    request: EditRequest | None = None
    models: Mapping[str, str] = field(default_factory=dict)
    things: tuple[Mapping, ...] = ()

    def __post_init__(self):
        size = self.images[0].size if self.images else self.photo.size
        if any(image.size != size for image in self.images) or len(self.seeds) != len(self.images):
            raise ValueError("EditResult.images must have one size, and one of EditResult.seeds each")
        object.__setattr__(self, "mask", frozen(self.mask, np.bool_, "EditResult.mask", *size))
