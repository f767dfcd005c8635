"""Another colour for a thing, in Lab: its light, shade and grain stay, and so do its greys beside its colour."""

from __future__ import annotations

import cv2
import numpy as np

#: Chroma below which a thing counts as grey all over and takes the colour everywhere, and above which not at all.
_GREY, _COLOURED = 6.0, 16.0
#: How much stronger differences of lightness may become.
_STEEPEST = 1.3


def recolored(pixels: np.ndarray, own: np.ndarray, color: tuple[int, int, int], amount: float = 1.0) -> np.ndarray:
    """A picture in which a thing's own colour became another.

    Lightness follows a power curve that takes the thing's median to the colour's lightness: black stays black, white
    stays white and the order of tones is kept, so shading is; where that would strengthen the grain too much, a
    straight line stands in for the curve. Hue becomes the colour's; chroma is the colour's times
    what the pixel had in proportion to the thing's, so that what is grey on a coloured thing (a tyre, a highlight)
    stays grey, and fades towards black and white as pigments do.

    Args:
        pixels: uint8 [H, W, 3] sRGB.
        own: uint8 [N, 3] or [H, W, 3], the thing's own pixels: they say what its colour was.
        color: 8-bit sRGB.
        amount: 0..1, share of the way to the colour.

    Returns:
        float32 [H, W, 3] in 0..255.
    """
    lab = cv2.cvtColor(pixels.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
    thing = cv2.cvtColor(own.reshape(1, -1, 3).astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
    goal = cv2.cvtColor(np.array([[color]], np.float32) / 255, cv2.COLOR_RGB2Lab)[0, 0]
    light, chroma = lab[..., 0], np.hypot(lab[..., 1], lab[..., 2])
    usual = float(np.clip(np.median(thing[..., 0]), 5, 95))
    power = np.log(np.clip(goal[0], 3, 97) / 100) / np.log(usual / 100)
    if power * goal[0] / usual > _STEEPEST:  # a light thing made dark: its grain would stand out as never before
        new_light = np.clip(goal[0] + _STEEPEST * (light - usual), 0, 100)
    else:
        new_light = 100 * np.clip(light / 100, 0, 1) ** power
    full = float(np.median(np.hypot(thing[..., 1], thing[..., 2])))
    coloured = float(np.clip((full - _GREY) / (_COLOURED - _GREY), 0, 1))
    kept = 1 + coloured * (np.clip(chroma / max(full, 1e-3), 0, 1.3) - 1)
    # pigments fade towards black and towards white; between, the colour is as full as it was asked for
    fade = np.minimum(new_light / max(goal[0], 1e-3), (100 - new_light) / max(100 - goal[0], 1e-3))
    new = np.dstack([new_light, goal[1:] * (kept * np.clip(fade, 0, 1))[..., None]]).astype(np.float32)
    mixed = lab + np.float32(amount) * (new - lab)
    return np.clip(cv2.cvtColor(mixed, cv2.COLOR_Lab2RGB), 0, 1) * 255
