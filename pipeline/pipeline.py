"""The engine behind one door: the page, the command line and Python all come in here."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from .by_hand import ByHand
from .cache import ByteCache
from .comparators.registry import COMPARATORS, get_comparator
from .comparators.shelf import Shelf
from .comparison.entries import Entry
from .comparison.run import Others, run
from .dense.encode import encode, foundation_model
from .dense.options import asked_recipe, dataset_settings, options_text
from .dense.recipes import Recipe
from .dense.sam_features import SamFeatures, encode_sam
from .device import on_device, share_of, shared_progress
from .errors import NamebrushError
from .masks_first import MasksFirst
from .models.loaders import Models, load_models
from .models.records import Geometry, Sam2
from .naming import check_words, name_pixels
from .photo import MAX_MEGAPIXELS, PhotoSource, open_photo
from .progress import Progress
from .proposals.settings import PROPOSALS, ProposalSettings
from .records import Encoded, Photo, Segmentation, Vocabulary
from .refine.settings import RECORDS as REFINE_RECORDS
from .refined import Refined, Refining
from .settings import SegmentSettings, split
from .trained import Trained
from .upsample.loftup import check_channels, load_loftup, refine_features
from .vocabulary import DISTRACTORS, parse_vocabulary

#: Bytes of image features kept, whoever's photos they are.
CACHE_BYTES = 1 << 30


class Pipeline(Refined, MasksFirst, ByHand, Trained):
    """Loaded models and a cache of what their image encoders said, keyed by the photo's content.

    Safe to share between threads; holds no photo. New words on a photo, other thresholds, another refinement and
    clicks run no image encoder again as long as the photo's features are among those kept.

    Every method that works long takes `progress`: its callback is told what is being done and may raise `Cancelled`;
    its `seconds` receive the seconds of every stage, 0 for one that was served from the cache.

    Attributes:
        models: the loaded models.
        cache: the features kept; `cache.clear()` frees them.
        shelf: the trained comparators, each loaded when first chosen as the method.
    """

    def __init__(self, models: Models, cache_bytes: int = CACHE_BYTES, shelf: Shelf | None = None):
        self.models = models
        self.cache = ByteCache(cache_bytes)
        self.shelf = shelf or Shelf(models.device)

    @classmethod
    def load(
        cls,
        preset: str = "tiny",
        *,
        clip: Any = None,
        dino: Any = None,
        sam: Any = None,
        inpaint: Any = None,
        clipseg: Any = None,
        groupvit: Any = None,
        sam3: Any = None,
        device: Any = None,
        memory: str = "auto",
        trust_weights: bool = False,
        cache_bytes: int = CACHE_BYTES,
        progress: Progress | None = None,
    ) -> Pipeline:
        """Load a preset, with parts replaced where given: see `models.loaders.load_models`.

        `clipseg`, `groupvit` and `sam3` name a folder or hub repository in place of a comparator's published weights.

        Raises:
            NamebrushError: unknown preset or part, or weights that are not here and cannot be fetched.
        """
        parts = {"clip": clip, "dino": dino, "sam": sam, "inpaint": inpaint, "device": device, "memory": memory,
                 "trust_weights": trust_weights}  # fmt: skip
        models = load_models(preset, progress=progress or Progress(), **parts)
        return cls(models, cache_bytes, Shelf(models.device, {"clipseg": clipseg, "groupvit": groupvit, "sam3": sam3}))

    @property
    def preset(self) -> str:
        """Name of the preset."""
        return self.models.preset

    def open(self, source: PhotoSource, max_megapixels: float = MAX_MEGAPIXELS) -> Photo:
        """Open a photo from a path, bytes, an open file, a Pillow image or an array; see `photo.open_photo`."""
        return open_photo(source, max_megapixels)

    def encode(
        self,
        photo: PhotoSource,
        method: str = "trident",
        *,
        short_side: int | None = None,
        window: int | None = None,
        stride: int | None = None,
        residual: str = "auto",
        proxy: str = "own",
        options: str | Mapping[str, Any] = "",
        dataset: str = "",
        upsample: str = "bilinear",
        progress: Progress | None = None,
    ) -> Encoded:
        """The dense features of a photo under a method, from the cache where they are there.

        Args:
            photo: anything `open` takes.
            method: a name of `dense.recipes.RECIPES`.
            short_side, window, stride: pixels; None takes the preset's.
            residual: "keep" or "drop" the last block's residual and feed-forward; "auto" drops them where the CLIP
                model asks for it.
            proxy, options, dataset: see `dense.options.asked_recipe`.
            upsample: "loftup" makes the features finer; whatever else is done with the words.
            progress: see the class.
        """
        if get_comparator(method):
            raise NamebrushError(
                f"{get_comparator(method).title} is a trained model without CLIP's dense features; choose a "
                "training-free method for this."
            )
        photo, progress = self.open(photo), progress or Progress()
        asked = asked_recipe(method, proxy, options, dataset)
        said = ("cos_fac" in options or bool(dataset), "residual" in options)
        recipe, geometry = self._recipe(asked, residual, said), self._geometry(short_side, window, stride)
        progress.seconds.setdefault("encode", 0.0)

        def make() -> Encoded:
            # Fetched before the device is held: nobody may wait for another's features with the device in hand.
            features = self.sam_features(photo, shared_progress(progress, 0.0, 0.5)) if recipe.asks_own_sam else None
            part = share_of(progress, 0.5, 1.0)
            self._load_for(recipe)
            with on_device(self.models.device, progress), progress.stage("encode"):
                return encode(photo, recipe, self.models, geometry, part, sam=features, shared=self.cache)

        def finer() -> Encoded:
            coarse, network = self.cache.get_or_make(key, make, _waiting(progress)), load_loftup(device, progress)
            with on_device(device, progress), progress.stage("upsample"):
                return refine_features(coarse, photo.pixels, network, device, share_of(progress, 0.0, 1.0))

        key, device = ("encoded", photo.hash, self.preset, recipe, geometry), self.models.device
        if upsample != "loftup":
            return self.cache.get_or_make(key, make, _waiting(progress))
        check_channels(int(self.models.clip.model.visual.output_dim))
        load_loftup(device, progress)  # where it cannot be had, nothing is encoded in vain
        return self.cache.get_or_make(("loftup", *key), finer, _waiting(progress))

    def sam_features(self, photo: Photo, progress: Progress | None = None) -> SamFeatures:
        """SAM's view of a photo, from the cache where it is there: its encoder runs once, whatever needs it."""
        progress = progress or Progress()
        progress.seconds.setdefault("sam", 0.0)

        sam = self.models.sam
        if isinstance(sam, Sam2):
            raise NamebrushError(
                "This method reads SAM's own attention, which SAM 2 does not have; choose another method, such as "
                "proxyclip, or the first SAM."
            )

        def make() -> SamFeatures:
            with on_device(self.models.device, progress), progress.stage("sam"):
                return encode_sam(sam.sam, photo.pixels, share_of(progress, 0.0, 1.0))

        return self.cache.get_or_make(("sam", photo.hash, self.preset), make, _waiting(progress))

    def segment(
        self,
        photo: PhotoSource,
        classes: str | Sequence[str] | Vocabulary,
        *,
        progress: Progress | None = None,
        **settings: Any,
    ) -> Segmentation:
        """Find typed names in a photo.

        Args:
            photo: anything `open` takes.
            classes: names separated by commas or newlines, synonyms of one class by semicolons, or a list of such
                texts, or a ready `Vocabulary` (whose own background and threshold then hold).
            progress: see the class.
            settings: fields of `settings.SegmentSettings` (method, refine, background, threshold, ...) and of
                the records of `refine.settings` and `proposals.settings`. `background` may also be a sequence of
                names.

        Raises:
            NamebrushError: no names, an unknown setting, one out of range, or a photo that cannot be opened.
        """
        names = settings.get("background")
        if names is not None and not isinstance(names, str):
            settings["background"] = ", ".join(names)
        if isinstance(settings.get("options"), Mapping):
            settings["options"] = options_text(settings["options"])
        settings = {**dataset_settings(settings.get("dataset", "")), **settings}
        chosen, *parts, proposing = split(settings, SegmentSettings, *REFINE_RECORDS, ProposalSettings)
        refining = Refining(*parts)
        if chosen.method in COMPARATORS:
            return self._trained(photo, classes, chosen, refining, progress)
        if chosen.method in PROPOSALS:
            return self._proposed(photo, classes, chosen, proposing, refining, progress, settings)
        recipe = asked_recipe(chosen.method, chosen.proxy, chosen.options, chosen.dataset)
        vocabulary = parse_vocabulary(
            classes, chosen.background, chosen.threshold, self.models.distractors or DISTRACTORS,
            grouped=chosen.groups == "given",
        )  # fmt: skip
        check_words(chosen, vocabulary, recipe)
        photo = self.open(photo)
        run = Progress(progress.report) if progress else Progress()
        encoded = self.encode(
            photo, chosen.method, short_side=chosen.short_side, window=chosen.window, stride=chosen.stride,
            residual=chosen.residual, proxy=chosen.proxy, options=chosen.options, dataset=chosen.dataset,
            upsample=chosen.upsample, progress=shared_progress(run, 0.0, 0.6),
        )  # fmt: skip
        named = name_pixels(photo, encoded, vocabulary, recipe, self.models, chosen, run)
        return self._finished(photo, vocabulary, named, recipe.name, chosen.refine, refining, run, progress)

    def compare(
        self,
        photo: PhotoSource,
        classes: str | Sequence[str] | Vocabulary,
        methods: str | Iterable[str | Entry],
        *,
        progress: Progress | None = None,
        others: Others | None = None,
        alone: bool = True,
        keep: Callable[[Segmentation], Segmentation] = lambda one: one,
        **settings: Any,
    ) -> tuple[Segmentation, ...]:
        """The same names in the same photo under several methods, refinements and presets, in the order given.

        Args:
            photo, classes: as for `segment`.
            methods: entries as `comparison.entries.parse_entry` reads them, such as "sclip", "trident+crf" or
                "base:trident+none"; edges and models left out are the common ones.
            progress: see the class.
            others: gives the pipeline of another preset; None loads it on the same device.
            alone: every entry starts without kept features and after its models were loaded, so that seconds and
                memory compare; False lets entries share what the encoders said, which is quicker.
            keep: makes of each entry's result, as soon as it is there, what is kept of it.
            settings: as for `segment`, for all entries. Settings that only the training-free methods have do not hold
                for trained comparators among them; a note on their segmentation says which were left out.
        """
        photo, progress = self.open(photo), progress or Progress()
        return run(self, photo, classes, methods, progress, settings, others, alone, keep)

    def _load_for(self, recipe: Recipe) -> None:
        """Load what a recipe runs, before the device is held."""
        self.models.load("clip", *(["sam"] if recipe.joins_by_sam else []))
        foundation_model(self.models, recipe.foundation)

    def _recipe(self, recipe: Recipe, residual: str, said: tuple[bool, bool] = (False, False)) -> Recipe:
        """What was asked for, as the models at hand want it where the person said nothing of the factor of SAM's
        affinity, or of the residual, themselves (`said`)."""
        # "clip" is there to show what CLIP does untouched.
        auto = residual == "auto" and not said[1] and recipe.name != "clip"
        drop = residual == "drop" or (auto and self.models.clip.drop_residual)
        if drop and recipe.residual:
            recipe = dataclasses.replace(recipe, residual=False)
        if recipe.aggregation == "affinity" and not said[0] and self.models.sam.cos_fac is not None:
            recipe = dataclasses.replace(recipe, cos_fac=self.models.sam.cos_fac)
        return recipe

    def _geometry(self, short_side: int | None, window: int | None, stride: int | None) -> Geometry:
        given = {"short_side": short_side, "window": window, "stride": stride}
        geometry = dataclasses.replace(self.models.geometry, **{k: v for k, v in given.items() if v is not None})
        if geometry.stride > geometry.window:
            raise NamebrushError(
                f"The stride ({geometry.stride}) must not exceed the window ({geometry.window}): there would be gaps."
            )
        return geometry


def _waiting(progress: Progress):
    return lambda: progress.step("Waiting for another job on this photo to finish")
