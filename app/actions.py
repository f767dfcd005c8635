"""What a person can do, as plain functions on a `Session`: they know the engine and no Gradio.

Each returns a `Told`, the line to show. Errors a person can cause pass through as `NamebrushError`, and `Cancelled`
passes too. Nothing is changed on the session before the work is done, so that an error leaves everything as it was.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from pipeline.draw import region_titles
from pipeline.errors import NamebrushError
from pipeline.progress import Progress
from pipeline.records import NO_CLASS, EditResult, Region, Segmentation

from . import engine, texts
from .canvas import hand_made, to_photo
from .session import Session, Step
from .texts import Told

MAX_MEGAPIXELS = 50.0
MIN_AREA = 16


def _need_photo(session: Session) -> Step:
    if session.step is None:
        raise NamebrushError("No photo is open. Open one, or choose an example.")
    return session.step


def open_photo(session: Session, source: str | Path) -> Told:
    """Open a photo as a new step; whatever ran for the photo before is told to stop."""
    from pipeline.photo import open_photo as read

    photo = read(source, max_megapixels=MAX_MEGAPIXELS)
    session.stop()
    height, width = photo.size
    told = Told(
        " ".join(
            [f"{texts.short(photo.name, 40)}, {width} × {height}. Name what you see, or point at it.", *photo.notes]
        )
    )
    session.push(Step(texts.short(photo.name, 20), photo, told=told.text))
    session.tool = session.tool if session.tool != "subtract" else "pick"
    return told


def find(session: Session, words: str, options: dict, progress: Progress) -> Told:
    """Look for the typed names in the photo. Masks made by hand are kept."""
    base = _need_photo(session)
    if not words.strip():
        raise NamebrushError("Type at least one name, for example: dog, grass, sky.")
    start = time.perf_counter()
    found = engine.get_pipeline(progress).segment(base.photo, words, progress=progress, **options)
    by_hand = [r for r in base.regions if r.class_index < 0]
    if by_hand:
        fresh = max((r.id for r in found.regions), default=-1) + 1
        kept = tuple(replace(r, id=fresh + i) for i, r in enumerate(by_hand))
        found = replace(found, regions=found.regions + kept)
    if session.step is not base:
        return Told("The photo was changed meanwhile, so the names were not looked for.", "stopped")
    names = [c.name for c in found.vocabulary.classes]
    told = Told(_found_line(found, time.perf_counter() - start))
    session.push(Step(texts.short(", ".join(names), 28), base.photo, found, told=told.text))
    return told


def _found_line(found: Segmentation, took: float) -> str:
    masks = [r for r in found.regions if r.class_index >= 0]
    missing = [c.name for i, c in enumerate(found.vocabulary.classes) if all(r.class_index != i for r in masks)]
    line = f"{texts.several(len(masks), 'mask') if masks else 'Nothing was found'} in {texts.seconds(took)}."
    if missing:
        line += f" Not found: {texts.short(', '.join(missing), 80)}. Try another word, or point at it."
    return " ".join([line, *found.notes])


def click(session: Session, x: float, y: float) -> tuple[Told, dict | None]:
    """A click on the shown picture. Runs no model.

    Returns:
        The line to show, and what the mask decoder is to be asked (`points` or `box` in photo pixels), or None.
    """
    step = _need_photo(session)
    px, py = to_photo(x, y, step.photo.size)
    if session.tool == "pick":
        return _pick_at(session, px, py), None
    if session.tool == "box":
        if session.corner is None:
            session.corner = (px, py)
            return Told("Now click the opposite corner.", "hint"), None
        ax, ay = session.corner
        session.corner = None
        box = (min(ax, px), min(ay, py), max(ax, px) + 1, max(ay, py) + 1)
        if box[2] - box[0] < 3 or box[3] - box[1] < 3:
            raise NamebrushError("That box is too thin to hold anything. Click two opposite corners around the thing.")
        return Told("Drawing the mask in the box …", "hint"), {"box": box}
    label = int(session.tool == "add")
    if not label and len(session.picked) != 1:
        raise NamebrushError("Pick the one mask first from which this point shall be taken away.")
    return Told("Drawing the mask at the point …", "hint"), {"point": (px, py, label)}


def _pick_at(session: Session, x: int, y: int) -> Told:
    hit = [r for r in session.step.regions if r.box[0] <= x < r.box[2] and r.box[1] <= y < r.box[3]]
    hit = [r for r in hit if r.crop[y - r.box[1], x - r.box[0]]]
    if not hit:
        if not session.step.regions:
            return Told(
                "There are no masks yet. Name things first, or take + Point or Box and click the thing.", "hint"
            )
        return Told("No mask is there. Take + Point or Box to make one by hand.", "hint")
    session.toggle(min(hit, key=lambda r: r.area).id)
    return picked_line(session)


def picked_line(session: Session) -> Told:
    """What is picked, and who made it."""
    picked = session.picked_regions
    if not picked:
        return Told("Nothing is picked.", "hint")
    if len(picked) == 1:
        region = picked[0]
        name = _upper(texts.called(region, session.step.regions))
        share = region.area / (region.size[0] * region.size[1])
        return Told(
            f"{name} is picked: {share:.1%} of the photo, score {region.score:.2f}, edges by {texts.maker(region)}."
        )
    return Told(f"{texts.several(len(picked), 'mask')} are picked.")


def pick(session: Session, ids: list[int]) -> Told:
    """Pick exactly these regions."""
    known = {r.id for r in _need_photo(session).regions}
    session.picked = tuple(i for i in ids if i in known)
    return picked_line(session)


def pick_class(session: Session, name: str) -> Told:
    """Pick every region of a class; when all of them are picked already, put them back."""
    own = [r.id for r in _need_photo(session).regions if r.name == name]
    if not own:
        return Told(f"No mask is called {texts.short(name, 40)} here. Try another word, or point at it.", "hint")
    if set(own) <= set(session.picked):
        session.picked = tuple(i for i in session.picked if i not in own)
    else:
        session.picked = (*session.picked, *(i for i in own if i not in session.picked))
    return picked_line(session)


def draw_mask(session: Session, ask: dict, progress: Progress) -> Told:
    """Make a mask from a point or a box, or correct the one that is picked with one more point."""
    base = _need_photo(session)
    picked = session.picked_regions
    target = picked[0] if "point" in ask and len(picked) == 1 else None
    points = []
    if target is not None:
        points = [
            (float(x), float(y), int(v)) for (x, y), v in zip(target.prompt.points, target.prompt.labels, strict=True)
        ]
    if "point" in ask:
        points.append(ask["point"])
    made = engine.get_pipeline(progress).select(
        base.photo, points=points, box=ask.get("box"), region=target, progress=progress
    )
    if session.step is not base:
        return Told("The photo was changed meanwhile, so no mask was drawn.", "stopped")
    segmentation = base.segmentation or hand_made(base.photo)
    if target is None:
        new_id = max((r.id for r in base.regions), default=-1) + 1
        made = replace(made, id=new_id, class_index=NO_CLASS, name="by hand")
        regions = (*base.regions, made)
    else:
        made = replace(made, id=target.id, class_index=target.class_index, name=target.name)
        regions = tuple(made if r.id == target.id else r for r in base.regions)
    labels = _relabel(segmentation, target, made) if made.class_index >= 0 else segmentation.labels
    name = region_titles(regions)[made.id]
    how = "corrected" if target is not None else "made"
    told = Told(
        f"{_upper(texts.called(made, regions))} was {how}: edges by {texts.maker(made)}, score {made.score:.2f}."
    )
    step = Step(
        f"{texts.short(name, 18)} {how}",
        base.photo,
        replace(segmentation, labels=labels, regions=regions),
        told=told.text,
    )
    session.push(step, picked=(made.id,))
    return told


def _relabel(segmentation: Segmentation, old: Region | None, new: Region) -> np.ndarray:
    """The label map after a region of a class was corrected."""
    labels = segmentation.labels.copy()
    if old is not None:
        x0, y0, x1, y1 = old.box
        part = labels[y0:y1, x0:x1]
        part[old.crop & (part == old.class_index)] = NO_CLASS
    x0, y0, x1, y1 = new.box
    labels[y0:y1, x0:x1][new.crop] = new.class_index
    return labels


def change(session: Session, kind: str, prompt: str, options: dict, progress: Progress) -> Told:
    """Change what is picked; the result becomes the photo, and masks it does not touch stay valid."""
    base = _need_photo(session)
    picked = session.picked_regions
    if not picked:
        raise NamebrushError("Nothing is picked. Click a thing in the photo, or tick it in the list.")
    if kind != "remove" and not prompt.strip():
        raise NamebrushError(f"Say in a few words what shall be there, then press Change: {kind} needs a description.")
    start = time.perf_counter()
    result = engine.get_pipeline(progress).edit(
        base.photo, picked, kind=kind, prompt=prompt.strip(), progress=progress, **options
    )
    if session.step is not base:
        return Told("The photo was changed meanwhile, so this change was dropped.", "stopped")
    photo = result.images[0]
    what = texts.called(picked[0], base.regions) if len(picked) == 1 else texts.several(len(picked), "mask")
    verb = {"remove": "removed", "replace": "replaced", "restyle": "restyled"}[kind]
    outside = texts.several(result.changed_outside, "pixel")
    took = texts.seconds(time.perf_counter() - start)
    told = Told(f"{_upper(what)} {verb} by {result.made_by} in {took}. {outside} changed outside the mask.")
    rest = without(base.segmentation, result)
    what = region_titles(base.regions)[picked[0].id] if len(picked) == 1 else what
    step = Step(f"{texts.short(what, 18)} {verb}", photo, rest, result, told.text)
    session.push(step, comparing=True)
    return told


def without(segmentation: Segmentation | None, result: EditResult) -> Segmentation | None:
    """The masks that remain after an edit: outside its mask the pixels are the same, so they need no model.

    What the edit's mask covered loses its label; a region it covered in part keeps the rest of its mask.
    """
    if segmentation is None:
        return None
    mask = result.mask
    regions = []
    for region in segmentation.regions:
        x0, y0, x1, y1 = region.box
        left = region.crop & ~mask[y0:y1, x0:x1]
        area = int(left.sum())
        if area == region.area:
            regions.append(region)
        elif area >= max(MIN_AREA, region.area // 50):
            full = np.zeros(region.size, bool)
            full[y0:y1, x0:x1] = left
            regions.append(
                Region.from_mask(
                    full,
                    id=region.id,
                    class_index=region.class_index,
                    name=region.name,
                    score=region.score,
                    prompt=region.prompt,
                    made_by=region.made_by,
                    iou=region.iou,
                )  # fmt: skip
            )
    labels = np.where(mask, np.int32(NO_CLASS), segmentation.labels)
    return replace(segmentation, photo=result.images[0], labels=labels, regions=tuple(regions))


def _upper(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def go(session: Session, cursor: int) -> Told:
    """Stand at another step of the history."""
    _need_photo(session)
    session.stop()
    session.go(cursor)
    return Told(session.step.told, "hint")
