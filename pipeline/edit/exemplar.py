"""Removal by example: a hole is filled with what the rest of the photo shows.

Coarse to fine. At the coarsest level the hole is closed from its border inwards, every pixel by what follows in the
photo on patches like its surroundings; then search and vote alternate (see `patches`). Each finer level starts from
the sources found before, twice as far apart, and improves them. The vote is a mean and keeps of the grain only what
its voters agree on; the single best source gives the rest back (`grain`), for the eye misses grain at once. Then the
difference to the photo along the border is spread smoothly over the hole, so that brightness meets at the seam, and
near the border the colours lean on the smoothest filling.

The constants were chosen on painted scenes whose background is known and by looking at photographs; `benchmarks.fill`
measures them against both algorithms of `cv2.inpaint`, which smear: they keep a tenth of the grain.

Everything happens in a window around the hole: the cost follows the hole, not the photo.
"""

from __future__ import annotations

import cv2
import numpy as np

from ..errors import NamebrushError
from ..progress import Progress, checkpoint
from ..records import Box
from .crop import bounds, moved, split, widened, window
from .grain import grained
from .patches import Level, nearest_of
from .pyramid import halve, membrane

#: Context around the hole as a share of its longer side, and at least so many pixels.
CONTEXT, LEAST_CONTEXT = 1.0, 32
#: The coarsest level is the first at which the hole is no deeper than this, in pixels.
COARSEST_DEPTH = 8
#: Rounds of search and vote at the coarsest level, the next finer one, and so on; the last holds for all others.
ROUNDS = (6, 5, 3, 1)
#: Neighbours voting per target where all sources are compared, and the number of targets up to which they are.
NEIGHBOURS, ALL_TARGETS = 5, 1500
#: Targets beyond which a level keeps the sources of the coarser one: the same detail at a fraction of the time.
MOST_TARGETS = 60_000
#: The largest difference at the border taken for brightness.
MOST_SHIFT = 0.12
#: Near the border the smoothest filling is a better guess of the colours, though not of the grain, than any example:
#: the share of it at the border, the depth in pixels at which it fades, the width in pixels of what is colour (as
#: against grain), and the root mean squared difference up to which a match is trusted instead.
HEDGE, HEDGE_DEPTH, HEDGE_WIDTH, SURE = 0.8, 28.0, 2.5, 0.02
#: Share of the sources that a search among all looks at: what makes one seed's filling differ from another's.
SAMPLE = 0.85
_FEWEST_SOURCES = 60
_PEEL_NEIGHBOURS = 5


def fill(
    pixels: np.ndarray, hole: np.ndarray, seed: int = 0, progress: Progress | None = None,
    share: tuple[float, float] = (0.0, 1.0),
) -> np.ndarray:  # fmt: skip
    """Fill a hole from the rest of the photo.

    Args:
        pixels: uint8 [H, W, 3] sRGB; what lies in the hole is not read.
        hole: bool [H, W].
        seed: of the samples and the search by chance: same seed, same pixels.
        progress: told of every level; raising `Cancelled` from it stops the work.
        share: span of the whole work this is.

    Returns:
        uint8 [H, W, 3], equal to `pixels` outside the hole.

    Raises:
        NamebrushError: the hole is the whole photo.
    """
    progress = progress or Progress()
    if hole.all():
        raise NamebrushError("The mask covers the whole photo, so nothing is left to fill it from; select less of it.")
    out = pixels.copy()
    if not hole.any():
        return out
    parts = split(hole)
    for (box, part), filled in zip(parts, fill_parts(pixels, hole, parts, seed, progress, share), strict=True):
        out[window(box)][part] = filled[part]
    return out


def fill_parts(
    pixels: np.ndarray, hole: np.ndarray, parts: list[tuple[Box, np.ndarray]], seed: int, progress: Progress,
    share: tuple[float, float] = (0.0, 1.0),
) -> list[np.ndarray]:  # fmt: skip
    """Fill far-apart parts of a hole, each from the window around it, so that the cost follows the hole.

    Args:
        pixels, hole, seed, progress, share: as for `fill`.
        parts: for each part its box and bool [h, w] inside it.

    Returns:
        For each part uint8 [h, w, 3] of its box, of use where the part is.
    """
    filled = []
    for index, (box, part) in enumerate(parts):
        rng = np.random.default_rng([seed, index])
        width = (share[1] - share[0]) / len(parts)
        span = (share[0] + index * width, share[0] + (index + 1) * width)
        tight = moved(bounds(part), box)
        margin = max(LEAST_CONTEXT, int(CONTEXT * max(tight[2] - tight[0], tight[3] - tight[1])))
        around = widened(tight, margin, hole.shape)
        # other parts in the window are filled along, for their pixels are no example; each keeps its own filling
        whole = _fill_window(pixels[window(around)], hole[window(around)], rng, progress, span)
        inside = np.zeros((*part.shape, 3), np.uint8)  # the box may reach a pixel beyond the window
        own, at = moved(tight, (-box[0], -box[1], 0, 0)), moved(tight, (-around[0], -around[1], 0, 0))
        inside[window(own)] = whole[window(at)]
        filled.append(inside)
    return filled


def _fill_window(
    pixels: np.ndarray, hole: np.ndarray, rng: np.random.Generator, progress: Progress, span: tuple[float, float]
) -> np.ndarray:
    image = pixels.astype(np.float32) / 255
    levels = _levels(image, hole)
    if not levels:  # too little around it for one patch: the smoothest filling is the best there is
        return _bytes(membrane(image, hole))
    work = np.cumsum([4.0**-i for i in range(len(levels))][::-1])
    field = level = None
    for index in range(len(levels) - 1, -1, -1):
        done = 0.0 if index == len(levels) - 1 else work[len(levels) - 2 - index] / work[-1]
        progress.step("Filling from the photo", span[0] + (span[1] - span[0]) * done)
        coarser, level = level, Level(*levels[index])
        if coarser is None:
            found = _start(level, rng, progress)
        else:
            rounds = ROUNDS[min(len(levels) - 1 - index, len(ROUNDS) - 1)]
            found = _improve(level, _finer(field, coarser, level), rounds, rng, progress)
        field = tuple(np.zeros(level.hole.shape, np.int32) for _ in range(2))
        field[0][level.ty, level.tx], field[1][level.ty, level.tx] = found[0][:, 0], found[1][:, 0]
    voted = level.vote(*found)
    return _bytes(_finish(image, hole, level, voted, found))


def _levels(image: np.ndarray, hole: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Picture and hole at every size, finest first; empty when not even the finest has enough to copy from."""
    levels: list[tuple[np.ndarray, np.ndarray]] = []
    while True:
        level = Level(image, hole)
        if len(level.sy) < _FEWEST_SOURCES:
            return levels
        levels.append((image, hole))
        if level.depth.max() <= COARSEST_DEPTH:
            return levels
        image, hole = halve(image, hole)


def _start(level: Level, rng: np.random.Generator, progress: Progress):
    """The coarsest level: closed from the border inwards, then improved among all sources."""
    _peel(level, rng, progress)
    for _ in range(ROUNDS[0]):
        found = level.search_all(rng, NEIGHBOURS, SAMPLE)
        level.image[level.hole] = level.vote(*found)[level.hole]
        progress.step("Filling from the photo")
    return found


def _peel(level: Level, rng: np.random.Generator, progress: Progress) -> None:
    """Close the hole ring by ring: every pixel a mean of what follows on the patches most like its surroundings."""
    left = level.hole.copy()
    while left.any():
        progress.step("Filling from the photo")
        rim = left & (cv2.dilate((~left).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0)
        level.aim(rim)
        rows, cols, costs = level.search_all(rng, _PEEL_NEIGHBOURS, SAMPLE, trust=(~left).astype(np.float32))
        weight = np.exp(-(costs - costs[:, :1]) / (costs[:, :1] + 1e-4))
        weight /= weight.sum(axis=1, keepdims=True)
        level.image[level.ty, level.tx] = (level.image[rows, cols] * weight[..., None]).sum(axis=1)
        left &= ~rim
    level.aim(level.target)


def _finer(field: tuple[np.ndarray, np.ndarray], coarser: Level, level: Level) -> tuple[np.ndarray, np.ndarray]:
    """The field of sources int32 [H, W] of a level from the coarser one's: twice as far apart, and all known."""
    y, x = np.mgrid[: level.height, : level.width].astype(np.int32)
    near = nearest_of(coarser.target)  # at the hole's edge a finer target can lie outside all coarser ones
    ny, nx = near[0][y // 2, x // 2], near[1][y // 2, x // 2]
    rows = np.clip(y + 2 * (field[0][ny, nx] - ny), 0, level.height - 1)
    cols = np.clip(x + 2 * (field[1][ny, nx] - nx), 0, level.width - 1)
    known = nearest_of(level.source)
    return known[0][rows, cols], known[1][rows, cols]


def _improve(level: Level, field: tuple[np.ndarray, np.ndarray], rounds: int, rng: np.random.Generator, progress):
    rows, cols = (f[level.ty, level.tx][:, None] for f in field)
    found = rows, cols, np.zeros(rows.shape, np.float32)
    level.image[level.hole] = level.vote(*found)[level.hole]
    if len(level.ty) > MOST_TARGETS:
        return found
    for _ in range(rounds):
        if len(level.ty) <= ALL_TARGETS:
            found = level.search_all(rng, NEIGHBOURS, SAMPLE)
        else:
            found = level.search_near(field, rng)
            field[0][level.ty, level.tx], field[1][level.ty, level.tx] = found[0][:, 0], found[1][:, 0]
        level.image[level.hole] = level.vote(*found)[level.hole]
        progress.step("Filling from the photo")
    return found


def _finish(image: np.ndarray, hole: np.ndarray, level: Level, voted: np.ndarray, found) -> np.ndarray:
    """Grain from the best source, and brightness that meets the photo at the border; float32 [H, W, 3]."""
    # of the filled picture: the hole's old content never shows
    grain = grained(level.image, hole, (level.ty, level.tx), (found[0][:, 0], found[1][:, 0]))
    checkpoint()
    result = np.where(hole[..., None], grain, image)
    checkpoint()
    doubt = np.zeros(hole.shape, np.float32)
    doubt[level.ty, level.tx] = 1 - np.exp(-found[2][:, 0] / SURE**2)  # a perfect match needs no second opinion
    checkpoint()
    near = HEDGE * np.exp(-((level.depth / HEDGE_DEPTH) ** 2)) * cv2.blur(doubt, (7, 7))
    checkpoint()
    result += near[..., None] * cv2.GaussianBlur(membrane(image, hole) - result, (0, 0), HEDGE_WIDTH)
    checkpoint()
    result[~hole] = image[~hole]
    checkpoint()
    border = (level.target & ~hole).astype(np.float32)
    shift = cv2.blur((image - voted) * border[..., None], (5, 5))
    checkpoint()
    shift = np.clip(shift / np.maximum(cv2.blur(border, (5, 5)), 1e-6)[..., None], -MOST_SHIFT, MOST_SHIFT)
    return result + np.where(hole[..., None], membrane(shift, hole), 0)


def _bytes(image: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(image * 255), 0, 255).astype(np.uint8)
