"""What the jobs of a visitor's page need: where in the line they stand and how long they are thought to take."""

from __future__ import annotations

from collections.abc import Callable

from pipeline.errors import NamebrushError

from . import engine, estimate, examples
from .scheduler import Work
from .session import Session


def safely(need: Callable[[], Work] | None) -> Work:
    """What `need` says; the usual where nothing is known, or what was given is wrong: the work itself will say so."""
    if need is None:
        return Work()
    try:
        return need()
    except (NamebrushError, KeyError, TypeError, ValueError, ArithmeticError):
        return Work()


def of_search(session: Session, words: str, options: dict) -> Work:
    """A search; one for other words in a photo that was looked at runs no image encoder."""
    if session.step is None:
        return Work(seconds=0.1)
    photo = session.step.photo
    known = engine.knows(session.preset, photo.hash)
    return Work("models", estimate.search(session.preset, photo.size, words, options, encoded=known))


def of_look(session: Session, options: dict) -> Work:
    """A look at the photo for likely names; nothing is looked at where the models know nothing of such photos."""
    if examples.drawings_only(session):
        return Work("quick", 0.1)
    return of_search(session, "", {**options, "refine": "none"})


def of_mask(session: Session, asked: dict) -> Work:
    """A mask by hand: a stroke is only painted; a click on a photo that was looked at is somebody's at the mouse."""
    if session.step is None:
        return Work(seconds=0.1)
    if "strokes" in asked:
        return Work("quick", 0.1, urgent=True)
    photo, rate = session.step.photo, estimate.speed()
    known = engine.knows(session.preset, photo.hash)
    seconds = 0.3 + 1e-7 * photo.size[0] * photo.size[1]
    if not known:
        seconds += estimate.sam_seconds(session.preset, rate)
    return Work("models", seconds, urgent=known)


def of_change(session: Session, kind: str, options: dict) -> Work:
    """A change of what is picked."""
    if session.step is None:
        return Work(seconds=0.1)
    hole = sum(r.area for r in session.picked_regions)
    return estimate.work_of_change(session.preset, session.step.photo.size, kind, options, hole)


def of_comparison(session: Session, words: str, entries: list, options: dict) -> Work:
    """Several searches."""
    if session.step is None:
        return Work(seconds=0.1)
    size = session.step.photo.size
    return Work("models", estimate.comparison(session.preset, size, words, entries, options))
