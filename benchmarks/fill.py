"""How well removal by example fills, where the truth is known: painted scenes rendered with and without a thing.

    python -m benchmarks.fill [--scenes 40] [--first 1000000000] [--out TABLE.json] [--sheet SHEET.png]
        [--inpaint NAME]

The mask is the thing and what else differs between the two renders (its shadow, its reflection), grown as the product
grows it. Compared with both algorithms of `cv2.inpaint` at radius 3, and with an inpainting model where one is named,
inside the mask:

- PSNR in dB, mean over scenes, and over all pixels pooled;
- SSIM in windows of 7 pixels, mean over scenes;
- texture energy as a share of the truth's: variance of the Laplacian, and variance of what a Gaussian of 2 pixels
  takes away (medians over scenes; both of the grey picture, one pixel inside the mask's border);
- processor seconds per scene.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np

from pipeline.edit import edit
from pipeline.edit.exemplar import fill
from pipeline.edit.masks import shape_mask
from pipeline.models import load_models
from pipeline.photo import open_photo
from pipeline.records import EditRequest
from training.scenes import make_scene

LEAST_AREA = 600
_DIFFERS = 3

METHODS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "telea": lambda image, mask: cv2.inpaint(image, mask.astype(np.uint8), 3, cv2.INPAINT_TELEA),
    "navier-stokes": lambda image, mask: cv2.inpaint(image, mask.astype(np.uint8), 3, cv2.INPAINT_NS),
    "exemplar": lambda image, mask: fill(image, mask, 0),
}


def cases(first: int, count: int) -> Iterator[tuple[int, str, np.ndarray, np.ndarray, np.ndarray]]:
    """Seed, noun, image uint8 [H, W, 3], truth uint8 [H, W, 3] and mask bool [H, W] of `count` scenes.

    From every seed one thing of at least `LEAST_AREA` pixels, drawn by the seed; seeds without one are passed over.
    """
    seed = first - 1
    while count:
        seed += 1
        scene = make_scene(seed)
        things = [thing for thing in scene.objects if thing.area >= LEAST_AREA]
        if not things:
            continue
        thing = things[np.random.default_rng(seed).integers(len(things))]
        truth = make_scene(seed, omit={thing.id}).image
        differs = np.abs(scene.image.astype(np.int16) - truth).max(axis=2) > _DIFFERS
        mask = (scene.instances == thing.id) | differs
        # nobody selects the single pixels at which a repainted shadow differs
        mask = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8)) > 0
        yield seed, thing.noun, scene.image, truth, shape_mask(mask, mask.shape).used
        count -= 1


def by_model(name: str) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Removal by an inpainting model, on masks that are shaped already."""
    models = load_models("tiny", inpaint=name, device="cpu")

    def remove(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
        request = EditRequest("remove", mask, method="diffusion", grow=0, feather=0, holes=False, specks=False)
        return edit(open_photo(image), request, models).images[0].pixels

    return remove


def measure(result: np.ndarray, truth: np.ndarray, mask: np.ndarray) -> dict[str, float]:
    """Every measure of one filling."""
    error = float(((result[mask].astype(np.float64) - truth[mask]) ** 2).mean())
    ours, theirs = _energies(result, mask), _energies(truth, mask)
    return {
        "mse": error,
        "psnr": 10 * np.log10(255**2 / max(error, 1e-9)),
        "ssim": float(_ssim(result, truth)[mask].mean()),
        "laplacian": ours[0] / max(theirs[0], 1e-9),
        "high_pass": ours[1] / max(theirs[1], 1e-9),
    }


def _grey(image: np.ndarray) -> np.ndarray:
    return image.astype(np.float32).mean(axis=2)


def _energies(image: np.ndarray, mask: np.ndarray) -> tuple[float, float]:
    grey = _grey(image)
    inner = cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    inner = inner if inner.sum() >= 50 else mask
    high = grey - cv2.GaussianBlur(grey, (0, 0), 2)
    return float(cv2.Laplacian(grey, cv2.CV_32F)[inner].var()), float(high[inner].var())


def _ssim(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Structural similarity (Wang et al. 2004) of the grey pictures in windows of 7 pixels, float32 [H, W]."""
    a, b = _grey(a), _grey(b)
    mean = lambda x: cv2.blur(x, (7, 7))  # noqa: E731
    ma, mb = mean(a), mean(b)
    va, vb, both = mean(a * a) - ma**2, mean(b * b) - mb**2, mean(a * b) - ma * mb
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    return (2 * ma * mb + c1) * (2 * both + c2) / ((ma**2 + mb**2 + c1) * (va + vb + c2))


def run(first: int, count: int, sheet: Path | None = None) -> dict[str, dict[str, float]]:
    """The table: a row per method."""
    rows: dict[str, list[dict[str, float]]] = {name: [] for name in METHODS}
    plates = []
    for _seed, _noun, image, truth, mask in cases(first, count):
        shown = image.copy()
        shown[mask] = (255, 0, 255)
        strip = [shown, truth]
        for name, method in METHODS.items():
            start = time.process_time()
            result = method(image, mask)
            rows[name].append({**measure(result, truth, mask), "seconds": time.process_time() - start})
            rows[name][-1]["pixels"] = int(mask.sum())
            strip.append(result)
        plates.append(np.hstack(strip))
    if sheet is not None:
        cv2.imwrite(str(sheet), np.vstack(plates)[:, :, ::-1])
    return {name: _summary(each) for name, each in rows.items()}


def _summary(rows: list[dict[str, float]]) -> dict[str, float]:
    pixels = np.array([r["pixels"] for r in rows])
    pooled = float((np.array([r["mse"] for r in rows]) * pixels).sum() / pixels.sum())
    of = lambda name, how: float(how([r[name] for r in rows]))  # noqa: E731
    return {
        "psnr": of("psnr", np.mean), "psnr_pooled": 10 * np.log10(255**2 / pooled), "ssim": of("ssim", np.mean),
        "laplacian": of("laplacian", np.median), "high_pass": of("high_pass", np.median),
        "seconds": of("seconds", np.mean),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--scenes", type=int, default=40)
    parser.add_argument("--first", type=int, default=1_000_000_000, help="first seed; no model trains from 1e9 on")
    parser.add_argument("--out", type=Path, help="write the table as JSON")
    parser.add_argument("--sheet", type=Path, help="write a picture: mask, truth, then every method")
    parser.add_argument("--inpaint", help="name or folder of an inpainting model, for a further row")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    if args.inpaint:
        METHODS["diffusion"] = by_model(args.inpaint)
    table = run(args.first, args.scenes, args.sheet)
    print(f"{'method':14} {'PSNR':>6} {'pooled':>6} {'SSIM':>6} {'Laplacian':>9} {'high-pass':>9} {'CPU s':>6}")
    for name, row in table.items():
        print(f"{name:14} {row['psnr']:6.2f} {row['psnr_pooled']:6.2f} {row['ssim']:6.3f} {row['laplacian']:9.2f} "
              f"{row['high_pass']:9.2f} {row['seconds']:6.2f}")  # fmt: skip
    if args.out:
        args.out.write_text(json.dumps({"first": args.first, "scenes": args.scenes, "table": table}, indent=1) + "\n")


if __name__ == "__main__":
    main()
