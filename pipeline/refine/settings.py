"""The settings of refinement, with the words and ranges the page and the command line show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..errors import NamebrushError
from ..settings import setting, validate

#: Pixels of a typical photo of Trident's datasets (500 x 375), for which its minimal area is meant.
REFERENCE_PIXELS = 500 * 375


@dataclass(frozen=True)
class RefineSettings:
    """How labels become prompts and which of SAM's answers are kept; the defaults are Trident's.

    The fields are declared with `settings.setting`, from which flags and controls are generated.
    """

    TITLE: ClassVar[str] = "refinement"

    alpha: float = setting(
        0.005, "Mask prompt strength", "How strongly the class map is shown to SAM as a hint.", min=0.0, max=20.0
    )
    coarse_threshold: float = setting(
        0.1, "Coarse threshold", "Pixels where no name reaches this probability are left out when regions are found.",
        min=0.0, max=1.0,
    )  # fmt: skip
    minimal_area: int = setting(
        225, "Smallest region", "SAM is not asked about regions smaller than this many half-size pixels.",
        min=0, max=100_000,
    )  # fmt: skip
    scale_area: bool = setting(
        True, "Smaller on small photos", "Lower the smallest region in proportion on photos below 500 x 375 pixels."
    )
    iou_threshold: float | None = setting(
        None, "Quality gate", "SAM's mask is used only where SAM itself expects a better overlap than this; the SAM "
        "model's own if left out: 0.8, as published, for the downloaded ones.",
        min=0.0, max=1.0,
    )  # fmt: skip
    use_points: bool = setting(True, "Ask with points", "Show SAM the region's most certain pixel.")
    use_boxes: bool = setting(True, "Ask with boxes", "Show SAM the box around the region.")
    use_masks: bool = setting(True, "Ask with masks", "Show SAM the class map as a faint mask.")
    rowwise_masks: bool = setting(
        True, "Masks as published",
        "Embed masks as Trident's published code does, normalised along the rows of the map, which makes the faint "
        "mask strong; off: as SAM itself does.",
    )  # fmt: skip
    half: bool = setting(True, "Regions at half size", "Find regions on a map of half the photo's size.")
    protect_failed: bool = setting(
        False, "Protect rejected regions",
        "Where SAM's mask was rejected, keep the coarse region even if another region's mask reaches into it with a "
        "lower probability. Trident means to do this, but its published code does not.",
    )  # fmt: skip

    def __post_init__(self):
        validate(self)
        if not (self.use_points or self.use_boxes or self.use_masks):
            raise NamebrushError("Refinement needs at least one kind of prompt: points, boxes or masks.")

    def area_on(self, grid: tuple[int, int], photo: tuple[int, int]) -> float:
        """Smallest region in pixels of the working grid.

        Trident counts half-size pixels of photos of about 500 x 375. On a smaller photo the same things are smaller,
        so there the number shrinks with the photo's area; on a grid that is not half the photo's size it follows the
        grid only when that is finer (`half` off).
        """
        area = float(self.minimal_area)
        if self.scale_area:
            area *= min(1.0, photo[0] * photo[1] / REFERENCE_PIXELS)
        if not self.half and tuple(grid) == tuple(photo):
            area *= 4
        return area
