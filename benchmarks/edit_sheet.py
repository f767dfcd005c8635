"""A contact sheet of twenty edits on held-out scenes, to be looked at.

    python -m benchmarks.edit_sheet --out SHEET.png [--first 1000007000] [--inpaint NAME]

Every row is a scene: the selection, then four edits of it, named above. With an inpainting model (its name, or a
folder) two further rows replace and restyle; the five others need none.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from pipeline.edit import edit
from pipeline.models import load_models
from pipeline.photo import open_photo
from pipeline.records import EditRequest, Photo
from training.scenes import make_scene

SIDE, HEAD = 256, 18
ROWS = (
    ({"kind": "remove"}, {"kind": "remove", "shadow": 0.5}, {"kind": "remove", "seed": 1}, {"kind": "cutout"}),
    ({"kind": "recolor", "color": "#2050e0"}, {"kind": "recolor", "color": "gold"},
     {"kind": "recolor", "color": "#303030"}, {"kind": "recolor", "color": "seagreen", "invert": True}),
    ({"kind": "move", "dx": 60}, {"kind": "move", "dx": -50, "dy": 15, "scale": 1.4},
     {"kind": "move", "dy": -30, "scale": 0.6}, {"kind": "remove", "grow": 8}),
    ({"kind": "blur"}, {"kind": "blur", "blur": 10.0}, {"kind": "background", "color": "teal"},
     {"kind": "background", "picture": True}),
    ({"kind": "extend", "left": 64}, {"kind": "extend", "right": 40, "left": 40, "top": 40, "bottom": 40},
     {"kind": "extend", "top": 64}, {"kind": "extend", "right": 128}),
)  # fmt: skip

PAINTED = (
    ({"kind": "replace", "prompt": "a red ball"}, {"kind": "replace", "prompt": "a blue car"},
     {"kind": "replace", "prompt": "a yellow house"}, {"kind": "replace", "prompt": "a green tree"}),
    ({"kind": "restyle", "prompt": "purple"}, {"kind": "restyle", "prompt": "yellow"},
     {"kind": "restyle", "prompt": "white"}, {"kind": "remove", "method": "diffusion"}),
)  # fmt: skip


def _shown(photo: Photo, title: str) -> np.ndarray:
    """A tile with its title: the picture on a chequerboard where it is transparent."""
    pixels = photo.pixels
    if photo.alpha is not None:
        rows, cols = np.mgrid[: photo.size[0], : photo.size[1]]
        board = np.where(((rows // 8 + cols // 8) % 2)[..., None], 205, 245)
        cover = photo.alpha[..., None] / 255
        pixels = np.rint(pixels * cover + board * (1 - cover)).astype(np.uint8)
    factor = SIDE / max(photo.size)
    size = (round(photo.size[1] * factor), round(photo.size[0] * factor))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    tile = np.full((SIDE + HEAD, SIDE, 3), 255, np.uint8)
    tile[HEAD : HEAD + size[1], : size[0]] = small
    cv2.putText(tile, title, (3, 13), cv2.FONT_HERSHEY_SIMPLEX, 0.36, (20, 20, 20), 1, cv2.LINE_AA)
    return tile


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--first", type=int, default=1_000_007_000, help="first seed; no model trains from 1e9 on")
    parser.add_argument("--inpaint", help="name or folder of an inpainting model")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    sheet, seed = [], args.first - 1
    other = open_photo(make_scene(args.first + 900).image)
    models = load_models("tiny", inpaint=args.inpaint, device="cpu") if args.inpaint else None
    for row in ROWS + (PAINTED if models else ()):
        things = []
        while not things:
            seed += 1
            scene = make_scene(seed)
            things = [t for t in scene.objects if 1200 <= t.area <= 9000]
        thing = max(things, key=lambda t: t.area)
        photo, mask = open_photo(scene.image), scene.instances == thing.id
        marked = scene.image.copy()
        marked[cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0] = 255
        tiles = [_shown(open_photo(marked), f"{thing.noun}, seed {seed}")]
        for options in row:
            fields = {**options, **({"picture": other} if "picture" in options else {})}
            result = edit(photo, EditRequest(mask=mask, subject=thing.noun, **fields), models)
            title = " ".join(f"{k} {v}" if k != "kind" else str(v) for k, v in options.items())
            tiles.append(_shown(result.images[0], f"{title}: {result.changed_outside} outside"))
        sheet.append(np.hstack(tiles))
    Image.fromarray(np.vstack(sheet)).save(args.out)
    print(args.out)


if __name__ == "__main__":
    main()
