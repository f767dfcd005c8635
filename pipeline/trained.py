"""The part of the engine's door that asks trained comparators. Mixed into `pipeline.Pipeline`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .cache import ByteCache
from .comparators.registry import COMPARATORS, check_settings
from .comparators.shelf import Shelf
from .device import on_device, share_of
from .models.loaders import Models
from .naming import Named
from .photo import PhotoSource
from .progress import Progress
from .records import Photo, Segmentation, Vocabulary
from .refined import Refining
from .segment import class_maps, paint, upsampled_rows
from .settings import SegmentSettings
from .vocabulary import DISTRACTORS, parse_vocabulary


class Trained:
    """Segmentation by models trained for it, over what `Pipeline` has: its photos, its cache, its refinement."""

    models: Models
    cache: ByteCache
    shelf: Shelf

    def open(self, source: PhotoSource) -> Photo:
        """Open a photo; `Pipeline` does it."""
        raise NotImplementedError

    def _finished(self, photo, vocabulary, named, method, refine, refining, run, progress) -> Segmentation:
        raise NotImplementedError

    def _trained(
        self,
        photo: PhotoSource,
        classes: str | Sequence[str] | Vocabulary,
        chosen: SegmentSettings,
        refining: Refining,
        progress: Progress | None,
    ) -> Segmentation:
        """Find typed names with the comparator that `chosen.method` names; arguments as for `Pipeline.segment`.

        The largest score of a class's words is the class's; the largest class wins where it reaches the threshold: the
        vocabulary's, or where the person chose none the comparator's own.
        """
        comparator = COMPARATORS[chosen.method]
        check_settings(comparator, chosen)
        threshold = comparator.threshold if chosen.threshold is None else chosen.threshold
        vocabulary = parse_vocabulary(
            classes, chosen.background, threshold, self.models.distractors or DISTRACTORS
        )
        photo, run, device = self.open(photo), Progress(progress.report) if progress else Progress(), self.shelf.device
        asker, weights = self.shelf.get(comparator, share_of(run, 0.0, 0.3))
        run.seconds["encode"] = 0.0

        def look():
            run.step(f"{comparator.title} looks at the photo", 0.3)
            with on_device(device, run, comparator.name), run.stage("encode"):
                return asker.look(np.array(photo.pixels))  # its own copy: torch takes no read-only array

        seen = self.cache.get_or_make(
            ("look", weights, photo.hash), look, lambda: run.step("Waiting for another job on this photo to finish")
        )
        with on_device(device, run, comparator.name), run.stage("words"):
            scores = asker.scores(seen, list(vocabulary.queries), share_of(run, 0.5, 0.7))
        with run.stage("segment"):
            maps = class_maps(scores, vocabulary)

            def band(size: tuple[int, int], first: int, last: int) -> np.ndarray:
                return upsampled_rows(maps, size, first, last).numpy()

            labels, found = paint(band, vocabulary, photo.size, len(maps), share_of(run, 0.7, 0.75))
        named = Named(labels, found, vocabulary.notes)
        return self._finished(photo, vocabulary, named, comparator.name, chosen.refine, refining, run, progress)
