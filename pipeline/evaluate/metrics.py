"""Intersection over union, accuracy and boundary quality, accumulated over a dataset."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

#: Pixels by which a boundary may be off and still counts as found.
BOUNDARY_PIXELS = 2.0
#: Width of Boundary IoU's bands, as a share of the picture's diagonal.
BAND_RATIO = 0.02


class Tally:
    """Counts over a dataset.

    Attributes:
        confusion: int64 [C, C + 1], pixels by true class and given class; the last column is "no class".
        boundary: boundary F1 of every picture so far.
        pictures: per picture, int64 [3, C]: pixels rightly given a class, truly of it, and given it.
        bands: int64 [2, C], intersection and union of the boundary bands of truth and labels.

    Example:
        >>> tally = Tally(2)
        >>> tally.add(np.array([[0, 0, 1, 1]]), np.array([[0, 1, 1, 1]]))
        >>> round(tally.miou, 3), tally.pixel_accuracy
        (0.583, 0.75)
    """

    def __init__(self, classes: int):
        self.confusion = np.zeros((classes, classes + 1), np.int64)
        self.boundary: list[float] = []
        self.pictures: list[np.ndarray] = []
        self.bands = np.zeros((2, classes), np.int64)

    def add(self, truth: np.ndarray, labels: np.ndarray) -> None:
        """Count one picture: truth and labels int [H, W], class indices; -1 is not counted and "no class"."""
        if truth.shape != labels.shape:
            raise ValueError(f"truth is {truth.shape}, labels are {labels.shape}")
        classes = len(self.confusion)
        counted = truth >= 0
        given = np.where(labels[counted] < 0, classes, labels[counted])
        pairs = truth[counted].astype(np.int64) * (classes + 1) + given
        confusion = np.bincount(pairs, minlength=self.confusion.size).reshape(self.confusion.shape)
        self.confusion += confusion
        self.pictures.append(_counts(confusion))
        self.boundary.append(boundary_f1(truth, labels))
        self.bands += boundary_bands(truth, labels, classes)

    @property
    def iou(self) -> np.ndarray:
        """Per class intersection over union, float64 [C]; NaN for a class that is neither there nor given."""
        return _iou(_counts(self.confusion))

    @property
    def miou(self) -> float:
        """Mean of `iou` over the classes that are there or given."""
        return _mean(self.iou)

    @property
    def accuracy(self) -> np.ndarray:
        """Per class the share of its pixels that were given it (recall), float64 [C]; NaN for a class not there."""
        hit, true, _ = _counts(self.confusion)
        return _ratio(hit, true)

    @property
    def mean_accuracy(self) -> float:
        """Mean of `accuracy` over the classes that are there."""
        return _mean(self.accuracy)

    @property
    def precision(self) -> np.ndarray:
        """Per class the share of the pixels given it that are of it, float64 [C]; NaN for a class never given."""
        hit, _, given = _counts(self.confusion)
        return _ratio(hit, given)

    @property
    def f1(self) -> np.ndarray:
        """Per class 2 hit / (true + given), float64 [C]; NaN for a class that is neither there nor given."""
        hit, true, given = _counts(self.confusion)
        return _ratio(2 * hit, true + given)

    @property
    def pixel_accuracy(self) -> float:
        """Share of the counted pixels that got their class."""
        total = self.confusion.sum()
        return float(np.trace(self.confusion[:, :-1]) / total) if total else float("nan")

    @property
    def frequency_weighted_iou(self) -> float:
        """Mean of `iou`, every class weighted by its share of the counted pixels."""
        true = self.confusion.sum(axis=1)
        return float(np.nansum(self.iou * true) / true.sum()) if true.sum() else float("nan")

    @property
    def boundary_f1(self) -> float:
        """Mean of the pictures' boundary F1."""
        return _mean(np.array(self.boundary))

    @property
    def boundary_iou(self) -> float:
        """Mean over classes of the intersection over union of boundary bands; see `boundary_bands`."""
        return _mean(_ratio(*self.bands))

    def miou_of(self, classes: Sequence[int]) -> float:
        """Mean of `iou` over some classes, such as those that count as base or as novel."""
        return _mean(self.iou[np.asarray(classes, int)])

    def interval(self, level: float = 0.95, draws: int = 1000, seed: int = 0) -> tuple[float, float]:
        """Where mIoU lies with a probability of `level`, by drawing as many pictures again with replacement.

        The percentile bootstrap over pictures (Efron and Tibshirani, 1993, chapter 13).

        Args:
            level: 0 to 1.
            draws: of the whole dataset.
            seed: same seed, same interval.
        """
        if not self.pictures:
            return float("nan"), float("nan")
        counts, generator = np.stack(self.pictures), np.random.default_rng(seed)
        number = len(counts)
        means = []
        for _ in range(draws):
            weights = np.bincount(generator.integers(0, number, number), minlength=number)
            means.append(_mean(_iou(np.tensordot(weights, counts, axes=1))))
        low, high = np.nanquantile(means, [(1 - level) / 2, (1 + level) / 2])
        return float(low), float(high)


def harmonic_mean(base: float, novel: float) -> float:
    """2ab / (a + b) of two mIoU, as zero-shot segmentation reports base and novel classes; 0 where both are 0."""
    return 2 * base * novel / (base + novel) if base + novel else 0.0


def _counts(confusion: np.ndarray) -> np.ndarray:
    """Pixels rightly given, truly of, and given every class, int64 [3, C]."""
    return np.stack([np.diagonal(confusion), confusion.sum(axis=1), confusion[:, :-1].sum(axis=0)])


def _iou(counts: np.ndarray) -> np.ndarray:
    hit, true, given = counts
    return _ratio(hit, true + given - hit)


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """part / whole as float64, NaN where whole is 0."""
    return np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=np.asarray(whole) > 0)


def _mean(values: np.ndarray) -> float:
    """The mean without NaN; NaN where there is nothing else."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def boundary_bands(truth: np.ndarray, labels: np.ndarray, classes: int, ratio: float = BAND_RATIO) -> np.ndarray:
    """Per class intersection and union of the bands inside its boundary, in pixels: the parts of Boundary IoU.

    The band of a mask is what lies in it at most d pixels from its boundary, d being `ratio` of the picture's diagonal
    (Cheng et al., CVPR 2021, equation 1); the picture's rim counts as boundary, as in their code. Where the truth is
    not counted (-1) nothing counts, and what lies beside it is no boundary.

    Args:
        truth, labels: int [H, W].
        classes: their number.
        ratio: of the diagonal.

    Returns:
        int64 [2, C].
    """
    unknown = truth < 0
    labels = np.where(unknown, -1, labels)
    width = max(1, round(ratio * float(np.hypot(*truth.shape))))
    bands = np.zeros((2, classes), np.int64)
    present = np.union1d(np.unique(truth), np.unique(labels))
    for index in present[present >= 0]:
        true, given = _band(truth == index, unknown, width), _band(labels == index, unknown, width)
        bands[:, index] = np.count_nonzero(true & given), np.count_nonzero(true | given)
    return bands


def _band(mask: np.ndarray, unknown: np.ndarray, width: int) -> np.ndarray:
    """What of a mask goes when it is eroded `width` times by a square of 3 x 3; the rim is outside, `unknown` not."""
    padded = cv2.copyMakeBorder((mask | unknown).astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    eroded = cv2.erode(padded, np.ones((3, 3), np.uint8), iterations=width)
    return mask & ~eroded[1:-1, 1:-1].astype(bool)


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
