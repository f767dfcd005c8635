"""Features and words to class probabilities and labels."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F

from .dense.cosines import frame_cosines
from .progress import Progress
from .records import NO_CLASS, Encoded, Vocabulary
from .text.decide import Decision, absent_classes
from .upsample.bilateral import JointBilateral

#: Long side beyond which labels are computed smaller and brought up to the photo: cosines come from a coarse grid, so
#: a larger map holds nothing new.
WORK_SIDE = 2048
#: Bytes of probabilities a segmentation keeps; very many classes on a large photo are kept at a smaller size.
SCORE_BYTES = 256 << 20
#: Bytes of one row band of probabilities of all words; what is held beside the result is a few times this.
BAND_BYTES = 24 << 20


def segment(
    encoded: Encoded,
    text: np.ndarray,
    vocabulary: Vocabulary,
    size: tuple[int, int],
    scale: float,
    progress: Progress | None = None,
    work_side: int = WORK_SIDE,
    score_bytes: int = SCORE_BYTES,
    band_bytes: int = BAND_BYTES,
    frames: list[torch.Tensor] | None = None,
    decision: Decision | None = None,
    upsampler: JointBilateral | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Give every pixel the class whose words fit best.

    p = softmax(scale * cosine) over all queries; a class has the largest p of its words, the background the largest of
    its names, nothing is normalised again; the largest wins. A pixel the background wins, or whose best class stays
    below the vocabulary's threshold, is no class.

    Args:
        encoded: dense features of the photo.
        text: float32 [Q, D], unit rows, one per `vocabulary.queries`.
        vocabulary: classes, background names and threshold.
        size: height and width of the photo.
        scale: factor between cosines and logits.
        progress: asked about cancelling between row bands.
        work_side: long side at which labels are computed at most.
        score_bytes: bytes of probabilities returned at most.
        band_bytes: bytes of the probabilities of all words that are worked on at a time.
        frames: the words' scores where a method has its own way to them (`dense.words.read_words`); None: cosines.
        decision: another rule from scores to probabilities.
        upsampler: brings scores to pixels; None: bilinearly.

    Returns:
        Labels int32 [H, W], -1 for no class, and probabilities float32 [C (+1 with background names), h, w], where
        h, w is the size the labels were computed at, or smaller where that would exceed `score_bytes`.

    Raises:
        ValueError: `text` does not have one row per query.
    """
    progress = progress or Progress()
    if len(text) != len(vocabulary.queries):
        raise ValueError(f"{len(vocabulary.queries)} words but {len(text)} embeddings")
    cosines = frame_cosines(encoded, text) if frames is None else frames
    if upsampler:
        cosines = [torch.stack([upsampler.coarse(one) for one in cosines]).mean(dim=0)]

    def band(shape: tuple[int, int], first: int, last: int) -> np.ndarray:
        return class_probabilities(cosines, vocabulary, scale, shape, first, last, decision, upsampler)

    channels = len(vocabulary.classes) + bool(vocabulary.background)
    return paint(band, vocabulary, size, channels, progress, len(text), work_side, score_bytes, band_bytes)


def paint(
    band: Callable[[tuple[int, int], int, int], np.ndarray],
    vocabulary: Vocabulary,
    size: tuple[int, int],
    channels: int,
    progress: Progress,
    queries: int = 1,
    work_side: int = WORK_SIDE,
    score_bytes: int = SCORE_BYTES,
    band_bytes: int = BAND_BYTES,
) -> tuple[np.ndarray, np.ndarray]:
    """Labels and kept probabilities from row bands of class probabilities.

    Args:
        band: gives probabilities float32 [C (+1), last - first, W] of rows `first` to `last` at a size it is told.
        vocabulary: classes and threshold.
        size: height and width of the photo.
        channels: of what `band` gives.
        progress: asked about cancelling between row bands.
        queries: maps that `band` holds at a time for one it gives; its rows are chosen by it.
        work_side, score_bytes, band_bytes: see `segment`.

    Returns:
        As `segment`.
    """
    work = shrunk(size, math.prod(size) * min(1.0, work_side / max(size)) ** 2)
    kept = shrunk(work, score_bytes / (4 * channels))
    scores = np.empty((channels, *kept), np.float32)
    small = np.empty(work, np.int32)
    for first, last in _bands(work, max(queries, channels), band_bytes):
        progress.step("Comparing the photo with the words", first / work[0])
        found = band(work, first, last)
        small[first:last] = labels_of(found, vocabulary)
        if kept == work:
            scores[:, first:last] = found
    if kept != work:
        for first, last in _bands(kept, max(queries, channels), band_bytes):
            progress.step("Comparing the photo with the words", None)
            scores[:, first:last] = band(kept, first, last)
    return nearest(small, size), scores


def class_probabilities(
    cosines: list[torch.Tensor],
    vocabulary: Vocabulary,
    scale: float,
    size: tuple[int, int],
    first: int = 0,
    last: int | None = None,
    decision: Decision | None = None,
    upsampler: JointBilateral | None = None,
) -> np.ndarray:
    """Class probabilities of a band of rows.

    Args:
        cosines: one float32 [Q, fh, fw] per frame; frames are averaged at `size`.
        vocabulary: which query belongs to which class.
        scale: factor between cosines and logits.
        size: height and width of the whole map.
        first, last: rows wanted, `last` excluded; None: to the end.
        decision, upsampler: as for `segment`.

    Returns:
        float32 [C (+1), last - first, W].
    """
    last = size[0] if last is None else last
    rows = upsampler.rows if upsampler else upsampled_rows
    logits = rows(cosines[0], size, first, last)
    for other in cosines[1:]:
        logits += rows(other, size, first, last)
    logits *= scale / len(cosines)
    if decision is not None and not decision.plain:
        return decision.probabilities(logits, vocabulary).numpy()
    shares = logits.sub_(logits.amax(dim=0)).exp_()
    total = shares.sum(dim=0)
    return class_maps(shares, vocabulary).div_(total).numpy()


def class_maps(scores: torch.Tensor, vocabulary: Vocabulary) -> torch.Tensor:
    """Scores of words [Q, ...] as those of classes [C (+1), ...]: the largest of each class's words."""
    # The words of a class are neighbours among the queries, and the background's are the last.
    return torch.stack([words.amax(dim=0) for words in scores.split(_words_per_class(vocabulary))])


def find_absent(
    frames: list[torch.Tensor], vocabulary: Vocabulary, scale: float, decision: Decision, floor: float
) -> frozenset[int]:
    """Classes that are nowhere likely, by the adaptive median threshold on each class's largest probability.

    Args:
        frames: scores of every word, one float32 [Q, fh, fw] per frame; the first one's size is looked at.
        vocabulary, scale, decision: as for `segment`.
        floor: see `text.decide.absent_classes`.
    """
    size = tuple(frames[0].shape[1:])
    maxima = np.zeros(len(vocabulary.classes), np.float32)
    for first, last in _bands(size, len(frames[0]), BAND_BYTES):
        band = class_probabilities(frames, vocabulary, scale, size, first, last, decision)
        maxima = np.maximum(maxima, band[: len(maxima)].max(axis=(1, 2)))
    return absent_classes(maxima, floor)


def labels_of(scores: np.ndarray, vocabulary: Vocabulary) -> np.ndarray:
    """Labels int32 [h, w] of class probabilities [C (+1), h, w]; on a tie the earlier channel wins.

    Where every class is 0, because all were set aside, there is no class.
    """
    count = len(vocabulary.classes)
    labels, best = scores.argmax(axis=0).astype(np.int32), scores[:count].max(axis=0)
    labels[(labels >= count) | (best < vocabulary.threshold) | (best <= 0)] = NO_CLASS
    return labels


def shrunk(size: tuple[int, int], pixels: float) -> tuple[int, int]:
    """A size of the same proportions with at most about `pixels` pixels; unchanged where it has no more."""
    factor = min(1.0, math.sqrt(pixels / math.prod(size)))
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def nearest(labels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Labels [h, w] at another size, every pixel taking the label its centre falls into."""
    if labels.shape == tuple(size):
        return labels
    rows, cols = (((np.arange(n) + 0.5) * s / n).astype(np.intp) for n, s in zip(size, labels.shape, strict=True))
    return labels[rows[:, None], cols[None, :]]


def _words_per_class(vocabulary: Vocabulary) -> list[int]:
    background = [len(vocabulary.background)] if vocabulary.background else []
    return [len(c.words) for c in vocabulary.classes] + background


def _bands(size: tuple[int, int], queries: int, band_bytes: int):
    rows = max(1, band_bytes // (4 * queries * size[1]))
    return [(start, min(start + rows, size[0])) for start in range(0, size[0], rows)]


def upsampled_rows(maps: torch.Tensor, size: tuple[int, int], first: int, last: int) -> torch.Tensor:
    """Rows `first` to `last` of `maps` [Q, h, w] brought bilinearly (align_corners False) to `size`."""
    height = maps.shape[1]
    position = ((torch.arange(first, last, dtype=torch.float64) + 0.5) * (height / size[0]) - 0.5).clamp_(min=0)
    above = position.long().clamp_(max=height - 1)
    below = (above + 1).clamp_(max=height - 1)
    share = (position - above).float()[:, None]
    rows = torch.lerp(maps[:, above], maps[:, below], share)
    return F.interpolate(rows, size=size[1], mode="linear", align_corners=False)
