"""The named endpoints `/segment`, `/select`, `/correct`, `/edit` and `/compare`, for `gradio_client` and plain HTTP.

With `NAMEBRUSH_MCP=1` the same are tools for assistants that speak MCP; see `docs/api.md`.

They keep nothing between calls: a photo is sent with every call, and what its image encoders said is found again in
the engine's cache by its content. Pictures come back as PNG files at the photo's own size.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import gradio as gr
import numpy as np

from pipeline.edit.kinds import KINDS
from pipeline.errors import NamebrushError
from pipeline.export import encode_region, regions_json, write_mask, write_segmentation
from pipeline.records import NO_CLASS, Photo, Prompt, Region

from . import arguments, engine, estimate, values
from .calls import SAY, as_job, of_change, of_comparison, of_mask, of_search
from .queues import SHOWN, UNQUEUED


def _json(schema: dict, label: str) -> gr.JSON:
    """JSON with a schema of its own: Gradio's says nothing of what is meant, and no checker of schemas takes it.

    Set on the component, because a class of our own would make Gradio write a stub file beside this one.
    """
    made = gr.JSON(label=label)
    made.api_info = lambda: {"anyOf": [schema, {"type": "null"}]}
    return made


def _raw(component: gr.components.Component) -> gr.components.Component:
    """The component with its value handed on as it was sent: Gradio would make text of a list, and hide why a number
    is none; `arguments` says it."""
    component.preprocess = lambda value: value
    return component


_NUMBERS = {"type": "array", "items": {"type": "number"}}


def _region_info(region) -> dict:
    return {
        "score": round(float(region.score), 4), "area": region.area, "box": [int(v) for v in region.box],
        "made_by": region.made_by, "rle": encode_region(region),
    }  # fmt: skip


def segment(
    photo: str,
    classes: str,
    method: str = "auto",
    refine: str = "sam",
    background: str = "auto",
    threshold: float | None = None,
    progress=SHOWN,
) -> Iterator[tuple[str, str, dict]]:
    """Find typed names in a photo.

    Args:
        photo: the photo, any common format.
        classes: names separated by commas; synonyms of one class by semicolons.
        method: a name that `python -m pipeline methods` lists; "auto" takes what measured best with these models.
        refine: "sam" for fine edges, "none" for the labels as they are.
        background: "auto", "none", or names that draw pixels away from the typed ones.
        threshold: pixels less sure than this (0..1) get no class; null chooses by the number of names.

    Returns:
        The photo with everything drawn on it (PNG), the labels (8-bit palette PNG, 255 = no class), and what
        `regions.json` holds.
    """
    search = arguments.search(classes, method, refine, background, threshold)
    picture = arguments.photo(photo)
    estimate.admit_search(engine.PRESET, picture.size, search["classes"], search, SAY)
    found = engine.get_pipeline().segment(picture, progress=progress, **search)
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
    prompt = {"points": values.points(points), "box": values.box(box)}
    made = engine.get_pipeline().select(arguments.photo(photo), **prompt, progress=progress)
    with TemporaryDirectory(prefix="namebrush-") as folder:
        path = Path(folder, "mask.png")
        write_mask(made.mask, path)
        yield str(path), _region_info(made)


def correct(
    photo: str, mask: str, points: list | None = None, box: list | None = None, progress=SHOWN
) -> Iterator[tuple[str, dict]]:
    """Correct a mask with points that belong to the thing or do not, and a box.

    Args:
        photo: the photo, any common format.
        mask: the mask as it is, a picture of the photo's size (light is inside).
        points: [[x, y, label], ...] in photo pixels; label 1 belongs to the thing, 0 does not.
        box: [x0, y0, x1, y1] around the thing, exclusive ends, or null.

    Returns:
        The corrected mask (PNG, 255 inside) and its score, area, box, maker and COCO run lengths.
    """
    prompt = {"points": values.points(points), "box": values.box(box)}
    picture = arguments.photo(photo)
    inside = _mask(mask, picture)
    before = Region.from_mask(
        inside, id=0, class_index=NO_CLASS, name="by hand", score=1.0, prompt=Prompt(), made_by="mask"
    )
    made = engine.get_pipeline().select(
        picture, **prompt, region=before, progress=progress
    )
    with TemporaryDirectory(prefix="namebrush-") as folder:
        path = Path(folder, "mask.png")
        write_mask(made.mask, path)
        yield str(path), _region_info(made)


def compare(
    photo: str,
    classes: str,
    methods: str = "clip,sclip,trident",
    ending: str = "pdf",
    width_mm: float = 180.0,
    refine: str = "sam",
    differences: str = "",
    alone: bool = True,
    progress=SHOWN,
) -> Iterator[tuple[str, dict]]:
    """Compare methods, edges and models on one photo and one list of names, as a figure for a paper.

    Args:
        photo: the photo, any common format.
        classes: names as for `/segment`.
        methods: what is compared, separated by commas: METHOD, METHOD+EDGES, MODELS:METHOD or MODELS:METHOD+EDGES,
            such as "sclip+none,trident+crf,base:trident".
        ending: "pdf", "svg", "png", or "zip" for a picture per panel with LaTeX sources.
        width_mm: width on paper in millimetres; letters are 8 and 7 points high whatever it is.
        refine: edges where `methods` names none, such as "sam" or "none".
        differences: "" shows all, "all" fades what all panels agree on, a panel's letter what agrees with that panel.
        alone: run every panel without kept features, so that seconds and memory compare.

    Returns:
        The figure, and per panel its settings, seconds, bytes of memory, regions and share of pixels without a name,
        with a caption.
    """
    from pipeline.compare import write_figure
    from pipeline.comparison.caption import caption, rows

    ending, width = arguments.figure(ending, width_mm)
    entries, faded = arguments.panels(methods, differences)
    search = arguments.search(classes, "auto", refine, "auto")
    alone = arguments.switch(alone, "alone")
    picture = arguments.photo(photo)
    estimate.admit_comparison(engine.PRESET, picture.size, search["classes"], entries, search, SAY)
    found = engine.get_pipeline().compare(
        picture, search["classes"], entries, refine=search["refine"], progress=progress,
        alone=alone, others=engine.beside,
    )  # fmt: skip
    with TemporaryDirectory(prefix="namebrush-") as folder:
        path = Path(folder, f"comparison.{ending}")
        write_figure(found, path, width, differences=faded)
        yield str(path), {"panels": rows(found), "caption": caption(found)}


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
    options: dict | None = None,
    picture: str | None = None,
    progress=SHOWN,
) -> Iterator[tuple[str, str, dict]]:
    """Change one thing or what is around it; every pixel outside the mask used stays as it is, bit for bit.

    Args:
        photo: the photo, any common format.
        kind: "remove", "replace", "restyle", "recolor", "blur", "background", "cutout", "move" or "extend".
        prompt: what shall be there, for "replace" and "restyle".
        seed: same seed, same picture.
        mask: a mask picture of the photo's size (light is inside), or null.
        classes: names as for `/segment`; with `name` the mask is found by words.
        name: which of `classes` is changed.
        points: [[x, y, label], ...]; with them, or with `box`, the mask is made by hand.
        box: [x0, y0, x1, y1], exclusive ends.
        options: further settings of the change by name, such as {"color": "#c03020"} or {"dx": 40, "dy": 0}.
        picture: the photo that becomes the background, for "background"; in place of a colour.

    Returns:
        The edited photo (PNG), the mask really used (PNG), and who painted, the seed, the seconds and the number of
        pixels changed outside the mask.
    """
    settings = arguments.edit_settings(kind, prompt, seed, options)
    chosen = _chosen(mask, classes, name, points, box) if KINDS[settings.kind].mask else None
    background = arguments.photo(picture, "picture") if picture else None
    opened, report, pipeline = arguments.photo(photo), progress, engine.get_pipeline()
    what = None if chosen is None else chosen(pipeline, opened, report)
    own = dataclasses.asdict(settings)
    estimate.admit_change(engine.PRESET, opened.size, settings.kind, own, _hole(what, opened), SAY)
    result = pipeline.edit(opened, what, picture=background, progress=report, **own)
    with TemporaryDirectory(prefix="namebrush-") as folder:
        out = Path(folder, "edited.png")
        result.images[0].save(out)
        info = {
            "made_by": result.made_by, "notes": list(result.notes), "seed": result.seeds[0],
            "changed_outside": result.changed_outside,
            "seconds": {k: round(v, 3) for k, v in result.seconds.items()},
        }  # fmt: skip
        used = Path(folder, "mask.png")
        write_mask(result.mask, used)
        yield str(out), str(used), info


def _hole(what, picture: Photo) -> int:
    """Pixels of what is chosen; all of them where a change needs no choice."""
    if what is None:
        return picture.size[0] * picture.size[1]
    return int(what.sum()) if isinstance(what, np.ndarray) else sum(region.area for region in what)


def _mask(path, picture: Photo) -> np.ndarray:
    """A sent mask of a photo, bool [H, W]."""
    inside = arguments.photo(path, "mask").pixels.max(axis=2) >= 128
    if inside.shape != picture.size:
        raise NamebrushError("The mask must have the photo's size.")
    return inside


def _chosen(mask, classes, name, points, box) -> Callable:
    """A function (pipeline, photo, progress) that finds what an edit shall change: exactly one of a mask, a name, or
    points and box."""
    name = values.text(name or "", "name", 1000).strip()
    points, box = values.points(points), values.box(box)
    if sum((bool(mask), bool(name), bool(points or box))) != 1:
        raise NamebrushError("Say what to change in one way: mask, classes with name, or points and box.")
    if mask:
        return lambda pipeline, picture, report: _mask(mask, picture)
    if name:
        classes = values.names(classes or name, "classes")
        return lambda pipeline, picture, report: pipeline.segment(picture, classes, progress=report).find(name)
    return lambda pipeline, picture, report: [pipeline.select(picture, points=points, box=box, progress=report)]


def add_endpoints() -> None:
    """Register the endpoints inside the current `gr.Blocks`, with components nobody sees."""
    with gr.Column(visible=False):
        photo, mask, picture = (gr.File(label=what) for what in ("photo", "mask", "picture"))
        text = {k: _raw(gr.Textbox(v, label=k)) for k, v in (
            ("classes", ""), ("method", "auto"), ("refine", "sam"), ("background", "auto"), ("kind", "remove"),
            ("prompt", ""), ("name", ""), ("methods", "clip,sclip,trident"), ("ending", "pdf"),
        )}  # fmt: skip
        threshold, seed = _raw(gr.Number(None, label="threshold")), _raw(gr.Number(0, label="seed"))
        points = _json({"type": "array", "items": _NUMBERS}, "points")
        box, options = _json(_NUMBERS, "box"), _json({"type": "object"}, "options")
        width, alone = _raw(gr.Number(180, label="width_mm")), gr.Checkbox(True, label="alone")
        differences = _raw(gr.Textbox("", label="differences"))
        files = [gr.File(label=f"picture {i}") for i in (1, 2)]
        info, button = gr.JSON(label="info"), gr.Button("run")
        shared = {**UNQUEUED, "api_visibility": "public"}
        find = [photo, text["classes"], text["method"], text["refine"], text["background"], threshold]
        button.click(as_job(segment, of_search), find, [*files, info], api_name="segment", **shared)
        button.click(as_job(select, of_mask), [photo, points, box], [files[0], info], api_name="select", **shared)
        given = [photo, mask, points, box]
        button.click(as_job(correct, of_mask), given, [files[0], info], api_name="correct", **shared)
        figure = [photo, text["classes"], text["methods"], text["ending"], width, text["refine"], differences, alone]
        button.click(as_job(compare, of_comparison), figure, [files[0], info], api_name="compare", **shared)
        words = [text["classes"], text["name"]]
        change = [photo, text["kind"], text["prompt"], seed, mask, *words, points, box, options, picture]
        button.click(as_job(edit, of_change), change, [*files, info], api_name="edit", **shared)
