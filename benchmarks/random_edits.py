"""Random edits of random photos: outside the mask really used not one pixel may change, and size and metadata stay.

    python -m benchmarks.random_edits [--count 1000] [--first 0]

Every kind of edit, random sizes, options and masks: discs, boxes at an edge, single pixels, islands, dust, frames,
nearly everything, rows, rings, everything. For the kinds that need a diffusion model a painter of noise stands in:
what is measured is what happens to the rest of the photo, and noise differs from it everywhere. What cannot be done
(such as removing everything) must be refused in words. Every result is compared here anew, pixel by pixel, with the
photo; every tenth is also written as a PNG and read again.
"""

from __future__ import annotations

import argparse
import io
import time
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
from PIL import Image

from pipeline.edit import edit
from pipeline.edit.kinds import KINDS
from pipeline.errors import NamebrushError
from pipeline.photo import encode_photo, open_photo
from pipeline.records import EditRequest, EditResult, Photo

LEAST, MOST = 8, 72


class NoisePainter:
    """Looks like a `diffusers` inpainting pipeline and paints noise."""

    vae_scale_factor = 8
    unet = SimpleNamespace(config=SimpleNamespace(sample_size=8))

    def __call__(self, *, height: int, width: int, generator, callback_on_step_end, **_):
        import torch

        callback_on_step_end(self, 0, 0, {})
        return SimpleNamespace(images=[torch.rand((height, width, 3), generator=generator).numpy()])


class Models:
    """As much of the engine's models as an edit needs."""

    def inpaint(self):
        return NoisePainter()

    def title(self, kind: str) -> str:
        return "noise"


def random_photo(rng: np.random.Generator, index: int) -> Photo:
    """Blotches with grain; some with transparency, EXIF and a colour profile."""
    height, width = (int(v) for v in rng.integers(LEAST, MOST, 2))
    small = Image.fromarray(rng.integers(0, 256, (height // 8 + 2, width // 8 + 2, 3), np.uint8))
    soft = np.asarray(small.resize((width, height), Image.Resampling.BICUBIC), np.int16)
    photo = open_photo(np.clip(soft + rng.integers(-12, 13, soft.shape), 0, 255).astype(np.uint8))
    exif = Image.Exif()
    exif[0x010E] = f"photo {index}"
    return replace(
        photo, name=f"{index}.png", exif=exif.tobytes() if rng.random() < 0.5 else None,
        icc=b"not a real profile" if rng.random() < 0.3 else None,
        alpha=rng.integers(0, 256, (height, width), np.uint8) if rng.random() < 0.3 else None,
    )  # fmt: skip


def disc(height: int, width: int, y: int, x: int, radius: int) -> np.ndarray:
    """bool [H, W]."""
    rows, cols = np.mgrid[:height, :width]
    return (rows - y) ** 2 + (cols - x) ** 2 <= radius**2


def random_mask(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """One of the kinds of masks named above, bool [H, W]."""
    kind = int(rng.integers(10))
    mask = np.zeros((height, width), bool)
    y, x = int(rng.integers(height)), int(rng.integers(width))
    if kind == 0:
        mask = disc(height, width, y, x, int(rng.integers(1, max(2, min(height, width) // 2))))
    elif kind == 1:
        mask[:, : max(1, x)] = True
    elif kind == 2:
        mask[y, x] = True
    elif kind == 3:
        for _ in range(4):
            mask |= disc(height, width, int(rng.integers(height)), int(rng.integers(width)), 2)
    elif kind == 4:
        mask = rng.random((height, width)) < 0.1
    elif kind == 5:
        mask[:3], mask[-3:], mask[:, :3], mask[:, -3:] = True, True, True, True
    elif kind == 6:
        mask[:] = True
        mask[y, x] = False
    elif kind == 7:
        mask[y] = True
    elif kind == 8:
        mask = disc(height, width, y, x, 9) & ~disc(height, width, y, x, 5)
    else:
        mask[:] = True
    mask[y, x] |= not mask.any()
    return mask


def random_request(rng: np.random.Generator, photo: Photo) -> EditRequest:
    """Any kind with any options it reads."""
    kind = str(rng.choice(list(KINDS)))
    painters = KINDS[kind].painters
    far = max(photo.size)
    return EditRequest(
        kind, random_mask(rng, *photo.size), prompt="a red fox" if KINDS[kind].prompt else "", steps=2,
        grow=(None, None, 0, 1, 5, 40, -1)[int(rng.integers(7))], feather=int(rng.integers(0, 5)),
        seed=int(rng.integers(1000)), candidates=int(rng.integers(1, 3)), holes=bool(rng.random() < 0.8),
        specks=bool(rng.random() < 0.8), shadow=float(rng.choice([0, 0, 0.5, 1])), invert=bool(rng.random() < 0.15),
        method=str(rng.choice(["auto", *painters])), color="#2050c0" if kind in ("recolor", "background") else "",
        dx=int(rng.integers(-far, far)) // 2, dy=int(rng.integers(-far, far)) // 2,
        scale=float(rng.choice([1, 1, 0.5, 1.7])), left=int(rng.integers(0, 12)), right=int(rng.integers(1, 12)),
        top=int(rng.integers(0, 12)), bottom=int(rng.integers(0, 12)),
    )  # fmt: skip


def faults(photo: Photo, result: EditResult) -> list[str]:
    """What is wrong with a result, in words; empty where all is as promised."""
    wrong = []
    x, y = result.origin
    height, width = photo.size
    at = slice(y, y + height), slice(x, x + width)
    request = result.request
    size = (height + request.top + request.bottom, width + request.left + request.right)
    size = size if request.kind == "extend" else photo.size
    for image in result.images:
        if image.size != size or image.pixels.dtype != np.uint8:
            wrong.append(f"size {image.size}")
            continue
        outside = (image.pixels[at] != photo.pixels).any(axis=2) & ~result.mask[at]
        if outside.any():
            wrong.append(f"{int(outside.sum())} pixels changed outside")
        if (image.exif, image.icc, image.name) != (photo.exif, photo.icc, photo.name):
            wrong.append("metadata changed")
        if photo.alpha is not None or request.kind == "cutout":
            before = np.full(photo.size, 255) if photo.alpha is None else photo.alpha
            after = None if image.alpha is None else image.alpha[at]
            if after is None or ((before != after) & ~result.mask[at]).any():
                wrong.append("transparency changed outside")
        elif image.alpha is not None:
            wrong.append("transparency out of nowhere")
    if result.changed_outside:
        wrong.append("the result says so itself")
    return wrong


def reread(image: Photo) -> list[str]:
    """What a PNG loses of a picture."""
    with Image.open(io.BytesIO(encode_photo(image)[0])) as file:
        samples, info = np.array(file), file.info
    wrong = [] if np.array_equal(samples[..., :3], image.pixels) else ["PNG changed pixels"]
    if image.exif is not None and not info.get("exif", b"").endswith(image.exif.removeprefix(b"Exif\0\0")):
        wrong.append("PNG lost EXIF")
    return wrong + ([] if info.get("icc_profile") == image.icc else ["PNG lost the profile"])


def run(first: int, count: int) -> tuple[Counter, list[str]]:
    """Edits done by kind (and how many were refused), and everything that was wrong."""
    done, wrong = Counter(), []
    for index in range(first, first + count):
        rng = np.random.default_rng([7, index])
        photo = random_photo(rng, index)
        request = random_request(rng, photo)
        try:
            result = edit(photo, request, Models())
        except NamebrushError as error:
            done[f"refused: {str(error)[:48]}"] += 1
            continue
        done[request.kind] += 1
        found = faults(photo, result) + (reread(result.images[0]) if index % 10 == 0 else [])
        wrong += [f"edit {index} ({request.kind}): {fault}" for fault in found]
    return done, wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--count", type=int, default=1000, help="edits to do; what is refused is not counted")
    parser.add_argument("--first", type=int, default=0)
    args = parser.parse_args()
    start, done, wrong, index = time.process_time(), Counter(), [], args.first
    edits = 0
    while edits < args.count:
        some, faulty = run(index, min(50, args.count - edits))
        done, wrong, index = done + some, wrong + faulty, index + min(50, args.count - edits)
        edits = sum(n for name, n in done.items() if name in KINDS)
    for name, number in sorted(done.items()):
        print(f"{number:5}  {name}")
    print("\n".join(wrong[:20]))
    print(f"{edits} edits, {len(wrong)} faults, {time.process_time() - start:.0f} s of processor time")


if __name__ == "__main__":
    main()
