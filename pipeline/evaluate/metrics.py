"""Intersection over union, accuracy and boundary quality, accumulated over a dataset."""

from __future__ import annotations

import cv2
import numpy as np

#: Pixels by which a boundary may be off and still counts as found.
BOUNDARY_PIXELS = 2.0


class Tally:
    """Counts over a dataset.

    Attributes:
        confusion: int64 [C, C + 1], pixels by true class and given class; the last column is "no class".
        boundary: boundary F1 of every picture so far.
    """

    def __init__(self, classes: int):
        self.confusion = np.zeros((classes, classes + 1), np.int64)
        self.boundary: list[float] = []

    def add(self, truth: np.ndarray, labels: np.ndarray) -> None:
        """Count one picture: truth and labels int [H, W], class indices; -1 is not counted and "no class"."""
        if truth.shape != labels.shape:
            raise ValueError(f"truth is {truth.shape}, labels are {labels.shape}")
        classes = len(self.confusion)
        counted = truth >= 0
        given = np.where(labels[counted] < 0, classes, labels[counted])
        pairs = truth[counted].astype(np.int64) * (classes + 1) + given
        self.confusion += np.bincount(pairs, minlength=self.confusion.size).reshape(self.confusion.shape)
        self.boundary.append(boundary_f1(truth, labels))

    @property
    def iou(self) -> np.ndarray:
        """Per class intersection over union, float64 [C]; NaN for a class that is neither there nor given."""
        hit = np.diagonal(self.confusion).astype(float)
        union = self.confusion.sum(axis=1) + self.confusion[:, :-1].sum(axis=0) - hit
        return np.divide(hit, union, out=np.full(len(hit), np.nan), where=union > 0)

    @property
    def miou(self) -> float:
        """Mean of `iou` over the classes that are there or given."""
        return float(np.nanmean(self.iou)) if self.confusion.any() else float("nan")

    @property
    def pixel_accuracy(self) -> float:
        """Share of the counted pixels that got their class."""
        total = self.confusion.sum()
        return float(np.trace(self.confusion[:, :-1]) / total) if total else float("nan")

    @property
    def boundary_f1(self) -> float:
        """Mean of the pictures' boundary F1."""
        values = [v for v in self.boundary if not np.isnan(v)]
        return float(np.mean(values)) if values else float("nan")


def boundary_f1(truth: np.ndarray, labels: np.ndarray, tolerance: float = BOUNDARY_PIXELS) -> float:
    """How well boundaries are met: per true class the F1 of its boundary pixels, mean over the picture's true classes.

    A boundary pixel of a class has a pixel that is not of the class among its 8 neighbours; the picture's rim makes no
    boundary. Precision is the share of given boundary pixels with a true one at most `tolerance` pixels away (Euclid),
    recall the other way round (Csurka et al., BMVC 2013). Where the truth is not counted (-1), labels do not count.

    Args:
        truth, labels: int [H, W].
        tolerance: in pixels.

    Returns:
        0..1, NaN where no class is counted.
    """
    labels = np.where(truth < 0, -1, labels)
    scores = []
    for index in np.unique(truth[truth >= 0]):
        true, given = _boundary(truth == index), _boundary(labels == index)
        if not true.any() or not given.any():
            scores.append(float(true.any() == given.any() and (labels == index).any()))
            continue
        precision = (_distance(true)[given] <= tolerance).mean()
        recall = (_distance(given)[true] <= tolerance).mean()
        scores.append(2 * precision * recall / (precision + recall) if precision + recall else 0.0)
    return float(np.mean(scores)) if scores else float("nan")


def _boundary(mask: np.ndarray) -> np.ndarray:
    return mask & ~cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)


def _distance(boundary: np.ndarray) -> np.ndarray:
    return cv2.distanceTransform((~boundary).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
