"""Trident's refinement: coarse labels to prompts, prompts to SAM's masks, masks back to labels and regions.

Source: Trident (ICCV 2025), prompts from coarse regions with alpha = 0.005; the published code's order of steps is
kept, while all prompts of all classes share one call of SAM's mask decoder.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..models.records import SamModel
from ..progress import Progress
from ..records import Photo, Prompt, Region, SamEmbedding, Vocabulary
from .assemble import Asked, assemble
from .closer import look_closer_at_regions
from .islands import absorb
from .merge import NOBODY, merge
from .prompts import region_prompts
from .regions import Component, find_components, ignore_weak, to_grid, working_size
from .sam import decode, input_size, low_side, side
from .settings import RefineSettings

METHODS = ("none", "sam", "optimized")


@dataclass(frozen=True, eq=False)
class Questions:
    """The regions found on the working grid and what SAM is asked about each.

    Attributes:
        components: regions in class and raster order.
        prompts: one per component, photo pixels.
        labels, scores: int32 [gh, gw] (-1: ignored) and float32 [C, gh, gw] on the grid.
    """

    components: list[Component]
    prompts: list[Prompt]
    labels: np.ndarray
    scores: np.ndarray

    @property
    def grid(self) -> tuple[int, int]:
        """Height and width of the working grid."""
        return self.labels.shape


def ask(
    labels: np.ndarray, scores: np.ndarray, embedding: SamEmbedding, low: int | None, settings: RefineSettings
) -> Questions:
    """Find the regions of coarse labels and their prompts.

    Args:
        labels: int32 [H, W], -1 for no class.
        scores: float32 [C, h, w] class probabilities, without the background's.
        embedding: of the photo; only its sizes are used.
        low: side of SAM's low-resolution masks; None: prompts without masks.
        settings: thresholds and parts of the prompts.
    """
    grid = working_size(labels.shape, scores.shape[1:], settings.half)
    small, maps = to_grid(labels, scores, grid)
    small = ignore_weak(small, maps, settings.coarse_threshold)
    smallest = settings.area_on(grid, labels.shape)
    components = find_components(small, maps, smallest, settings.coarse_threshold, settings.use_components)
    return Questions(components, region_prompts(components, maps, embedding, low, settings), small, maps)


def refine(
    photo: Photo,
    labels: np.ndarray,
    scores: np.ndarray,
    vocabulary: Vocabulary,
    embedding: SamEmbedding | None,
    sam: SamModel | None,
    settings: RefineSettings | None = None,
    progress: Progress | None = None,
    method: str = "sam",
) -> tuple[np.ndarray, tuple[Region, ...]]:
    """Refine labels with SAM and list the regions.

    A pixel of no class gets one only where a region's refined mask covers it; background names have no regions.

    Args:
        photo: what was segmented.
        labels: int32 [H, W] coarse labels, -1 for no class.
        scores: float32 [C (+1), h, w] class probabilities; a last channel for the background is left aside.
        vocabulary: the classes.
        embedding: SAM's, of this photo; not needed for "none".
        sam: not needed for "none"; without it prompts have no mask.
        settings: None takes the defaults.
        progress: told before each step.
        method: "sam", "optimized" (batches by free memory, half precision on a graphics card), or "none" for the
            connected areas of the labels.

    Returns:
        int32 [H, W] labels, and the regions, largest first. Every region carries its prompt and says who drew it.
    """
    settings, progress = settings or RefineSettings(), progress or Progress()
    if method not in METHODS:
        raise ValueError(f"refine must be one of {', '.join(METHODS)}, got {method!r}")
    if labels.shape != photo.size:
        raise ValueError(f"labels are {labels.shape}, the photo is {photo.size}")
    labels, scores = labels.astype(np.int32, copy=False), scores[: len(vocabulary.classes)]
    settings = settings.advised(sam is None or sam.mask_prompts)
    low = None if sam is None else low_side(sam)
    grid = working_size(labels.shape, scores.shape[1:], settings.half)
    smallest = settings.area_on(grid, labels.shape) * labels.size / (grid[0] * grid[1])
    if method == "none":
        frame = embedding or empty_embedding(photo.size, 1024 if sam is None else side(sam))
        progress.step("Finding regions")
        labels = absorb(labels, scores, settings.islands * smallest)
        return labels, assemble(labels, None, Asked(), scores, vocabulary, frame, low, smallest, settings)

    if sam is None or embedding is None:
        raise ValueError("refinement with SAM needs the model and its embedding of the photo")
    progress.step("Finding regions", 0.0)
    questions = ask(labels, scores, embedding, low, settings)
    count = len(questions.components)
    progress.step(f"SAM refines {count} region{'s' * (count != 1)}", 0.2)
    logits, iou = decode(
        sam, embedding, questions.prompts, rowwise_masks=settings.rowwise_masks, mixed=method == "optimized"
    )
    kept = iou > (sam.iou_threshold if settings.iou_threshold is None else settings.iou_threshold)
    closer = None
    if settings.look_twice:
        closer = look_closer_at_regions(
            sam, photo.pixels, embedding, questions.prompts, logits, kept,
            lambda done, all_: progress.step(f"Looking closer at {all_} things", 0.4 + 0.2 * done / max(all_, 1)),
        )  # fmt: skip
    refined, source = merge(
        labels, scores, questions.components, logits, kept, embedding, questions.grid, settings.protect_failed,
        step=lambda done: progress.step("Placing masks", 0.6 + 0.3 * done / count), closer=closer,
    )  # fmt: skip
    progress.step("Listing regions", 0.9)
    tidy = absorb(refined, scores, settings.islands * smallest)
    source[tidy != refined] = NOBODY
    refined = tidy
    asked = Asked(questions.prompts, logits, iou)
    return refined, assemble(refined, source, asked, scores, vocabulary, embedding, low, smallest, settings)


def empty_embedding(photo_size: tuple[int, int], square: int) -> SamEmbedding:
    """An embedding that only knows sizes, for prompts that are never sent to SAM."""
    return SamEmbedding(np.zeros((1, 0, 0, 0), np.float32), input_size(photo_size, square), photo_size)
