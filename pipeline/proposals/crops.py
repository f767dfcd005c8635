"""CLIP's view of cut-outs: each mask's surroundings at several sizes, as one vector per mask and size."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from ..dense.trunk import check_tower, head, run_block, run_trunk
from ..models.records import ClipModel
from ..progress import Progress

#: The published sizes in pixels for a CLIP trained at 224, and their weights.
SIZES, WEIGHTS, TRAINED = (224, 336, 512), (0.2, 0.5, 0.3), 224
#: Tokens that go through the tower at a time.
TOKENS = 4096
#: How far a cut-out reaches beyond its mask, and how much of what is not the mask is seen in it.
MARGIN, SEEN = 0.1, 0.5


def sizes_for(clip: ClipModel) -> tuple[int, ...]:
    """The three sizes in whole patches of this CLIP, in proportion to what it was trained at."""
    trained = clip.model.visual.image_size
    trained = trained if isinstance(trained, int) else trained[0]
    patch = clip.patch_size
    return tuple(max(patch, round(size * trained / TRAINED / patch) * patch) for size in SIZES)


@torch.no_grad()
def embed_crops(
    clip: ClipModel, pixels: np.ndarray, masks: Callable[[], Iterator[np.ndarray]], count: int,
    progress: Progress | None = None,
) -> list[np.ndarray]:
    """Unit vectors of every mask's cut-out.

    Args:
        clip: the model.
        pixels: uint8 [H, W, 3].
        masks: makes an iterator over masks bool [H, W]; called once per size.
        count: of masks, for the progress told.
        progress: told between batches.

    Returns:
        Per size of `sizes_for` float32 [M, D].
    """
    visual, progress = clip.model.visual, progress or Progress()
    check_tower(visual)
    weight, found = visual.conv1.weight, []
    mean, std = (np.array(v, np.float32) for v in (clip.mean, clip.std))
    sizes = sizes_for(clip)
    for n, size in enumerate(sizes):
        batch, rows, done = max(1, TOKENS // (size // clip.patch_size) ** 2), [], 0
        for part in _batches((cut_out(pixels, mask, size) for mask in masks()), batch):
            progress.step("CLIP looks at every mask", (n + done / max(count, 1)) / len(sizes))
            images = (np.stack(part).astype(np.float32) / 255 - mean) / std
            trunk = run_trunk(visual, torch.from_numpy(images).permute(0, 3, 1, 2).to(weight))
            tokens = run_block(visual, len(visual.transformer.resblocks) - 1, trunk.tokens)
            rows.append(F.normalize(head(visual, tokens[:, 0]).float(), dim=-1).cpu().numpy())
            done += len(part)
        found.append(np.concatenate(rows) if rows else np.zeros((0, visual.proj.shape[1]), np.float32))
    return found


def cut_out(pixels: np.ndarray, mask: np.ndarray, size: int) -> np.ndarray:
    """A mask's square cut-out uint8 [size, size, 3]; what is not the mask is half grey, so that the thing stands out.

    The square is as wide as the mask's longer side and a tenth, moved into the photo; beyond the photo lies grey.
    """
    ys, xs = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    middle_y, middle_x = (ys[0] + ys[-1] + 1) / 2, (xs[0] + xs[-1] + 1) / 2
    side = max(2.0, max(ys[-1] + 1 - ys[0], xs[-1] + 1 - xs[0]) * (1 + 2 * MARGIN))
    top, left = int(round(middle_y - side / 2)), int(round(middle_x - side / 2))
    side = int(round(side))
    square = np.full((side, side, 3), 127, np.float32)
    y0, x0, y1, x1 = max(top, 0), max(left, 0), min(top + side, mask.shape[0]), min(left + side, mask.shape[1])
    part, inside = pixels[y0:y1, x0:x1].astype(np.float32), mask[y0:y1, x0:x1, None]
    square[y0 - top : y1 - top, x0 - left : x1 - left] = np.where(inside, part, SEEN * part + (1 - SEEN) * 127)
    way = cv2.INTER_AREA if side > size else cv2.INTER_LINEAR
    return cv2.resize(square, (size, size), interpolation=way).clip(0, 255).astype(np.uint8)


def likeness(vectors: Sequence[np.ndarray], text: np.ndarray) -> np.ndarray:
    """Weighted cosines of masks and words over the sizes, float32 [M, Q]."""
    return sum(w * (v @ text.T) for w, v in zip(WEIGHTS, vectors, strict=True))


def _batches(items: Iterator[np.ndarray], count: int) -> Iterator[list[np.ndarray]]:
    part = []
    for item in items:
        part.append(item)
        if len(part) == count:
            yield part
            part = []
    if part:
        yield part
