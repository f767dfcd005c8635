"""Refined labels to the regions a person sees, each linked to the prompt that made it.

A region is a connected area of the final labels, so its pixels always agree with them. Refinement may have split,
joined or swallowed the areas SAM was asked about; therefore the link is made afterwards, by counting which answer won
the pixels:

- the prompt is that of the answer with the most pixels; answers with at least a twentieth of the region join their
  points and boxes to it, and their logits, so that a correction starts from the whole region;
- a region most of whose pixels no answer won is "coarse"; it keeps the prompt that was asked and rejected, or gets the
  one that would be asked;
- areas below a quarter of the smallest region SAM is asked about are specks: they keep their label, which measures
  and overlays use, but are not listed, since nobody could click them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..records import KeptLogits, Prompt, Region, SamEmbedding, Vocabulary
from ..regions_edit import joined
from .merge import photo_probability
from .prompts import mask_prompt
from .regions import areas
from .sam import low_size
from .settings import RefineSettings

SPECK = 0.25
JOINS = 0.05


@dataclass(frozen=True, eq=False)
class Asked:
    """What SAM was asked and answered: per region its prompt, its logits as they are kept, predicted IoU [N]."""

    prompts: Sequence[Prompt] = ()
    logits: Sequence[KeptLogits] = ()
    iou: np.ndarray | None = None


def assemble(
    labels: np.ndarray,
    source: np.ndarray | None,
    asked: Asked,
    scores: np.ndarray,
    vocabulary: Vocabulary,
    embedding: SamEmbedding,
    low: int | None,
    smallest: float,
    settings: RefineSettings,
) -> tuple[Region, ...]:
    """The listed regions, largest first.

    Args:
        labels: int32 [H, W], final.
        source: int32 [H, W] as `merge` returns it, or None where SAM was not asked.
        asked: prompts and answers the sources point to.
        scores: float32 [C, h, w] class probabilities.
        vocabulary: for the names; labels index its classes.
        embedding: of the photo; only its sizes are used.
        low: side of SAM's low-resolution masks; None: prompts without masks.
        smallest: area in photo pixels from which SAM is asked about a region.
        settings: which parts a prompt has.
    """
    found = []
    present = np.bincount(labels.ravel() + 1, minlength=len(vocabulary.classes) + 1)[1:]
    for c in np.flatnonzero(present >= smallest * SPECK):
        probability = hint = None
        for area, box, crop in areas(labels, int(c), smallest * SPECK):
            if probability is None:
                probability = photo_probability(scores, int(c), labels.shape)
            at = (slice(box[1], box[3]), slice(box[0], box[2]))
            made = None if source is None else _linked(source[at][crop], asked)
            if made is None:
                if hint is None and low is not None and settings.use_masks is not False:
                    size = low_size(embedding, low)
                    hint = mask_prompt(scores[c], size, low, settings.alpha, settings.coarse_threshold)
                made = {"prompt": _would_ask(box, crop, probability[at], hint, settings), "made_by": "coarse"}
            score = float(np.clip(probability[at][crop].mean(dtype=np.float64), 0, 1))
            crop = np.ascontiguousarray(crop)
            found.append((area, {"class_index": int(c), "box": box, "crop": crop, "score": score, **made}))
    found.sort(key=lambda f: -f[0])  # stable: equal areas stay in class and raster order
    return tuple(
        Region(id=i, name=vocabulary.classes[fields["class_index"]].name, size=labels.shape, **fields)
        for i, (_, fields) in enumerate(found)
    )


def _linked(sources: np.ndarray, asked: Asked) -> dict | None:
    """Prompt, maker, IoU and logits of a region from the sources of its pixels; None: nobody was asked about it."""
    count = len(asked.prompts)
    pixels = np.bincount(sources + 1, minlength=2 * count + 1)
    won, kept = pixels[1 : count + 1], pixels[count + 1 :]
    by_prompt = won + kept
    if not by_prompt.any():
        return None
    main = int(by_prompt.argmax())
    if 2 * won.sum() < len(sources):
        return {"prompt": asked.prompts[main], "made_by": "coarse", "iou": float(asked.iou[main])}
    main = int(won.argmax())
    others = [int(i) for i in np.flatnonzero(won >= JOINS * len(sources)) if i != main]
    prompt = joined([asked.prompts[i] for i in (main, *others)]) if others else asked.prompts[main]
    logits = asked.logits[main]
    if others:
        logits = KeptLogits.of(np.max([asked.logits[i].whole() for i in (main, *others)], axis=0))
    return {"prompt": prompt, "made_by": "sam", "iou": float(asked.iou[main]), "logits": logits}


def _would_ask(box, crop, probability, hint, settings: RefineSettings) -> Prompt:
    """The prompt a region would be asked with: its most certain pixel, its box, its class's mask."""
    parts = {}
    if settings.use_points:
        row, col = divmod(int(np.where(crop, probability, -np.inf).argmax()), crop.shape[1])
        parts = {"points": np.array([[box[0] + col, box[1] + row]], np.float32), "labels": np.ones(1, np.int32)}
    if settings.use_boxes:
        parts["box"] = tuple(float(v) for v in box)
    return Prompt(**parts, mask=hint)
