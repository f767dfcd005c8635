"""The settings of refinement, with the words and ranges the page and the command line show."""

from __future__ import annotations

from dataclasses import dataclass, replace
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
    use_masks: bool | None = setting(
        None, "Ask with masks", "Show SAM the class map as a faint mask; as the SAM model advises if left out: "
        "yes, as published, for the downloaded ones.",
    )  # fmt: skip
    use_components: bool = setting(
        True, "One question per region", "Ask about every connected region by itself; off: one question per name."
    )
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
    islands: float | None = setting(
        None, "Smallest island", "Pieces of a region below this many times the smallest region go to the neighbour "
        "they fit best; 0 keeps all; the preset's if left out.",
        min=0.0, max=10.0,
    )  # fmt: skip

    least_score: float | None = setting(
        None, "Least sure", "Pieces that SAM drew over a lower mean probability have no name; those below the "
        "smallest region must reach two and a half times this. 0 keeps all; the preset's if left out.",
        min=0.0, max=1.0,
    )  # fmt: skip

    look_twice: bool = setting(
        False, "Look twice", "Ask SAM again about every thing on a cut-out around it and average both answers: finer "
        "edges of small things with the built-in SAM, some seconds more.",
    )  # fmt: skip

    def __post_init__(self):
        validate(self)
        if not (self.use_points or self.use_boxes or self.use_masks is not False):
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

    def advised(self, masks: bool, islands: float = 0.0, least_score: float = 0.0) -> RefineSettings:
        """The same with what was left open chosen: `masks` by the SAM model, `islands`, `least_score` by the preset.

        Where points and boxes are off, masks stay on: something must be asked.
        """
        asked = self.use_masks
        if asked is None:
            asked = masks or not (self.use_points or self.use_boxes)
        return replace(
            self, use_masks=asked, islands=islands if self.islands is None else self.islands,
            least_score=least_score if self.least_score is None else self.least_score,
        )  # fmt: skip


@dataclass(frozen=True)
class VoteSettings:
    """How SAM's masks vote on a name (the thesis's refinement, `vote` and `vote-auto`)."""

    TITLE: ClassVar[str] = "refinement by votes"

    vote_agreement: float = setting(
        0.6, "Agreement", "A mask counts for a name where at least this share of its pixels has it.", min=0.0, max=1.0
    )
    vote_distance: float = setting(
        20.0, "Point distance", "Points of one name lie at least this many pixels apart.", min=0.0, max=1000.0
    )
    vote_grid: int = setting(
        16, "Grid", "Points per side of the grid that automatic masks are asked with.", min=1, max=64
    )

    def __post_init__(self):
        validate(self)


@dataclass(frozen=True)
class SmoothSettings:
    """How probabilities are smoothed along the photo (`crf`, `pamr`, `diffusion`)."""

    TITLE: ClassVar[str] = "refinement by smoothing"

    crf_steps: int = setting(10, "CRF: steps", "Mean-field iterations.", min=0, max=100)
    crf_near: float = setting(
        3.0, "CRF: nearness weight", "How much neighbours want the same name, whatever their colours.",
        min=0.0, max=100.0,
    )  # fmt: skip
    crf_near_pixels: float = setting(3.0, "CRF: near", "Pixels at which that fades.", min=0.1, max=500.0)
    crf_alike: float = setting(
        5.0, "CRF: likeness weight", "How much pixels of like colour want the same name.", min=0.0, max=100.0
    )
    crf_alike_pixels: float = setting(60.0, "CRF: far", "Pixels at which that fades.", min=0.1, max=2000.0)
    crf_alike_colour: float = setting(
        13.0, "CRF: colours", "Grey levels of 255 by which colours may differ.", min=0.5, max=255.0
    )
    pamr_steps: int = setting(10, "PAMR: steps", "How often neighbours are averaged.", min=0, max=200)
    diffusion_steps: str = setting(
        "50, 100", "Diffusion: times", "Timesteps of 1000 whose self-attention is used, separated by commas."
    )
    diffusion_side: int = setting(
        512, "Diffusion: side", "Side in pixels at which the diffusion model sees the photo.", min=64, max=1536
    )
    diffusion_heads: str = setting(
        "chain", "Diffusion: heads", "Attention heads one after another, as published, or their mean.",
        choices=("chain", "mean"),
    )  # fmt: skip

    def __post_init__(self):
        validate(self)
        self.timesteps  # noqa: B018 - refuses what is no number

    @property
    def timesteps(self) -> tuple[int, ...]:
        """`diffusion_steps` as numbers."""
        try:
            found = tuple(int(part) for part in self.diffusion_steps.split(",") if part.strip())
        except ValueError:
            found = ()
        if not 0 < len(found) <= 32 or not all(0 <= t < 1000 for t in found):
            raise NamebrushError(
                "Diffusion: times must be whole numbers from 0 to 999, separated by commas; "
                f'got "{self.diffusion_steps[:80]}".'
            )
        return found


#: The records of all refinements, in the order of the page and the command line.
RECORDS = (RefineSettings, VoteSettings, SmoothSettings)
