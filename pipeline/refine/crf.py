"""A dense conditional random field (Kraehenbuehl and Koltun, NeurIPS 2011) on class probabilities.

Energy: unary -log p; for every pair of pixels i, j of different labels (Potts)

    w1 exp(-|p_i - p_j|^2 / 2 a^2)  +  w2 exp(-|p_i - p_j|^2 / 2 b^2 - |I_i - I_j|^2 / 2 g^2),

mean-field iterations Q <- softmax(log p + w1 K1 Q + w2 K2 Q), each kernel normalised symmetrically as in the authors'
code (D^-1/2 K D^-1/2, D the row sums, the pixel itself left out of the message).

No maintained library with wheels for today's Pythons does this, so the sums are made from OpenCV's filters. The first
kernel is a Gaussian blur. The second is split: the colour kernel is close to a sum over few features,
exp(-|I_i - I_j|^2 / 2 g^2) = sum_r f_r(I_i) f_r(I_j), whose features come from an incomplete Cholesky factorisation of
the photo's own colours (pivot by pivot, until no colour is off by more than `TOLERANCE` or `FEATURES` are reached);
each feature times Q is then blurred like the first kernel, on a grid a third as fine as the blur is wide.
"""

from __future__ import annotations

import cv2
import numpy as np

from ..progress import Progress, checkpoint

#: Colours that the factorisation is made from, and how many features it may have.
SAMPLES, FEATURES = 4096, 64
#: Largest error of the colour kernel (whose largest value is 1) on the sampled colours, before features run out.
TOLERANCE = 0.02
#: Cells of the coarse grid per blur width: with three, its own smoothing is a tenth of the blur and is taken off.
CELLS = 3.0
_SMALLEST = 1e-8


def dense_crf(
    pixels: np.ndarray,
    probabilities: np.ndarray,
    steps: int = 10,
    near: tuple[float, float] = (3.0, 3.0),
    alike: tuple[float, float, float] = (5.0, 60.0, 13.0),
    progress: Progress | None = None,
) -> np.ndarray:
    """Mean-field probabilities.

    Args:
        pixels: uint8 [H, W, 3].
        probabilities: float32 [C, H, W]; channels need not sum to one.
        steps: iterations.
        near: w1 and a (pixels).
        alike: w2, b (pixels) and g (grey levels).
        progress: told before each iteration.

    Returns:
        float32 [C, H, W], channels sum to one.
    """
    progress = progress or Progress()
    logs = np.log(np.maximum(probabilities, _SMALLEST)).transpose(1, 2, 0)
    kernels = []
    if near[0] > 0:
        kernels.append((near[0], Blur(logs.shape[:2], near[1], None)))
    if alike[0] > 0:
        progress.step("Finding the photo's colours", 0.0)
        kernels.append((alike[0], Blur(logs.shape[:2], alike[1], colour_features(pixels, alike[2]))))
    q = _softmax(logs)
    for step in range(steps):
        progress.step("Pixels of like colour agree", (step + 1) / (steps + 1))
        energy = logs.copy()
        for weight, kernel in kernels:
            checkpoint()
            energy += weight * kernel.message(q)
        q = _softmax(energy)
    return np.ascontiguousarray(q.transpose(2, 0, 1))


def _softmax(x: np.ndarray) -> np.ndarray:
    x = np.exp(x - x.max(axis=2, keepdims=True))
    return x / x.sum(axis=2, keepdims=True)


def colour_features(pixels: np.ndarray, width: float, samples: int = SAMPLES, features: int = FEATURES) -> np.ndarray:
    """Features float32 [H, W, R] whose products approximate exp(-|I_i - I_j|^2 / 2 width^2).

    Pivoted incomplete Cholesky on evenly spread pixels: the next landmark is the colour approximated worst. The
    products never exceed the kernel on the diagonal, so nothing is added that is not there.
    """
    flat = pixels.reshape(-1, 3).astype(np.float32) / width
    colours = np.unique(flat[:: max(1, len(flat) // samples)], axis=0)
    left = np.ones(len(colours), np.float32)
    factor = np.zeros((len(colours), min(features, len(colours))), np.float32)
    pivots: list[int] = []
    while len(pivots) < factor.shape[1] and left.max() > TOLERANCE:
        r, pivot = len(pivots), int(left.argmax())
        column = np.exp(-0.5 * ((colours - colours[pivot]) ** 2).sum(1)) - factor[:, :r] @ factor[pivot, :r]
        factor[:, r] = column / np.sqrt(left[pivot])
        left = np.maximum(left - factor[:, r] ** 2, 0)
        left[pivot] = 0
        pivots.append(pivot)
    marks, lower = colours[pivots], np.tril(factor[pivots, : len(pivots)]).astype(np.float64)
    inverse = np.linalg.inv(lower).T.astype(np.float32)
    result = np.empty((len(flat), len(pivots)), np.float32)
    for start in range(0, len(flat), 1 << 16):
        part = flat[start : start + (1 << 16)]
        apart = (part**2).sum(1)[:, None] + (marks**2).sum(1) - 2 * part @ marks.T
        result[start : start + (1 << 16)] = np.exp(-0.5 * np.maximum(apart, 0)) @ inverse
    return result.reshape(*pixels.shape[:2], -1)


class Blur:
    """One kernel over all pairs of pixels of a map.

    Args:
        size: height and width.
        width: of the Gaussian in pixels.
        features: float32 [H, W, R] that the kernel is multiplied by, or None for position alone.
    """

    def __init__(self, size: tuple[int, int], width: float, features: np.ndarray | None):
        self.size, self.width, self.features = size, width, features
        self.step = max(1, int(width / CELLS))
        # Averaging into cells and reading between them smooth too; their variances come off the blur's.
        extra = (self.step**2 - 1) / 12 + self.step**2 / 6 if self.step > 1 else 0.0
        self.coarse = np.sqrt(max(width**2 - extra, 1e-6)) / self.step
        self.grid = tuple(-(-n // self.step) for n in size)
        self._by_cell: np.ndarray | None = None
        self.own = np.ones(size, np.float32) if features is None else (features**2).sum(axis=2)
        rows = self._sum(np.ones((*size, 1), np.float32))[..., 0]
        self.norm = (1 / np.sqrt(np.maximum(rows, _SMALLEST)))[..., None]

    def message(self, q: np.ndarray) -> np.ndarray:
        """Sum over all other pixels of the normalised kernel times `q` [H, W, C]."""
        scaled = q * self.norm
        return self.norm * (self._sum(scaled) - self.own[..., None] * scaled)

    def _sum(self, q: np.ndarray) -> np.ndarray:
        """Sum over all pixels, the pixel itself included, of kernel times q; float32 [H, W, C]."""
        if self.features is None:
            return self._read(self._blur(self._gather(q)))
        if self.step > 1:
            return self._sum_in_cells(q)
        total = np.zeros_like(q)
        for r in range(self.features.shape[2]):
            checkpoint()
            feature = self.features[..., r, None]
            total += feature * self._blur(feature * q)
        return total

    def _sum_in_cells(self, q: np.ndarray) -> np.ndarray:
        """`_sum` with all features at once: per cell, features by pixels and pixels by classes are two products."""
        count = q.shape[2]
        if self._by_cell is None:
            self._by_cell = self._cells(self.features)
        sums = self._by_cell.transpose(0, 1, 3, 2) @ self._cells(q)  # [gh, gw, R, C]
        around = self._blur(sums.reshape(*self.grid, -1))
        around = around.reshape(*around.shape[:2], *sums.shape[2:])
        away = (np.arange(self.step, dtype=np.float32) + 0.5) / self.step - 0.5
        shares = (np.maximum(-away, 0), 1 - np.abs(away), np.maximum(away, 0))
        total = np.zeros((*self.grid, self.step**2, count), np.float32)
        for dy in range(3):
            for dx in range(3):
                near = around[dy : dy + self.grid[0], dx : dx + self.grid[1]]
                share = np.outer(shares[dy], shares[dx]).reshape(-1, 1)
                total += share * (self._by_cell @ near)
        total = total.reshape(*self.grid, self.step, self.step, count).transpose(0, 2, 1, 3, 4)
        total = total.reshape(self.grid[0] * self.step, self.grid[1] * self.step, count)
        return np.ascontiguousarray(total[: self.size[0], : self.size[1]])

    def _cells(self, x: np.ndarray) -> np.ndarray:
        """Pixels [H, W, K] by cells, [gh, gw, step * step, K], zeros beyond the rim."""
        pad = [(0, g * self.step - n) for g, n in zip(self.grid, self.size, strict=True)]
        x = np.pad(x, (*pad, (0, 0))).reshape(self.grid[0], self.step, self.grid[1], self.step, -1)
        return np.ascontiguousarray(x.transpose(0, 2, 1, 3, 4)).reshape(*self.grid, self.step**2, -1)

    def _gather(self, x: np.ndarray) -> np.ndarray:
        return x if self.step == 1 else self._cells(x).sum(axis=2)

    def _blur(self, cells: np.ndarray) -> np.ndarray:
        """Gaussian sums of cells [gh, gw, K], weight 1 at the centre in pixels, nothing added from beyond the rim.

        Coarse cells come back with one more on every side, for what is read between them.
        """
        reach = int(np.ceil(4 * self.coarse))
        taps = np.exp(-0.5 * (np.arange(-reach, reach + 1, dtype=np.float32) / np.float32(self.coarse)) ** 2)
        # In pixels the weights of one axis add up to width * sqrt(2 pi); a cell stands for `step` of them.
        taps *= np.float32(self.width * np.sqrt(2 * np.pi) / (taps.sum() * self.step))
        if self.step > 1:  # few cells, many maps: products with a band matrix
            for axis, length in enumerate(self.grid):
                apart = np.abs(np.arange(-1, length + 1)[:, None] - np.arange(length))
                band = np.where(apart <= reach, taps[np.minimum(reach + apart, 2 * reach)], 0)
                cells = np.moveaxis(np.tensordot(band, cells, (1, axis)), 0, axis)
            return np.ascontiguousarray(cells)
        wide = np.pad(cells, ((reach, reach), (reach, reach), (0, 0)))
        parts = [
            cv2.sepFilter2D(np.ascontiguousarray(wide[..., c]), cv2.CV_32F, taps, taps) for c in range(cells.shape[2])
        ]
        height, width = self.size
        return np.stack(parts, axis=2)[reach : reach + height, reach : reach + width]

    def _read(self, blurred: np.ndarray) -> np.ndarray:
        """Cells of `_blur` back to pixels, bilinear between the cells' centres."""
        if self.step == 1:
            return blurred
        ys, xs = (((np.arange(n, dtype=np.float32) + 0.5) / self.step + 0.5) for n in self.size)
        grid_x, grid_y = np.meshgrid(xs, ys)
        read = [
            cv2.remap(np.ascontiguousarray(blurred[..., c]), grid_x, grid_y, cv2.INTER_LINEAR)
            for c in range(blurred.shape[2])
        ]
        return np.stack(read, axis=2)
