"""The example photos under the canvas: `assets/examples/examples.json` names them and the words to try on them."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2

from . import texts

FOLDER = Path(__file__).resolve().parent.parent / "assets" / "examples"
THUMB_HEIGHT = 112


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
