"""What a person can do, as plain functions on a `Session`: they know the engine and no Gradio.

Each returns a `Told`, the line to show. Errors a person can cause pass through as `NamebrushError`, and `Cancelled`
passes too. Nothing is changed on the session before the work is done, so that an error leaves everything as it was.
Masks by hand are made in `masks`.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from pipeline import regions_edit
from pipeline.draw import region_titles
from pipeline.edit.kinds import KINDS
from pipeline.errors import NamebrushError
from pipeline.history import Step, edited, segmented
from pipeline.history import open_session as read_session
from pipeline.models.revisions import revisions_of
from pipeline.progress import Progress
from pipeline.records import Photo, Segmentation

from . import engine, estimate, examples, keeper, texts
from .account import PER_PIXEL
from .opening import MAX_MEGAPIXELS, decoder, open_picture
from .remains import arrived, carried, gone, remaining
from .session import Session
from .texts import Told

#: Kinds of change that leave what is picked as it is and change the rest.
KEEPING = ("blur", "background", "cutout")
#: Kinds after which what was picked is there still, and stays picked.
STAYING = (*KEEPING, "recolor")
#: How many likely names are offered.
SUGGESTED = 5
#: The models that look for names; their revisions are kept with what they found.
LOOKING = ("clip", "dino", "sam")


def need_photo(session: Session) -> Step:
    """The current step, or the error that there is none."""
    if session.step is None:
        raise NamebrushError(session.say("no_photo"))
    return session.step


def need_room(session: Session, photo: Photo) -> None:
    """Make room for work on a photo, before it begins.

    Raises:
        NamebrushError: there is no memory for it, even with everything else on the disk.
    """
    keeper.room(session, PER_PIXEL * photo.size[0] * photo.size[1])


def open_photo(session: Session, source: str | Path, job: int | None = None) -> Told:
    """Open a visitor's photo as a new step; whatever ran for the photo before is told to stop.

    Args:
        session: the visitor's.
        source: the file.
        job: number of the job that opens it, which goes on.
    """
    keeper.admit(session)
    return _opened(session, open_picture(source, session), job)


def open_example(session: Session, index: int) -> Told:
    """Open one of our own photos as a new step, without another process: they are trusted."""
    return _opened(session, examples.opened(index))


def _opened(session: Session, photo: Photo, job: int | None = None) -> Told:
    need_room(session, photo)
    session.stop(before=job)
    height, width = photo.size
    line = session.say("opened", name=texts.short(photo.name, 40), width=width, height=height)
    told = Told(" ".join([line, *map(session.heard, photo.notes)]))
    session.suggestions = ()
    session.push(Step("open", texts.short(photo.name, 20), photo, told=told.text))
    session.tool = session.tool if session.tool != "subtract" else "pick"
    return told


def suggest(session: Session, options: dict, progress: Progress) -> Told | None:
    """Ask which names are likely in the photo; what is shown else stays as it is."""
    base = need_photo(session)
    from pipeline.suggest import suggest as suggest_names

    pipeline = engine.get_pipeline(progress, session.preset)
    geometry = {k: v for k, v in options.items() if k in ("method", "short_side", "window", "stride", "residual")}
    estimate.admit_search(session.preset, base.photo.size, "", geometry, session.say)
    names = suggest_names(pipeline, base.photo, progress=progress, **geometry)
    if session.step is not None and session.step.photo is base.photo:
        session.suggestions = tuple(names)
    return None


def find(session: Session, words: str, options: dict, progress: Progress) -> Told:
    """Look for the typed names in the photo. Masks made by hand are kept."""
    base = need_photo(session)
    if not words.strip():
        raise NamebrushError(session.say("type_names"))
    estimate.admit_search(session.preset, base.photo.size, words, options, session.say)
    need_room(session, base.photo)
    start = time.perf_counter()
    pipeline = engine.get_pipeline(progress, session.preset)
    found = examples.find(pipeline, base.photo, words, options, progress)
    by_hand = [r for r in base.regions if r.class_index < 0]
    if by_hand:
        fresh = max((r.id for r in found.regions), default=-1) + 1
        kept = tuple(replace(r, id=fresh + i) for i, r in enumerate(by_hand))
        found = replace(found, regions=found.regions + kept)
    if session.step is not base:
        return Told(session.say("changed_find"), "stopped")
    names = [c.name for c in found.vocabulary.classes]
    told = Told(_found_line(session, found, time.perf_counter() - start))
    step = segmented(found, words, options, told.text, revisions_of(pipeline.models, LOOKING))
    session.push(replace(step, label=texts.short(", ".join(names), 28)))
    return told


def _found_line(session: Session, found: Segmentation, took: float) -> str:
    masks = [r for r in found.regions if r.class_index >= 0]
    missing = [c.name for i, c in enumerate(found.vocabulary.classes) if all(r.class_index != i for r in masks)]
    seconds = texts.seconds(took)
    lines = [session.say("found", masks=session.count(len(masks), "mask"), seconds=seconds)]
    if not masks:
        lines = [session.say("found_nothing", seconds=seconds)]
    if missing:
        lines.append(session.say("not_found", names=texts.short(", ".join(missing), 80)))
    return " ".join([*lines, *map(session.heard, found.notes)])


def pick_at(session: Session, x: int, y: int) -> Told:
    """Pick the smallest region at a pixel, or put it back."""
    hit = [r for r in session.step.regions if r.box[0] <= x < r.box[2] and r.box[1] <= y < r.box[3]]
    hit = [r for r in hit if r.crop[y - r.box[1], x - r.box[0]]]
    if not hit:
        return Told(session.say("no_mask_there" if session.step.regions else "no_masks_yet"), "hint")
    session.toggle(min(hit, key=lambda r: r.area).id)
    return picked_line(session)


def picked_line(session: Session) -> Told:
    """What is picked, and who made it."""
    picked = session.picked_regions
    if not picked:
        return Told(session.say("nothing_picked"), "hint")
    if len(picked) > 1:
        return Told(session.say("many_picked", masks=session.count(len(picked), "mask")))
    region = picked[0]
    share = region.area / (region.size[0] * region.size[1])
    name = upper(texts.called(region, session.step.regions, session.lang))
    maker = texts.maker(region, session.lang)
    if region.class_index < 0:  # no name, so nothing to be sure of
        return Told(session.say("hand_picked", name=name, share=f"{share:.1%}", maker=maker))
    return Told(session.say("one_picked", name=name, share=f"{share:.1%}", score=f"{region.score:.2f}", maker=maker))


def pick(session: Session, ids: list[int]) -> Told:
    """Pick exactly these regions."""
    known = {r.id for r in need_photo(session).regions}
    session.picked = tuple(i for i in ids if i in known)
    return picked_line(session)


def change(session: Session, kind: str, prompt: str, options: dict, progress: Progress) -> Told:
    """Change what is picked; the result becomes the photo, and masks it does not touch stay valid."""
    base = need_photo(session)
    picked = session.picked_regions
    if not picked and KINDS[kind].mask:
        raise NamebrushError(session.say("pick_first"))
    if KINDS[kind].prompt and not prompt.strip():
        raise NamebrushError(session.say("needs_words", kind=session.say(f"kind_{kind}").lower()))
    hole = sum(r.area for r in picked)
    estimate.admit_change(session.preset, base.photo.size, kind, options, hole, session.say)
    need_room(session, base.photo)
    start = time.perf_counter()
    if kind in ("remove", "replace"):  # what is left of a thing is seen at once
        options = {"ample": True, **options}
    result = engine.get_pipeline(progress, session.preset).edit(
        base.photo, picked or None, kind=kind, prompt=prompt.strip(), progress=progress, **options
    )
    if session.step is not base:
        return Told(session.say("changed_change"), "stopped")
    if not picked or not KINDS[kind].mask:
        one = what = session.say("photo_itself")
    elif len(picked) == 1:
        one = region_titles(base.regions)[picked[0].id]
        what = texts.called(picked[0], base.regions, session.lang)
    else:
        one = what = session.count(len(picked), "mask")
    done = session.say(f"done_{kind}")
    kept = kind in KEEPING and not options.get("invert")
    line = session.say(
        "changed" + ("_many" if len(picked) > 1 and KINDS[kind].mask else "") + ("_kept" if kept else ""),
        what=upper(what), done=done,
        maker=session.heard(result.made_by) or session.say("computed"),
        seconds=texts.seconds(time.perf_counter() - start), pixels=session.count(result.changed_outside, "pixel"),
    )  # fmt: skip
    same_size = result.images[0].size == base.photo.size
    rest = remaining(base.segmentation, result)
    moved = carried(picked, result) if kind == "move" else ()
    for region in moved:
        rest = regions_edit.put(rest, region)
    if moved:  # in the old order, so that each keeps its number
        place = {r.id: i for i, r in enumerate(base.regions)}
        rest = replace(rest, regions=tuple(sorted(rest.regions, key=lambda r: place[r.id])))
    compared = same_size and not moved
    following = [session.say("changed_next")] if compared else []
    told = Told(" ".join([line, *map(session.heard, result.notes), *following]))
    step = edited(result, 0, rest, f"{texts.short(one, 18)} {done}", told.text)
    still = {r.id for r in step.regions}
    after = tuple(i for i in session.picked if i in still) if kind in STAYING else tuple(r.id for r in moved)
    session.push(step, picked=after, comparing=compared)
    return told


def choose(session: Session, number: int) -> Told:
    """Take another of the results of the change that led here: a branch beside it, which undo leaves as one step."""
    base = need_photo(session)
    if base.edit is None or not 0 <= number < len(base.edit.images):
        raise NamebrushError(session.say("pick_first"))
    images, seeds = base.edit.images, base.edit.seeds
    told = Told(session.say("chosen", number=number + 1, count=len(images), seed=seeds[number]))
    same = (s for s in session.history.steps if s.parent == base.parent and s.choice == number)
    beside = [s for s in same if s.edit is base.edit]
    if beside:
        session.jump(beside[0].id)
        session.comparing = images[number].size == base.edit.photo.size
        return told
    others = gone(base.segmentation, base.edit, base.choice)
    rest = arrived(others and replace(others, photo=images[number]), base.edit, number)
    step = edited(base.edit, number, rest, session.say("step_chosen", number=number + 1), told.text)
    session.push(step, comparing=images[number].size == base.edit.photo.size, parent=base.parent)
    return told


def open_session(session: Session, path: str | Path, progress: Progress, job: int | None = None) -> Told:
    """Open a session file in place of what is on the table; whatever ran before is told to stop, but for the job of
    this number, which opens it.

    Raises:
        NamebrushError: it is no session file, or it is damaged; nothing has changed then.
    """
    keeper.admit(session)
    decode = decoder(session).decode_png
    history = read_session(path, progress, MAX_MEGAPIXELS, keeper.most_session(), decode)
    session.stop(before=job)
    session.put(history)
    session.kept = session.history.steps
    return Told(session.say("session_opened", steps=session.count(len(session.history.steps), "step")))


def words_of(session: Session) -> str:
    """The names that were last looked for on the way to the current step, as they were typed; "" where none were."""
    for step in reversed(session.history.path()):
        if step.kind == "segment":
            classes = step.call.get("classes", "")
            return classes if isinstance(classes, str) else ", ".join(map(str, classes))
    return ""


def upper(sentence: str) -> str:
    """The sentence with a capital at its start."""
    return sentence[:1].upper() + sentence[1:]


def go(session: Session, cursor: int) -> Told:
    """Stand at another step of this branch."""
    need_photo(session)
    session.stop()
    session.go(cursor)
    return Told(session.step.told, "hint")


def jump(session: Session, number: int) -> Told:
    """Stand at any step, by its id, also one of another branch."""
    need_photo(session)
    session.stop()
    if all(step.id != number for step in session.history.steps):
        raise NamebrushError(session.say("step_gone"))
    session.jump(number)
    return Told(session.step.told, "hint")
