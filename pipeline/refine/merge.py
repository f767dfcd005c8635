"""SAM's answers back to labels: Trident's overlap rule, without holding a map per class, answer after answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import cv2
import numpy as np

from ..records import Box, SamEmbedding
from .regions import Component, nearest_index
from .sam import positive_box, upsample

NOBODY = -1


def photo_probability(scores: np.ndarray, class_index: int, size: tuple[int, int]) -> np.ndarray:
    """One class's probabilities at photo size, float32 [H, W], bilinear where the scores are smaller."""
    if scores.shape[1:] == tuple(size):
        return scores[class_index]
    return cv2.resize(np.ascontiguousarray(scores[class_index]), (size[1], size[0]), interpolation=cv2.INTER_LINEAR)


def merge(
    labels: np.ndarray,
    scores: np.ndarray,
    components: Sequence[Component],
    logits: np.ndarray,
    kept: np.ndarray,
    embedding: SamEmbedding,
    grid: tuple[int, int],
    protect_failed: bool = False,
    refined_scores: np.ndarray | None = None,
    step: Callable[[int], None] = lambda done: None,
    closer: Mapping[int, tuple[Box, np.ndarray]] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Decide every pixel between the kept masks.

    R_c = max over the class's kept regions of sigmoid(logit) * p_c, within the union of their masks (logit > 0); a
    pixel takes the class of the largest R, and keeps its label where all R are 0. Outside a mask sigmoid is below a
    half and inside above, so R_c is the maximum over the masks that cover the pixel, and only each mask's own box has
    to be brought to photo size. With nothing kept the labels come back as they are.

    Args:
        labels: int32 [H, W].
        scores: float32 [C, h, w] class probabilities; other sizes than the photo's are resized class by class.
        components, logits: the regions asked about and SAM's answers, float32 [N, low, low], in class order.
        kept: bool [N], which answers passed the gate.
        embedding: of the photo.
        grid: height and width of the components' grid.
        protect_failed: keep the label of a rejected region against masks of lower R than its own probability.
        refined_scores: float32 [C, H, W] zeros to be filled with R, rejected regions included (R = max(R, p) there);
            None: R is not kept.
        step: called with the number of regions done, between two of them.
        closer: for regions looked at twice, the part of the photo and the logits float32 [h, w] there, which stand in
            for the first look's.

    Returns:
        int32 [H, W] labels, and int32 [H, W] sources: i where region i's mask won, N + i where region i's coarse area
        remains, -1 where nobody was asked.
    """
    canvas = Canvas(labels, scores, components, embedding, grid, refined_scores)
    for i in np.flatnonzero(kept):
        step(int(i))
        canvas.place(int(i), logits[i], (closer or {}).get(int(i)))
    return canvas.finished(kept, protect_failed)


class Canvas:
    """Labels on which answers are placed one after another, so that not all of them need to be held at once.

    Arguments as for `merge`.
    """

    def __init__(self, labels, scores, components, embedding, grid, refined_scores=None):
        self.labels, self.scores, self.components, self.grid = labels, scores, components, grid
        self.embedding, self.refined_scores = embedding, refined_scores
        self.refined, self.best = labels.copy(), np.zeros(labels.shape, np.float32)
        self.source = _coarse_sources(components, grid, labels.shape)
        self._probability: tuple[int, np.ndarray] | None = None

    def place(self, index: int, logits: np.ndarray, closer: tuple[Box, np.ndarray] | None = None) -> None:
        """Let the answer float32 [low, low] to region `index`, or a closer look's, take the pixels it wins."""
        size, c = self.labels.shape, self.components[index].class_index
        box, answer = closer or (positive_box(logits, self.embedding, size), None)
        if box is None:
            return
        if self._probability is None or self._probability[0] != c:
            self._probability = (c, photo_probability(self.scores, c, size))
        at = (slice(box[1], box[3]), slice(box[0], box[2]))
        if answer is None:
            answer = upsample(logits[None], self.embedding, box, size)[0]
        value = np.exp(-np.maximum(answer, 0))
        value += 1
        np.divide(self._probability[1][at], value, out=value)
        value *= answer > 0
        wins = value > self.best[at]
        np.copyto(self.best[at], value, where=wins)
        np.copyto(self.refined[at], np.int32(c), where=wins)
        np.copyto(self.source[at], np.int32(index), where=wins)
        if self.refined_scores is not None:
            np.maximum(self.refined_scores[c][at], value, out=self.refined_scores[c][at])

    def finished(self, kept: np.ndarray, protect_failed: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """Labels and sources, see `merge`; `kept` bool [N] says which regions' answers were placed."""
        if not kept.any() or not (protect_failed or self.refined_scores is not None):
            return self.refined, self.source
        failed = _failed_area(self.components, kept, self.grid, self.labels.shape)
        if self.refined_scores is not None:
            for c, known in enumerate(self.refined_scores):
                np.maximum(known, photo_probability(self.scores, c, self.labels.shape), out=known, where=failed)
        if protect_failed:
            _restore(
                failed, self.labels, self.scores, self.best, self.refined, self.source, self.components, self.grid
            )
        return self.refined, self.source


def _coarse_sources(components, grid, size) -> np.ndarray:
    """int32 [H, W]: N + i on the area of region i brought to photo size (nearest), -1 elsewhere."""
    small = np.full(grid, NOBODY, np.int32)
    for i, component in enumerate(components):
        small[component.slices][component.crop] = len(components) + i
    return _enlarge(small, size)


def _failed_area(components, kept, grid, size) -> np.ndarray:
    """bool [H, W]: where a region lies whose answer was rejected."""
    small = np.zeros(grid, bool)
    for component, fine in zip(components, kept, strict=True):
        if not fine:
            small[component.slices] |= component.crop
    return _enlarge(small, size)


def _enlarge(small: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    rows, cols = nearest_index(size[0], small.shape[0]), nearest_index(size[1], small.shape[1])
    return np.ascontiguousarray(small[rows[:, None], cols[None, :]])


def _restore(failed, labels, scores, best, refined, source, components, grid) -> None:
    """Give rejected regions their coarse label back where their probability is above the winner's R; in place."""
    coarse = _coarse_sources(components, grid, labels.shape)
    for c in np.unique(labels[failed]):
        if c >= 0:
            back = failed & (labels == c) & (photo_probability(scores, int(c), labels.shape) > best)
            refined[back] = c
            source[back] = coarse[back]
