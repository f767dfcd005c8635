"""Scores of words to probabilities of classes: temperature, entropy, groups, and names set aside as absent.

The plain rule, p = softmax(scale * score) over all words and the largest of each class's words, is `segment`'s own;
a `Decision` is what is asked for beyond it. Sources: methods.md, section 14 (temperature below 1 where entropy is
high, two-stage classes) and section 13 (a name is kept where its maximum reaches max(median of the maxima, 0.12)).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..errors import NamebrushError
from ..records import Vocabulary

#: Section 13's least maximum of a name that is kept.
FLOOR = 0.12
#: Names from which the median rule is used: it always sets about half of them aside.
ENOUGH = 8


@dataclass(frozen=True)
class Decision:
    """How scores become probabilities, where it is not the plain rule.

    Attributes:
        temperature: logits are divided by it; below 1 sharpens.
        uncertain: what they are divided by instead where a pixel's entropy is high; None: the same everywhere.
        above: share (0..1) of the largest possible entropy, ln(number of words), from which a pixel counts as unsure.
        groups: class indices of every group, every class in one of them; () for no groups.
        absent: classes whose probability is 0 everywhere.
    """

    temperature: float = 1.0
    uncertain: float | None = None
    above: float = 0.5
    groups: tuple[tuple[int, ...], ...] = ()
    absent: frozenset[int] = frozenset()

    @property
    def plain(self) -> bool:
        """Whether this is the rule without any of it."""
        return self.temperature == 1.0 and self.uncertain is None and not self.groups and not self.absent

    def probabilities(self, logits: Tensor, vocabulary: Vocabulary) -> Tensor:
        """Class probabilities of logits.

        Args:
            logits: float32 [Q, ...], scale times score; not changed.
            vocabulary: which query belongs to which class.

        Returns:
            float32 [C (+1 with background names), ...].
        """
        shares = self._tempered(logits).softmax(dim=0)
        background = [len(vocabulary.background)] if vocabulary.background else []
        words = [len(c.words) for c in vocabulary.classes] + background
        found = torch.stack([own.amax(dim=0) for own in shares.split(words)])
        for group in map(list, self.groups):
            own = found[group]
            # The group's best name carries the group's probability, the others their share of it.
            found[group] = own * (own.sum(dim=0) / own.amax(dim=0).clamp(min=1e-30))
        for index in self.absent:
            found[index] = 0.0
        return found

    def _tempered(self, logits: Tensor) -> Tensor:
        tempered = logits / self.temperature
        if self.uncertain is None or len(logits) < 2:
            return tempered
        log_shares = tempered.log_softmax(dim=0)
        entropy = -(log_shares.exp() * log_shares).sum(dim=0) / math.log(len(logits))
        return torch.where(entropy > self.above, logits / self.uncertain, tempered)


def absent_classes(maxima: np.ndarray, floor: float = FLOOR) -> frozenset[int]:
    """Classes below the adaptive median threshold: kept where the maximum is at least max(median of all, floor).

    Args:
        maxima: float [C], each class's largest probability in the photo.
        floor: least maximum of a class that is kept.
    """
    bar = max(float(np.median(maxima)), floor)
    return frozenset(int(i) for i in np.flatnonzero(maxima < bar))


def absent_note(vocabulary: Vocabulary, absent: frozenset[int]) -> tuple[str, ...]:
    """A sentence that says which names were set aside."""
    if not absent:
        return ()
    names = [vocabulary.classes[index].name for index in sorted(absent)]
    shown = ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
    return (f"Taken as absent and set aside: {shown}.",)


def check_denoise(vocabulary: Vocabulary) -> None:
    """Refuse the median rule for so few names that it would drop one that is there.

    Raises:
        NamebrushError: fewer than `ENOUGH` names.
    """
    if len(vocabulary.classes) < ENOUGH:
        raise NamebrushError(
            f"Setting absent names aside needs at least {ENOUGH} names, because it drops about half of them; "
            f"{len(vocabulary.classes)} were typed."
        )
