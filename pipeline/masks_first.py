"""The part of the engine's door for proposals: masks first, words second. Mixed into `pipeline.Pipeline`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .cache import ByteCache
from .device import on_device, share_of, shared_progress
from .errors import NamebrushError
from .models.catalog import get_preset
from .models.loaders import Models
from .naming import Named
from .photo import PhotoSource
from .progress import Progress
from .proposals.propose import NOTHING, Looks, look, name_masks, paint
from .proposals.settings import METHODS, ProposalSettings
from .records import Photo, SamEmbedding, Segmentation, Vocabulary
from .refined import Refining
from .settings import SegmentSettings
from .text.embed import embed_words
from .text.known import unknown_note
from .vocabulary import DISTRACTORS, parse_vocabulary


class MasksFirst:
    """Proposals and the hybrid, over what `Pipeline` has: its models, its cache, its dense methods."""

    models: Models
    cache: ByteCache

    def _proposed(
        self,
        photo: PhotoSource,
        classes: str | Sequence[str] | Vocabulary,
        chosen: SegmentSettings,
        proposing: ProposalSettings,
        refining: Refining,
        progress: Progress | None,
        dense: dict,
    ) -> Segmentation:
        """Name SAM's masks; arguments as for `Pipeline.segment`.

        Args:
            chosen: its method is "proposals", whose masks are SAM's own and not refined again, or "hybrid", whose
                dense part is.
            dense: keyword arguments of `Pipeline.segment` for the dense partner of the hybrid.
        """
        photo, run = self.open(photo), Progress(progress.report) if progress else Progress()
        hybrid = chosen.method == "hybrid"
        partner = proposing.hybrid_dense or get_preset(self.preset).method
        if hybrid and partner in METHODS:
            raise NamebrushError(f'The dense partner of hybrid must be a dense method; got "{partner}".')
        clip = self.models.clip
        vocabulary = parse_vocabulary(
            classes, chosen.background, chosen.threshold, self.models.distractors or DISTRACTORS
        )
        embedding: SamEmbedding = self.sam_embedding(photo, shared_progress(run, 0.0, 0.1))
        looks = self._looks(photo, embedding, proposing, shared_progress(run, 0.1, 0.5))
        with run.stage("words"):
            text, nothing = (
                embed_words(
                    clip, words, chosen.templates, share_of(run, 0.5, 0.52),
                    guard=lambda: on_device(self.models.device, run),
                )
                for words in (vocabulary.queries, NOTHING)
            )  # fmt: skip
        with run.stage("segment"):
            run.step("Masks get their names", 0.55)
            temperature = float(clip.model.logit_scale.detach().exp())
            named = name_masks(
                looks, embedding, vocabulary, text, nothing, temperature, proposing, clip.match
            )
        notes = vocabulary.notes + unknown_note(vocabulary.queries, clip.known_words, clip.distractors)
        coarse = None
        if hybrid:
            part = Progress(share_of(run, 0.55, 0.85).report)
            base = self.segment(photo, vocabulary, **{**dense, "method": partner}, progress=part)
            coarse, notes = (np.array(base.labels), np.array(base.scores)), base.notes
            for stage, value in part.seconds.items():
                run.seconds[stage] = run.seconds.get(stage, 0.0) + value
        with run.stage("segment"):
            labels, scores, regions = paint(named, vocabulary, photo.size, 0.0, coarse)
        # The partner's labels were refined already, and a mask of SAM's is not refined by asking SAM again.
        done = self._finished(
            photo, vocabulary, Named(labels, scores, notes), chosen.method, "none", refining, run, progress,
            tuple(regions),
        )  # fmt: skip
        return done

    def _looks(
        self, photo: Photo, embedding: SamEmbedding, proposing: ProposalSettings, progress: Progress
    ) -> Looks:
        """SAM's masks and CLIP's view of each, from the cache where they are there: they do not depend on words."""
        asked = (proposing.proposal_grid, proposing.proposal_iou, proposing.proposal_stability)
        progress.seconds.setdefault("encode", 0.0)

        def make() -> Looks:
            with on_device(self.models.device, progress), progress.stage("encode"):
                part = share_of(progress, 0.0, 1.0)
                return look(photo, self.models.clip, self.models.sam, embedding, proposing, part)

        return self.cache.get_or_make(
            ("looks", photo.hash, self.preset, asked), make,
            lambda: progress.step("Waiting for another job on this photo to finish"),
        )  # fmt: skip
