"""Paints the app's example photos into `assets/examples`: `python -m training.examples`.

Held-out scenes, chosen by eye; training never draws their seeds. `examples.json` lists them with the words that are
typed for each when it is opened.
"""

from __future__ import annotations

import json
from pathlib import Path

import cv2

from .scenes import make_scene

FOLDER = Path(__file__).resolve().parent.parent / "assets" / "examples"
HEIGHT, WIDTH = 640, 960
#: Seed, file name, title, words.
CHOSEN = (
    (1000100001, "snow.png", "Snow at sunset", "dog, cat, car, tree, rock, fence"),
    (1000100021, "palms.png", "A car under palms", "car, palm, umbrella, boat, flower, dog"),
    (1000100059, "pond.png", "A dog at the pond", "dog, cat, tree, lighthouse, boat, road"),
    (1000100002, "lake.png", "A cat by the lake", "cat, rock, fence, palm, boat, mountain, grass, sky"),
    (1000100042, "night.png", "A house by night", "house, tent, car, umbrella, lighthouse"),
    (1000100023, "evening.png", "A balloon over the sea", "balloon, boat, kite, sea, mountain, sky"),
)


def main() -> None:
    """Paint and list them."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    listing = []
    for seed, file, title, words in CHOSEN:
        image = make_scene(seed, HEIGHT, WIDTH).image
        if not cv2.imwrite(str(FOLDER / file), image[:, :, ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 9]):
            raise OSError(f"{FOLDER / file} could not be written.")
        listing.append({"file": file, "title": title, "words": words})
    text = json.dumps(listing, indent=1, ensure_ascii=False) + "\n"
    (FOLDER / "examples.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
