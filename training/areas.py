"""Areas of like colour in a picture, found without any label: what the built-in DINO learns to group by.

Mean shift (Comaniciu and Meer 2002, OpenCV's) flattens texture and shading but keeps edges; what it leaves connected
is an area. Every place is then described by its area's mean colour, texture and position, so that two places of one
sky are alike although the sky's gradient parts them.
"""

from __future__ import annotations

from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np

CELL = 4  # pixels between the places that are described
FEATURES = 8
SPACE, COLOR, STEP = 5, 8, 4  # mean shift's radii in pixels and Lab levels, and how far neighbours of an area differ
SEED_EVERY = 8


def lab_and_texture(image: np.ndarray) -> np.ndarray:
    """Lab colour and twice its distance from the smoothed colour, float32 [H, W, 6], of a picture uint8 [H, W, 3]."""
    lab = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
    return np.concatenate([lab, 2 * np.abs(lab - cv2.GaussianBlur(lab, (0, 0), 3))], axis=-1)


def find_areas(image: np.ndarray) -> np.ndarray:
    """The number of the area at every pixel, int32 [H, W]; 0 for specks that no seed fell on."""
    flat = cv2.pyrMeanShiftFiltering(cv2.cvtColor(image, cv2.COLOR_RGB2Lab), SPACE, COLOR)
    height, width = flat.shape[:2]
    areas, taken = np.zeros((height, width), np.int32), np.zeros((height + 2, width + 2), np.uint8)
    for y in range(SEED_EVERY // 2, height, SEED_EVERY):
        for x in range(SEED_EVERY // 2, width, SEED_EVERY):
            if areas[y, x]:
                continue
            flood = taken.copy()
            how = 4 | cv2.FLOODFILL_MASK_ONLY | (2 << 8)
            cv2.floodFill(flat, flood, (x, y), 0, (STEP,) * 3, (STEP,) * 3, how)
            new = flood[1:-1, 1:-1] == 2
            areas[new] = areas.max() + 1
            taken[1:-1, 1:-1][new] = 1
    return areas


def describe_areas(image: np.ndarray) -> np.ndarray:
    """The means of the area at every CELL-th pixel, float16 [H / CELL, W / CELL, 8].

    Lab colour, texture (as `lab_and_texture`), x and y in pixels.
    """
    areas = find_areas(image)
    height, width = areas.shape
    places = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1)
    values = np.concatenate([lab_and_texture(image), places], axis=-1).reshape(-1, FEATURES)
    flat = areas.ravel()
    count = np.maximum(np.bincount(flat), 1)
    means = np.stack([np.bincount(flat, values[:, k]) for k in range(FEATURES)], axis=1) / count[:, None]
    return means[areas[CELL // 2 :: CELL, CELL // 2 :: CELL]].astype(np.float16)


def load_areas(images: np.ndarray, file: Path, workers: int) -> np.ndarray:
    """Described areas of pictures, float16 [N, H / CELL, W / CELL, 8], computed on first use and kept in `file`."""
    if not file.exists():
        temporary = file.with_suffix(".tmp.npy")
        shape = (len(images), images.shape[1] // CELL, images.shape[2] // CELL, FEATURES)
        made = np.lib.format.open_memmap(temporary, "w+", np.float16, shape)
        with get_context("spawn").Pool(workers) as pool:
            for i, one in enumerate(pool.imap(describe_areas, images, chunksize=32)):
                made[i] = one
        made.flush()
        temporary.replace(file)
    return np.load(file, mmap_mode="r")
