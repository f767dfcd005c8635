"""Masks by hand: what the canvas asks for (points, a box, strokes) becomes a new mask or corrects the picked one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from pipeline import regions_edit
from pipeline.draw import region_titles
from pipeline.errors import NamebrushError
from pipeline.history import Step
from pipeline.progress import Progress
from pipeline.records import NO_CLASS, ClassName, Photo, Prompt, Region, Segmentation, Vocabulary

from . import engine, texts, values
from .actions import need_photo, upper
from .session import Session
from .texts import Told

MAX_STROKE = 4000
"""Points of one stroke at most; a hand makes some hundred."""
MAX_STROKES = 200
TIDY = ("accept", "drop", "merge", "split", "rename")


def asked(session: Session, data: dict) -> dict:
    """Check what the browser asks for. Runs no model.

    Args:
        session: whose photo it is about.
        data: `points` [[x, y, label]], `box` [x0, y0, x1, y1] (of a new mask), `strokes` [{points, radius, erase}],
            `remove` [x, y] (of a point of the picked region's prompt) or `frame` (the picked region's box, moved, or
            False to take it away), in photo pixels, and `ids`, the regions picked.

    Returns:
        The same with plain numbers inside the photo; `ids` are picked on the session.

    Raises:
        NamebrushError: it lies outside the photo, is too thin, or takes away from no or several masks.
    """
    step = need_photo(session)
    height, width = step.photo.size
    known = {r.id for r in step.regions}
    session.picked = tuple(i for i in values.ids(values.entry(data, "ids")) if i in known)
    ask: dict = {}
    for kind in ("box", "frame"):
        if data.get(kind):
            x0, y0, x1, y1 = values.box(data[kind])
            box = (max(round(x0), 0), max(round(y0), 0), min(round(x1), width), min(round(y1), height))
            if box[2] - box[0] < 3 or box[3] - box[1] < 3:
                raise NamebrushError(session.say("thin_box"))
            ask[kind] = box
    if data.get("frame") is False:
        ask["frame"] = False
    for x, y, label in values.points(data.get("points")):
        if not (0 <= x < width and 0 <= y < height):
            raise NamebrushError(session.say("outside"))
        ask["point"] = (int(x), int(y), int(bool(label)))
    if data.get("remove"):
        x, y, _ = values.point(data["remove"])
        ask["remove"] = [(x, y)]
    if data.get("strokes"):
        ask["strokes"] = [_stroke(s) for s in values.items(data["strokes"], "The strokes", MAX_STROKES)]
    takes = ask.get("point", (0, 0, 1))[2] == 0 or any(s["erase"] for s in ask.get("strokes", ()))
    if (takes or "remove" in ask or "frame" in ask) and len(session.picked) != 1:
        raise NamebrushError(session.say("pick_one_first"))
    return ask


def _stroke(stroke: dict) -> dict:
    drawn = values.items(values.entry(stroke, "points"), "The stroke", 100 * MAX_STROKE)[:MAX_STROKE]
    points = [tuple(min(max(v, -values.FAR), values.FAR) for v in point[:2]) for point in map(values.point, drawn)]
    if not points:
        raise NamebrushError("The stroke has no points.")
    radius = values.number(values.entry(stroke, "radius"), "The brush")
    return {"points": points, "radius": min(max(radius, 0.5), 4096.0), "erase": stroke.get("erase") is True}


def hint_of(session: Session, ask: dict) -> str:
    """What is being done, in words."""
    kind = "brush" if "strokes" in ask else "box" if ask.get("box") or ask.get("frame") else "point"
    return session.say(f"drawing_{kind}")


def draw_mask(session: Session, ask: dict, progress: Progress) -> Told:
    """Make a mask from a point, a box or strokes, or correct the one that is picked with one more point or stroke."""
    base = need_photo(session)
    picked = session.picked_regions
    target = picked[0] if len(picked) == 1 and "box" not in ask else None
    if "strokes" in ask:
        made = painted(session, base.photo, target, ask["strokes"])
    else:
        made = _decoded(session, base, target, ask, progress)
    if session.step is not base:
        return Told(session.say("changed_mask"), "stopped")
    if isinstance(made, Segmentation):
        segmentation = made
    elif target is None:
        segmentation = base.segmentation or hand_made(base.photo, session.preset)
        new_id = max((r.id for r in base.regions), default=-1) + 1
        made = replace(made, id=new_id, class_index=NO_CLASS, name="by hand")
        segmentation = replace(segmentation, regions=(*base.regions, made))
    else:
        made = replace(made, id=target.id, class_index=target.class_index, name=target.name)
        segmentation = regions_edit.put(base.segmentation, made)
    made = segmentation.region(target.id if target is not None else made.id)
    regions = segmentation.regions
    name = upper(texts.called(made, regions, session.lang))
    from pipeline.select import doubted

    key = "corrected" if target is not None else "made"
    unsure = target is None and session.preset == "tiny" and doubted(made)
    told = Told(session.say("mask_guessed" if unsure else f"mask_{key}", name=name,
                            maker=texts.maker(made, session.lang)))  # fmt: skip
    label = session.say(f"step_{key}", name=texts.short(region_titles(regions)[made.id], 18))
    session.push(Step("hand", label, base.photo, segmentation, told=told.text), picked=(made.id,))
    return told


def _decoded(session: Session, base: Step, target: Region | None, ask: dict, progress: Progress):
    """A new region from a point or a box, or the segmentation in which the target was corrected."""
    pipeline = engine.get_pipeline(progress, session.preset)
    add = [ask["point"]] if "point" in ask else []
    if target is not None:
        return pipeline.correct(
            base.segmentation, target.id, add=add, remove=ask.get("remove", ()), box=ask.get("frame"),
            progress=progress,
        )  # fmt: skip
    return pipeline.select(base.photo, points=add, box=ask.get("box"), progress=progress)


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


def tidy(session: Session, what: str, name: str = "", points: Sequence[Sequence[float]] = ()) -> Told:
    """Accept, drop, merge, split or rename what is picked. Runs no model.

    Args:
        session: with the regions picked that are meant.
        what: "accept" (corrections of others leave it alone; again: no longer), "drop", "merge" (two or more into the
            first), "split" (at `points`, or what is not connected) or "rename".
        name: for "rename".
        points: for "split", one [x, y] inside each part, in photo pixels.

    Raises:
        NamebrushError: nothing is picked, or too few for it.
    """
    base, picked = need_photo(session), session.picked
    if not picked:
        raise NamebrushError(session.say("pick_first"))
    titles = region_titles(base.regions)
    made = base.segmentation
    if what == "accept":
        accepted = not all(r.accepted for r in session.picked_regions)
        what = what if accepted else "reopen"
        for i in picked:
            made = regions_edit.accept(made, i, accepted)
    elif what == "merge":
        made, picked = regions_edit.merge(made, picked), picked[:1]
    elif what == "split":
        if not points and regions_edit.pieces(made, picked[0]) < 2:
            return Told(session.say("one_piece"), "hint")
        made, picked = regions_edit.split(made, picked[0], [(float(x), float(y)) for x, y in points])
    elif what == "rename":
        for i in picked:
            made = regions_edit.rename(made, i, name)
    else:
        for i in picked:
            made = regions_edit.reject(made, i)
        picked = ()
    label = f"{texts.short(titles[session.picked[0]], 18)}: {session.say(f'tidy_{what}')}"
    told = Told(session.say("tidied", what=session.say(f"tidy_{what}"), names=", ".join(
        texts.short(titles[i]) for i in session.picked[:4]
    )))  # fmt: skip
    session.push(Step("hand", label, base.photo, made, told=told.text), picked=tuple(picked))
    return told


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
