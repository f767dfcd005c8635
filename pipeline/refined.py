"""The part of the engine's door that refines labels. Mixed into `pipeline.Pipeline`."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, replace

import numpy as np

from .cache import ByteCache
from .dense.sam_features import SamFeatures
from .device import on_device, share_of, shared_progress
from .errors import NamebrushError
from .models.catalog import get_preset
from .models.loaders import Models
from .models.records import Sam2
from .naming import Named
from .progress import Progress
from .records import Photo, Region, SamEmbedding, Segmentation, Vocabulary
from .refine.names import REFINEMENTS
from .refine.refine import refine
from .refine.sam2 import encode_sam2
from .refine.settings import RefineSettings, SmoothSettings, VoteSettings
from .refine.smooth import smooth
from .refine.vote import vote
from .segment import labels_of, nearest


@dataclass(frozen=True)
class Refining:
    """The settings of all refinements."""

    prompts: RefineSettings = RefineSettings()
    votes: VoteSettings = VoteSettings()
    smooth: SmoothSettings = SmoothSettings()


class Refined:
    """Refinement by any method, over what `Pipeline` has: its models and its cache of SAM's features."""

    models: Models
    cache: ByteCache

    @property
    def preset(self) -> str:
        """Name of the preset; `Pipeline` knows it."""
        raise NotImplementedError

    def sam_features(self, photo: Photo, progress: Progress | None = None) -> SamFeatures:
        """SAM's view of a photo; `Pipeline` keeps it."""
        raise NotImplementedError

    def sam_embedding(self, photo: Photo, progress: Progress | None = None) -> SamEmbedding:
        """What prompts need of SAM or SAM 2, from the cache where it is there."""
        progress, sam = progress or Progress(), self.models.sam
        if not isinstance(sam, Sam2):
            return self.sam_features(photo, progress).embedding
        progress.seconds.setdefault("sam", 0.0)

        def make() -> SamEmbedding:
            with on_device(self.models.device, progress), progress.stage("sam"):
                return encode_sam2(sam, photo.pixels, share_of(progress, 0.0, 1.0))

        key = ("sam2", photo.hash, self.preset, sam.name)
        return self.cache.get_or_make(
            key, make, lambda: progress.step("Waiting for another job on this photo to finish")
        )

    def _finished(
        self, photo: Photo, vocabulary: Vocabulary, named: Named, method: str, refine: str, refining: Refining,
        run: Progress, progress: Progress | None, fixed: tuple[Region, ...] = (),
    ) -> Segmentation:  # fmt: skip
        """Refine labels, and put everything into one record.

        `fixed` are regions that stand already (proposals): they are listed as they are, and their pixels are none of
        the refinement's business.
        """
        labels, owned = named.labels, np.zeros(photo.size, bool)
        for region in fixed:
            owned |= region.mask
        free = np.where(owned, np.int32(-1), labels) if fixed else labels
        free, scores, regions = self._refine(photo, free, named.scores, vocabulary, refine, refining, run)
        if fixed:
            labels = np.where(owned, labels, free)
            rest = [r for r in (_without(r, owned) for r in regions) if r is not None]
            listed = sorted((*fixed, *rest), key=lambda r: -r.area)
            regions = tuple(replace(r, id=i) for i, r in enumerate(listed))
        else:
            labels = free
        if progress:
            for stage, value in run.seconds.items():
                progress.seconds[stage] = progress.seconds.get(stage, 0.0) + value
        return Segmentation(
            photo, vocabulary, labels, scores, regions, self.preset, method, refine, dict(run.seconds), named.notes
        )

    def _refine(self, photo: Photo, labels, scores, vocabulary: Vocabulary, method: str, chosen: Refining, run):
        """Labels, scores and regions after the refinement of a name."""
        kind = REFINEMENTS[method]
        islands, least = chosen.prompts.islands, chosen.prompts.least_score
        preset = get_preset(self.preset)
        settings = replace(
            chosen.prompts, islands=preset.islands if islands is None else islands,
            least_score=preset.least_score if least is None else least,
        )  # fmt: skip
        sam = embedding = None
        if kind.needs == "sam":
            sam, embedding = self.models.sam, self.sam_embedding(photo, shared_progress(run, 0.75, 0.85))
        if kind.needs == "unet" and not self.models.has_part("inpaint"):
            raise NamebrushError(
                f"Refinement by {kind.name} needs a diffusion model with a UNet, and the preset {self.preset} has "
                "none; choose the preset base, name one with inpaint=, or take another refinement."
            )
        if kind.needs == "unet":
            self.models.inpaint(run)  # before the device is held
        part = share_of(run, 0.85, 1.0)
        # SAM's decoder takes the device for its calls alone; a UNet that is read keeps something of it in itself.
        alone = on_device(self.models.device, run, "inpaint") if kind.needs == "unet" else nullcontext()
        with alone, run.stage("refine"):
            if kind.name in ("vote", "vote-auto"):
                return _with_scores(scores, vote(
                    labels, scores[: len(vocabulary.classes)], vocabulary, embedding, sam, settings.advised(False),
                    chosen.votes, part, automatic=kind.name == "vote-auto",
                ))  # fmt: skip
            if kind.acts == "scores":
                unnamed = labels < 0
                scores = smooth(kind.name, photo, scores, chosen.smooth, part, self.models.inpaint)
                labels = nearest(labels_of(scores, vocabulary), photo.size)
                if len(scores) == len(vocabulary.classes) and unnamed.all():
                    labels = np.full(photo.size, -1, np.int32)  # nothing was named, so there is nothing to smooth
                method = "none"
            return _with_scores(scores, refine(
                photo, labels, scores, vocabulary, embedding, sam, settings, part, method=method
            ))  # fmt: skip


def _with_scores(scores: np.ndarray, found: tuple[np.ndarray, tuple[Region, ...]]):
    return found[0], scores, found[1]


def _without(region: Region, owned: np.ndarray) -> Region | None:
    """A region without pixels that others own; None where nothing is left."""
    x0, y0, x1, y1 = region.box
    if not (owned[y0:y1, x0:x1] & region.crop).any():
        return region
    mask = region.mask & ~owned
    if not mask.any():
        return None
    fields = {"prompt": region.prompt, "made_by": region.made_by, "score": region.score}
    tight = Region.from_mask(mask, id=0, class_index=region.class_index, name=region.name, **fields)
    return replace(region, box=tight.box, crop=tight.crop)
