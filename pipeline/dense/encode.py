"""A photo to class-agnostic dense features, by a recipe: everything here is done once per photo, whatever the words.

What several methods need of the same photo (SAM's run, DINO's windows, CLIP's tokens before the last block) can be
shared between calls through a `cache.ByteCache`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor, nn

from ..cache import ByteCache
from ..models.records import ClipModel, DinoModel, Geometry, SamModel
from ..progress import Progress
from ..records import Encoded, FeatureMap, Photo
from .families import Window, layered_map, spliced_map, window_maps
from .foundation import dino_windows, padding_multiple, sam_windows
from .precision import half_precision
from .recipe import SHARED, Recipe
from .regions_of_sam import region_map
from .sam_features import SamFeatures, encode_sam
from .trident import SamRun
from .trunk import Trunk, check_tower, heads_of, run_trunk
from .windows import Layout, Size, cut_all, cut_regions, layout_of, normalised, padded_box, resize_photo

#: Bytes of one layer's attention over a batch of windows; decides how many windows run at once.
ATTENTION_BYTES = 64 * 2**20
MAX_BATCH = 16


class Models(Protocol):
    """What `encode` asks of loaded models; a model that the recipe does not need is not touched."""

    preset: str
    geometry: Geometry
    clip: ClipModel
    dino: DinoModel
    sam: SamModel

    def proxy(self, name: str) -> DinoModel | SamModel:
        """A foundation model to borrow correlations from, beside the preset's own."""
        ...


@dataclass
class _Steps:
    """Progress over `parts` equal parts, and the seconds of each encoder."""

    progress: Progress
    parts: int
    done: int = 0

    def __post_init__(self):
        self.clock = Progress()

    def say(self, message: str, share: float = 0.0) -> None:
        """Report a step `share` of the way through the part under way."""
        self.progress.step(message, min(1.0, (self.done + share) / self.parts))

    @contextmanager
    def part(self, encoder: str) -> Iterator[Progress]:
        """One part; gives a `Progress` for it."""
        with self.clock.stage(encoder):
            yield Progress(lambda message, share=None: self.say(message, share or 0.0))
        self.done += 1


@dataclass(frozen=True)
class _Job:
    """What the passes over one photo have in common."""

    photo: Photo
    recipe: Recipe
    models: Models
    steps: _Steps
    shared: ByteCache | None
    foundation: DinoModel | SamModel | None = None
    sam: SamFeatures | None = None

    def once(self, key: tuple, make: Callable):
        """Something of this photo, taken from the shared cache where it is there."""
        if self.shared is None:
            return make()
        return self.shared.get_or_make((self.photo.hash, *key), make, lambda: self.steps.say("Waiting"))


@torch.no_grad()
def encode(
    photo: Photo,
    recipe: Recipe,
    models: Models,
    geometry: Geometry | None = None,
    progress: Progress | None = None,
    *,
    sam: SamFeatures | None = None,
    shared: ByteCache | None = None,
) -> Encoded:
    """Dense features of a photo.

    Args:
        photo: what to look at.
        recipe: how.
        models: loaded models, see `Models`.
        geometry: short side, window and stride in pixels; None: the preset's. See `windows.layout_of` for rounding.
        progress: told of every batch of windows, may cancel between them.
        sam: SAM's run over this photo where there already is one (`sam_run` makes and shares it).
        shared: results of this photo that several methods use are taken from it and put into it.

    Returns:
        `Encoded` with unit-norm maps: one per window, or for spliced features one per scale on SAM's grid. Its
        `seconds` are those of "clip", "dino" and "sam" (with its affinity), close to 0 for what was shared.

    Raises:
        NamebrushError: the CLIP's image tower has no patches that can be compared with words.
        Cancelled: from `progress`.
    """
    steps = _Steps(progress or Progress(), len(recipe.scales) * _parts(recipe) + recipe.joins_by_sam)
    check_tower(models.clip.model.visual)
    with half_precision(models.clip.model.visual.conv1.weight.device):
        return _encode(photo, recipe, models, geometry or models.geometry, steps, sam, shared)


def _encode(
    photo: Photo, recipe: Recipe, models: Models, geometry: Geometry, steps: _Steps, sam: SamFeatures | None,
    shared: ByteCache | None,
) -> Encoded:
    job = _Job(photo, recipe, models, steps, shared, foundation_model(models, recipe.foundation), sam)
    runs = _sam_runs(job) if recipe.joins_by_sam else []
    maps: list[FeatureMap] = []
    frame = None
    for scale in recipe.scales:
        layout = _layout(job, geometry, scale)
        image = normalised(resize_photo(photo.pixels, layout.frame), models.clip.mean, models.clip.std)
        foundation = _foundation(job, image, layout, runs) if recipe.foundation else None
        found, own = _maps(job, image, layout, foundation, runs)
        frame = frame or own
        maps += [one if own == frame else replace(one, frame=own) for one in found]
    return Encoded(
        tuple(maps), frame, photo.hash, models.preset, recipe.name, dict(steps.clock.seconds), recipe
    )


def foundation_model(models: Models, name: str) -> DinoModel | SamModel | None:
    """The model a recipe's `foundation` names; None where it borrows from no one."""
    if not name:
        return None
    return getattr(models, name) if name in ("dino", "sam") else models.proxy(name)


def _parts(recipe: Recipe) -> int:
    """Equal parts of progress per scale: CLIP's windows, the foundation's, SAM's aggregation."""
    return 1 + bool(recipe.foundation) + (recipe.aggregation != "none")


def sam_run(
    photo: Photo, sam: SamModel, progress: Progress | None = None, shared: ByteCache | None = None
) -> SamFeatures:
    """SAM's encoder on a photo, run once however many methods and clicks ask for it."""

    def make() -> SamFeatures:
        return encode_sam(sam.sam, photo.pixels, progress)

    return make() if shared is None else shared.get_or_make((photo.hash, "sam", sam.name), make)


def _layout(job: _Job, geometry: Geometry, scale: float) -> Layout:
    patch = job.models.clip.patch_size
    return layout_of(
        job.photo.size, max(patch, round(geometry.short_side * scale)), geometry.window, geometry.stride, patch,
        padding_multiple(patch, job.foundation), whole_patches=job.recipe.splice == "features",
        pad=job.recipe.padding == "patch",
    )


def _in_batches(job: _Job, image: Tensor, layout: Layout, module: nn.Module, patch: int, heads: int, run: Callable,
                message: str) -> list:
    """Run windows through a model in batches that fit `ATTENTION_BYTES`, one step per batch."""
    x0, y0, x1, y1 = padded_box(layout.boxes[0], layout.multiple)
    tokens = 1 + ((y1 - y0) // patch) * ((x1 - x0) // patch)
    size = max(1, min(MAX_BATCH, ATTENTION_BYTES // (4 * heads * tokens**2)))
    weight = next(module.parameters())
    count, results = len(layout.boxes), []
    for start in range(0, count, size):
        stop = min(start + size, count)
        job.steps.say(f"{message}, {stop} of {count} windows", start / count)
        results.append(run(cut_all(image, layout, start, stop).to(weight.device, weight.dtype)))
    return results


def _foundation(job: _Job, image: Tensor, layout: Layout, runs: list[SamFeatures]) -> Tensor:
    """The foundation model's features of every window, float32 [W, C, vh, vw]."""
    model, clip = job.foundation, job.models.clip
    if isinstance(model, SamModel):
        with job.steps.part("sam"):
            own = job.recipe.foundation == "sam"
            given = (job.sam or (runs[0] if runs and not job.recipe.halves else None)) if own else None
            return sam_windows(given or sam_run(job.photo, model, shared=job.shared), layout, clip.patch_size)
    facet = job.recipe.facet

    def run(windows: Tensor) -> Tensor:
        return dino_windows(model, windows, clip, facet)

    def make() -> Tensor:
        heads = model.model.config.num_attention_heads
        return torch.cat(_in_batches(
            job, image, layout, model.model, model.patch_size, heads, run, "Comparing places in the photo"))

    with job.steps.part("dino"):
        return job.once(("dino", model.name, facet, clip.mean, clip.std, layout), make)


def _trunk(job: _Job, image: Tensor, layout: Layout) -> Trunk:
    """CLIP's tokens before the last block, of every window."""
    clip, visual = job.models.clip, job.models.clip.model.visual

    def make() -> Trunk:
        some = _in_batches(
            job, image, layout, visual, clip.patch_size, heads_of(visual), lambda w: run_trunk(visual, w),
            "Looking at the photo")
        return Trunk(torch.cat([t.tokens for t in some]), some[0].grid)

    return job.once(("trunk", clip.name, layout), make)


def _maps(
    job: _Job, image: Tensor, layout: Layout, foundation: Tensor | None, runs: list[SamFeatures]
) -> tuple[list[FeatureMap], Size]:
    """The maps of one scale and the frame their boxes refer to."""
    clip, recipe = job.models.clip, job.recipe
    visual = clip.model.visual
    with job.steps.part("clip"):
        if recipe.family not in SHARED:
            return _layered(job, image, layout, foundation, runs), layout.frame
        trunk = _trunk(job, image, layout)
        if recipe.splice == "cosines":
            return window_maps(visual, trunk, layout, recipe, foundation), layout.frame
        if recipe.aggregation == "none":
            one = spliced_map(visual, trunk, layout, recipe, foundation, (), clip.patch_size)
            return [one], one.features.shape[1:]
    with job.steps.part("sam"):
        job.steps.say("Joining what belongs together")
        aggregated: list[SamRun] = [(run.values, run.attention, run.grid) for run in runs]
        one = spliced_map(visual, trunk, layout, recipe, foundation, aggregated, clip.patch_size)
    return [one], one.features.shape[1:]


def _layered(
    job: _Job, image: Tensor, layout: Layout, foundation: Tensor | None, runs: list[SamFeatures]
) -> list[FeatureMap]:
    """One map per window by a family that computes windows one by one."""
    visual, count, maps = job.models.clip.model.visual, len(layout.boxes), []
    regions = _regions(job, layout, runs[0]) if job.recipe.regions else None
    weight = visual.conv1.weight
    for index, box in enumerate(layout.boxes):
        job.steps.say(f"Looking at the photo, {index + 1} of {count} windows", index / count)
        window = Window(
            visual, cut_all(image, layout, index, index + 1).to(weight.device, weight.dtype), job.recipe,
            None if foundation is None else foundation[index : index + 1].to(weight.device),
            None if regions is None else cut_regions(regions, layout, box).to(weight.device),
        )
        maps.append(layered_map(window, padded_box(box, layout.multiple)))
    if regions is not None:
        extras = {**maps[0].extras, "frame_regions": regions.to(torch.int16).numpy()}
        maps[0] = replace(maps[0], extras=extras)
    return maps


def _regions(job: _Job, layout: Layout, run: SamFeatures) -> Tensor:
    """SAM's regions over the frame, int64 [H, W]."""
    own = job.recipe.own
    constants = (own.points, own.iou, own.stability)

    def make() -> Tensor:
        job.steps.say("Finding regions in the photo")
        return torch.from_numpy(region_map(job.models.sam, run.embedding, layout.frame, *constants))

    return job.once(("regions", job.models.sam.name, constants, layout.frame), make)


def _sam_runs(job: _Job) -> list[SamFeatures]:
    """SAM's run over the photo, or two over its halves; the halves overlap by a column where the width is odd."""
    sam, pixels = job.models.sam, job.photo.pixels
    with job.steps.part("sam") as progress:
        if job.recipe.halves:
            half = (pixels.shape[1] + 1) // 2
            return [encode_sam(sam.sam, part, progress) for part in (pixels[:, :half], pixels[:, -half:])]
        return [job.sam or sam_run(job.photo, sam, progress, job.shared)]
