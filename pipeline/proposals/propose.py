"""Masks first, words second: SAM's automatic masks named by CLIP, alone or joined with a dense method."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..models.records import ClipModel, Sam2, SamModel
from ..progress import Progress
from ..records import NO_CLASS, Photo, Prompt, Region, SamEmbedding, Vocabulary
from ..refine.sam import upsample
from ..text.wording import THING, kind_of_word
from .crops import embed_crops, likeness
from .masks import Masks, automatic_masks
from .naming import LEAST_SHARE, MATCH, NOTHING, choose, class_likeness
from .settings import ProposalSettings

#: Expected IoU of masks over the gate of refinement: 0.88 over 0.8, as published.
SURER = 1.1


@dataclass(frozen=True, eq=False)
class Looks:
    """SAM's masks of a photo and CLIP's view of each; does not depend on words, so it is kept with the photo."""

    masks: Masks
    vectors: tuple[np.ndarray, ...]

    @property
    def nbytes(self) -> int:
        """Bytes held, for a bounded cache."""
        return self.masks.logits.nbytes + sum(v.nbytes for v in self.vectors)


@dataclass(frozen=True, eq=False)
class Named:
    """A mask with a name: `mask` bool [H, W], class index, confidence 0..1, and what SAM was asked and said."""

    mask: np.ndarray
    class_index: int
    confidence: float
    prompt: Prompt
    iou: float
    logits: np.ndarray


def look(
    photo: Photo, clip: ClipModel, sam: SamModel | Sam2, embedding: SamEmbedding, settings: ProposalSettings,
    progress: Progress | None = None,
) -> Looks:
    """Mask the whole photo and look at every mask."""
    progress = progress or Progress()
    gate = settings.proposal_iou
    if gate is None:
        gate = min(0.88, SURER * sam.iou_threshold)
    masks = automatic_masks(
        sam, embedding, settings.proposal_grid, gate, settings.proposal_stability, LEAST_SHARE, progress
    )
    vectors = embed_crops(clip, photo.pixels, lambda: _nonempty(masks, embedding), len(masks), progress)
    return Looks(masks, tuple(vectors))


def _nonempty(masks: Masks, embedding: SamEmbedding):
    """The masks at the photo's size; one that vanishes there keeps its most certain pixel."""
    for low in masks.logits:
        full = upsample(low[None], embedding)[0]
        mask = full > 0
        if not mask.any():
            mask.flat[full.argmax()] = True
        yield mask


def name_masks(
    looks: Looks, embedding: SamEmbedding, vocabulary: Vocabulary, text: np.ndarray, nothing: np.ndarray,
    temperature: float, settings: ProposalSettings, match: float = MATCH,
) -> list[Named]:
    """Give masks their names.

    Args:
        looks: of the photo.
        embedding: SAM's.
        vocabulary: classes and competing background names.
        text: float32 [Q, D] of `vocabulary.queries`.
        nothing: float32 [B, D] of `naming.NOTHING`.
        temperature: the one CLIP was trained with.
        settings: thresholds.
        match: CLIP's typical cosine of a cut-out and its right name.
    """
    if not len(looks.masks):
        return []
    unit, count = MATCH / match, len(vocabulary.classes)
    off = settings.proposal_background * likeness(looks.vectors, nothing).mean(axis=1, keepdims=True)
    words = (likeness(looks.vectors, text) - off) * unit
    columns = np.array(vocabulary.query_classes)
    classes = class_likeness(words, vocabulary.query_classes, count)
    share = looks.masks.area / looks.masks.cells
    positive = (looks.masks.logits > 0).reshape(len(looks.masks), -1)
    kept = choose(classes, words[:, columns == count], share, _overlap(positive), settings,
                  temperature / unit)  # fmt: skip
    return [
        Named(
            upsample(looks.masks.logits[m : m + 1], embedding)[0] > 0, c, confidence, looks.masks.prompts[m],
            float(looks.masks.iou[m]), looks.masks.logits[m],
        )
        for m, c, confidence in kept
    ]  # fmt: skip


def _overlap(masks: np.ndarray) -> np.ndarray:
    """IoU of all pairs, float32 [M, M]."""
    flat = masks.astype(np.float32)
    both, area = flat @ flat.T, flat.sum(axis=1)
    return both / np.maximum(area[:, None] + area - both, 1)


def paint(
    named: list[Named], vocabulary: Vocabulary, size: tuple[int, int], threshold: float = 0.0,
    dense: tuple[np.ndarray, np.ndarray] | None = None,
) -> tuple[np.ndarray, np.ndarray, list[Region]]:
    """Named masks to labels, scores and regions, one region per thing.

    Where masks overlap the more confident one wins. Over a dense result (the hybrid) only things are taken from the
    masks, and only where their confidence is above the dense method's probability for what it put there.

    Args:
        named: the most confident first.
        vocabulary: the classes.
        size: height and width of the photo.
        threshold: least confidence.
        dense: labels int32 [H, W] and scores float32 [C (+1), h, w] of the dense method, or None.

    Returns:
        Labels int32 [H, W], scores float32 [C, H, W] (or the dense scores, raised where masks won), and the regions in
        the masks' order.
    """
    count = len(vocabulary.classes)
    if dense is None:
        labels, scores = np.full(size, NO_CLASS, np.int32), np.zeros((count, *size), np.float32)
        best = np.full(size, threshold, np.float32)
    else:
        labels, scores = dense[0].copy(), dense[1].copy()
        best = _confidence(labels, scores, count)
    fine = scores.shape[1:] == tuple(size)
    regions = []
    for one in named:
        thing = kind_of_word(vocabulary.classes[one.class_index].name) == THING
        if dense is not None and not thing:
            continue
        wins = one.mask & (best < one.confidence)
        if not wins.any():
            continue
        labels[wins], best[wins] = one.class_index, one.confidence
        if fine:
            channel = scores[one.class_index]
            channel[wins] = np.maximum(channel[wins], one.confidence)
        regions.append(Region.from_mask(
            wins, id=len(regions), class_index=one.class_index, name=vocabulary.classes[one.class_index].name,
            score=min(one.confidence, 1.0), prompt=one.prompt, made_by="sam", iou=one.iou, logits=one.logits,
        ))  # fmt: skip
    return labels, scores, regions


def _confidence(labels: np.ndarray, scores: np.ndarray, count: int) -> np.ndarray:
    """The dense method's probability of what it put at every pixel; where that is no class, of what it was surest."""
    from ..refine.merge import photo_probability

    best = np.zeros(labels.shape, np.float32)
    for c in np.unique(labels):
        at = labels == c
        source = scores[int(c)][None] if c >= 0 else scores[count:] if len(scores) > count else None
        if source is not None:
            best[at] = photo_probability(source, 0, labels.shape)[at]
    return best


__all__ = ["NOTHING", "Looks", "Named", "look", "name_masks", "paint"]
