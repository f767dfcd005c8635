"""One photo through all refinements, with the prompts SAM was asked drawn: docs/refinements.jpg.

    python -m benchmarks.refinement_figure                                    # a held-out scene
    python -m benchmarks.refinement_figure --photo FILE --classes "dog, grass" --out FIGURE.jpg
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from pipeline import Pipeline, glyphs
from pipeline.draw import Layers, legend, overlay
from pipeline.files import write_atomic
from pipeline.palette import class_colors
from pipeline.photo import open_photo
from pipeline.records import Photo, Segmentation
from pipeline.refine.names import REFINEMENTS
from training.pool import HELD_OUT
from training.scenes import NOUNS, make_scene

#: Refinements that ask SAM with prompts; other panels have none to draw.
PROMPTED = ("sam", "vote")
TITLE, GAP, LETTERS = 30, 8, 15


def panels(pipe: Pipeline, photo: Photo, names: list[str], method: str) -> list[tuple[str, Segmentation | None]]:
    """The photo, and its segmentation by every refinement that the models at hand allow."""
    made: list[tuple[str, Segmentation | None]] = [("the photo", None)]
    order = ["none", *(name for name in REFINEMENTS if name not in ("none", "optimized"))]
    for name in order:
        if REFINEMENTS[name].needs == "unet" and not pipe.models.has("inpaint"):
            continue
        found = pipe.segment(photo, ", ".join(names), method=method, refine=name)
        title = REFINEMENTS[name].title if name != "none" else "Not refined"
        made.append((f"{title} ({name})", found))
    return made


def picture(made: list[tuple[str, Segmentation | None]], photo: Photo, names: list[str], width: int, columns: int):
    """uint8 [h, w, 3]: panels with their titles in rows, and the legend of names that were found."""
    colors = class_colors(names)
    height = round(photo.size[0] * width / photo.size[1])
    rows = -(-len(made) // columns)
    sheet = np.full((rows * (height + TITLE + GAP) + GAP, columns * (width + GAP) + GAP, 3), 255, np.uint8)
    larger = max(1, round(width / photo.size[1]))
    for i, (title, found) in enumerate(made):
        top, left = GAP + i // columns * (height + TITLE + GAP), GAP + i % columns * (width + GAP)
        pixels = photo.pixels
        if found is not None:
            prompted = found.refine in PROMPTED
            pixels = overlay(photo, found, Layers(prompts=prompted), colors)
        way = cv2.INTER_NEAREST if larger > 1 else cv2.INTER_AREA
        sheet[top + TITLE : top + TITLE + height, left : left + width] = cv2.resize(pixels, (width, height),
                                                                                   interpolation=way)  # fmt: skip
        glyphs.write(sheet, title, left, top + 6, LETTERS, (25, 25, 25))
    shown = sorted({r.class_index for _, found in made if found is not None for r in found.regions})
    plate = legend([names[i] for i in shown], [colors[i] for i in shown], width=sheet.shape[1])
    return np.concatenate([sheet, plate])


def main() -> None:
    """Segment, draw, write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.refinement_figure", description=__doc__.split("\n")[0])
    parser.add_argument("--seed", type=int, default=HELD_OUT + 2, help="of the held-out scene")
    parser.add_argument("--photo", help="a photo in its place")
    parser.add_argument("--classes", help="names, separated by commas; left out: all of the scenes'")
    parser.add_argument("--method", default="sclip")
    parser.add_argument("--preset", default="tiny")
    parser.add_argument("--inpaint", help="a diffusion model, for the panel of its attention")
    parser.add_argument("--width", type=int, default=384, help="of a panel in pixels")
    parser.add_argument("--columns", type=int, default=4)
    parser.add_argument("--out", type=Path, default=Path("docs/refinements.jpg"))
    args = parser.parse_args()
    photo = open_photo(args.photo or make_scene(args.seed, 384, 384).image)
    names = [name.strip() for name in args.classes.split(",")] if args.classes else list(NOUNS)
    made = panels(Pipeline.load(args.preset, inpaint=args.inpaint), photo, names, args.method)
    sheet = picture(made, photo, names, args.width, args.columns)
    quality = [cv2.IMWRITE_JPEG_QUALITY, 82, cv2.IMWRITE_JPEG_OPTIMIZE, 1]
    data = cv2.imencode(args.out.suffix, np.ascontiguousarray(sheet[..., ::-1]), quality)[1].tobytes()
    write_atomic(args.out, data)
    print(f"{args.out}: {', '.join(title for title, _ in made)}; {len(data) // 1024} KB")


if __name__ == "__main__":
    main()
