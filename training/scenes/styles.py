"""The look of a finished painting. A style changes pixels and never labels."""

from __future__ import annotations

import cv2
import numpy as np

from .noise import blend, field, three
from .stage import Stage

VOLUME = {"gouache": (0.9, 0.05), "flat": (0.35, 0.0), "ink": (0.7, 0.03), "pastel": (0.75, 0.06)}  # volume, brush


def finish(stage: Stage, instances: np.ndarray, style: str, rng: np.random.Generator) -> np.ndarray:
    """Brush, paper, ink or chalk over `stage.image`; returns uint8 RGB [H, W, 3]."""
    image, h, w, u = stage.image, stage.h, stage.w, stage.unit
    if style == "gouache":
        tooth = field("brush", rng, h, w, u) * 0.028 + field("grain", rng, h, w, u) * 0.022
        image *= three(1 + tooth)
    elif style == "pastel":
        image *= 0.76
        image += np.array((250, 240, 228), np.float32) * (0.24 if stage.time != "night" else 0.12)
        chalk = field("grain", rng, h, w, u * 0.9) * 0.8 + field("brush", rng, h, w, u) * 0.4
        image += three(np.clip(chalk - 0.3, 0, 1.4) * 9 - np.clip(-chalk - 0.6, 0, 1.2) * 6)
    elif style == "ink":
        _ink(stage, instances, rng)
    np.clip(image, 0, 255, out=image)
    return image.astype(np.uint8)


def _ink(stage: Stage, instances: np.ndarray, rng: np.random.Generator) -> None:
    """Contours where labels change, a wavering line weight, hatching in the darks, cream paper."""
    image, h, w, u = stage.image, stage.h, stage.w, stage.unit
    image *= 0.82
    image += np.array((252, 244, 222), np.float32) * (0.18 if stage.time != "night" else 0.05)
    key = (instances.astype(np.int32) * 32 + stage.classes).astype(np.float32)
    key = (key * 37 % 251).astype(np.uint8)
    k = max(2, round(2.4 * u))
    edge = cv2.morphologyEx(key, cv2.MORPH_GRADIENT, np.ones((k, k), np.uint8)) > 0
    line = cv2.blur(edge.astype(np.float32), (k, k))
    gap = field("patch", rng, h, w, u)
    line *= np.clip(0.8 + gap * 0.28, 0.25, 1)
    light = cv2.cvtColor(np.clip(image, 0, 255).astype(np.uint8), cv2.COLOR_RGB2GRAY)
    yy, xx = np.arange(h, dtype=np.float32)[:, None], np.arange(w, dtype=np.float32)[None]
    wave = ((xx + yy + gap * 1.4 * u) / (5.2 * u)) % 1 < 0.3
    line = np.maximum(line, wave * np.clip((128.0 - light) / 110, 0, 0.5) * (1 if stage.time != "night" else 0.5))
    line *= 0.86
    blend(image, (38, 32, 44), line)
    image *= three(1 + field("grain", rng, h, w, u) * 0.02)
