"""Explaining: the scores of all names as one small picture for the browser, and heat maps of what belongs together."""

from __future__ import annotations

import cv2
import numpy as np

from pipeline.draw import region_titles
from pipeline.errors import NamebrushError
from pipeline.palette import hex_color
from pipeline.progress import Progress
from pipeline.records import Segmentation

from . import engine, estimate
from .pictures import file_of, written
from .session import Session
from .texts import Told

#: Long side of the scores' maps in the browser.
SCORE_SIDE = 160
MODELS = ("clip", "dino", "sam")


def score_maps(segmentation: Segmentation, colors, folder: str) -> dict | None:
    """All classes' probabilities, one below the other in one grey picture; None where no words were looked for."""
    if segmentation.method == "by hand":
        return None
    height, width = segmentation.photo.size
    factor = min(1.0, SCORE_SIDE / max(height, width))
    size = max(1, round(width * factor)), max(1, round(height * factor))
    maps = [cv2.resize(s, size, interpolation=cv2.INTER_AREA) for s in segmentation.scores]
    atlas = (np.concatenate(maps, axis=0).clip(0, 1) * 255).round().astype(np.uint8)
    return {
        "file": file_of(written(_png(atlas), "scores.png", folder)), "width": size[0], "height": size[1],
        **score_names(segmentation, colors),
    }  # fmt: skip


def score_names(segmentation: Segmentation, colors) -> dict:
    """What is said of the maps beside their picture: names and a visitor's colours for them, and the threshold."""
    classes = segmentation.vocabulary.classes
    names = [c.name for c in classes] + (["—"] if len(segmentation.scores) > len(classes) else [])
    shades = [hex_color(c) for c in colors] + ["#808080"]
    return {"names": names, "colors": shades[: len(names)], "threshold": segmentation.vocabulary.threshold}


def _png(grey: np.ndarray) -> bytes:
    ok, data = cv2.imencode(".png", grey)
    if not ok:
        raise OSError("The map could not be encoded.")
    return data.tobytes()


def explain(session: Session, x: float, y: float, region: int | None, options: dict, progress: Progress) -> Told:
    """Ask the models what goes together with a point; kept on the session for `shown`.

    Raises:
        NamebrushError: no photo, or the point is outside it.
    """
    from pipeline.explain import correlations

    step = session.step
    if step is None:
        raise NamebrushError(session.say("no_photo"))
    pipeline = engine.get_pipeline(progress, session.preset)
    estimate.admit_search(session.preset, step.photo.size, "", options, session.say)
    encoding = {k: v for k, v in options.items() if k in ("method", "short_side", "window", "stride", "residual")}
    maps = correlations(pipeline, step.photo, x, y, progress=progress, **encoding)
    session.explained = (step, x, y, region, maps)
    return Told(session.say("explained", x=round(x), y=round(y)))


def shown(session: Session, folder: str) -> dict | None:
    """The heat maps for the browser: grey pictures of each model's own grid, with their lowest and highest value."""
    if not session.explained or session.explained[0] is not session.step:
        return None
    step, x, y, region, maps = session.explained
    rows = []
    for name in MODELS:
        rows.append({"name": name, **_grey(maps[name], folder)})
    found = next((r for r in step.regions if r.id == region), None)
    if found is not None and found.logits is not None:
        long = max(found.size)
        answer = found.logits.whole()
        side = len(answer)
        h, w = (max(1, round(side * n / long)) for n in found.size)
        rows.append({"name": "answer", **_grey(answer[:h, :w], folder)})
    return {"x": x, "y": y, "region": region, "maps": rows, "title": _title(step, found)}


def _title(step, found) -> str:
    return "" if found is None else region_titles(step.regions)[found.id]


def _grey(values: np.ndarray, folder: str) -> dict:
    low, high = float(values.min()), float(values.max())
    grey = ((values - low) / max(high - low, 1e-9) * 255).round().astype(np.uint8)
    return {"file": file_of(written(_png(grey), "heat.png", folder)), "low": round(low, 3), "high": round(high, 3)}
