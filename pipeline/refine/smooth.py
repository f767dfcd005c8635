"""Refinements of the probabilities: they are smoothed along the photo, and labels follow from them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import torch

from ..progress import Progress
from ..records import Photo
from .crf import dense_crf
from .pamr import pamr
from .settings import SmoothSettings

#: Pixels beyond which the work is done on a smaller photo: memory grows with pixels times classes.
WORK_PIXELS = 1 << 19


def smooth(
    method: str,
    photo: Photo,
    scores: np.ndarray,
    settings: SmoothSettings,
    progress: Progress | None = None,
    diffusion: Callable[[], Any] | None = None,
) -> np.ndarray:
    """Smoothed class probabilities.

    Args:
        method: "crf", "pamr" or "diffusion".
        photo: what was segmented.
        scores: float32 [C, h, w] class probabilities, the background's channel included.
        settings: constants of the methods.
        progress: told before each step.
        diffusion: makes the `diffusers` pipeline whose UNet is used; only for "diffusion".

    Returns:
        float32 [C, h, w], channels sum to one.
    """
    progress = progress or Progress()
    size = scores.shape[1:]
    shares = scores / np.maximum(scores.sum(axis=0), 1e-12)
    if method == "diffusion":
        from .diffusion import attention_smooth

        if diffusion is None:
            raise ValueError("refinement by diffusion needs a model with a UNet")
        smoothed = attention_smooth(diffusion(), photo.pixels, shares, settings, progress)
    else:
        factor = min(1.0, (WORK_PIXELS / (size[0] * size[1])) ** 0.5)
        work = (max(1, round(size[0] * factor)), max(1, round(size[1] * factor)))
        pixels = _resized(photo.pixels, work)
        maps = resize_maps(shares, work)
        if method == "crf":
            near = (settings.crf_near, settings.crf_near_pixels * factor)
            alike = (settings.crf_alike, settings.crf_alike_pixels * factor, settings.crf_alike_colour)
            smoothed = dense_crf(pixels, maps, settings.crf_steps, near, alike, progress)
        elif method == "pamr":
            progress.step("Averaging over pixels of like colour", 0.1)
            image = torch.from_numpy(pixels.astype(np.float32) / 255).permute(2, 0, 1)
            smoothed = pamr(image, torch.from_numpy(maps), settings.pamr_steps).numpy()
        else:
            raise ValueError(f"{method!r} does not smooth probabilities")
    smoothed = resize_maps(smoothed, size)
    return smoothed / np.maximum(smoothed.sum(axis=0), 1e-12)


def resize_maps(maps: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Maps float32 [C, h, w] at another size: averaged where smaller, bilinear where larger."""
    if maps.shape[1:] == tuple(size):
        return np.ascontiguousarray(maps, np.float32)
    return np.stack([_resized(one, size) for one in np.ascontiguousarray(maps, np.float32)])


def _resized(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    if image.shape[:2] == tuple(size):
        return image
    way = cv2.INTER_AREA if size[0] * size[1] < image.shape[0] * image.shape[1] else cv2.INTER_LINEAR
    return cv2.resize(image, (size[1], size[0]), interpolation=way)
