"""Masks by hand: what the canvas asks for (points, a box, strokes) becomes a new mask or corrects the picked one."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from pipeline.draw import region_titles
from pipeline.errors import NamebrushError
from pipeline.progress import Progress
from pipeline.records import NO_CLASS, ClassName, Photo, Prompt, Region, Segmentation, Vocabulary

from . import engine, texts
from .actions import need_photo, upper
from .session import Session, Step
from .texts import Told

MAX_STROKE = 4000
"""Points of one stroke at most; a hand makes some hundred."""


def asked(session: Session, data: dict) -> dict:
    """Check what the browser asks for. Runs no model.

    Args:
        session: whose photo it is about.
        data: `points` [[x, y, label]], `box` [x0, y0, x1, y1] or `strokes` [{points, radius, erase}], in photo
            pixels, and `ids`, the regions picked.

    Returns:
        The same with plain numbers inside the photo; `ids` are picked on the session.

    Raises:
        NamebrushError: it lies outside the photo, is too thin, or takes away from no or several masks.
    """
    step = need_photo(session)
    height, width = step.photo.size
    known = {r.id for r in step.regions}
    session.picked = tuple(i for i in data.get("ids") or () if i in known)
    ask: dict = {}
    if data.get("box"):
        x0, y0, x1, y1 = (float(v) for v in data["box"])
        box = (max(round(x0), 0), max(round(y0), 0), min(round(x1), width), min(round(y1), height))
        if box[2] - box[0] < 3 or box[3] - box[1] < 3:
            raise NamebrushError(session.say("thin_box"))
        ask["box"] = box
    for x, y, label in data.get("points") or ():
        if not (0 <= x < width and 0 <= y < height):
            raise NamebrushError(session.say("outside"))
        ask["point"] = (int(x), int(y), int(bool(label)))
    if data.get("strokes"):
        ask["strokes"] = [_stroke(s) for s in data["strokes"]]
    takes = ask.get("point", (0, 0, 1))[2] == 0 or any(s["erase"] for s in ask.get("strokes", ()))
    if takes and len(session.picked) != 1:
        raise NamebrushError(session.say("pick_one_first"))
    return ask


def _stroke(stroke: dict) -> dict:
    points = [(float(x), float(y)) for x, y in stroke["points"][:MAX_STROKE]]
    if not points or not np.isfinite(points).all():
        raise NamebrushError("The stroke has no points.")
    return {"points": points, "radius": min(max(float(stroke["radius"]), 0.5), 4096.0), "erase": bool(stroke["erase"])}


def hint_of(session: Session, ask: dict) -> Told:
    """What is being done, for the line below the photo."""
    key = "drawing_box" if "box" in ask else "drawing_brush" if "strokes" in ask else "drawing_point"
    return Told(session.say(key), "hint")


def draw_mask(session: Session, ask: dict, progress: Progress) -> Told:
    """Make a mask from a point, a box or strokes, or correct the one that is picked with one more point or stroke."""
    base = need_photo(session)
    picked = session.picked_regions
    target = picked[0] if len(picked) == 1 and "box" not in ask else None
    if "strokes" in ask:
        made = painted(session, base.photo, target, ask["strokes"])
    else:
        made = _decoded(session, base.photo, target, ask, progress)
    if session.step is not base:
        return Told(session.say("changed_mask"), "stopped")
    segmentation = base.segmentation or hand_made(base.photo, session.preset)
    if target is None:
        new_id = max((r.id for r in base.regions), default=-1) + 1
        made = replace(made, id=new_id, class_index=NO_CLASS, name="by hand")
        regions = (*base.regions, made)
    else:
        made = replace(made, id=target.id, class_index=target.class_index, name=target.name)
        regions = tuple(made if r.id == target.id else r for r in base.regions)
    labels = relabelled(segmentation, target, made) if made.class_index >= 0 else segmentation.labels
    name = upper(texts.called(made, regions, session.lang))
    key = "corrected" if target is not None else "made"
    told = Told(session.say(
        f"mask_{key}", name=name, maker=texts.maker(made, session.lang), score=f"{made.score:.2f}"
    ))  # fmt: skip
    label = session.say(f"step_{key}", name=texts.short(region_titles(regions)[made.id], 18))
    step = Step(label, base.photo, replace(segmentation, labels=labels, regions=regions), told=told.text)
    session.push(step, picked=(made.id,))
    return told


def _decoded(session: Session, photo: Photo, target: Region | None, ask: dict, progress: Progress) -> Region:
    points = []
    if target is not None:
        prompt = target.prompt
        points = [(float(x), float(y), int(v)) for (x, y), v in zip(prompt.points, prompt.labels, strict=True)]
    if "point" in ask:
        points.append(ask["point"])
    pipeline = engine.get_pipeline(progress, session.preset)
    return pipeline.select(photo, points=points, box=ask.get("box"), region=target, progress=progress)


def painted(session: Session, photo: Photo, target: Region | None, strokes: list[dict]) -> Region:
    """A mask after strokes of a round brush were added to or taken from it; without `target` a new one.

    Raises:
        NamebrushError: nothing is left of the mask.
    """
    height, width = photo.size
    mask = np.zeros((height, width), np.uint8) if target is None else target.mask.astype(np.uint8)
    for stroke in strokes:
        # Four fractional bits keep the line where the hand was.
        line = np.round((np.array(stroke["points"]) - 0.5) * 16).astype(np.int32)
        thick = max(1, round(2 * stroke["radius"]))
        value = 0 if stroke["erase"] else 1
        if len(line) == 1:
            cv2.circle(mask, line[0].tolist(), round(stroke["radius"] * 16), value, -1, cv2.LINE_8, 4)
        else:
            cv2.polylines(mask, [line[:, None]], False, value, thick, cv2.LINE_8, 4)
    if not mask.any():
        raise NamebrushError(session.say("erased_all"))
    return Region.from_mask(
        mask.astype(bool), id=0, class_index=NO_CLASS, name="by hand", score=1.0 if target is None else target.score,
        prompt=Prompt() if target is None else target.prompt, made_by="mask",
    )  # fmt: skip


def relabelled(segmentation: Segmentation, old: Region | None, new: Region) -> np.ndarray:
    """The label map int32 [H, W] after a region of a class was corrected."""
    labels = segmentation.labels.copy()
    if old is not None:
        x0, y0, x1, y1 = old.box
        part = labels[y0:y1, x0:x1]
        part[old.crop & (part == old.class_index)] = NO_CLASS
    x0, y0, x1, y1 = new.box
    labels[y0:y1, x0:x1][new.crop] = new.class_index
    return labels


def hand_made(photo: Photo, preset: str = "") -> Segmentation:
    """A segmentation with no words in it yet, to which masks made by hand are added."""
    return Segmentation(
        photo=photo,
        vocabulary=Vocabulary(classes=(ClassName("by hand"),)),
        labels=np.full(photo.size, NO_CLASS, np.int32),
        scores=np.zeros((1, 1, 1), np.float32),
        regions=(),
        preset=preset,
        method="by hand",
        refine="none",
    )
