"""Patches of one level of a picture with a hole: finding their likes among the known ones, and letting them vote.

A *target* is the centre of a patch that overlaps the hole; a *source* the centre of one that is known throughout. For
every target the search names the source that looks most like it; in the vote every pixel of the hole becomes a mean of
what the patches over it say. Search and vote in turn is expectation maximisation as in Wexler, Shechtman and Irani,
"Space-Time Completion of Video" (PAMI 2007); the search by neighbours' offsets is that of PatchMatch (Barnes et al.
2009), for all targets at once.
"""

from __future__ import annotations

import cv2
import numpy as np

from ..progress import checkpoint

RADIUS = 3
#: A pixel of the hole counts FADE to the power of minus its depth: what is copied must fit the border first.
FADE, LEAST_TRUST = 4.0, 0.02
#: Cost, beside the mean squared difference, of a source in another row, times the square of how far it is as a share
#: of the picture's longer side: photos change from top to bottom more than from side to side.
ROW = 0.3
#: How much worse a match may be that a neighbour's offset proposes: whole pieces beat scattered best ones.
_COHERENCE = 0.02
_MOST_SOURCES = 8000
#: Targets beyond which only nine pixels of every patch vote.
_MOST_VOTES = 200_000
_CHUNK = 8_000_000
#: Places of the rectangle around the targets, per target, up to which they are added up as a rectangle.
_MOST_SPARE = 3


def nearest_of(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For every pixel the row and column of the nearest pixel of a mask that is not empty; int32 [H, W] each."""
    checkpoint()
    _, label = cv2.distanceTransformWithLabels(
        (~mask).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    checkpoint()
    rows, cols = np.nonzero(mask)
    order = np.zeros(int(label.max()) + 1, np.int64)
    order[label[rows, cols]] = np.arange(len(rows))
    checkpoint()
    return rows[order[label]].astype(np.int32), cols[order[label]].astype(np.int32)


class Level:
    """One level: the picture being filled, and index arithmetic for its patches.

    Attributes:
        image: float32 [H, W, 3] in 0..1; the search reads it, the caller writes its hole.
        hole, source, target: bool [H, W].
        ty, tx, sy, sx: int32 [T] and [S], rows and columns of targets and sources.
    """

    def __init__(self, image: np.ndarray, hole: np.ndarray, radius: int = RADIUS):
        checkpoint()
        self.image, self.hole, self.radius = image.copy(), hole, radius
        self.height, self.width = hole.shape
        around = np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)
        known = (~hole).astype(np.uint8)
        self.source = cv2.erode(known, around, borderType=cv2.BORDER_CONSTANT, borderValue=0) > 0
        checkpoint()
        self.target = cv2.dilate(hole.astype(np.uint8), around) > 0
        self.sy, self.sx = (v.astype(np.int32) for v in np.nonzero(self.source))
        checkpoint()
        self.depth = cv2.distanceTransform(hole.astype(np.uint8), cv2.DIST_L2, 3)
        checkpoint()
        self.trust = np.where(hole, np.maximum(FADE**-self.depth, LEAST_TRUST), 1).astype(np.float32)
        dy, dx = np.mgrid[-radius : radius + 1, -radius : radius + 1].reshape(2, -1)
        self._within = dy * self.width + dx
        self._across = self.width + 2 * radius
        self._padded = dy * self._across + dx
        self.aim(self.target)

    def aim(self, target: np.ndarray) -> None:
        """Work on these targets, bool [H, W]."""
        self.ty, self.tx = (v.astype(np.int32) for v in np.nonzero(target))
        self._at = ((self.ty + self.radius) * self._across + self.tx + self.radius).astype(np.int64)

    def patches(self, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
        """Patches around sources; float32 [N, P, 3] for N centres."""
        centres = rows.astype(np.int64) * self.width + cols
        return np.take(self.image.reshape(-1, 3), centres[:, None] + self._within, axis=0)

    def targets(self, trust: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Patches around the targets, float32 [T, P, 3], and each pixel's share in the comparison, float32 [T, P].

        Beyond the picture a share is 0. `trust` float32 [H, W] stands in for the level's own.
        """
        checkpoint()
        r = self.radius
        image = cv2.copyMakeBorder(self.image, r, r, r, r, cv2.BORDER_REPLICATE).reshape(-1, 3)
        share = np.pad(self.trust if trust is None else trust, r).ravel()
        index = self._at[:, None] + self._padded
        share = np.take(share, index)
        return np.take(image, index, axis=0), share / np.maximum(share.sum(axis=1, keepdims=True), 1e-6)

    def _row_cost(self, ty: np.ndarray, sy: np.ndarray) -> np.ndarray:
        return ROW * ((sy - ty) / max(self.height, self.width)) ** 2

    def search_all(
        self, rng: np.random.Generator, k: int = 1, sample: float = 1.0, trust: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The k best sources of every target among this share of all (of many, fewer), by matrix products.

        Returns:
            rows and columns int32 [T, k] and costs float32 [T, k], best first.
        """
        patch, share = self.targets(trust)
        sy, sx = self.sy, self.sx
        count = min(_MOST_SOURCES, max(1, round(sample * len(sy))))
        if count < len(sy):
            some = np.sort(rng.choice(len(sy), count, replace=False))
            sy, sx = sy[some], sx[some]
        k, row = min(k, len(sy)), ROW / max(self.height, self.width) ** 2
        sources = self.patches(sy, sx)
        # sum w (t - s)^2 = sum w t^2 - 2 sum (w t) s + sum w s^2, and the row's cost likewise: one product for all
        left = np.concatenate([
            (-2 * patch * share[..., None]).reshape(len(patch), -1), share,
            (-2 * row * self.ty)[:, None], np.ones((len(patch), 1)),
        ], axis=1).astype(np.float32)  # fmt: skip
        right = np.concatenate([
            sources.reshape(len(sy), -1), (sources**2).sum(axis=2),
            sy[:, None], (row * sy.astype(np.float64) ** 2)[:, None],
        ], axis=1).astype(np.float32).T.copy()  # fmt: skip
        rest = ((patch**2).sum(axis=2) * share).sum(axis=1) + row * self.ty.astype(np.float64) ** 2
        best, cost = np.empty((len(patch), k), np.int64), np.empty((len(patch), k), np.float32)
        step = max(1, _CHUNK // len(sy))
        for i in range(0, len(patch), step):
            checkpoint()
            table = left[i : i + step] @ right
            found = table.argmin(axis=1)[:, None] if k == 1 else np.argpartition(table, k - 1, axis=1)[:, :k]
            best[i : i + step], cost[i : i + step] = found, np.take_along_axis(table, found, axis=1)
        order = np.argsort(cost, axis=1, kind="stable")
        best, cost = np.take_along_axis(best, order, axis=1), np.take_along_axis(cost, order, axis=1)
        return sy[best], sx[best], np.maximum(cost + rest[:, None], 0).astype(np.float32)

    def search_near(
        self, field: tuple[np.ndarray, np.ndarray], rng: np.random.Generator, reach: int = 8
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Better sources by the offsets of neighbours and by chance nearby, from a field int32 [H, W] of sources.

        Returns:
            rows and columns int32 [T, 1] and costs float32 [T, 1].
        """
        patch, share = self.targets()
        fy, fx = field[0].copy(), field[1].copy()
        by, bx = fy[self.ty, self.tx], fx[self.ty, self.tx]

        def apart(sy, sx, which):
            difference = self.patches(sy, sx) - patch[which]
            difference *= difference
            return np.einsum("npc,np->n", difference, share[which]) + self._row_cost(self.ty[which], sy)

        cost = apart(by, bx, slice(None))

        def offer(cy, cx, bonus=0.0):
            checkpoint()
            fits = (cy >= 0) & (cx >= 0) & (cy < self.height) & (cx < self.width) & ((cy != by) | (cx != bx))
            which = np.flatnonzero(fits)
            which = which[self.source[cy[which], cx[which]]]
            if len(which):
                new = apart(cy[which], cx[which], which)
                better = new < cost[which] * (1 + bonus)
                which = which[better]
                by[which], bx[which], cost[which] = cy[which], cx[which], new[better]

        for stride in (4, 2, 1):
            for dy, dx in ((0, stride), (stride, 0), (0, -stride), (-stride, 0)):
                fy[self.ty, self.tx], fx[self.ty, self.tx] = by, bx
                ny, nx = np.clip(self.ty + dy, 0, self.height - 1), np.clip(self.tx + dx, 0, self.width - 1)
                known = self.target[ny, nx]
                offer(np.where(known, fy[ny, nx] - (ny - self.ty), -1),
                      np.where(known, fx[ny, nx] - (nx - self.tx), -1), _COHERENCE)  # fmt: skip
        while reach >= 1:
            shift = rng.integers(-reach, reach + 1, (2, len(by)), dtype=np.int32)
            offer(by + shift[0], bx + shift[1])
            reach //= 2
        return by[:, None], bx[:, None], cost[:, None].astype(np.float32)

    def vote(self, rows: np.ndarray, cols: np.ndarray, costs: np.ndarray, sharpness: float = 0.08) -> np.ndarray:
        """What the sources int32 [T, k] of all targets say together: float32 [H, W, 3]; 0 where no patch reaches.

        A patch counts by how well it matched (a Gaussian of the root of its cost) and by how near the border it is.
        With very many targets only the patches' middles, corners and edges vote, at a fifth of the time.
        """
        r, side = self.radius, 2 * self.radius + 1
        say = np.exp(-costs / (2 * sharpness**2)) * self.trust[self.ty, self.tx][:, None] + 1e-8
        at = rows.astype(np.int64) * self.width + cols
        # Three colours and a one, whose sum is the weight: sixteen bytes, which numpy takes as one number.
        packed = np.ones((self.height * self.width, 4), np.float32)
        packed[:, :3] = self.image.reshape(-1, 3)
        packed = packed.view(np.complex128).ravel()
        total = np.zeros((self.height + 2 * r, self._across, 4), np.float32)
        offsets = [(dy, dx) for dy in range(-r, r + 1) for dx in range(-r, r + 1)]
        if len(rows) > _MOST_VOTES:
            offsets = [offsets[y * side + x] for y in range(0, side, r) for x in range(0, side, r)]
        at, say, place = self._laid_out(at, say)
        for dy, dx in offsets:
            within, there = dy * self.width + dx, place(dy, dx)
            for j in range(rows.shape[1]):
                checkpoint()
                voices = np.take(packed, at[j] + within).view(np.float32).reshape(*at[j].shape, 4)
                voices *= say[j][..., None]
                total[there] += voices
        checkpoint()
        mean = total[..., :3] / np.maximum(total[..., 3:], 1e-12)
        return mean[r : r + self.height, r : r + self.width]

    def _laid_out(self, at: np.ndarray, say: np.ndarray):
        """Sources and weights [T, k] in the form in which they are added up fastest, and where that is at an offset.

        Targets that fill most of the rectangle around them are laid out as it, with weight 0 between them, and added
        slice by slice; others stay a list. Every target has its own place, so plain indexing adds up.
        """
        r, top, left = self.radius, self.ty.min(), self.tx.min()
        high, wide = int(self.ty.max() - top) + 1, int(self.tx.max() - left) + 1
        if high * wide > _MOST_SPARE * len(at):
            rows, cols = self.ty + r, self.tx + r
            return at.T.copy(), say.T.copy(), lambda dy, dx: (rows + dy, cols + dx)
        inside, k = (slice(None), self.ty - top, self.tx - left), at.shape[1]
        sources, weights = np.full((k, high, wide), at[0, 0]), np.zeros((k, high, wide), say.dtype)
        sources[inside], weights[inside] = at.T, say.T

        def place(dy: int, dx: int) -> tuple[slice, slice]:
            y, x = int(top) + r + dy, int(left) + r + dx
            return slice(y, y + high), slice(x, x + wide)

        return sources, weights, place
