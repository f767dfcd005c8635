"""What the built-in CLIP and DINO reached on held-out scenes.

    python -m benchmarks.builtin_models [--scenes 100]

Prints how often CLIP names a crop of one thing rightly among all nouns (and among all colours where a colour is
known), and the average precision of the question "do these two patches of a scene show the same class?" answered by
the cosine of features: for every layer of CLIP and for DINO's last layer, on the same 32x32 grid over 256 px scenes.
"""

from __future__ import annotations

import argparse

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from pipeline.models.loaders import load_models
from training.pool import HELD_OUT
from training.scenes import COLORS, NOUNS, make_scene

GRID = 32
TEMPLATES = ("a photo of a {}", "{} in the image", "this is a {}", "a picture of a {}")


def to_input(image: np.ndarray, size: int, mean, std) -> torch.Tensor:
    """uint8 [H, W, 3] to a normalised float batch [1, 3, size, size]."""
    shrink = image.shape[0] > size
    image = cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA if shrink else cv2.INTER_CUBIC)
    x = torch.from_numpy(image).permute(2, 0, 1)[None] / 255
    return (x - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None]


def words(clip, names) -> torch.Tensor:
    """Unit text embeddings [len(names), D], averaged over templates."""
    tokens = [clip.tokenizer([t.format(n) for n in names]) for t in TEMPLATES]
    rows = [F.normalize(clip.model.encode_text(t), dim=-1) for t in tokens]
    return F.normalize(torch.stack(rows).mean(0), dim=-1)


def crops(scene):
    """Square crops around the things of a scene with a fifth of room on every side: pixels, noun, colour."""
    side = scene.image.shape[0]
    for thing in scene.objects:
        x0, y0, x1, y1 = thing.box
        reach = min(side, int(max(x1 - x0, y1 - y0) * 1.4))
        x = int(np.clip((x0 + x1 - reach) / 2, 0, side - reach))
        y = int(np.clip((y0 + y1 - reach) / 2, 0, side - reach))
        visible = thing.area / max(1, (x1 - x0) * (y1 - y0))
        if visible > 0.2:
            yield scene.image[y : y + reach, x : x + reach], thing.noun, thing.color


def clip_layers(clip, image: np.ndarray) -> list[torch.Tensor]:
    """Patch outputs of every block for windows that tile a scene at twice its size, each [D, GRID, GRID]."""
    size = clip.model.visual.image_size[0]
    held: list[list[torch.Tensor]] = [[] for _ in clip.model.visual.transformer.resblocks]
    hooks = [
        block.register_forward_hook(lambda _, __, out, k=k: held[k].append(out[:, 1:]))
        for k, block in enumerate(clip.model.visual.transformer.resblocks)
    ]
    big = cv2.resize(image, (2 * image.shape[1], 2 * image.shape[0]), interpolation=cv2.INTER_CUBIC)
    tiles = [big[y : y + size, x : x + size] for y in range(0, len(big), size) for x in range(0, len(big), size)]
    clip.model.visual(torch.cat([to_input(t, size, clip.mean, clip.std) for t in tiles]))
    for hook in hooks:
        hook.remove()
    n = len(big) // size
    layers = []
    for outputs in held:
        tokens = outputs[0]
        g = int(tokens.shape[1] ** 0.5)
        grid = tokens.reshape(n, n, g, g, -1).permute(4, 0, 2, 1, 3).reshape(-1, n * g, n * g)
        layers.append(F.interpolate(grid[None], (GRID, GRID), mode="bilinear", align_corners=False)[0])
    return layers


def dino_layer(dino, image: np.ndarray) -> torch.Tensor:
    """DINO's last patch features of a whole scene, [D, GRID, GRID]."""
    out = dino.model(to_input(image, image.shape[0], dino.mean, dino.std), interpolate_pos_encoding=True)
    tokens = out.last_hidden_state[:, 1:]
    g = int(tokens.shape[1] ** 0.5)
    grid = tokens.transpose(1, 2).reshape(1, -1, g, g)
    return F.interpolate(grid, (GRID, GRID), mode="bilinear", align_corners=False)[0]


def average_precision(features: torch.Tensor, labels: np.ndarray) -> float:
    """Average precision of the cosine of patch pairs as an answer to "same class?"."""
    unit = F.normalize(features.flatten(1), dim=0)
    rows, cols = np.triu_indices(unit.shape[1], 1)
    score = (unit.T @ unit).numpy()[rows, cols]
    same = (labels.ravel()[rows] == labels.ravel()[cols])[np.argsort(-score, kind="stable")]
    precision = np.cumsum(same) / np.arange(1, len(same) + 1)
    return float(precision[same].mean())


@torch.inference_mode()
def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=100)
    args = parser.parse_args()
    models = load_models("tiny")
    clip, dino = models.clip, models.dino
    nouns, colors = words(clip, NOUNS), words(clip, COLORS)
    named, colored, scores = [], [], {}
    for seed in range(HELD_OUT, HELD_OUT + args.scenes):
        scene = make_scene(seed, 256, 256)
        for image, noun, color in crops(scene):
            seen = F.normalize(clip.model.encode_image(to_input(image, 128, clip.mean, clip.std)), dim=-1)
            named.append(NOUNS[int((seen @ nouns.T).argmax())] == noun)
            if color:
                colored.append(COLORS[int((seen @ colors.T).argmax())] == color)
        step = 256 // GRID
        labels = scene.classes[step // 2 :: step, step // 2 :: step]
        layers = {f"clip block {k}": f for k, f in enumerate(clip_layers(clip, scene.image))}
        for name, features in {**layers, "dino": dino_layer(dino, scene.image)}.items():
            scores.setdefault(name, []).append(average_precision(features, labels))
    print(f"crops named rightly    {np.mean(named):.3f}  of {len(named)}")
    print(f"colours named rightly  {np.mean(colored):.3f}  of {len(colored)}")
    for name, values in scores.items():
        print(f"same class? AP  {name:14s} {np.mean(values):.3f}")


if __name__ == "__main__":
    main()
