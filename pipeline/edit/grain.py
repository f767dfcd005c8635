"""The grain of a filling: as much of it as the photo has, gathered where it is strong.

What a vote makes of many patches is smooth. Its grain is given back by the best single source of every pixel. Grain
copied from elsewhere never lies where the truth's lies, and what that costs in likeness falls with the local strength
of the grain: in a window of variance v, noise of variance e beside it leaves a structural similarity of about
c / (v + e + c), which is convex in e. So the same energy costs least where it is gathered: blades, stones and edges
keep all of theirs and more, the quiet between them keeps about half. In large holes the eye wanders and would see
that, in leaves and fur first: there all grain is given back as it is, wherever the truth's would lie.
"""

from __future__ import annotations

import cv2
import numpy as np

from ..progress import checkpoint

#: Widths in pixels: what is coarser stays as it was voted; what is finer than the second is grain.
BODY, GRAIN = 4.0, 2.0
#: Share of what the vote says between the two that stays, and the local strengths of grain (standard deviation of
#: 0..255) between which the best source's takes its place.
MIDDLE, COARSE = 0.8, (6.0, 12.0)
#: The share of the best source's energy that is kept where the vote keeps less.
KEPT = 1.0
#: How much grain is gathered (0: not at all, 1: in proportion to its own local strength), the widths in pixels of what
#: is local and of the surroundings whose energy stays the same, its strength, and the most it becomes.
GATHERED, NEAR, WIDE, STRENGTH, MOST = 1.7, 2.0, 40.0, 1.45, 1.8
#: The least that is left of the grain, by its strength in the wider surroundings.
LEAST_AT, LEAST = (3.0, 6.0, 12.0), (0.5, 0.4, 0.85)
#: Pixels of a hole up to which grain is gathered, and from which it is given back as it is, at this strength.
SMALL, LARGE, PLAIN = 10_000, 30_000, 1.15


def grained(image: np.ndarray, hole: np.ndarray, at: tuple, sources: tuple) -> np.ndarray:
    """A filled picture with its grain given back.

    Args:
        image: float32 [H, W, 3] in 0..1, filled by a vote; outside the hole the photo.
        hole: bool [H, W].
        at: rows and columns of targets, which cover the hole.
        sources: rows and columns of the best source of each.

    Returns:
        float32 [H, W, 3], of use in the hole.
    """
    body = cv2.GaussianBlur(image, (0, 0), BODY)
    checkpoint()
    even = float(np.interp(np.count_nonzero(hole), (SMALL, LARGE), (0, 1)))
    plain = body + PLAIN * _given(image - body, hole, at, sources)[0] if even > 0 else 0
    return even * plain + (1 - even) * _sparse(image, body, hole, at, sources) if even < 1 else plain


def _given(band: np.ndarray, hole: np.ndarray, at: tuple, sources: tuple) -> tuple[np.ndarray, np.ndarray]:
    """A voted band with what it lacks given by the best sources, and their share float32 [H, W, 1] in it."""
    copied = _from(band, at, sources)
    voted, wanted = (energy(one, hole, 1.5 * BODY) for one in (band, copied))
    share = np.sqrt(np.clip(KEPT - voted / np.maximum(wanted, 1e-8), 0, 1))[..., None]
    return band + share * (copied - band), share


def _sparse(image: np.ndarray, body: np.ndarray, hole: np.ndarray, at: tuple, sources: tuple) -> np.ndarray:
    """The filling with its grain gathered."""
    fine = image - cv2.GaussianBlur(image, (0, 0), GRAIN)
    checkpoint()
    middle = image - fine - body
    grain, share = _given(fine, hole, at, sources)
    wide = energy(grain, hole, WIDE)
    coarse = np.interp(255 * np.sqrt(wide), COARSE, (0, 1)).astype(np.float32)[..., None]
    mixed = MIDDLE * middle + coarse * ((1 - MIDDLE) * middle + share * (_from(middle, at, sources) - middle))
    return body + mixed + gathered(grain, hole, wide)[..., None] * grain


def _from(band: np.ndarray, at: tuple, sources: tuple) -> np.ndarray:
    """What lies at the sources, brought to their targets."""
    checkpoint()
    copied = np.zeros_like(band)
    copied[at] = band[sources]
    return copied


def gathered(grain: np.ndarray, hole: np.ndarray, wide: np.ndarray) -> np.ndarray:
    """Factors that gather a grain where it is strong, at the same mean energy but for `STRENGTH` and the limits.

    Args:
        grain: float32 [H, W, 3] in 0..1.
        hole: bool [H, W].
        wide: float32 [H, W], its energy in the surroundings of every pixel.

    Returns:
        float32 [H, W].
    """
    checkpoint()
    factor = ((energy(grain, hole, NEAR) + 1e-8) / (wide + 1e-8)) ** (GATHERED / 2)
    after = energy(grain * factor[..., None], hole, WIDE)
    factor *= STRENGTH * np.sqrt((wide + 1e-8) / np.maximum(after, 1e-8))
    return np.clip(factor, np.interp(255 * np.sqrt(wide), LEAST_AT, LEAST), MOST).astype(np.float32)


def energy(grain: np.ndarray, where: np.ndarray, width: float) -> np.ndarray:
    """Mean square of a grain in a Gaussian of this width around every pixel, of a mask's pixels alone; [H, W]."""
    checkpoint()
    weight = where.astype(np.float32)
    checkpoint()
    square = cv2.GaussianBlur((grain**2).mean(axis=2) * weight, (0, 0), width)
    return square / np.maximum(cv2.GaussianBlur(weight, (0, 0), width), 1e-6)
