"""Joint bilateral upsampling: coarse scores to pixels, guided by the photo's colours.

Source: Kopf, Cohen, Lischinski, Uyttendaele: Joint Bilateral Upsampling, SIGGRAPH 2007. A pixel p takes the mean of
the scores at the coarse points q around it, weighted by

    exp(-|p - q|^2 / (2 sigma_space^2)) * exp(-|I_p - I_q|^2 / (2 sigma_color^2)),

distances in cells of the coarse grid, colours in 0..1. The paper takes the colour of q from the shrunken photo, a
5 x 5 neighbourhood and sigma_space 0.5; with that, the grid shows through between its points, so ours is 0.8.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

RADIUS, SIGMA_SPACE, SIGMA_COLOR = 2, 0.8, 0.1


class JointBilateral:
    """Brings coarse maps to the size of a photo, row band by row band.

    Args:
        pixels: uint8 [H, W, 3], the photo that guides.
        grid: height and width of the coarse grid that maps are read on, at most the photo's.
        radius: coarse points taken on each side.
        sigma_space: in cells of the grid.
        sigma_color: of colours in 0..1.
    """

    def __init__(
        self,
        pixels: np.ndarray,
        grid: tuple[int, int],
        radius: int = RADIUS,
        sigma_space: float = SIGMA_SPACE,
        sigma_color: float = SIGMA_COLOR,
    ):
        self.grid = tuple(grid)
        self._pixels, self._radius = pixels, radius
        self._space, self._color = -0.5 / sigma_space**2, -0.5 / sigma_color**2
        self._guides: dict[tuple[int, int], Tensor] = {}

    def coarse(self, maps: Tensor) -> Tensor:
        """Maps [Q, h, w] of any size, read at the points of the grid: [Q, *grid]."""
        return _resized(maps, self.grid, "bilinear")

    def rows(self, coarse: Tensor, size: tuple[int, int], first: int, last: int) -> Tensor:
        """Rows `first` to `last` of maps brought to `size`.

        Args:
            coarse: float32 [Q, *grid], as `coarse` gives it.
            size: height and width of the whole, the photo's proportions.
            first, last: rows wanted, `last` excluded.

        Returns:
            float32 [Q, last - first, W]; at every pixel a weighted mean of the maps' values around it.
        """
        guide, points = self._guide(size)[:, first:last], self._guide(self.grid)
        across = [_places(n, g) for n, g in zip(size, self.grid, strict=True)]
        rows, columns = across[0][first:last], across[1]
        near_row, near_column = rows.round().long(), columns.round().long()
        total = torch.zeros(len(coarse), last - first, size[1])
        weights = torch.zeros(last - first, size[1])
        reach = range(-self._radius, self._radius + 1)
        for down in reach:
            row = near_row + down
            away = self._space * (rows - row) ** 2 + _outside(row, self.grid[0])
            row = row.clamp(0, self.grid[0] - 1)
            for right in reach:
                column = near_column + right
                aside = self._space * (columns - column) ** 2 + _outside(column, self.grid[1])
                column = column.clamp(0, self.grid[1] - 1)
                unlike = (guide - points[:, row][:, :, column]).square_().sum(dim=0)
                weight = (unlike * self._color + away[:, None] + aside).exp_()
                weights += weight
                total += coarse[:, row][:, :, column].mul_(weight)
        # Where no point's colour is near, the weights vanish together; the nearest point is then the answer.
        lost = weights < 1e-12
        if bool(lost.any()):
            nearest = coarse[:, near_row.clamp(0, self.grid[0] - 1)][:, :, near_column.clamp(0, self.grid[1] - 1)]
            total = torch.where(lost, nearest, total)
            weights = torch.where(lost, torch.ones(()), weights)
        return total.div_(weights)

    def _guide(self, size: tuple[int, int]) -> Tensor:
        """The photo at a size, float32 [3, h, w] in 0..1."""
        if size not in self._guides:
            whole = torch.from_numpy(np.array(self._pixels)).permute(2, 0, 1).float() / 255
            shrinks = size[0] <= whole.shape[1] and size[1] <= whole.shape[2]
            self._guides[size] = _resized(whole, size, "area" if shrinks else "bilinear")
        return self._guides[size]


def _places(pixels: int, cells: int) -> Tensor:
    """Centres of pixels in coordinates of the grid's points."""
    return (torch.arange(pixels, dtype=torch.float32) + 0.5) * (cells / pixels) - 0.5


def _outside(index: Tensor, cells: int) -> Tensor:
    """What keeps points beyond the grid's edge out of the sum."""
    return torch.where((index < 0) | (index >= cells), -torch.inf, 0.0)


def _resized(maps: Tensor, size: tuple[int, int], mode: str) -> Tensor:
    if maps.shape[1:] == tuple(size):
        return maps
    options = {} if mode == "area" else {"align_corners": False}
    return F.interpolate(maps[None], size=tuple(size), mode=mode, **options)[0]


def grid_of(encoded) -> tuple[int, int]:
    """Height and width of the finest grid that dense features (`records.Encoded`) were computed on, over the frame."""
    cells = []
    for one in encoded.maps:
        frame, (x0, y0, x1, y1) = one.frame or encoded.frame, one.box
        _, height, width = one.features.shape
        cells.append((round(height * frame[0] / (y1 - y0)), round(width * frame[1] / (x1 - x0))))
    return max(1, max(c[0] for c in cells)), max(1, max(c[1] for c in cells))
