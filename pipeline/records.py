"""The records that flow from stage to stage: plain, typed, immutable.

Coordinates are photo pixels, x to the right, y down; boxes are `x0, y0, x1, y1` with exclusive ends. What a library
wants otherwise is converted where that library is called, nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from .arrays import frozen
from .edit_records import EditRequest, EditResult
from .errors import NamebrushError
from .kept_logits import KeptLogits

__all__ = ["NO_CLASS", "Box", "ClassName", "EditRequest", "EditResult", "Encoded", "FeatureMap", "KeptLogits", "Photo",
           "Prompt", "Region", "SamEmbedding", "Segmentation", "Vocabulary"]  # fmt: skip

Box = tuple[int, int, int, int]
NO_CLASS = -1


@dataclass(frozen=True, eq=False)
class Photo:
    """An opened photo, upright and in sRGB.

    Attributes:
        pixels: uint8 [H, W, 3], sRGB, EXIF orientation already applied.
        hash: hexadecimal hash of the pixels; the key of every cache.
        alpha: uint8 [H, W], or None for a photo without transparency.
        exif: EXIF block to write back on saving (its orientation reset to upright), or None.
        icc: ICC profile to write back; it describes `pixels` as they are now, or None for plain sRGB.
        name: file name without folders, for titles and downloads.
        notes: sentences a person should read, such as "Only the first of 12 frames is used."
    """

    pixels: np.ndarray
    hash: str
    alpha: np.ndarray | None = None
    exif: bytes | None = None
    icc: bytes | None = None
    name: str = "photo"
    notes: tuple[str, ...] = ()

    def __post_init__(self):
        object.__setattr__(self, "pixels", frozen(self.pixels, np.uint8, "Photo.pixels", None, None, 3))
        if self.alpha is not None:
            object.__setattr__(self, "alpha", frozen(self.alpha, np.uint8, "Photo.alpha", *self.size))

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.pixels.shape[0], self.pixels.shape[1]

    def save(self, path, **options) -> None:
        """Write to PNG, JPEG or WebP by the path's ending, with alpha, EXIF and ICC; see `photo.save_photo`."""
        from .photo import save_photo

        save_photo(self, path, **options)


@dataclass(frozen=True)
class ClassName:
    """One class of a vocabulary: the name a person typed and other words for the same thing."""

    name: str
    synonyms: tuple[str, ...] = ()

    @property
    def words(self) -> tuple[str, ...]:
        """The name followed by its synonyms; each becomes one text query."""
        return (self.name, *self.synonyms)


@dataclass(frozen=True)
class Vocabulary:
    """Classes in the order typed, the background names that compete with them, and the threshold.

    Attributes:
        classes: what the person asked for; a label is an index into it.
        background: names that only draw pixels away from the classes: a pixel they win is "no class" (-1).
        threshold: a pixel whose best class probability is below it is "no class" (-1); 0..1, 0 switches it off.
        notes: sentences about what was changed in parsing (duplicates dropped, text cut).
        groups: groups of classes that were typed, each a name and indices into `classes`; a class is in one at most.
    """

    classes: tuple[ClassName, ...]
    background: tuple[str, ...] = ()
    threshold: float = 0.0
    notes: tuple[str, ...] = ()
    groups: tuple[tuple[str, tuple[int, ...]], ...] = ()

    def __post_init__(self):
        if not self.classes:
            raise NamebrushError("Type at least one name, for example: dog, grass, sky.")
        if not 0.0 <= self.threshold <= 1.0:
            raise NamebrushError(f"The threshold must lie between 0 and 1, got {self.threshold}.")

    @property
    def queries(self) -> tuple[str, ...]:
        """Every word that is compared with the photo: names and synonyms class by class, then the background."""
        return tuple(word for c in self.classes for word in c.words) + self.background

    @property
    def query_classes(self) -> tuple[int, ...]:
        """For each query the index of its class; the background names share the index `len(classes)`."""
        own = tuple(i for i, c in enumerate(self.classes) for _ in c.words)
        return own + (len(self.classes),) * len(self.background)


@dataclass(frozen=True, eq=False)
class FeatureMap:
    """Dense CLIP features of one window of the resized photo.

    Attributes:
        features: float32 [D, h, w], at every position of unit norm, or a mean of such vectors.
        box: the pixels of the frame these features cover, `x0, y0, x1, y1`; it may reach outside the frame where the
            window was padded, and what lies outside is cut off after upsampling.
        frame: height and width of the frame the box refers to where it is not `Encoded.frame` (another scale).
        extras: what else a method needs of this window once the words are known, whatever they are.
    """

    features: np.ndarray
    box: Box
    frame: tuple[int, int] | None = None
    extras: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self):
        object.__setattr__(self, "features", frozen(self.features, np.float32, "features", None, None, None))


@dataclass(frozen=True, eq=False)
class SamEmbedding:
    """SAM's image embedding of a photo: all that prompts need, so that a click runs only the mask decoder.

    Attributes:
        features: float32 [1, C, g, g], the encoder's output over the padded square.
        input_size: height and width of the resized photo inside the square, in SAM input pixels.
        original_size: height and width of the photo.
        fine: finer feature maps float32 [1, c, n, n], the finest first, which SAM 2's mask decoder adds; SAM has none.
        stretched: the photo was stretched over the whole square (SAM 2), not padded.
    """

    features: np.ndarray
    input_size: tuple[int, int]
    original_size: tuple[int, int]
    fine: tuple[np.ndarray, ...] = ()
    stretched: bool = False

    def __post_init__(self):
        object.__setattr__(self, "features", frozen(self.features, np.float32, "features", 1, None, None, None))


@dataclass(frozen=True, eq=False)
class Encoded:
    """What the image encoders say about a photo, whatever the words.

    Attributes:
        maps: one map per window for methods that segment each window (cosines are averaged where windows overlap), or
            a single map over the whole frame for methods that splice features first.
        frame: height and width of what the maps' boxes refer to: the resized photo, or for a single spliced map the
            map's own grid.
        photo_hash: the photo it belongs to.
        preset, method: what made it.
        seconds: seconds per image encoder.
        recipe: the `dense.recipe.Recipe` that made it, whose reader brings words in; None: plain cosines.
    """

    maps: tuple[FeatureMap, ...]
    frame: tuple[int, int]
    photo_hash: str
    preset: str
    method: str
    seconds: Mapping[str, float] = field(default_factory=dict)
    recipe: Any = None

    @property
    def nbytes(self) -> int:
        """Bytes held, for the bounded cache."""
        return sum(m.features.nbytes + sum(e.nbytes for e in m.extras.values()) for m in self.maps)


@dataclass(frozen=True, eq=False)
class Prompt:
    """What SAM is asked: points, a box and a low-resolution mask, in photo pixels; all optional.

    Attributes:
        points: float32 [N, 2], x and y; N may be 0.
        labels: int32 [N], 1 for "this belongs", 0 for "this does not", -1 for a point that is to be ignored.
        box: a box in photo pixels (fractions allowed), or None.
        mask: float32 [4g, 4g] low-resolution mask logits over SAM's padded square, or None.
    """

    points: np.ndarray = field(default_factory=lambda: np.zeros((0, 2), np.float32))
    labels: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int32))
    box: tuple[float, float, float, float] | None = None
    mask: np.ndarray | None = None

    def __post_init__(self):
        object.__setattr__(self, "points", frozen(self.points, np.float32, "Prompt.points", None, 2))
        object.__setattr__(self, "labels", frozen(self.labels, np.int32, "Prompt.labels", len(self.points)))
        if not np.isfinite(self.points).all() or not np.isin(self.labels, (-1, 0, 1)).all():
            raise ValueError("Prompt.points must be finite and Prompt.labels 1, 0 or -1")
        if self.box is not None and (len(self.box) != 4 or not np.isfinite(self.box).all()):
            raise ValueError(f"Prompt.box must be four finite numbers, got {self.box}")
        if self.mask is not None:
            object.__setattr__(self, "mask", frozen(self.mask, np.float32, "Prompt.mask", None, None))


@dataclass(frozen=True, eq=False)
class Region:
    """One connected area of one class, or a mask made by hand.

    Attributes:
        id: its number in the segmentation, from 0.
        class_index: index of its class in the vocabulary; -1 for a mask made by hand.
        name: the class's name, or "by hand".
        box: tight box of the mask, exclusive ends.
        crop: bool [y1 - y0, x1 - x0], the mask inside its box.
        size: height and width of the photo.
        score: mean class probability inside the mask, or for a mask by hand SAM's predicted IoU; 0..1.
        prompt: what SAM was asked to make it.
        made_by: who drew its edges: "sam", "grabcut", "coarse" (kept from the labels), "mask" (given) or
            "outline" (of what was painted).
        iou: SAM's predicted IoU, or None.
        logits: SAM's low-resolution answer, from which a correction starts, or None; given as float [4g, 4g] it is
            kept small (`KeptLogits`).
        accepted: a person said it is right; corrections of other regions leave its pixels alone.
    """

    id: int
    class_index: int
    name: str
    box: Box
    crop: np.ndarray
    size: tuple[int, int]
    score: float
    prompt: Prompt
    made_by: str
    iou: float | None = None
    logits: KeptLogits | None = None
    accepted: bool = False

    def __post_init__(self):
        x0, y0, x1, y1 = self.box
        if not (0 <= x0 < x1 <= self.size[1] and 0 <= y0 < y1 <= self.size[0]):
            raise ValueError(f"Region.box {self.box} does not lie in a photo of height and width {self.size}")
        object.__setattr__(self, "crop", frozen(self.crop, np.bool_, "Region.crop", y1 - y0, x1 - x0))
        if isinstance(self.logits, np.ndarray):
            object.__setattr__(self, "logits", KeptLogits.of(self.logits))

    @classmethod
    def from_mask(cls, mask: np.ndarray, **fields) -> Region:
        """Build a region from a full-size mask, bool [H, W].

        Raises:
            NamebrushError: the mask is empty.
            ValueError: it is not [H, W].
        """
        mask = np.asarray(mask)
        if mask.ndim != 2:
            raise ValueError(f"mask must be [H, W], got {list(mask.shape)}")
        rows, cols = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        if not len(rows):
            raise NamebrushError("That mask is empty. Click on the thing itself, or draw the box around it.")
        box = (int(cols[0]), int(rows[0]), int(cols[-1]) + 1, int(rows[-1]) + 1)
        crop = np.ascontiguousarray(mask[box[1] : box[3], box[0] : box[2]].astype(bool))
        return cls(box=box, crop=crop, size=mask.shape, **fields)

    @property
    def mask(self) -> np.ndarray:
        """The mask at the photo's size, bool [H, W], made anew at each call."""
        full = np.zeros(self.size, bool)
        x0, y0, x1, y1 = self.box
        full[y0:y1, x0:x1] = self.crop
        return full

    @cached_property
    def area(self) -> int:
        """Pixels inside the mask."""
        return int(self.crop.sum())


@dataclass(frozen=True, eq=False)
class Segmentation:
    """Labels, scores and regions of a photo under a vocabulary.

    Attributes:
        photo, vocabulary: what was segmented, by which names.
        labels: int32 [H, W] index into `vocabulary.classes`; -1 is "no class".
        scores: float32 [C (+1), h, w] class probabilities, the last channel the background's where there are
            background names; h, w are the photo's size up to a working size, beyond which they stay smaller.
        regions: connected areas, largest first.
        preset, method, refine: what made it.
        seconds: seconds per stage.
        notes: sentences a person should read: what was changed in the names, words the model never met.
        memory: in a comparison, bytes at most beyond those held before, as `comparison.memory.peak_above` gives them.
        settings: in a comparison, what made it beyond preset, method and refine, as `comparison.run.told` gives it.
    """

    photo: Photo
    vocabulary: Vocabulary
    labels: np.ndarray
    scores: np.ndarray
    regions: tuple[Region, ...]
    preset: str
    method: str
    refine: str
    seconds: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    memory: Mapping[str, int] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self):
        object.__setattr__(self, "labels", frozen(self.labels, np.int32, "Segmentation.labels", *self.photo.size))
        object.__setattr__(self, "scores", frozen(self.scores, np.float32, "Segmentation.scores", None, None, None))

    def region(self, region_id: int) -> Region:
        """The region of an id, which stays the same through corrections.

        Raises:
            NamebrushError: there is none.
        """
        for region in self.regions:
            if region.id == region_id:
                return region
        raise NamebrushError(f"There is no region {region_id} any more. Pick one that is shown.")

    def find(self, name: str) -> tuple[Region, ...]:
        """All regions of a class, by its name or a synonym.

        Raises:
            NamebrushError: the name is not in the vocabulary, or nothing in the photo was given it.
        """
        wanted = name.strip().casefold()
        indices = [i for i, c in enumerate(self.vocabulary.classes) if wanted in (w.casefold() for w in c.words)]
        if not indices:
            names = ", ".join(c.name for c in self.vocabulary.classes)
            raise NamebrushError(f'"{name}" is not among the names of this segmentation: {names}.')
        found = tuple(r for r in self.regions if r.class_index in indices)
        if not found:
            raise NamebrushError(f'No "{name}" was found in this photo. Try another word for it, or point at it.')
        return found
