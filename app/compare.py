"""The comparison: one photo, one list of names, several methods, edges and models; for the page and for a paper."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from pipeline.comparison.caption import caption, command, letter, note, presets, rows, title
from pipeline.errors import NamebrushError
from pipeline.models.catalog import CHECKPOINTS, PRESETS
from pipeline.palette import hex_color
from pipeline.progress import Progress, checkpoint
from pipeline.records import Segmentation
from pipeline.refine.names import REFINEMENTS

from . import engine, estimate, keeper, permissions, plain, texts
from .account import PER_PIXEL
from .files import stem
from .pictures import as_index, as_picture, file_of, written
from .session import Session
from .texts import Told
from .words.engine import translated

#: Long side of a panel's picture.
PANEL_SIDE = 960
FORMATS = ("pdf", "svg", "png", "zip")
WIDTHS_MM = (40, 400)
#: What is chosen at first.
FIRST = ("clip+none", "sclip+none", "sclip+sam", "trident+sam")


def recipes() -> list:
    """All methods the engine knows: recipes, and the trained models they are compared with."""
    from pipeline.methods import all_methods

    return list(all_methods().values())


def choices(lang: str = "en") -> dict:
    """What can be chosen for a panel, for the browser; loads no weights and asks no network."""

    def told(sentence: str) -> str:
        return translated(lang, sentence)

    methods = [{"name": m.name, "title": m.title, "about": f"{told(m.about)} {m.paper}".strip()} for m in recipes()]
    edges = [
        {"name": r.name, "title": told(r.title), "about": f"{told(r.about)} {r.paper}".strip()}
        for r in REFINEMENTS.values()
    ]
    models = [{"name": p.name, "about": told(p.card), "fetch": _to_fetch(p)}
              for p in PRESETS.values() if p.name in permissions.served().presets]
    return {"methods": methods, "edges": edges, "models": models, "first": list(FIRST), "widths": list(WIDTHS_MM)}


def _to_fetch(preset) -> int:
    """Bytes of what finding needs and this machine has not."""
    from pipeline.models.fetch import on_disk

    parts = [CHECKPOINTS[preset.part(kind)] for kind in ("clip", "dino", "sam")]
    return sum(p.bytes for p in parts if p.sources and not on_disk(p))


def compare(
    session: Session, words: str, what: Sequence[str], options: dict, progress: Progress, alone: bool = True
) -> Told:
    """Run several panels; the result is kept on the session for the page and the figure.

    Args:
        session: with a photo.
        words: the names.
        what: two or more entries, as `pipeline.comparison.entries` reads them.
        options: settings of the search, for all panels; method and edges are the entries' own.
        progress: see `Pipeline`.
        alone: as for `Pipeline.compare`.

    Raises:
        NamebrushError: no photo, no words, fewer than two panels, or one that cannot be run.
    """
    if session.step is None:
        raise NamebrushError(session.say("no_photo"))
    if not words.strip():
        raise NamebrushError(session.say("compare_words"))
    if len(what) < 2:
        raise NamebrushError(session.say("compare_empty"))
    permissions.check_entries(what)
    estimate.admit_comparison(session.preset, session.step.photo.size, words, what, options, session.say)
    keeper.room(session, PER_PIXEL * session.step.photo.size[0] * session.step.photo.size[1])
    start = time.perf_counter()
    pipeline = engine.get_pipeline(progress, session.preset)
    options = {k: v for k, v in options.items() if k not in ("method", "refine")}
    found = pipeline.compare(
        session.step.photo, words, what, progress=progress, alone=alone, others=engine.beside, keep=small, **options
    )
    checkpoint()  # what was stopped changes nothing
    session.compared, session.compared_words = found, words
    took = texts.seconds(time.perf_counter() - start)
    told = Told(session.say("compared", count=len(session.compared), seconds=took))
    notes = dict.fromkeys(session.heard(n) for one in session.compared for n in one.notes)
    return replace(told, text=" ".join([told.text, *notes]))


def small(one: Segmentation) -> Segmentation:
    """What the page and a figure show of a panel: at most `plain.LONG_SIDE` pixels a side, without probabilities.

    At 50 megapixels a panel takes a few megabytes in place of more than two hundred. Shares of pixels are then
    counted on the smaller labels.
    """
    if max(one.photo.size) > plain.LONG_SIDE:
        one = plain.shown_segmentation(one.photo, one)
    return replace(one, scores=np.zeros((1, 1, 1), np.float32))


def panels(session: Session, folder: str) -> dict:
    """The comparison for the browser, which draws panels, differences and names by itself. Runs no model.

    Args:
        session: with something compared.
        folder: Gradio's cache.

    Returns:
        `photo` (a picture), `panels` (title, note, file of the labels as an index picture: 0 is no class, else the
        index of the class plus 1; seconds, bytes), `legend`, `caption`, `command`, `rows` for a table.
    """
    found = session.compared
    photo = found[0].photo
    height, width = photo.size
    factor = min(1.0, PANEL_SIDE / max(height, width))
    size = max(1, round(height * factor)), max(1, round(width * factor))
    pixels = cv2.resize(photo.pixels, (size[1], size[0]), interpolation=cv2.INTER_AREA)
    ending, data = as_picture(pixels)
    names = [c.name for c in found[0].vocabulary.classes]
    colors = session.colors_of(names)
    several = len(presets(found)) > 1
    made = []
    for i, one in enumerate(found, 1):
        label = cv2.resize(one.labels, (size[1], size[0]), interpolation=cv2.INTER_NEAREST)
        index = as_index((label + 1).astype(np.uint16))
        made.append({
            "letter": letter(i), "title": title(one), "note": note(one, several),
            "file": file_of(written(index, "panel.png", folder)),
        })  # fmt: skip
    return {
        "photo": {"file": file_of(written(data, f"photo{ending}", folder)), "name": photo.name,
                  "width": size[1], "height": size[0]},
        "panels": made,
        "legend": [{"name": n, "color": hex_color(c)} for n, c in zip(names, colors, strict=True)],
        "caption": caption(found), "command": command(found, session.compared_words), "rows": rows(found),
        "stamp": time.time(),
    }  # fmt: skip


def figure(session: Session, ending: str, width_mm: float, folder: str | Path, differences: str = "") -> Path:
    """Write the comparison as a figure, or as a ZIP of panels for LaTeX; returns its path below `folder`.

    `differences` is what is faded, see `pipeline.comparison.plate.differing`.

    Raises:
        NamebrushError: nothing was compared, another ending, or a width outside `WIDTHS_MM`.
    """
    from pipeline.compare import write_figure

    if not session.compared:
        raise NamebrushError(session.say("compare_empty"))
    if ending not in FORMATS:
        raise NamebrushError(f'The ending must be one of {", ".join(FORMATS)}, got "{ending}".')
    low, high = WIDTHS_MM
    if not isinstance(width_mm, (int, float)) or not low <= width_mm <= high:
        raise NamebrushError(session.say("width_range", low=low, high=high))
    first = session.compared[0]
    path = Path(folder) / f"{stem(first.photo.name)}-comparison.{ending}"
    colors = session.colors_of([c.name for c in first.vocabulary.classes])
    write_figure(session.compared, path, float(width_mm), colors, differences)
    return path
