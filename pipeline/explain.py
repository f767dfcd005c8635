"""What decided a point: with which places of the photo each model says it belongs together.

Three maps for one point, each from what the models said anyway: the method's own CLIP features, DINO's patches, and
the attention of SAM's last block. Values are cosines (CLIP, DINO) or shares of attention (SAM).
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from .dense.cosines import frame_cosines
from .dense.dino_features import dino_features
from .device import on_device, share_of
from .errors import NamebrushError
from .photo import PhotoSource
from .progress import Progress
from .records import Encoded
from .suggest import with_features

#: Patches of DINO along the photo's short side.
DINO_PATCHES = 28


def correlations(
    pipe, photo: PhotoSource, x: float, y: float, progress: Progress | None = None, **encoding
) -> dict[str, np.ndarray]:
    """How strongly each place of a photo goes together with one point.

    Args:
        pipe: a `Pipeline`.
        photo: anything `Pipeline.open` takes.
        x, y: the point in photo pixels.
        progress: see `Pipeline`.
        encoding: `method` and the other arguments of `Pipeline.encode`; the preset's own method stands in for one
            that has no dense features.

    Returns:
        "clip": float32 [h, w], cosine of the method's features, -1..1; "dino": float32 [h, w], cosine of DINO's
        patches, -1..1; "sam": float32 [h, w], attention of SAM's last block, mean over heads, its maximum scaled to 1.

    Raises:
        NamebrushError: the point lies outside the photo.
    """
    photo, progress = pipe.open(photo), progress or Progress()
    height, width = photo.size
    if not (0 <= x < width and 0 <= y < height):
        raise NamebrushError(f"The point ({x:g}, {y:g}) lies outside the photo of {width} x {height} pixels.")
    at = (y / height, x / width)
    encoded = pipe.encode(photo, progress=share_of(progress, 0.0, 0.5), **with_features(pipe.preset, encoding))
    sam = pipe.sam_features(photo, share_of(progress, 0.5, 0.8))
    dino = pipe.models.dino
    progress.step("Asking DINO what belongs together", 0.8)
    clip = _clip(encoded, at)
    with on_device(pipe.models.device, progress):
        return {"clip": clip, "dino": _dino(dino, photo.pixels, at), "sam": _sam(sam, at)}


def feature_at(encoded: Encoded, at: tuple[float, float]) -> np.ndarray:
    """The unit feature float32 [D] at a place given as shares of height and width, from the map that covers it best.

    Of several windows the one in whose middle the place lies most is taken.
    """
    best, nearest = None, np.inf
    for one in encoded.maps:
        frame = one.frame or encoded.frame
        x0, y0, x1, y1 = one.box
        row, col = at[0] * frame[0] - y0, at[1] * frame[1] - x0
        if not (0 <= row < y1 - y0 and 0 <= col < x1 - x0):
            continue
        off = max(abs(row / (y1 - y0) - 0.5), abs(col / (x1 - x0) - 0.5))
        if off < nearest:
            _, h, w = one.features.shape
            nearest = off
            best = one.features[:, int(row * h / (y1 - y0)), int(col * w / (x1 - x0))]
    if best is None:  # a rim that no window covers
        best = encoded.maps[0].features[:, 0, 0]
    return (best / max(float(np.linalg.norm(best)), 1e-12)).astype(np.float32)


def _clip(encoded: Encoded, at: tuple[float, float]) -> np.ndarray:
    return frame_cosines(encoded, feature_at(encoded, at)[None])[0][0].numpy()


@torch.no_grad()
def _dino(dino, pixels: np.ndarray, at: tuple[float, float]) -> np.ndarray:
    patch = dino.model.config.patch_size
    patch = patch if isinstance(patch, int) else patch[0]
    height, width = pixels.shape[:2]
    factor = DINO_PATCHES * patch / min(height, width)
    size = tuple(max(patch, round(n * factor / patch) * patch) for n in (height, width))
    device = next(dino.model.parameters()).device
    image = torch.from_numpy(np.array(pixels)).permute(2, 0, 1)[None].float().div_(255)
    image = F.interpolate(image, size, mode="bilinear", antialias=True, align_corners=False)
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (dino.mean, dino.std))
    features = dino_features(dino.model, ((image - mean) / std).to(device))[0]
    unit = F.normalize(features.flatten(1), dim=0)
    h, w = features.shape[1:]
    index = min(int(at[0] * h), h - 1) * w + min(int(at[1] * w), w - 1)
    return (unit[:, index] @ unit).view(h, w).float().cpu().numpy()


def _sam(sam, at: tuple[float, float]) -> np.ndarray:
    h, w = sam.grid
    index = min(int(at[0] * h), h - 1) * w + min(int(at[1] * w), w - 1)
    row = sam.attention.rows(index, index + 1).mean(0)[0].view(h, w).float().cpu().numpy()
    return row / max(float(row.max()), 1e-12)
