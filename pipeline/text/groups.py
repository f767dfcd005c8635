"""Groups of names: a pixel is first given to a group, then to a name of that group.

The thesis in our sources calls this two-stage hierarchical classes (methods.md, section 14) and does not say how
groups are compared. Our reading: a group has the sum of its names' probabilities, and its best name gets all of it, so
that names of one kind do not lose to a third because they share what is theirs. Comparing groups by the mean of their
words' embeddings was measured and is far worse (docs/words.md). A name of no group, and the background, stand alone.
"""

from __future__ import annotations

import math

import numpy as np

from ..errors import NamebrushError
from ..records import Vocabulary

CHOICES = ("none", "given", "auto")
#: Names needed for groups found by themselves.
ENOUGH = 4


def group_classes(vocabulary: Vocabulary, text: np.ndarray, how: str) -> tuple[tuple[int, ...], ...]:
    """Groups of class indices under a choice of `CHOICES`.

    Args:
        vocabulary: with its own groups, for "given".
        text: float32 [Q, D], unit rows, one per `vocabulary.queries`.
        how: "none", "given" by the person, or "auto": by clustering the names' embeddings.

    Returns:
        Every class in exactly one group, groups in the order of their first class; () for "none", and for "auto" with
        too few names.

    Raises:
        NamebrushError: "given" without any group in the vocabulary.
    """
    if how == "none":
        return ()
    if how == "given":
        if not vocabulary.groups:
            raise NamebrushError(
                'No group was typed. Write groups as in "animals: dog, cat | plants: grass, tree", or choose auto.'
            )
        return whole([members for _, members in vocabulary.groups], len(vocabulary.classes))
    count = len(vocabulary.classes)
    if count < ENOUGH:
        return ()
    vectors = class_vectors(vocabulary, text)
    apart = vectors - vectors.mean(axis=0)  # text embeddings have most in common with one another
    apart /= np.maximum(np.linalg.norm(apart, axis=1, keepdims=True), 1e-12)
    return cluster(apart, round(math.sqrt(count)))


def whole(groups: list[tuple[int, ...]], count: int) -> tuple[tuple[int, ...], ...]:
    """The groups and a group of its own for every other class, in the order of their first class."""
    held = {index for group in groups for index in group}
    alone = [(index,) for index in range(count) if index not in held]
    return tuple(sorted((tuple(sorted(group)) for group in (*groups, *alone) if group), key=lambda group: group[0]))


def class_vectors(vocabulary: Vocabulary, text: np.ndarray) -> np.ndarray:
    """Mean embedding of each class's words, float32 [C, D], unit rows."""
    owners = np.array(vocabulary.query_classes)
    means = np.stack([text[owners == index].mean(axis=0) for index in range(len(vocabulary.classes))])
    return means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12)


def cluster(vectors: np.ndarray, count: int) -> tuple[tuple[int, ...], ...]:
    """Agglomerative clustering by cosine with average linkage, until `count` groups are left; ties go to the first.

    Args:
        vectors: float32 [C, D], unit rows.
        count: groups wanted, 1..C.
    """
    members = [[index] for index in range(len(vectors))]
    likeness = (vectors @ vectors.T).astype(np.float64)
    np.fill_diagonal(likeness, -np.inf)
    while len(members) > max(1, count):
        first, second = sorted(divmod(int(likeness.argmax()), len(members)))
        a, b = len(members[first]), len(members[second])
        joined = (a * likeness[first] + b * likeness[second]) / (a + b)
        likeness[first], likeness[:, first] = joined, joined
        likeness[first, first] = -np.inf
        likeness = np.delete(np.delete(likeness, second, axis=0), second, axis=1)
        members[first] += members.pop(second)
    return whole([tuple(group) for group in members], len(vectors))


def groups_note(vocabulary: Vocabulary, groups: tuple[tuple[int, ...], ...], how: str) -> tuple[str, ...]:
    """A sentence that says which groups were found, or that there are too few names for them."""
    if how != "auto":
        return ()
    if not groups:
        return (f"Groups are found among {ENOUGH} names or more; these were compared without.",)
    names = [", ".join(vocabulary.classes[index].name for index in group) for group in groups]
    return (f"Groups: {' | '.join(names)}.",)
