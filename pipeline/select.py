"""Masks by hand: a click, a box, or points that correct a mask. Works on any photo, with no words typed.

SAM answers from the stored embedding with one run of its mask decoder; for a new mask a model that gains from it looks
once more, closer (`refine.closer`). Where OpenCV's grabCut makes better masks from the same prompts, it is used
instead, or it redraws the edges of SAM's mask; what is best was measured (`python -m benchmarks.select_gate`) and
stands in `GATE`. The region says who drew its edges.

The built-in SAM knows drawings, and of a photograph it knows that it does not know it: it expects little of its own
masks there (`SURE`), and they are too timid. A box is drawn to touch the thing on all four sides, so a mask that does
not reach across it is wrong: of a box that SAM doubts, grabCut's mask is taken where it reaches across, and else SAM's
at the threshold at which it does. Of a point that it doubts, the whole of its three answers is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from .errors import NamebrushError
from .grabcut import cut, tidy
from .models.records import SamModel
from .progress import Progress
from .records import Photo, Prompt, Region, SamEmbedding, Segmentation
from .refine.closer import look_closer
from .refine.sam import decode, low_side, mask_to_logits, upsample

#: Who makes a mask, by the weights in use and the kind of prompt; filled from `benchmarks/select_gate.py`.
GATE: dict[str, dict[str, str]] = {
    "tiny": {"box": "sam+grabcut", "point": "sam+grabcut", "correct": "sam+grabcut"},
    "downloaded": {"box": "sam", "point": "sam", "correct": "sam"},
}
#: Expected IoUs below which the built-in SAM doubts a new mask, by the kind of prompt.
SURE = {"box": 0.65, "point": 0.4}
#: A mask reaches across its box where the box around it covers this share of it; the lowest threshold that is tried
#: for that, and the steps on the way down from 0, in logits.
REACHES, LOWEST, STEP = 0.95, -6.0, 0.5
#: The share from which grabCut's mask reaches across a box.
CUT_REACHES = 0.8
MAKERS = ("auto", "sam", "grabcut", "sam+grabcut")
#: How far grabCut may move the edges of SAM's mask, as a share of the mask's side.
REDRAWN = 0.12
#: Below this IoU with SAM's mask grabCut did not redraw edges but lost the thing.
LOST = 0.4
#: The logits of what no closer look saw.
NOT_MEANT = -32.0
#: Names of the built-in weights begin with this.
BUILT_IN = "namebrush-"


def select(
    photo: Photo,
    sam: SamModel | None,
    embedding: SamEmbedding | Callable[[], SamEmbedding] | None,
    points: Sequence[Sequence[float]] = (),
    box: Sequence[float] | None = None,
    region: Region | None = None,
    gate: str = "auto",
    progress: Progress | None = None,
) -> Region:
    """Make a mask from points and a box, or correct one.

    Args:
        photo: the photo.
        sam: the model, or None to use grabCut.
        embedding: SAM's of this photo, or a function that makes it; called only if SAM is asked.
        points: (x, y) or (x, y, label) in photo pixels; label 1 belongs (the default), 0 does not.
        box: x0, y0, x1, y1 in photo pixels.
        region: a region to correct. Its own points hold on beside the new ones (a new point at the same place
            replaces the old), so `points` may hold the new ones or all; its box holds on unless a new one is given
            or a point that belongs lies outside it.
        gate: "auto" takes whoever was measured to be best for this kind of prompt; "sam", "grabcut" or "sam+grabcut"
            (grabCut redraws the edges of SAM's mask) fixes it.
        progress: told before each step.

    Returns:
        A region named "by hand" with class -1. Its score is SAM's predicted IoU, or for grabCut the IoU of its last
        two rounds.

    Raises:
        NamebrushError: no prompt, a prompt outside the photo, or an empty mask.
    """
    progress = progress or Progress()
    if region is not None and region.size != photo.size:
        raise NamebrushError("The mask to correct belongs to another photo. Pick it again on this one.")
    prompt = _collect(points, box, region, photo)
    maker = choose(gate, prompt, region, sam)
    doubts = gate == "auto" and region is None and coarse(sam)
    try:
        return _make(maker, photo, sam, embedding, prompt, region, progress, doubts)
    except NamebrushError:
        if gate != "auto" or sam is None or embedding is None:
            raise
    # One of them lost the thing, grabCut where it shares its surroundings' colours; the other may still see it.
    other = "sam" if maker == "grabcut" else "grabcut"
    return _make(other, photo, sam, embedding, prompt, region, progress)


def _make(
    maker, photo, sam, embedding, prompt: Prompt, region: Region | None, progress: Progress, doubts: bool = False
) -> Region:
    """One maker's mask; an error where nothing is left of it. `doubts`: SAM's is wider where it expects little."""
    if maker == "grabcut":
        progress.step("grabCut draws the mask")
        start = None if region is None else region.mask
        made = cut(photo.pixels, prompt.points, prompt.labels, prompt.box, start)
        return _by_hand(made.mask, prompt=prompt, made_by="grabcut", score=made.stability)
    if callable(embedding):
        embedding = embedding()
    if sam is None or embedding is None:
        raise NamebrushError('SAM is not loaded. Choose a preset with SAM, or gate="grabcut".')
    progress.step("SAM draws the mask")
    redraw = maker == "sam+grabcut"
    # To a correction whose edges are redrawn anyway a second look adds less than its wait costs (.855 to .858).
    look = _ask_sam(photo, sam, embedding, prompt, region, twice=not (redraw and region is not None))
    if doubts and look.expected < SURE["point" if prompt.box is None else "box"]:
        return _whole(sam, embedding, look) if prompt.box is None else _across(photo, sam, embedding, look)
    made = look.region(tidy(look.field > 0, look.clicked))
    return _redrawn(made, photo) if redraw else made


def choose(gate: str, prompt: Prompt, region: Region | None, sam: SamModel | None) -> str:
    """Who makes the mask: one of `MAKERS` but "auto"."""
    if gate not in MAKERS:
        raise NamebrushError(f'gate must be one of {", ".join(MAKERS)}; got "{gate}".')
    if gate != "auto":
        return gate
    if sam is None:
        return "grabcut"
    kind = "correct" if region is not None else "box" if prompt.box is not None else "point"
    return GATE["tiny" if coarse(sam) else "downloaded"][kind]


def doubted(region: Region) -> bool:
    """Whether SAM expects little of a new mask by hand that it made; the built-in one's are taken wider then."""
    kind = "point" if region.prompt.box is None else "box"
    return region.made_by == "sam" and region.iou is not None and region.iou < SURE[kind]


def coarse(sam: SamModel | None) -> bool:
    """Whether masks of a SAM miss the ends of things: the built-in one's do."""
    return sam is not None and sam.name.startswith(BUILT_IN)


def click_region(segmentation: Segmentation, x: float, y: float) -> Region | None:
    """The region under a click at photo pixel (x, y), or None where there is none.

    Raises:
        NamebrushError: the click lies outside the photo.
    """
    _inside([(x, y)], segmentation.photo.size, "point")
    column, row = int(x), int(y)
    for region in segmentation.regions:
        x0, y0, x1, y1 = region.box
        if x0 <= column < x1 and y0 <= row < y1 and region.crop[row - y0, column - x0]:
            return region
    return None


@dataclass(frozen=True, eq=False)
class _Look:
    """What SAM says of a prompt: logits float32 [H, W] in the photo's pixels and [low, low] as it answered them, the
    IoU it expects, the prompt that was asked, and the pixels of its points that belong, int [N, 2]."""

    field: np.ndarray
    low: np.ndarray
    expected: float
    prompt: Prompt
    clicked: np.ndarray

    def region(self, mask: np.ndarray, low: np.ndarray | None = None) -> Region:
        """A mask from it, which must not be empty."""
        score, low = float(np.clip(self.expected, 0, 1)), self.low if low is None else low
        return _by_hand(mask, prompt=self.prompt, made_by="sam", score=score, iou=self.expected, logits=low)


def _ask_sam(
    photo: Photo, sam: SamModel, embedding: SamEmbedding, prompt: Prompt, region: Region | None, twice: bool
) -> _Look:
    """One decoder call, and a closer look where that is wanted and the model gains from it.

    A single point may mean a part or the whole: then the best of SAM's three masks.
    """
    low = low_side(sam)
    if region is not None:
        fits = region.logits is not None and region.logits.side == low
        start = region.logits.whole() if fits else mask_to_logits(region.mask, embedding, low)
        prompt = Prompt(prompt.points, prompt.labels, prompt.box, np.asarray(start, np.float32))
    single = region is None and prompt.box is None and len(prompt.points) == 1
    logits, iou = decode(sam, embedding, [prompt], multimask=single and sam.zoom is None)
    clicked = np.floor(prompt.points[prompt.labels == 1]).astype(int)
    look = _Look(upsample(logits, embedding)[0], logits[0], float(iou[0]), prompt, clicked)
    first = tidy(look.field > 0, clicked)
    if not twice or sam.zoom is None or not (first.any() or prompt.box is not None):
        return look
    closer = _closer(photo, sam, embedding, look, region, first)
    again = tidy(closer > 0, clicked)
    if prompt.box is None and not again.any():
        return look
    return replace(look, field=closer, low=mask_to_logits(again, embedding, low))


def _closer(photo, sam, embedding, look: _Look, region: Region | None, first: np.ndarray) -> np.ndarray:
    """Logits float32 [H, W] after a look at a cut-out around the prompt's box or the first mask; outside it, of what
    is certainly not meant."""
    prompt = look.prompt
    box = prompt.box if prompt.box is not None else _box_of(_clicked_part(first, look.clicked))
    before = None if region is None else [region.mask]
    ((x0, y0, x1, y1), seen), = look_closer(sam, photo.pixels, embedding, [prompt], [box], look.low[None], before)
    closer = np.full_like(look.field, NOT_MEANT)
    closer[y0:y1, x0:x1] = seen
    return closer


def _across(photo: Photo, sam: SamModel, embedding: SamEmbedding, look: _Look) -> Region:
    """A doubted mask from a box: grabCut's where it reaches across the box, else SAM's taken until it does."""
    prompt = look.prompt
    x0, y0, x1, y1 = prompt.box
    try:
        made = cut(photo.pixels, prompt.points, prompt.labels, prompt.box)
    except NamebrushError:
        return _reaching(sam, embedding, look)
    if _extent(made.mask) < CUT_REACHES * (x1 - x0) * (y1 - y0):
        return _reaching(sam, embedding, look)
    return _by_hand(made.mask, prompt=prompt, made_by="grabcut", score=made.stability)


def _reaching(sam: SamModel, embedding: SamEmbedding, look: _Look) -> Region:
    """A doubted mask from a box: inside it, at the highest threshold at which it reaches across it."""
    height, width = look.field.shape
    x0, y0, x1, y1 = look.prompt.box
    left, top = max(int(round(x0)), 0), max(int(round(y0)), 0)
    right, bottom = min(max(int(round(x1)), left + 1), width), min(max(int(round(y1)), top + 1), height)
    inside = look.field[top:bottom, left:right]
    threshold = 0.0
    while threshold > LOWEST and _extent(inside > threshold) < REACHES * inside.size:
        threshold -= STEP
    mask = np.zeros((height, width), bool)
    mask[top:bottom, left:right] = inside > threshold
    return look.region(tidy(mask, look.clicked), mask_to_logits(mask, embedding, low_side(sam)))


def _extent(mask: np.ndarray) -> int:
    """Pixels of the box around a mask; 0 for an empty one."""
    x0, y0, x1, y1 = _box_of(mask) if mask.any() else (0, 0, 0, 0)
    return (x1 - x0) * (y1 - y0)


def _whole(sam: SamModel, embedding: SamEmbedding, look: _Look) -> Region:
    """A doubted mask from points: the last and widest of the three that SAM gives where a point may mean a part."""
    logits, iou = decode(sam, embedding, [look.prompt], multimask=True, best=False)
    mask = tidy(upsample(logits[0, -1:], embedding)[0] > 0, look.clicked)
    return replace(look, expected=float(iou[0, -1])).region(mask, logits[0, -1])


def _clicked_part(mask: np.ndarray, clicked: np.ndarray) -> np.ndarray:
    """The connected parts of a mask that points lie on; the whole mask where none does."""
    _, parts = cv2.connectedComponents(mask.astype(np.uint8))
    wanted = np.unique(parts[clicked[:, 1], clicked[:, 0]]) if len(clicked) else np.zeros(0, int)
    wanted = wanted[wanted > 0]
    return np.isin(parts, wanted) if len(wanted) else mask


def _box_of(mask: np.ndarray) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _redrawn(region: Region, photo: Photo) -> Region:
    """SAM's mask with its edges drawn to the photo's by grabCut; as it is where grabCut loses it."""
    prompt = region.prompt
    try:
        made = cut(photo.pixels, prompt.points, prompt.labels, prompt.box, region.mask, REDRAWN)
    except NamebrushError:
        return region
    if (made.mask & region.mask).sum() < LOST * (made.mask | region.mask).sum():
        return region
    fields = {"prompt": prompt, "score": region.score, "iou": region.iou, "logits": region.logits}
    return _by_hand(made.mask, made_by="grabcut", **fields)


def _by_hand(mask: np.ndarray, **fields) -> Region:
    return Region.from_mask(mask, id=0, class_index=-1, name="by hand", **fields)


def _collect(points, box, region, photo: Photo) -> Prompt:
    """Check the prompts and join them with those of the region to correct."""
    marks: dict[tuple[float, float], int] = {}
    if region is not None:
        marks.update(zip(map(tuple, region.prompt.points.tolist()), region.prompt.labels.tolist(), strict=True))
    for point in points:
        if len(point) not in (2, 3):
            raise NamebrushError(f"A point is x,y or x,y,label; got {', '.join(map(str, point))}.")
        label = point[2] if len(point) == 3 else 1
        if label not in (0, 1):
            raise NamebrushError(f"A point's label is 1 (this belongs) or 0 (this does not); got {label}.")
        _inside([point[:2]], photo.size, "point")
        marks[tuple(np.float32(point[:2]).tolist())] = int(label)
    if box is not None:
        box = _check_box(box, photo.size)
    elif region is not None:
        box = _kept_box(region, points)
    if region is None and box is None and 1 not in marks.values():
        raise NamebrushError("Point at the thing you mean first, or draw a box around it.")
    if region is not None and not len(points) and box is None:
        raise NamebrushError("Say what to change about the mask: a point that belongs, one that does not, or a box.")
    xy = np.array(list(marks), np.float32).reshape(-1, 2)
    return Prompt(xy, np.array(list(marks.values()), np.int32), box)


def _kept_box(region: Region, points) -> tuple[float, float, float, float] | None:
    """The box of the region to correct, unless a new point that belongs lies outside it."""
    box = region.prompt.box
    if box is None:
        return None
    x0, y0, x1, y1 = box
    belongs = [p for p in points if len(p) < 3 or p[2] == 1]
    return box if all(x0 <= p[0] < x1 and y0 <= p[1] < y1 for p in belongs) else None


def _check_box(box: Sequence[float], size: tuple[int, int]) -> tuple[float, float, float, float]:
    """A box with its corners in order, or a clear error."""
    if len(box) != 4:
        raise NamebrushError(f"A box is x0,y0,x1,y1; got {len(box)} numbers.")
    _inside([box[:2], box[2:]], size, "box", edge=True)
    (x0, x1), (y0, y1) = sorted((float(box[0]), float(box[2]))), sorted((float(box[1]), float(box[3])))
    if x1 - x0 < 1 or y1 - y0 < 1:
        raise NamebrushError("The box is empty. Draw it around the thing, from one corner to the other.")
    return (x0, y0, x1, y1)


def _inside(xy, size: tuple[int, int], what: str, edge: bool = False) -> None:
    """Raise unless all positions lie in the photo; `edge`: its right and lower edge count as inside."""
    height, width = size
    for x, y in xy:
        within = (0 <= x <= width and 0 <= y <= height) if edge else (0 <= x < width and 0 <= y < height)
        if not within:  # also for what is not a number
            raise NamebrushError(f"The {what} at {x:g},{y:g} lies outside the photo of {width} x {height} pixels.")
