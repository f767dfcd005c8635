"""Loaded models as the engine sees them: the library's own module, and what is needed to call it rightly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
OPENAI_MEAN, OPENAI_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


@dataclass(frozen=True)
class Geometry:
    """How a photo is cut for CLIP: resized to a short side, then sliding windows; all in pixels."""

    short_side: int = 448
    window: int = 336
    stride: int = 224


@dataclass(frozen=True, eq=False)
class ClipModel:
    """An `open_clip` model as installed.

    Attributes:
        model: `open_clip.CLIP`; its `visual` is an `open_clip.transformer.VisionTransformer`.
        tokenizer: `open_clip` tokenizer, called with a list of texts.
        name: identifies the weights; part of every cache key.
        mean, std: the normalisation of its pixels.
        logit_scale: factor between cosines and logits in segmentation (40 in the papers).
        known_words: words seen in training, lower case; None where that is not known (downloaded models).
        drop_residual: this model's patches are named better without the last block's residual and feed-forward, also
            by methods that keep them.
        distractors: background names that suit this model, as `vocabulary.parse_vocabulary` takes them; empty: the
            general ones.
        templates: the template set that fits how it was trained, a name of `text.templates.TEMPLATE_HELP`.
        match: the cosine of a cut-out and its right name, typically; 0.28 for models trained at a temperature of 100.
            Proposals' thresholds are meant for that and stretched to a model's own.
        weights: fingerprint of the file it was loaded from, by which its text embeddings are kept on disk; "" for a
            model made in memory, whose are not.
    """

    model: Any
    tokenizer: Any
    name: str
    mean: tuple[float, float, float] = OPENAI_MEAN
    std: tuple[float, float, float] = OPENAI_STD
    logit_scale: float = 40.0
    known_words: frozenset[str] | None = None
    drop_residual: bool = False
    distractors: tuple[str, ...] = ()
    templates: str = "imagenet80"
    weights: str = ""
    match: float = 0.28

    @property
    def patch_size(self) -> int:
        """Side of a patch in pixels."""
        return int(self.model.visual.patch_size[0])


@dataclass(frozen=True, eq=False)
class DinoModel:
    """A `transformers` vision transformer trained by self-supervision (`ViTModel` or `Dinov2Model`)."""

    model: Any
    name: str
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD

    @property
    def patch_size(self) -> int:
        """Side of a patch in pixels."""
        size = self.model.config.patch_size
        return int(size if isinstance(size, int) else size[0])


@dataclass(frozen=True, eq=False)
class SamModel:
    """A `segment_anything.modeling.Sam` as installed; `sam.image_encoder.img_size` is the padded square's side.

    Attributes:
        sam: the module.
        name: identifies the weights; part of cache keys.
        iou_threshold: refinement keeps masks for which this model predicts a better IoU than this. 0.8 is Trident's.
        cos_fac: factor of Trident's affinity threshold for this model's values; None: the recipe's. Trident itself
            sets it by dataset, from 0 to 3.
        zoom: how many times a thing's width a second look at it shows (`refine.closer`); None: one look is enough.
        mask_prompts: refinement shows this model the class map as a mask unless a person says otherwise.
        stability_offset: by how much logits are raised and lowered to see how stable an automatic mask is; SAM's own
            is 1, a model whose logits rise less steeply at edges needs less.
    """

    sam: Any
    name: str
    iou_threshold: float = 0.8
    cos_fac: float | None = None
    zoom: float | None = None
    mask_prompts: bool = True
    stability_offset: float = 1.0


@dataclass(frozen=True, eq=False)
class Sam2:
    """A `transformers` `Sam2Model`, wherever a `SamModel` is asked with prompts; the other fields as there."""

    model: Any
    name: str
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    iou_threshold: float = 0.8
    cos_fac: float | None = None
    zoom: float | None = None
    mask_prompts: bool = True
    stability_offset: float = 1.0
