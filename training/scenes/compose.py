"""Puts a scene together: landscape, cast, shadows, labels, and the look of the chosen style."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

import cv2
import numpy as np

from . import cast
from .captions import captions
from .noise import blend, stream, three
from .pen import pigment
from .records import INDEX, STYLES, TIMES, Scene, SceneObject
from .stage import SHADOW, Stage
from .styles import VOLUME, finish

LEAST = 40  # visible pixels a thing needs at 256 px to be said to be there


def _window(stage: Stage, x: int, y: int, h: int, w: int):
    """Slices of the picture and of a sheet whose corner lies at (x, y), or None when they do not meet."""
    ax, ay, bx, by = max(0, x), max(0, y), min(stage.w, x + w), min(stage.h, y + h)
    if ax >= bx or ay >= by:
        return None
    return (slice(ay, by), slice(ax, bx)), (slice(ay - y, by - y), slice(ax - x, bx - x))


def _cast_shadow(stage: Stage, part: cast.Part, sheet: np.ndarray, x: int, y: int) -> None:
    """Darkens the ground where a thing keeps the light away; on water it leaves a broken reflection instead."""
    if part.where == "sky":
        return
    h, w = sheet.shape[:2]
    foot = part.y - y
    water = part.where == "sea"
    long = {"sunset": 0.42, "day": 0.26, "night": 0.3, "overcast": 0.14}[stage.time]
    shear = 0.0 if water else stage.side * {"sunset": 0.7, "day": 0.42, "night": 0.4, "overcast": 0.1}[stage.time]
    squash = 0.55 if water else long
    grow = int(abs(shear) * h) + 6
    above = 4 + int(0.07 * part.size)  # the dark where a thing touches the ground reaches a little behind it
    out_h = int(h * squash) + 8 + 2 * above
    # the light stands behind the picture and to one side, so shadows fall towards us
    m = np.array([[1, -shear, grow + shear * foot], [0, -squash, above + squash * foot]], np.float32)
    soft = (
        max(1, int((0.8 if stage.time != "overcast" else 2) * stage.unit * (1 + part.size / (90 * stage.unit)))) * 2
        + 1
    )
    alpha = cv2.warpAffine(sheet[..., 3] if not water else sheet, m, (w + 2 * grow, out_h))
    if water:
        meet = _window(stage, x - grow, int(part.y) - above, out_h, w + 2 * grow)
        if meet is None:
            return
        to, of = meet
        alpha = cv2.blur(alpha, (3, soft)).astype(np.float32)[of]
        ripple = 0.30 + 0.22 * np.sin(np.arange(alpha.shape[0], dtype=np.float32) * 2.2 / stage.unit)[:, None]
        fade = np.linspace(1, 0.2, alpha.shape[0], dtype=np.float32)[:, None]
        k = ripple * fade * (stage.classes[to] == INDEX["sea"])
        part_of = stage.image[to]
        part_of += (alpha[..., :3] * 0.8 - part_of * three(alpha[..., 3] / 255)) * three(k)
        return
    alpha = cv2.blur(alpha, (soft, soft))
    half = part.size * cast.KINDS[part.noun].aspect * 0.4
    if part.noun in ("tree", "palm", "umbrella", "flower", "cactus"):
        half *= 0.4
    touch = np.zeros_like(alpha)
    centre = (int((grow + part.x - x) * 16), above * 16)
    cv2.ellipse(
        touch, centre, (int(half * 16), int(max(1.5, part.size * 0.05) * 16)), 0, 0, 360, 190, -1, cv2.LINE_AA, 4
    )
    alpha = np.maximum(alpha, cv2.blur(touch, (soft + 2, soft)))
    meet = _window(stage, x - grow, int(part.y) - above, out_h, w + 2 * grow)
    if meet is None:
        return
    to, of = meet
    ground = stage.classes[to]
    k = alpha[of].astype(np.float32) * (stage.shadow / 255)
    k *= (ground >= INDEX["grass"]) & (ground <= INDEX["snow"]) | (ground == INDEX["sea"])
    blend(stage.image[to], SHADOW * stage.tint, k)


def make_scene(
    seed: int,
    height: int = 256,
    width: int = 256,
    omit: AbstractSet[int] = frozenset(),
    time: str | None = None,
    style: str | None = None,
    form: int | None = None,
) -> Scene:
    """Paints the scene of a seed; the same seed gives the same pixels.

    `height` and `width` may be 64 to 1536. `omit` holds ids of objects to leave out together with their shadows; all
    else stays as it is, so that the painting shows what truly lies behind them. `time` and `style` override the
    seed's own choice from `TIMES` and `STYLES`. With a `form` every noun is drawn in the one form this number gives
    it, upright and unmirrored, in the colours the scene chooses.
    """
    rng = stream(seed, 0)
    time_ = TIMES[rng.choice(4, p=[0.44, 0.22, 0.17, 0.17])]
    style_ = STYLES[rng.choice(4, p=[0.46, 0.16, 0.18, 0.2])]
    time, style = time or time_, style or style_
    stage = Stage(seed, height, width, time, style)
    volume, brush = VOLUME[style]
    drawn = []
    for part in cast.plan(stage):
        color = pigment(stream(seed, 32, part.salt), part.color)
        sheet, x, y = cast.draw(part, stage, color, volume, brush, form)
        meet = _window(stage, x, y, *sheet.shape[:2])
        if meet is not None:
            drawn.append((part, sheet, x, y, *meet))
    drawn = _visible(stage, drawn)
    instances = np.zeros((height, width), np.uint16)
    for number, (part, sheet, x, y, to, of) in enumerate(drawn, 1):
        if number in omit:
            continue
        _cast_shadow(stage, part, sheet, x, y)
        laid = sheet[of]
        under = stage.image[to]
        under *= three(1 - laid[..., 3] * np.float32(1 / 255))
        under += laid[..., :3]
        solid = laid[..., 3] >= 128
        stage.classes[to][solid] = INDEX[part.noun]
        instances[to][solid] = number
    objects = []
    for number, (part, *_, to, _of) in enumerate(drawn, 1):
        mine = instances[to] == number
        rows, cols = np.flatnonzero(mine.any(1)), np.flatnonzero(mine.any(0))
        if not len(rows):
            continue
        x0, y0 = to[1].start, to[0].start
        box = (int(x0 + cols[0]), int(y0 + rows[0]), int(x0 + cols[-1] + 1), int(y0 + rows[-1] + 1))
        known = (
            None
            if part.noun in ("palm", "bush", "cactus") or (part.noun, part.color) == ("tree", "green")
            else part.color
        )
        objects.append(SceneObject(number, part.noun, known, box, int(mine.sum())))
    image = finish(stage, instances, style, stream(seed, 64))
    texts = captions(objects, stage.classes, time, stream(seed, 128))
    return Scene(image, stage.classes, instances, tuple(objects), texts, time, style, seed)


def _visible(stage: Stage, drawn: list) -> list:
    """Only what shows enough of itself to be seen, whatever is omitted later."""
    seen = np.zeros((stage.h, stage.w), np.uint8)
    for number, (_, sheet, _, _, to, of) in enumerate(drawn, 1):
        seen[to][sheet[of][..., 3] >= 128] = number
    areas = np.bincount(seen.ravel(), minlength=len(drawn) + 1)[1:]
    least = max(12.0, LEAST * stage.unit**2)
    return [
        item for item, area in zip(drawn, areas, strict=True)
        # a sliver of something large says nothing about what it is
        if area >= max(least, 0.12 * np.count_nonzero(item[1][..., 3] >= 128))
    ]  # fmt: skip
