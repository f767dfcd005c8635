"""Filling by LaMa's published TorchScript file: no words, no steps, one look (Suvorov et al., WACV 2022)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch

from ..errors import NamebrushError
from ..progress import Progress
from .crop import CONTEXT, LEAST_CONTEXT, moved, widened, window
from .crop import bounds as tight_of
from .pieces import Piece

#: Both sides of what the network sees are multiples of this.
STEP = 8
#: Longer windows are made smaller first: what the network sees at once is what it was trained for, and no more.
LONGEST = 1024


@dataclass(frozen=True, eq=False)
class Lama:
    """The network.

    Attributes:
        module: takes an image float32 [1, 3, h, w] in 0..1 and a mask float32 [1, 1, h, w] of 0 and 1, and gives an
            image of the same form.
        device: where it is.
        name: for sentences.
    """

    module: Any
    device: torch.device
    name: str = "LaMa"

    def to(self, device: torch.device) -> Lama:
        """The same on another device."""
        return Lama(self.module.to(device), device, self.name)


def paint(
    pixels: np.ndarray, pieces: list[Piece], used: np.ndarray, lama: Lama, progress: Progress,
    share: tuple[float, float] = (0.0, 1.0),
) -> list[np.ndarray]:  # fmt: skip
    """New pixels for every piece of a mask, as `diffusion.paint` gives them; seeds make no difference.

    Raises:
        NamebrushError: the network gave no usable picture.
    """
    painted = []
    for index, piece in enumerate(pieces):
        progress.step("Filling by LaMa", share[0] + (share[1] - share[0]) * index / len(pieces))
        tight = moved(tight_of(piece.used), piece.box)
        side = max(tight[2] - tight[0], tight[3] - tight[1])
        box = widened(tight, max(LEAST_CONTEXT, round(CONTEXT * side)), pixels.shape[:2])
        filled = _fill(pixels[window(box)], used[window(box)], lama)
        whole = np.zeros((*piece.used.shape, 3), np.uint8)
        own, at = moved(tight, (-piece.box[0], -piece.box[1], 0, 0)), moved(tight, (-box[0], -box[1], 0, 0))
        whole[window(own)] = filled[window(at)]
        painted.append(whole)
    return painted


def _fill(pixels: np.ndarray, hole: np.ndarray, lama: Lama) -> np.ndarray:
    height, width = hole.shape
    factor = min(1.0, LONGEST / max(height, width))
    tall, wide = max(1, round(height * factor)), max(1, round(width * factor))
    seen = cv2.resize(pixels, (wide, tall), interpolation=cv2.INTER_AREA) if factor < 1 else pixels
    share = cv2.resize(hole.astype(np.float32), (wide, tall), interpolation=cv2.INTER_AREA) if factor < 1 else hole
    padding = (0, -tall % STEP, 0, -wide % STEP)
    image = cv2.copyMakeBorder(np.ascontiguousarray(seen), *padding, cv2.BORDER_REPLICATE)
    mask = cv2.copyMakeBorder((np.asarray(share) > 0).astype(np.uint8), *padding, cv2.BORDER_CONSTANT, value=0)
    with torch.no_grad():
        inputs = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255
        result = lama.module(inputs.to(lama.device), torch.from_numpy(mask)[None, None].float().to(lama.device))
    result = result[0].permute(1, 2, 0).float().cpu().numpy()[:tall, :wide]
    if not np.isfinite(result).all():
        raise NamebrushError("LaMa gave no usable picture (not a number); try the exemplar fill instead.")
    made = np.clip(np.rint(result * 255), 0, 255).astype(np.uint8)
    return cv2.resize(made, (width, height), interpolation=cv2.INTER_CUBIC) if factor < 1 else made
