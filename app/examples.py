"""The example photos under the canvas: `assets/examples/examples.json` names them and the words to try on them.

What is found in them under their own words is kept when it is first asked for, so that on a page with many visitors
only the first of them needs the models.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import cv2

from pipeline.cache import ByteCache
from pipeline.history import Step
from pipeline.progress import Progress
from pipeline.records import Photo, Segmentation

from . import texts

FOLDER = Path(__file__).resolve().parent.parent / "assets" / "examples"
THUMB_HEIGHT = 112
#: The preset of the built-in models.
BUILT_IN = "tiny"
#: Bytes of what was found in examples.
KEPT_BYTES = 256 << 20
_found = ByteCache(KEPT_BYTES)


@dataclass(frozen=True)
class Example:
    """A photo that comes with the app, and the words that are typed for it when it is opened."""

    path: Path
    words: str
    title: str


@cache
def examples() -> tuple[Example, ...]:
    """All examples in the order of the list; empty where the folder has none."""
    listing = FOLDER / "examples.json"
    if not listing.exists():
        return ()
    entries = json.loads(listing.read_text(encoding="utf-8"))
    return tuple(Example(FOLDER / e["file"], e["words"], e["title"]) for e in entries)


@cache
def opened(index: int) -> Photo:
    """The photo of an example, one record for all visitors.

    Raises:
        IndexError: there is no such example.
    """
    from pipeline.photo import open_photo

    return open_photo(examples()[index].path)


def is_arrival(step: Step) -> bool:
    """Whether a page makes this step by itself when an example is opened: its photo, or what its own words find."""
    shown = step.photo
    if step.kind not in ("open", "segment") or any(v is not None for v in (shown.alpha, shown.exif, shown.icc)):
        return False
    example = _hashes().get(shown.hash)
    return example is not None and (step.kind == "open" or step.call.get("classes") == example.words)


def kept() -> ByteCache:
    """What was found in examples, for all visitors."""
    return _found


def _thumb(path: Path) -> str:
    """A small JPEG of the photo as a data URL."""
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise FileNotFoundError(path)
    height, width = image.shape[:2]
    small = cv2.resize(image, (round(width * THUMB_HEIGHT / height), THUMB_HEIGHT), interpolation=cv2.INTER_AREA)
    ok, data = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 82])
    if not ok:
        raise OSError(f"No thumbnail could be made of {path.name}.")
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode("ascii")


def strip() -> str:
    """The row of thumbnails."""
    buttons = "".join(
        f'<button type="button" class="nb-example" data-example="{i}" title="{texts.text(e.title)}">'
        f'<img src="{_thumb(e.path)}" alt="{texts.text(e.title)}"></button>'
        for i, e in enumerate(examples())
    )
    return f'<div class="nb-examples">{buttons}</div>'


@cache
def _hashes() -> dict[str, Example]:
    """Every example by the hash of its photo's pixels."""
    return {opened(i).hash: e for i, e in enumerate(examples())}


def drawings_only(session) -> bool:
    """Whether the models a visitor uses know nothing of the photo on their table.

    The built-in models know the drawn world that the examples are of; of a photo a visitor opened they can tell
    nothing, whatever was changed in it since.
    """
    path = session.history.path()
    if session.preset != BUILT_IN or not path:
        return False
    opened = next((step for step in reversed(path) if step.kind == "open"), path[0])
    return opened.photo.hash not in _hashes()


def find(pipeline, photo: Photo, words: str, options: dict, progress: Progress) -> Segmentation:
    """What `pipeline.segment` finds, kept where the photo is an example and the words are its own.

    What is kept belongs to the example's own file, never to a visitor's: their photo may have the same pixels and
    another transparency, EXIF or name. Each gets the result with the photo they gave.

    Args:
        pipeline: a `Pipeline`.
        photo, words, progress: as for `Pipeline.segment`.
        options: settings of the search.
    """
    example = _hashes().get(photo.hash) if any(words == e.words for e in examples()) else None
    if example is None or example.words != words:
        return pipeline.segment(photo, words, progress=progress, **options)

    def look() -> Segmentation:
        return pipeline.segment(opened(examples().index(example)), words, progress=progress, **options)

    key = (pipeline.preset, photo.hash, tuple(sorted((k, repr(v)) for k, v in options.items())))
    kept = _found.get_or_make(key, look, lambda: progress.step("Waiting for another job on this photo to finish"))
    return kept if kept.photo is photo else replace(kept, photo=photo)
