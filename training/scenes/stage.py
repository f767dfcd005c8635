"""The landscape before anything stands in it: sky, clouds, mountains, and the grounds down to our feet."""

from __future__ import annotations

import cv2
import numpy as np

from .noise import field, stream
from .pen import mix, tone
from .records import INDEX

# Per hour: sky at the top, the middle and the horizon; the tint of everything lit; where the light comes from
# (+1 left); how hard the shadows fall.
HOURS = {
    "day": (((74, 142, 210), (140, 192, 232), (214, 232, 236)), (1.0, 1.0, 1.0), 0.42),
    "sunset": (((96, 80, 142), (232, 128, 108), (254, 206, 130)), (1.03, 0.84, 0.74), 0.4),
    "night": (((18, 24, 58), (36, 48, 96), (74, 88, 134)), (0.5, 0.56, 0.8), 0.3),
    "overcast": (((150, 162, 174), (180, 190, 196), (208, 212, 210)), (0.88, 0.91, 0.93), 0.2),
}
EARTH = {
    "grass": ((150, 190, 104), (92, 150, 60)),  # far, near
    "sand": ((244, 222, 172), (230, 194, 128)),
    "snow": ((222, 234, 248), (246, 250, 254)),
    "sea": ((112, 178, 206), (30, 104, 160)),
    "road": ((168, 160, 152), (122, 118, 118)),
}
SHADOW = np.array((34, 34, 74), np.float32)

# (grounds from far to near, how often, which stuff a road may cross)
LAYOUTS = (
    (("grass",), 0.13), (("grass", "grass"), 0.08), (("sea",), 0.05), (("sea", "sand"), 0.17), (("sea", "grass"), 0.12),
    (("sand",), 0.08), (("snow",), 0.11), (("sea", "snow"), 0.07), (("grass", "sand"), 0.06), (("snow", "snow"), 0.05),
    (("grass", "sea", "grass"), 0.05), (("sea", "sand", "grass"), 0.03),
)  # fmt: skip


class Stage:
    """A painted landscape, float32 RGB `image` [H, W, 3] in 0..255 and uint8 `classes` [H, W]."""

    def __init__(self, seed: int, height: int, width: int, time: str, style: str):
        self.h, self.w, self.seed, self.time = height, width, seed, time
        self.unit = min(height, width) / 256
        self.loud = {"gouache": 1.0, "flat": 0.3, "ink": 0.7, "pastel": 0.8}[style]
        rng = stream(seed, 1)
        self.sky, tint, self.shadow = HOURS[time]
        self.tint = np.array(tint, np.float32) * rng.uniform(0.97, 1.04, 3).astype(np.float32)
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
        self._sky(rng)
        for k in range(int(rng.choice([0, 1, 2, 3, 4], p=[0.16, 0.22, 0.28, 0.22, 0.12]))):
            self._cloud(stream(seed, 2, k))
        if rng.random() < 0.52:
            self._mountains(stream(seed, 3))
        self._lands(stream(seed, 4))
        if self.grounds[-1] != "sea" and rng.random() < 0.46:
            self._road(stream(seed, 5))
        elif self.grounds[-1] in ("grass", "snow") and rng.random() < 0.2:
            self._pond(stream(seed, 6))

    def _lay(self, y0: int, y1: int, cover: np.ndarray, color: np.ndarray, noun: str) -> None:
        """Blend a layer over rows y0..y1; `cover` float32 [rows, W] in 0..1, `color` [rows, W, 3] or [3]."""
        part = self.image[y0:y1]
        part += (color - part) * cover[..., None]
        self.classes[y0:y1][cover >= 0.5] = INDEX[noun]

    def _sky(self, rng: np.random.Generator) -> None:
        hz = self.horizon * self.h * 1.1
        t = np.clip(np.arange(self.h) / hz, 0, 1)
        stops = np.array(self.sky) + rng.uniform(-10, 10, 3)
        column = np.stack([np.interp(t, (0, 0.55, 1), stops[:, c]) for c in range(3)], 1).astype(np.float32)
        self.image[:] = column[:, None]
        n = min(self.h, int(hz) + 8)
        wisp = field("soft", rng, n, self.w, self.unit) * 7 + field("brush", rng, n, self.w, self.unit) * 2.2
        self.image[:n] += (wisp * self.loud)[..., None]
        if self.time == "night":
            count = int(rng.integers(40, 90) * max(1, self.w / self.h))
            for x, y, b in rng.uniform(0, 1, (count, 3)).tolist():
                r = int((0.28 + b**4 * 0.75) * 16 * max(0.8, self.unit))
                if r < 6:
                    continue
                cv2.circle(
                    self.image, (int(x * self.w * 16), int(y * hz * 14)), r, (240, 236, 214), -1, cv2.LINE_AA, 4
                )
        if self.time != "overcast":
            low = 0.82 if self.time == "sunset" else rng.uniform(0.2, 0.55)
            self._disc(self.sun_x * self.w, low * self.horizon * self.h, rng)

    def _disc(self, x: float, y: float, rng: np.random.Generator) -> None:
        """Sun or moon with a soft halo."""
        r = rng.uniform(0.035, 0.062) * 256 * self.unit
        color = {"day": (255, 246, 196), "sunset": (255, 226, 150), "night": (246, 240, 214)}[self.time]
        reach = int(r * 5)
        x0, x1, y0, y1 = (
            max(0, int(x) - reach),
            min(self.w, int(x) + reach),
            max(0, int(y) - reach),
            min(self.h, int(y) + reach),
        )
        if x1 <= x0 or y1 <= y0:
            return
        d = np.hypot(self.xs[None, x0:x1] - x, np.arange(y0, y1, dtype=np.float32)[:, None] - y)
        glow = np.exp(-((d / (r * 2.1)) ** 2)) * (0.5 if self.time != "night" else 0.32)
        glow = np.maximum(glow, np.clip((r - d) * 0.7 / max(0.6, self.unit) + 0.5, 0, 1) * 0.96)
        part = self.image[y0:y1, x0:x1]
        part += (np.array(color, np.float32) - part) * glow[..., None]

    def _cloud(self, rng: np.random.Generator) -> None:
        """A heap of round puffs on a flat foot, lit from above."""
        s = rng.uniform(0.16, 0.34) * 256 * self.unit
        cx, cy = rng.uniform(0.04, 0.96) * self.w, rng.uniform(0.08, 0.72) * self.horizon * self.h
        h, w = int(s * 0.62) + 4, int(s * 1.5) + 4
        mask = np.zeros((h, w), np.uint8)
        n = int(rng.integers(6, 10))
        foot = h * 0.78
        for k in range(n):
            t = (k + 0.5) / n * 2 - 1
            r = s * (0.10 + 0.14 * (1 - t * t) * rng.uniform(0.6, 1.15))
            px, py = w / 2 + t * s * 0.54, foot - r * rng.uniform(0.55, 1.1)
            cv2.circle(mask, (int(px * 16), int(py * 16)), int(r * 16), 255, -1, cv2.LINE_AA, 4)
        cv2.ellipse(
            mask,
            (int(w * 8), int(foot * 16)),
            (int(s * 0.6 * 16), int(s * 0.075 * 16)),
            0,
            0,
            360,
            255,
            -1,
            cv2.LINE_AA,
            4,
        )
        k = max(1, int(1.6 * self.unit)) * 2 + 1
        cover = cv2.blur(mask, (k, k)).astype(np.float32) / 255
        light, dark = {
            "day": ((255, 254, 250), (196, 212, 230)), "sunset": ((255, 224, 190), (202, 124, 138)),
            "night": ((112, 122, 162), (60, 70, 116)), "overcast": ((226, 230, 232), (156, 166, 176)),
        }[self.time]  # fmt: skip
        kb = max(3, int(s * 0.14)) | 1
        inner = cv2.blur(mask, (kb, kb)).astype(np.float32) / 255
        lift = cv2.Sobel(inner, cv2.CV_32F, 0, 1, scale=kb / 8 * 0.55)  # puffs are bright above and shaded below
        rise = np.linspace(1.05, -0.05, h, dtype=np.float32)[:, None]
        t = rise + lift + field("patch", rng, h, w, self.unit) * (0.09 * self.loud) - 0.02
        np.clip(t, 0, 1, out=t)
        dark_, light_ = np.array(dark, np.float32), np.array(light, np.float32)
        color = dark_ + (light_ - dark_) * t[..., None]
        x0, y0 = int(cx - w / 2), int(cy - h / 2)
        ax, ay, bx, by = max(0, x0), max(0, y0), min(self.w, x0 + w), min(self.h, y0 + h)
        if bx - ax < 4 or by - ay < 4:
            return
        cut = (slice(ay - y0, by - y0), slice(ax - x0, bx - x0))
        part, cover = self.image[ay:by, ax:bx], cover[cut]
        part += (color[cut] - part) * cover[..., None]
        self.classes[ay:by, ax:bx][cover >= 0.5] = INDEX["cloud"]

    def _mountains(self, rng: np.random.Generator) -> None:
        """One or two ranges of faceted peaks, snowy or bare, fading towards the horizon; or rolling hills."""
        hz = self.horizon * self.h
        base = int(min(self.h, hz + 0.08 * self.h))
        alpine = rng.random() < 0.75
        hue = [(112, 122, 152), (128, 112, 122), (96, 120, 118), (140, 116, 96)][rng.integers(4)]
        for far in (1, 0)[0 if rng.random() < 0.6 else 1 :]:
            rise = hz * rng.uniform(0.3, 0.62) * (1.12 if far else 0.8)
            color = np.array(mix(hue, self.haze / np.maximum(self.tint, 0.1), 0.5 if far else 0.12), np.float32)
            count = int(rng.integers(3, 6) * max(1.0, self.w / self.h * 0.8))
            xs = self.xs
            ridge = np.full(self.w, -1e9, np.float32)
            shade = np.zeros(self.w, np.float32)
            rough = field("patch", rng, 1, self.w, self.unit)[0]
            peak = np.zeros(self.w, np.float32)
            for k in range(count):
                cx = (k + rng.uniform(0.1, 0.9)) / count * self.w
                top = rise * rng.uniform(0.55, 1.0)
                half = max(top * rng.uniform(0.8, 1.5), self.w / count * 0.55)
                d = (xs - cx) / half
                up = top * (1 - np.abs(d)) if alpine else top * (1.1 * np.exp(-2.2 * d * d) - 0.1)
                take = up > ridge
                ridge[take], peak[take] = up[take], top
                shade[take] = (np.where(d < 0, 1, -1) if alpine else -np.tanh(d * 1.5))[take]
            ridge += rough * rise * (0.045 if alpine else 0.02)
            y0 = int(max(0, hz - ridge.max() - 2))
            yy = np.arange(y0, base, dtype=np.float32)[:, None]
            depth = yy - (hz - ridge)[None]
            cover = np.clip(depth + 0.5, 0, 1)
            rows = base - y0
            grain = field("dab", rng, rows, self.w, self.unit)
            patch = field("patch", rng, rows, self.w, self.unit)
            # facets: the lit side of a peak wavers as it comes down, so ridges look hewn and not folded
            slide = (self.xs[None] + depth * 0.42 * self.side + patch * 5 * self.unit).astype(np.int32)
            face = shade[np.clip(slide, 0, self.w - 1)]
            tone_ = 1 + 0.13 * self.side * (face + patch * 0.22) + grain * 0.04 * self.loud
            paint = color * tone_[..., None] * self.tint
            if alpine and (peak.max() > 0.2 * hz) and (rng.random() < 0.65 or self.grounds[-1] == "snow"):
                line = peak[None] * (0.27 + 0.1 * patch + 0.05 * np.sin(xs / (5 * self.unit))[None])
                fall = (hz - peak)[None] + line - yy
                white = np.clip(fall / max(1.0, 1.2 * self.unit) + 0.5, 0, 1) * 0.94
                snow = np.array((246, 248, 252), np.float32) * (1 + 0.1 * self.side * face)[..., None] * self.tint
                paint += (np.minimum(snow, 255) - paint) * white[..., None]
            t = np.clip((yy - hz + rise * 0.7) / (rise * 0.9), 0, 1)[..., None] * (0.5 if far else 0.32)
            paint += (self.haze - paint) * t
            self._lay(y0, base, cover, paint, "mountain")

    def _edge(self, rng: np.random.Generator, y: float, swing: float) -> np.ndarray:
        """A wavering line across the picture: the y of each column, float32 [W]."""
        x = self.xs / self.w
        out = np.full(self.w, y, np.float32)
        for waves in (0.5, 1.1, 2.3):
            out += (
                swing / (1 + waves) * np.sin(2 * np.pi * (waves * x * rng.uniform(0.7, 1.3) + rng.random())) * self.h
            )
        return out.astype(np.float32)

    def _lands(self, rng: np.random.Generator) -> None:
        """Each ground from its far edge to the bottom, nearer ones over farther ones."""
        hz, n = self.horizon, len(self.grounds)
        for k, noun in enumerate(self.grounds):
            sub = stream(self.seed, 4, k)
            far = hz if k == 0 else hz + (1 - hz) * (k / n * rng.uniform(0.62, 1.0))
            swing = 0.0 if noun == "sea" and k == 0 else rng.uniform(0.015, 0.05) * (1 if k == 0 else 1.7)
            edge = self._edge(sub, far * self.h, swing)
            edge = np.maximum(edge, (hz - 0.06) * self.h)
            self.edges.append(edge)
            self._ground(sub, noun, edge, k, shore=k > 0 and self.grounds[k - 1] == "sea")

    def _ground(self, rng: np.random.Generator, noun: str, edge: np.ndarray, k: int, shore: bool) -> None:
        y0 = int(max(0, min(self.h - 2, edge.min() - 1)))
        rows, u = self.h - y0, self.unit
        far, near = EARTH[noun]
        jitter = rng.uniform(-12, 12, 3)
        if noun == "grass":
            jitter += [(0, 0, 0), (36, 12, -6), (-24, -14, 6)][rng.integers(3)]
        span = np.linspace(0.25 * (k > 0), 1, rows, dtype=np.float32)[:, None, None]
        far, near = np.array(far, np.float32) + jitter, np.array(near, np.float32) + jitter
        kind = {"grass": "upright", "sea": "waves"}.get(noun, "patch")
        # strokes are packed towards the horizon: rows of the field are taken faster there
        deep = int(rows * 1.5) + 2
        pick = (np.power(np.linspace(0, 1, rows), 0.62 if k == 0 else 0.8) * (deep - 1)).astype(int)
        texture = field(kind, rng, deep, self.w, u)[pick]
        slow = field("soft", rng, rows, self.w, u)
        swell = {"grass": 0.085, "sea": 0.11, "sand": 0.035, "snow": 0.022}[noun] * self.loud
        lift = 1 + texture * swell * (0.45 + 0.55 * span[..., 0]) + slow * (0.05 if noun != "snow" else 0.025)
        if noun in ("sand", "snow"):
            lift += field("grain", rng, rows, self.w, u) * 0.03 * self.loud
            lift += np.minimum(0, field("brush", rng, rows, self.w, u * 1.5)) * 0.03
        paint = (far + (near - far) * span) * lift[..., None]
        if noun == "snow":  # hollows are blue
            paint += np.minimum(0, slow + 0.2)[..., None] * np.array((16, 9, 1), np.float32)
        paint *= self.tint
        if noun == "sea":
            paint += (self.haze - paint) * (np.clip(1 - span * 1.5, 0, 1) * (0.5 if k == 0 else 0.1))
        paint = np.clip(paint, 0, 255).astype(np.uint8)
        self._strokes(rng, paint, noun, y0)
        depth = np.arange(y0, self.h, dtype=np.float32)[:, None] - edge[None]
        cover = np.clip(depth + 0.5, 0, 1)
        paint = paint.astype(np.float32)
        if shore:  # wet sand or a dark bank, then a line of foam
            bank = np.clip(1 - depth / (9 * u), 0, 1) * (0.3 if noun != "snow" else 0.14)
            paint *= 1 - bank[..., None]
            foam = np.clip(1.6 - np.abs(depth + (2.5 + 1.2 * texture) * u) / (1.3 * u), 0, 1)[..., None] * 0.75
            part = self.image[y0:]
            part += (np.array((250, 252, 250), np.float32) * self.tint - part) * foam
        self._lay(y0, self.h, cover, paint, noun)

    def _strokes(self, rng: np.random.Generator, paint: np.ndarray, noun: str, y0: int) -> None:
        """Blades, wave crests, pebbles or sparkles, few and small far away, many and large near; drawn in `paint`."""
        rows, u = paint.shape[0], self.unit
        n = int(
            {"grass": 170, "sea": 80, "sand": 60, "snow": 30}[noun]
            * self.w
            / min(self.w, self.h)
            * (0.5 + self.loud / 2)
        )
        t = rng.uniform(0.02, 1, n) ** 0.8
        x, y = rng.uniform(0, self.w, n), t * rows
        size = (0.25 + t) * u
        tint = self.tint
        if noun == "grass":
            lean = rng.normal(0, 1.4, n)
            a, b = np.stack([x, y], 1), np.stack([x + lean * size, y - rng.uniform(3, 8, n) * size], 1)
            shades = [(126, 178, 76), (72, 128, 52), (160, 196, 96)]
        elif noun == "sea":
            long = rng.uniform(4, 13, n) * size
            a, b = np.stack([x - long, y], 1), np.stack([x + long, y + rng.normal(0, 0.4, n)], 1)
            shades = [(168, 214, 226), (22, 82, 136), (216, 236, 238)]
            if self.time in ("sunset", "night"):  # a path of light under sun or moon
                m = n // 2
                x[:m] = self.sun_x * self.w + rng.normal(0, 5 + 10 * t[:m], m) * u
                a[:m, 0], b[:m, 0] = x[:m] - long[:m] * 0.6, x[:m] + long[:m] * 0.6
        else:
            a = np.stack([x, y], 1)
            b = a + np.stack([rng.uniform(1, 4, n) * size, rng.normal(0, 0.3, n)], 1)
            shades = (
                [(250, 236, 200), (184, 144, 96), (206, 170, 118)]
                if noun == "sand"
                else [(255, 255, 255), (206, 222, 242), (255, 255, 255)]
            )
        lines = np.rint(np.stack([a, b], 1) * 16).astype(np.int32)
        for k, shade in enumerate(shades):
            color = np.minimum(np.array(shade) * tint, 255)
            if noun == "sea" and self.time in ("sunset", "night") and k != 1:
                color = np.array((255, 214, 150) if self.time == "sunset" else (190, 200, 222))
            for lo, hi in ((0, 0.5), (0.5, 1)):
                sel = (np.arange(n) % 3 == k) & (t >= lo) & (t < hi)
                cv2.polylines(
                    paint, list(lines[sel]), False, color.tolist(), max(1, round(u * (0.5 + lo * 0.6))), cv2.LINE_AA, 4
                )
        if noun == "grass" and rng.random() < 0.6:  # a sprinkle of tiny blossoms
            color = np.minimum(
                np.array([(250, 244, 230), (250, 214, 90), (236, 150, 190)][rng.integers(3)]) * tint, 255
            )
            for px, py, s in zip(x[:36], y[:36], size[:36]):
                cv2.circle(paint, (int(px * 16), int(py * 16)), int(1.3 * s * 16), color.tolist(), -1, cv2.LINE_AA, 4)

    def _road(self, rng: np.random.Generator) -> None:
        """A road winding away from us over the nearest ground, or one passing across."""
        u, edge = self.unit, self.edges[-1]
        far = float(np.max(edge))
        y0 = int(min(self.h - 8, far))
        rows = self.h - y0
        yy = np.arange(y0, self.h, dtype=np.float32)[:, None]
        across = rng.random() < 0.45 or rows < 0.25 * self.h
        if across:
            mid = y0 + rows * rng.uniform(0.42, 0.68)
            line = self._edge(rng, mid, rng.uniform(0.005, 0.035))
            half = rows * rng.uniform(0.15, 0.22)
            off = (yy - line[None]) / half
            sharp = half
        else:
            t = np.linspace(0, 1, rows, dtype=np.float32)[:, None]
            x_far, x_near = rng.uniform(0.25, 0.75), rng.uniform(0.2, 0.8)
            bend = rng.uniform(-0.16, 0.16) * np.sin(np.pi * 1.7 * (1 - t) ** 1.4)
            centre = (x_far + (x_near - x_far) * t**1.3 + bend) * self.w
            half = (0.022 + rng.uniform(0.13, 0.2) * t**1.25) * 256 * u
            off = (self.xs[None] - centre) / half
            sharp = half
        cover = np.clip((1 - np.abs(off)) * sharp + 0.5, 0, 1)
        earthen = rng.random() < 0.35
        color = np.array((188, 152, 112) if earthen else EARTH["road"][1], np.float32)
        if self.grounds[-1] == "snow":
            color = color * 0.9 + 18
        lift = (
            1
            + field("patch", rng, rows, self.w, u) * 0.045 * self.loud
            + field("grain", rng, rows, self.w, u) * 0.035 * self.loud
        )
        paint = color * lift[..., None]
        kerb = np.clip((np.abs(off) - 0.86) * sharp + 0.5, 0, 1)[..., None]
        paint += (np.array(tone(tuple(color), -0.22 if earthen else 0.28), np.float32) - paint) * kerb * 0.8
        if not earthen:
            along = self.xs[None] / (26 * u) if across else np.log(np.maximum(0.04, (yy - y0) / rows)) * 6
            dash = np.clip((0.055 - np.abs(off)) * sharp + 0.5, 0, 1) * (along % 1 < 0.55)
            paint += (np.array((246, 238, 206), np.float32) - paint) * (dash * 0.85)[..., None]
        else:  # two ruts
            rut = np.exp(-(((np.abs(off) - 0.45) / 0.14) ** 2))[..., None]
            paint *= 1 - 0.16 * rut
        self._lay(y0, self.h, cover, paint * self.tint, "road")

    def _pond(self, rng: np.random.Generator) -> None:
        """A round pond in the nearest ground."""
        far = float(np.max(self.edges[-1]))
        if self.h - far < 0.3 * self.h:
            return
        cx, cy = rng.uniform(0.25, 0.75) * self.w, far + (self.h - far) * rng.uniform(0.35, 0.6)
        rx, ry = rng.uniform(0.22, 0.36) * 256 * self.unit, (self.h - far) * rng.uniform(0.16, 0.24)
        y0, y1 = int(max(0, cy - ry * 1.3)), int(min(self.h, cy + ry * 1.3))
        yy = (np.arange(y0, y1, dtype=np.float32)[:, None] - cy) / ry
        xx = (self.xs[None] - cx) / rx
        r = np.hypot(xx, yy) * (1 + 0.08 * np.sin(np.arctan2(yy, xx) * 3 + rng.uniform(0, 6)))
        waves = field("waves", rng, y1 - y0, self.w, self.unit)
        deep = np.array(EARTH["sea"][1], np.float32)
        paint = deep + (np.array(EARTH["sea"][0], np.float32) - deep) * np.clip(0.35 - yy * 0.4, 0, 1)[..., None]
        paint = paint * (1 + waves * 0.08 * self.loud)[..., None] * self.tint
        rim = np.clip(1 - np.abs(r - 1) * ry / (2.4 * self.unit), 0, 1)[..., None]
        part = self.image[y0:y1]
        part *= 1 - 0.35 * rim
        self._lay(y0, y1, np.clip((1 - r) * ry + 0.5, 0, 1), paint, "sea")
