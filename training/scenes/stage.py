"""The landscape before anything stands in it: which hour, which grounds, and what is painted in which order."""

from __future__ import annotations

import numpy as np

from .land import paint_grounds, paint_pond, paint_road
from .noise import blend, stream
from .pen import mix
from .records import INDEX
from .sky import paint_cloud, paint_mountains, paint_sky

# Per hour: sky at the top, the middle and the horizon; the tint of everything lit; how hard shadows fall.
HOURS = {
    "day": (((74, 142, 210), (140, 192, 232), (214, 232, 236)), (1.0, 1.0, 1.0), 0.42),
    "sunset": (((96, 80, 142), (232, 128, 108), (254, 206, 130)), (1.03, 0.84, 0.74), 0.4),
    "night": (((18, 24, 58), (36, 48, 96), (74, 88, 134)), (0.5, 0.56, 0.8), 0.3),
    "overcast": (((150, 162, 174), (180, 190, 196), (208, 212, 210)), (0.88, 0.91, 0.93), 0.2),
}
SHADOW = np.array((34, 34, 74), np.float32)

LAYOUTS = (  # grounds from far to near, and how often
    (("grass",), 0.13),
    (("grass", "grass"), 0.08),
    (("sea",), 0.05),
    (("sea", "sand"), 0.17),
    (("sea", "grass"), 0.12),
    (("sand",), 0.08),
    (("snow",), 0.11),
    (("sea", "snow"), 0.07),
    (("grass", "sand"), 0.06),
    (("snow", "snow"), 0.05),
    (("grass", "sea", "grass"), 0.05),
    (("sea", "sand", "grass"), 0.03),
)


class Stage:
    """A painted landscape, float32 RGB `image` [H, W, 3] in 0..255 and uint8 `classes` [H, W]."""

    def __init__(self, seed: int, height: int, width: int, time: str, style: str):
        self.h, self.w, self.seed, self.time = height, width, seed, time
        self.unit = min(height, width) / 256
        self.loud = {"gouache": 1.0, "flat": 0.3, "ink": 0.7, "pastel": 0.8}[style]
        rng = stream(seed, 1)
        self.sky, tint, self.shadow = HOURS[time]
        self.tint = np.array(tint, np.float32) * rng.uniform(0.97, 1.04, 3).astype(np.float32)
        # light comes from the left (1) or the right (-1)
        self.side = float(rng.choice([-1.0, 1.0]))
        self.image = np.empty((height, width, 3), np.float32)
        self.classes = np.zeros((height, width), np.uint8)
        self.xs = np.arange(width, dtype=np.float32)
        weights = np.array([share for _, share in LAYOUTS])
        self.grounds = LAYOUTS[rng.choice(len(LAYOUTS), p=weights / weights.sum())][0]
        self.horizon = rng.uniform(0.3, 0.56) if len(self.grounds) < 3 else rng.uniform(0.26, 0.42)
        self.edges: list[np.ndarray] = []
        self.haze = np.array(mix(self.sky[2], self.sky[1], 0.25), np.float32)
        self.sun_x = rng.uniform(0.12, 0.88)
        paint_sky(self, rng)
        for k in range(int(rng.choice([0, 1, 2, 3, 4], p=[0.16, 0.22, 0.28, 0.22, 0.12]))):
            paint_cloud(self, stream(seed, 2, k))
        if rng.random() < 0.52:
            paint_mountains(self, stream(seed, 3))
        paint_grounds(self, stream(seed, 4))
        if self.grounds[-1] != "sea" and rng.random() < 0.46:
            paint_road(self, stream(seed, 5))
        elif self.grounds[-1] in ("grass", "snow") and rng.random() < 0.2:
            paint_pond(self, stream(seed, 6))

    def lay(self, y0: int, y1: int, cover: np.ndarray, color: np.ndarray, noun: str) -> None:
        """Blend a layer over rows y0..y1; `cover` float32 [rows, W] in 0..1, `color` [rows, W, 3] or [3]."""
        blend(self.image[y0:y1], color, cover)
        self.classes[y0:y1][cover >= 0.5] = INDEX[noun]
