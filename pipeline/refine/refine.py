"""Trident's refinement: coarse labels to prompts, prompts to SAM's masks, masks back to labels and regions.

Source: Trident (ICCV 2025), prompts from coarse regions with alpha = 0.005; the published code's order of steps is
kept, while all prompts of all classes share one call of SAM's mask decoder.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ..models.records import SamModel
from ..progress import Progress
from ..records import KeptLogits, Photo, Prompt, Region, SamEmbedding, Vocabulary
from .assemble import Asked, assemble
from .closer import look_closer_at_regions
from .islands import absorb, sure
from .merge import NOBODY, Canvas
from .prompts import region_prompts
from .regions import Component, find_components, ignore_weak, to_grid, working_size
from .sam import decode, grid_size, input_size, low_side, side
from .settings import RefineSettings

METHODS = ("none", "sam", "optimized")
#: Regions asked about at a time: what SAM answers is placed and kept small before it answers more.
CHUNK = 64


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
    gate = sam.iou_threshold if settings.iou_threshold is None else settings.iou_threshold
    canvas = Canvas(labels, scores, questions.components, embedding, questions.grid)
    answers, quality = [], np.zeros(count, np.float32)
    for start in range(0, count, CHUNK):
        share = 0.2 + 0.7 * start / count
        progress.step(f"SAM refines {count} region{'s' * (count != 1)}", share)
        prompts = questions.prompts[start : start + CHUNK]
        logits, iou = decode(
            sam, embedding, prompts, rowwise_masks=settings.rowwise_masks, mixed=method == "optimized"
        )
        quality[start : start + CHUNK] = iou
        closer = {}
        if settings.look_twice:
            closer = look_closer_at_regions(
                sam, photo.pixels, embedding, prompts, logits, iou > gate,
                lambda done, all_, share=share: progress.step(f"Looking closer at {all_} things", share),
            )  # fmt: skip
        progress.step("Placing masks", share)
        for i in np.flatnonzero(iou > gate):
            canvas.place(start + int(i), logits[i], closer.get(int(i)))
        answers += [_kept(low, c, embedding, questions.grid)
                    for low, c in zip(logits, questions.components[start : start + CHUNK], strict=True)]  # fmt: skip
    refined, source = canvas.finished(quality > gate, settings.protect_failed)
    progress.step("Listing regions", 0.9)
    tidy = sure(absorb(refined, scores, settings.islands * smallest), scores, settings.least_score, smallest)
    source[tidy != refined] = NOBODY
    refined = tidy
    asked = Asked(questions.prompts, answers, quality)
    return refined, assemble(refined, source, asked, scores, vocabulary, embedding, low, smallest, settings)


def _kept(logits: np.ndarray, component: Component, embedding: SamEmbedding, grid: tuple[int, int]) -> KeptLogits:
    """An answer as a region keeps it: fine where it is above zero, as far as half the region's size around it."""
    low, square = len(logits), max(embedding.input_size)
    high, wide = (n / square * low for n in grid_size(grid, embedding))
    x0, y0, x1, y1 = np.array(component.box) * ([wide / grid[1], high / grid[0]] * 2)
    reach = max(x1 - x0, y1 - y0) / 2
    x, y, w, h = cv2.boundingRect((logits > 0).view(np.uint8))
    around = (max(x, x0 - reach), max(y, y0 - reach), min(x + w, x1 + reach), min(y + h, y1 + reach))
    return KeptLogits.of(logits, around)


def empty_embedding(photo_size: tuple[int, int], square: int) -> SamEmbedding:
    """An embedding that only knows sizes, for prompts that are never sent to SAM."""
    return SamEmbedding(np.zeros((1, 0, 0, 0), np.float32), input_size(photo_size, square), photo_size)
