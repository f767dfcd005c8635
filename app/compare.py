"""The comparison: one photo and one list of names under several methods, as panels for the page and as a figure."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from pipeline.draw import fill_labels
from pipeline.errors import NamebrushError
from pipeline.palette import hex_color
from pipeline.progress import Progress
from pipeline.records import Segmentation

from . import engine, texts
from .pictures import as_picture, file_of, written
from .session import Session
from .texts import Told

#: Long side of a panel's picture.
PANEL_SIDE = 720
FILL = 0.55
#: What all methods agree on fades to this share of its brightness where differences are shown.
AGREED = 0.3
FORMATS = ("pdf", "svg", "png")
WIDTHS_MM = (40, 400)


#: What is chosen at first.
FIRST = ("clip", "sclip", "trident")


def recipes() -> list:
    """All methods the engine knows: recipes, and the trained models they are compared with."""
    from pipeline.methods import all_methods

    return list(all_methods().values())


def compare(session: Session, words: str, methods: Sequence[str], options: dict, progress: Progress) -> Told:
    """Run several methods; the result is kept on the session for the panels and the figure.

    Raises:
        NamebrushError: no photo, no words, or fewer than two methods.
    """
    if session.step is None:
        raise NamebrushError(session.say("no_photo"))
    if not words.strip():
        raise NamebrushError(session.say("compare_words"))
    if len(methods) < 2:
        raise NamebrushError(session.say("compare_empty"))
    start = time.perf_counter()
    pipeline = engine.get_pipeline(progress, session.preset)
    options = {k: v for k, v in options.items() if k != "method"}
    found = pipeline.compare(session.step.photo, words, methods, progress=progress, **options)
    # Probabilities are large and no panel shows them.
    session.compared = tuple(replace(one, scores=np.zeros((1, 1, 1), np.float32)) for one in found)
    took = texts.seconds(time.perf_counter() - start)
    return Told(session.say("compared", count=len(found), seconds=took))


def panels(session: Session, folder: str) -> dict:
    """The comparison for the page: pictures, seconds, legend and caption. Runs no model.

    Args:
        session: with something compared.
        folder: Gradio's cache.
    """
    found = session.compared
    photo = found[0].photo
    height, width = photo.size
    factor = min(1.0, PANEL_SIDE / max(height, width))
    size = max(1, round(height * factor)), max(1, round(width * factor))
    pixels = cv2.resize(photo.pixels, (size[1], size[0]), interpolation=cv2.INTER_AREA)
    labels = [cv2.resize(one.labels, (size[1], size[0]), interpolation=cv2.INTER_NEAREST) for one in found]
    differ = np.any([one != labels[0] for one in labels[1:]], axis=0)
    names = [c.name for c in found[0].vocabulary.classes]
    colors = session.colors_of(names)

    def picture(array: np.ndarray) -> dict:
        ending, data = as_picture(array)
        return file_of(written(data, f"panel{ending}", folder))

    rows = [{"title": photo.name, "note": f"{width} × {height}", "file": picture(pixels), "differ": None}]
    for one, label in zip(found, labels, strict=True):
        filled = fill_labels(pixels, label, colors, FILL)
        faded = np.where(differ[:, :, None], filled, (pixels * AGREED).astype(np.uint8))
        rows.append({
            "title": one.method, "note": _note(one), "file": picture(filled), "differ": picture(faded),
            "share": round(float((label != labels[0]).mean()), 4),
        })  # fmt: skip
    return {
        "panels": rows,
        "legend": [{"name": n, "color": hex_color(c)} for n, c in zip(names, colors, strict=True)],
        "differ": round(float(differ.mean()), 4),
        "caption": caption(found),
        "stamp": time.time(),
    }


def _note(one: Segmentation) -> str:
    edges = "" if one.refine == "none" else f" + {one.refine}"
    return f"{one.preset}{edges}, {sum(one.seconds.values()):.2f} s"


def caption(found: Sequence[Segmentation]) -> str:
    """A figure's caption: photo, names, what competed, methods with their seconds, models."""
    first = found[0]
    words = ", ".join("/".join(c.words) for c in first.vocabulary.classes)
    background = first.vocabulary.background
    against = f"{len(background)} background names" if background else "no background"
    methods = "; ".join(f"{one.method} ({sum(one.seconds.values()):.2f} s)" for one in found)
    return (
        f"Open-vocabulary segmentation of {first.photo.name} ({first.photo.size[1]} × {first.photo.size[0]} pixels) "
        f"by {methods}. Names: {words}; {against}, threshold {first.vocabulary.threshold:.2f}. "
        f"Models: {first.preset}; edges: {first.refine}. Made with Namebrush."
    )


def figure(session: Session, ending: str, width_mm: float, folder: str | Path) -> Path:
    """Write the comparison as a figure; returns its path below `folder`.

    Raises:
        NamebrushError: nothing was compared, another ending, or a width outside `WIDTHS_MM`.
    """
    from pipeline.compare import write_figure

    if not session.compared:
        raise NamebrushError(session.say("compare_empty"))
    low, high = WIDTHS_MM
    if not isinstance(width_mm, (int, float)) or not low <= width_mm <= high:
        raise NamebrushError(session.say("width_range", low=low, high=high))
    path = Path(folder) / f"comparison.{ending}"
    write_figure(session.compared, path, width_mm=float(width_mm))
    return path
