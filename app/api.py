"""The named endpoints `/segment`, `/select` and `/edit`, for `gradio_client` and plain HTTP.

They keep nothing between calls: a photo is sent with every call, and what its image encoders said is found again in
the engine's cache by its content. Pictures come back as PNG files at the photo's own size.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import gradio as gr
import numpy as np

from pipeline.errors import Cancelled, NamebrushError
from pipeline.export import encode_region, regions_json, write_mask, write_segmentation
from pipeline.photo import open_photo
from pipeline.progress import Progress

from . import engine
from .actions import MAX_MEGAPIXELS
from .events import MODELS, SHOWN
from .screen import bridge
from .session import Session


def _report(shown: gr.Progress) -> Progress:
    session = Session()
    return bridge(session, session.begin(), shown)


def _open(path: str | None):
    if not path:
        raise NamebrushError("Send a photo.")
    return open_photo(path, max_megapixels=MAX_MEGAPIXELS)


def _numbers(value, what: str, lengths: tuple[int, ...]) -> list[float]:
    try:
        numbers = [float(v) for v in value]
    except (TypeError, ValueError):
        numbers = []
    if len(numbers) not in lengths or not np.isfinite(numbers).all():
        raise NamebrushError(f"{what}, got {json.dumps(value, default=str)[:80]}.")
    return numbers


def _points(value) -> list[tuple[float, float, int]]:
    points = []
    for point in value or []:
        x, y, *label = _numbers(point, "A point must be [x, y] or [x, y, 1 or 0]", (2, 3))
        points.append((x, y, int(label[0]) if label else 1))
    return points


def _box(value) -> tuple[float, ...] | None:
    return tuple(_numbers(value, "The box must be [x0, y0, x1, y1]", (4,))) if value else None


def _region_info(region) -> dict:
    return {
        "score": round(float(region.score), 4), "area": region.area, "box": [int(v) for v in region.box],
        "made_by": region.made_by, "rle": encode_region(region),
    }  # fmt: skip


def segment(
    photo: str,
    classes: str,
    method: str = "trident",
    refine: str = "sam",
    background: str = "auto",
    threshold: float | None = None,
    progress=SHOWN,
) -> Iterator[tuple[str, str, dict]]:
    """Find typed names in a photo.

    Args:
        photo: the photo, any common format.
        classes: names separated by commas; synonyms of one class by semicolons.
        method: "trident", "proxyclip", "sclip", "maskclip" or "clip".
        refine: "sam" for fine edges, "none" for the labels as they are.
        background: "auto", "none", or names that draw pixels away from the typed ones.
        threshold: pixels less sure than this (0..1) get no class; null chooses by the number of names.

    Returns:
        The photo with everything drawn on it (PNG), the labels (8-bit palette PNG, 255 = no class), and what
        `regions.json` holds.
    """
    found = engine.get_pipeline().segment(
        _open(photo), classes, method=method, refine=refine, background=background or "auto", threshold=threshold,
        progress=_report(progress),
    )  # fmt: skip
    with TemporaryDirectory(prefix="namebrush-") as folder:
        write_segmentation(found, Path(folder))
        yield str(Path(folder, "overlay.png")), str(Path(folder, "labels.png")), regions_json(found)


def select(
    photo: str, points: list | None = None, box: list | None = None, progress=SHOWN
) -> Iterator[tuple[str, dict]]:
    """Make a mask from points or a box; needs no words.

    Args:
        photo: the photo, any common format.
        points: [[x, y, label], ...] in photo pixels; label 1 belongs to the thing, 0 does not, 1 where left out.
        box: [x0, y0, x1, y1] around the thing, exclusive ends, or null.

    Returns:
        The mask (PNG, 255 inside) and its score, area, box, maker and COCO run lengths.
    """
    made = engine.get_pipeline().select(
        _open(photo), points=_points(points), box=_box(box), progress=_report(progress)
    )
    with TemporaryDirectory(prefix="namebrush-") as folder:
        path = Path(folder, "mask.png")
        write_mask(made.mask, path)
        yield str(path), _region_info(made)


def edit(
    photo: str,
    kind: str = "remove",
    prompt: str = "",
    seed: int = 0,
    mask: str | None = None,
    classes: str = "",
    name: str = "",
    points: list | None = None,
    box: list | None = None,
    progress=SHOWN,
) -> Iterator[tuple[str, str, dict]]:
    """Remove, replace or restyle one thing; every pixel outside the mask used stays as it is, bit for bit.

    Args:
        photo: the photo, any common format.
        kind: "remove", "replace" or "restyle".
        prompt: what shall be there, for "replace" and "restyle".
        seed: same seed, same picture.
        mask: a mask picture of the photo's size (light is inside), or null.
        classes: names as for `/segment`; with `name` the mask is found by words.
        name: which of `classes` is changed.
        points: [[x, y, label], ...]; with them, or with `box`, the mask is made by hand.
        box: [x0, y0, x1, y1], exclusive ends.

    Returns:
        The edited photo (PNG), the mask really used (PNG), and who painted, the seed, the seconds and the number of
        pixels changed outside the mask.
    """
    picture, report, pipeline = _open(photo), _report(progress), engine.get_pipeline()
    what = _chosen(pipeline, picture, mask, classes, name, points, box, report)
    result = pipeline.edit(picture, what, kind=kind, prompt=prompt, seed=int(seed or 0), progress=report)
    with TemporaryDirectory(prefix="namebrush-") as folder:
        out = Path(folder, "edited.png")
        result.images[0].save(out)
        info = {
            "made_by": result.made_by, "seed": result.seeds[0], "changed_outside": result.changed_outside,
            "seconds": {k: round(v, 3) for k, v in result.seconds.items()},
        }  # fmt: skip
        used = Path(folder, "mask.png")
        write_mask(result.mask, used)
        yield str(out), str(used), info


def _chosen(pipeline, picture, mask, classes: str, name: str, points, box, report: Progress) -> Sequence | np.ndarray:
    """What an edit shall change: exactly one of a mask, a name, or points and box."""
    ways = [bool(mask), bool(name.strip()), bool(points or box)]
    if sum(ways) != 1:
        raise NamebrushError("Say what to change in one way: mask, classes with name, or points and box.")
    if mask:
        return _open(mask).pixels.max(axis=2) >= 128
    if name.strip():
        return pipeline.segment(picture, classes or name, progress=report).find(name)
    return [pipeline.select(picture, points=_points(points), box=_box(box), progress=report)]


def _told(endpoint):
    """The endpoint with errors a person can cause turned into the client's error."""
    import functools

    @functools.wraps(endpoint)
    def told(*args, **kwargs):
        try:
            yield from endpoint(*args, **kwargs)
        except NamebrushError as error:
            raise gr.Error(str(error), print_exception=False) from error
        except Cancelled:
            raise gr.Error("Stopped.", print_exception=False) from None

    return told


def add_endpoints() -> None:
    """Register the endpoints inside the current `gr.Blocks`, with components nobody sees."""
    with gr.Column(visible=False):
        photo, mask = gr.File(label="photo"), gr.File(label="mask")
        text = {k: gr.Textbox(v, label=k) for k, v in (
            ("classes", ""), ("method", "trident"), ("refine", "sam"), ("background", "auto"), ("kind", "remove"),
            ("prompt", ""), ("name", ""),
        )}  # fmt: skip
        threshold, seed = gr.Number(None, label="threshold"), gr.Number(0, label="seed", precision=0)
        points, box = gr.JSON(label="points"), gr.JSON(label="box")
        files = [gr.File(label=f"picture {i}") for i in (1, 2)]
        info, run = gr.JSON(label="info"), gr.Button("run")
        shared = {"concurrency_id": MODELS, "api_visibility": "public", "show_progress": "hidden"}
        find = [photo, text["classes"], text["method"], text["refine"], text["background"], threshold]
        run.click(_told(segment), find, [*files, info], api_name="segment", **shared)
        run.click(_told(select), [photo, points, box], [files[0], info], api_name="select", **shared)
        change = [photo, text["kind"], text["prompt"], seed, mask, text["classes"], text["name"], points, box]
        run.click(_told(edit), change, [*files, info], api_name="edit", **shared)
