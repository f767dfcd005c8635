"""Which mask gets which name: the thesis's scores, thresholds and suppression, as functions of small tables.

Likeness is the cosine of a mask's cut-outs and a name, on the scale of OpenAI's CLIP (where the thesis's numbers come
from): another model's cosines are stretched so that a cut-out and its right name are as alike as there (`MATCH`).
"""

from __future__ import annotations

import numpy as np

from .settings import ProposalSettings

#: Words for nothing in particular.
NOTHING = ("background", "nothing", "empty space")
#: OpenAI's temperature, and its cosine of a cut-out and the right name, on whose scale the thresholds are.
TEMPERATURE, MATCH = 100.0, 0.28
#: Masks below this share of the photo are no things.
LEAST_SHARE = 0.001
#: Shares of the photo of a "small" and a "large" mask; between them the threshold goes evenly by the logarithm.
SMALL, LARGE = 0.01, 0.1


def class_likeness(words: np.ndarray, query_classes: tuple[int, ...], classes: int) -> np.ndarray:
    """Per class the likeness of its best word; float32 [M, Q] to [M, C]."""
    columns = np.array(query_classes)
    return np.stack([words[:, columns == c].max(axis=1) for c in range(classes)], axis=1)


def known_classes(likeness: np.ndarray, settings: ProposalSettings) -> np.ndarray:
    """bool [C]: classes that may be there. With many names those below the median of the classes' maxima, or below the
    floor, are noise; with few every name was typed because it is expected."""
    if likeness.shape[1] < settings.proposal_many or not len(likeness):
        return np.ones(likeness.shape[1], bool)
    best = likeness.max(axis=0)
    return best >= max(float(np.median(best)), settings.proposal_floor)


def quality(share: np.ndarray) -> np.ndarray:
    """Size penalty of masks by their share of the photo: 1 up to 15 %, then falling to 0.15 at half of it."""
    return np.where(share <= 0.15, 1.0, 1 - 0.85 * np.minimum((share - 0.15) / 0.35, 1))


def threshold(share: np.ndarray, settings: ProposalSettings) -> np.ndarray:
    """Least likeness by a mask's share of the photo: small masks say less, so more is asked of them."""
    at = np.log(np.clip(share, SMALL, LARGE) / SMALL) / np.log(LARGE / SMALL)
    return settings.proposal_small + at * (settings.proposal_large - settings.proposal_small)


def choose(
    likeness: np.ndarray, others: np.ndarray, share: np.ndarray, overlap: np.ndarray, settings: ProposalSettings,
    temperature: float = TEMPERATURE,
) -> list[tuple[int, int, float]]:
    """The masks that get a name.

    Args:
        likeness: float32 [M, C] on OpenAI's scale.
        others: float32 [M, B], likeness to competing background names; B may be 0.
        share: [M], of the photo.
        overlap: [M, M] IoU of the masks.
        settings: thresholds.
        temperature: factor between likeness and logits.

    Returns:
        (mask, class, confidence), the most confident first. A mask has one name at most; of masks of one name that
        overlap more than allowed the better stays; a name has `proposal_top` masks at most.
    """
    known = known_classes(likeness, settings)
    if not len(likeness) or not (known.any() or others.shape[1]):
        return []
    logits = temperature * np.concatenate([np.where(known, likeness, -np.inf), others], axis=1)
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares = shares / shares.sum(axis=1, keepdims=True)
    found = []
    for m, c in enumerate(shares.argmax(axis=1)):
        if c < likeness.shape[1] and share[m] >= LEAST_SHARE and likeness[m, c] >= threshold(share[m], settings):
            found.append((m, int(c), float(shares[m, c] * quality(share[m]))))
    kept: list[tuple[int, int, float]] = []
    for m, c, confidence in sorted(found, key=lambda f: (-f[2], f[0])):
        same = [k for k, other, _ in kept if other == c]
        if len(same) < settings.proposal_top and all(overlap[m, k] <= settings.proposal_overlap for k in same):
            kept.append((m, c, confidence))
    return kept
