"""Dense features and typed names to labels: words embedded, compared, brought to pixels, decided."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from .dense.cosines import frame_cosines
from .dense.recipes import Recipe
from .dense.words import read_words
from .device import on_device, share_of
from .errors import NamebrushError
from .models.loaders import Models
from .progress import Progress
from .records import Encoded, Photo, Vocabulary
from .segment import find_absent, segment
from .settings import SegmentSettings
from .text.decide import Decision, absent_note, check_denoise
from .text.embed import embed_words
from .text.groups import group_classes, groups_note
from .text.known import unknown_note
from .upsample.bilateral import JointBilateral, grid_of

#: The factor most papers put between cosines and logits; a recipe's own is relative to it, a model's stands in for it.
PAPER_SCALE = 40.0


@dataclass(frozen=True, eq=False)
class Named:
    """Labels int32 [H, W], class probabilities float32 [C (+1), h, w], and sentences for the person."""

    labels: np.ndarray
    scores: np.ndarray
    notes: tuple[str, ...]


def check_words(chosen: SegmentSettings, vocabulary: Vocabulary, recipe: Recipe) -> None:
    """Refuse what the typed names or the method cannot give, before any model runs.

    Raises:
        NamebrushError: groups that were not typed, too few names to set absent ones aside, or an upsampler that the
            method's way of reading words does not go with.
    """
    if chosen.groups == "given":
        group_classes(vocabulary, np.zeros((len(vocabulary.queries), 1), np.float32), "given")
    if chosen.denoise:
        check_denoise(vocabulary)
    if chosen.upsample == "loftup" and recipe.reader != "cosines":
        raise NamebrushError(
            f"{recipe.title} reads the words on CLIP's own grid, which LoftUp changes; choose upsample=bilateral."
        )


def name_pixels(
    photo: Photo,
    encoded: Encoded,
    vocabulary: Vocabulary,
    recipe: Recipe,
    models: Models,
    chosen: SegmentSettings,
    run: Progress,
) -> Named:
    """Compare a photo's dense features with the names; runs no image encoder.

    Args:
        photo: what was encoded.
        encoded: its dense features.
        vocabulary: the names.
        recipe: the method, whose factor between cosines and logits holds where none was chosen.
        models: CLIP's text tower, and its image tower's last block for methods that read words with it.
        chosen: settings; `check_words` has let them pass.
        run: told of the work; receives the seconds of "words" and "segment".
    """
    clip = models.clip
    with run.stage("words"):
        text = embed_words(
            clip, vocabulary.queries, chosen.templates, share_of(run, 0.6, 0.65),
            guard=lambda: on_device(models.device, run),
        )  # fmt: skip
    typed = [word for one in vocabulary.classes for word in one.words]
    unknown = unknown_note(typed, clip.known_words, clip.distractors, background=vocabulary.background)
    notes = vocabulary.notes + unknown
    with run.stage("segment"):
        scale = chosen.scale or clip.logit_scale * recipe.logit_scale / PAPER_SCALE
        frames = _read(encoded, text, vocabulary, scale, models, chosen.templates, share_of(run, 0.65, 0.7))
        groups = group_classes(vocabulary, text, chosen.groups)
        decision = Decision(chosen.temperature, chosen.uncertain, chosen.uncertain_above, groups)
        notes += groups_note(vocabulary, groups, chosen.groups)
        if chosen.denoise:
            absent = find_absent(frames, vocabulary, scale, decision, chosen.denoise_floor)
            decision, notes = replace(decision, absent=absent), notes + absent_note(vocabulary, absent)
        upsampler = JointBilateral(photo.pixels, grid_of(encoded)) if chosen.upsample == "bilateral" else None
        labels, scores = segment(
            encoded, text, vocabulary, photo.size, scale, share_of(run, 0.7, 0.75),
            frames=frames, decision=decision, upsampler=upsampler,
        )  # fmt: skip
    return Named(labels, scores, notes)


def _read(
    encoded: Encoded, text: np.ndarray, vocabulary: Vocabulary, scale: float, models: Models, templates: str,
    run: Progress,
) -> list[torch.Tensor]:  # fmt: skip
    """Scores of the words by the method's own reader, one float32 [Q, fh, fw] per frame."""
    if encoded.recipe is None or encoded.recipe.reader == "cosines":
        return frame_cosines(encoded, text)
    clip = models.clip
    with on_device(models.device, run):  # a reader may run CLIP's last block
        return read_words(
            encoded, text, vocabulary, scale, visual=clip.model.visual, progress=run,
            empty=lambda: embed_words(clip, [""], templates),
        )  # fmt: skip
