"""Majority voting: SAM masks what is around points, and a mask counts for a name most of its pixels already have.

Source: the thesis on SCLIP, SAM 2 and Stable Diffusion. Per class the connected components' centroids, at least 20
pixels apart, are asked with one point each; of SAM's three masks those count whose share of pixels labelled so is at
least 0.6; a class's masks are joined by logical OR. What the thesis leaves open is settled so: a centroid outside
its component moves to the component's nearest pixel; where two classes' masks overlap, the higher agreement wins;
where no mask counts, the coarse label stays.
"""

from __future__ import annotations

import numpy as np

from ..models.records import Sam2, SamModel
from ..progress import Progress
from ..proposals.masks import automatic_masks
from ..records import KeptLogits, Prompt, Region, SamEmbedding, Vocabulary
from .assemble import SPECK, Asked, assemble
from .islands import absorb, sure
from .merge import NOBODY
from .regions import areas, working_size
from .sam import decode, low_side, positive_box, upsample
from .settings import RefineSettings, VoteSettings

#: Expected IoU of automatic masks, relative to what refinement trusts from the model (0.88 over 0.8, as published).
SURER, STABLE = 1.1, 0.95


def vote(
    labels: np.ndarray,
    scores: np.ndarray,
    vocabulary: Vocabulary,
    embedding: SamEmbedding,
    sam: SamModel | Sam2,
    settings: RefineSettings,
    votes: VoteSettings,
    progress: Progress | None = None,
    automatic: bool = False,
) -> tuple[np.ndarray, tuple[Region, ...]]:
    """Refine labels by votes.

    Args:
        labels: int32 [H, W], -1 for no class.
        scores: float32 [C, h, w] class probabilities.
        vocabulary: the classes.
        embedding, sam: SAM's view of the photo, and SAM.
        settings: smallest region and gate of the refinements with SAM.
        votes: agreement and distance.
        progress: told before each step.
        automatic: masks of the whole photo vote, each for the name most of it has, in place of masks around centroids.

    Returns:
        int32 [H, W] labels and the regions, as `refine` returns them.
    """
    progress = progress or Progress()
    grid = working_size(labels.shape, scores.shape[1:], settings.half)
    smallest = settings.area_on(grid, labels.shape) * labels.size / (grid[0] * grid[1])
    gate = sam.iou_threshold if settings.iou_threshold is None else settings.iou_threshold
    if automatic:
        refined, source, asked = _all_masks(labels, embedding, sam, min(SURER * gate, 0.99), votes, progress)
    else:
        refined, source, asked = _around_points(labels, embedding, sam, smallest * SPECK, votes, progress)
    progress.step("Listing regions", 0.9)
    tidy = absorb(refined, scores, (settings.islands or 0.0) * smallest)
    tidy = sure(tidy, scores, settings.least_score or 0.0, smallest)
    source[tidy != refined] = NOBODY
    refined, low = tidy, low_side(sam)
    return refined, assemble(refined, source, asked, scores, vocabulary, embedding, low, smallest, settings)


def centroids(labels: np.ndarray, distance: float, least: float = 1) -> list[tuple[int, float, float]]:
    """The points to ask: class, x and y, of one class at least `distance` pixels apart, larger components first."""
    found: list[tuple[int, float, float]] = []
    for c in np.unique(labels[labels >= 0]):
        taken: list[tuple[float, float]] = []
        for _, (x0, y0, _, _), crop in sorted(areas(labels, int(c), least), key=lambda a: -a[0]):
            ys, xs = np.nonzero(crop)
            nearest = int(((xs - xs.mean()) ** 2 + (ys - ys.mean()) ** 2).argmin())
            x, y = float(x0 + xs[nearest]), float(y0 + ys[nearest])
            if all((x - a) ** 2 + (y - b) ** 2 >= distance**2 for a, b in taken):
                taken.append((x, y))
        found += [(int(c), x, y) for x, y in taken]
    return found


def _around_points(labels, embedding, sam, least, votes: VoteSettings, progress: Progress):
    points = centroids(labels, votes.vote_distance, least)
    progress.step(f"SAM masks what is around {len(points)} points", 0.1)
    prompts = [Prompt(np.array([[x, y]], np.float32), np.ones(1, np.int32)) for _, x, y in points]
    logits, iou = decode(sam, embedding, prompts, multimask=True, best=False)
    refined, source = labels.copy(), np.full(labels.shape, NOBODY, np.int32)
    best = np.zeros(labels.shape, np.float32)
    kept: list[tuple[int, int]] = []
    for i, (c, _, _) in enumerate(points):
        progress.step("Masks vote", 0.3 + 0.6 * i / len(points))
        for j in range(logits.shape[1]):
            at, mask = _placed(logits[i, j], embedding, labels.shape)
            agreement = (labels[at][mask] == c).mean() if mask is not None and mask.any() else 0.0
            if agreement < votes.vote_agreement or not agreement:
                continue
            wins = mask & (best[at] < agreement)
            best[at][wins], refined[at][wins], source[at][wins] = agreement, c, len(kept)
            kept.append((i, j))
    rows, masks = [i for i, _ in kept], [j for _, j in kept]
    answers = [KeptLogits.of(logits[i, j]) for i, j in kept]
    return refined, source, Asked([prompts[i] for i in rows], answers, iou[rows, masks])


def _all_masks(labels, embedding, sam, iou, votes: VoteSettings, progress: Progress):
    found = automatic_masks(sam, embedding, votes.vote_grid, iou, STABLE, progress=progress)
    refined, source = labels.copy(), np.full(labels.shape, NOBODY, np.int32)
    for k in np.argsort(-found.area, kind="stable"):  # smaller masks lie on top of larger ones
        progress.step("Masks vote", None)
        at, mask = _placed(found.logits[k], embedding, labels.shape)
        if mask is None or not mask.any():
            continue
        counts = np.bincount(labels[at][mask] + 1)
        if counts.max() >= votes.vote_agreement * mask.sum():
            refined[at][mask], source[at][mask] = counts.argmax() - 1, k
    return refined, source, Asked(found.prompts, [KeptLogits.of(low) for low in found.logits], found.iou)


def _placed(logits: np.ndarray, embedding: SamEmbedding, size: tuple[int, int]):
    """Where a mask can be positive, as slices of the photo, and the mask there; None where it is empty."""
    box = positive_box(logits, embedding, size)
    if box is None:
        return (slice(0, 0), slice(0, 0)), None
    return (slice(box[1], box[3]), slice(box[0], box[2])), upsample(logits[None], embedding, box, size)[0] > 0
