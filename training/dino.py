"""Train the built-in DINO on scenes, without any label.

    python -m training.pool && python -m training.dino

Self-distillation as in DINO (Caron et al. 2021): a student matches a slowly moving teacher on another view of the same
scene. Besides the class token, the patches are matched: a patch of one view against the teacher's patch at the same
place of the other view (found from the two crops' geometry), some of the student's patches hidden behind a mask token
as in iBOT (Zhou et al. 2022). Teacher scores are balanced over the prototypes with Sinkhorn-Knopp (as in SwAV).

In a few thousand steps this alone does not reach features whose correlations follow the things in a picture, which is
what the engine borrows from DINO. So the patches' cosines are also drawn towards what the picture itself says without
labels: two patches belong together when they look alike and lie near one another, and when the areas of like colour
they lie in do (see `areas`). Views are recoloured only mildly, since in painted scenes colour is most of what tells
stuff apart, and show most of a scene, since the engine asks for correlations across the whole of it.
"""

from __future__ import annotations

import copy

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from transformers import ViTConfig, ViTModel

from pipeline.models.builtin import DINO_CONFIG, build_dino, save_dino
from pipeline.models.records import IMAGENET_MEAN, IMAGENET_STD

from .areas import CELL, load_areas
from .common import Run, arguments, autocast, learning_rate, optimizer, set_up
from .pool import FOLDER, load_pool

VIEW = 160
PATCH = DINO_CONFIG["patch_size"]
GRID = VIEW // PATCH
PROTOTYPES = 128  # few: with many, balance would cut one sky into a hundred kinds
PAIR_COLOR = 10.0  # Lab distance at which two patches, or their areas, begin to look unlike
SCENES = 8000  # of the pool: their areas take minutes to find


class Head(nn.Module):
    """Projects tokens to scores over prototypes: a small perceptron, then cosines with unit prototypes."""

    def __init__(self, width: int):
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(width, 512), nn.GELU(), nn.Linear(512, 96))
        self.prototypes = nn.Linear(96, PROTOTYPES, bias=False)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """[..., width] to cosines [..., PROTOTYPES]."""
        return F.linear(F.normalize(self.mlp(tokens), dim=-1), F.normalize(self.prototypes.weight, dim=-1))


class Network(nn.Module):
    """A vision transformer with one head for the class token and one for the patches."""

    def __init__(self):
        super().__init__()
        self.backbone = ViTModel(ViTConfig(**DINO_CONFIG), add_pooling_layer=False, use_mask_token=True)
        self.scene = Head(DINO_CONFIG["hidden_size"])
        self.patch = Head(DINO_CONFIG["hidden_size"])
        self.pair_scale, self.pair_bias = nn.Parameter(torch.tensor(6.0)), nn.Parameter(torch.tensor(3.0))

    def forward(self, pixels: torch.Tensor, hidden: torch.Tensor | None = None):
        """Cosines of the class token [B, PROTOTYPES] and the patches [B, N, PROTOTYPES]; the patches [B, N, C]."""
        tokens = self.backbone(pixels, bool_masked_pos=hidden, interpolate_pos_encoding=True).last_hidden_state
        return self.scene(tokens[:, 0]), self.patch(tokens[:, 1:]), tokens[:, 1:]


def recolor(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Change light, contrast and colour a little, sometimes blurred; uint8 in and out."""
    x = image.astype(np.float32)
    grey = x @ np.float32([0.299, 0.587, 0.114])
    x = grey[..., None] + (x - grey[..., None]) * rng.uniform(0.75, 1.25)
    x = (x - x.mean()) * rng.uniform(0.8, 1.2) + x.mean() * rng.uniform(0.85, 1.15)
    x = x * rng.uniform(0.94, 1.06, 3).astype(np.float32)
    if rng.random() < 0.2:
        x = cv2.GaussianBlur(x, (0, 0), rng.uniform(0.25, 1.0))
    return x.clip(0, 255).astype(np.uint8)


def look(crop: np.ndarray) -> np.ndarray:
    """Colour and texture of every patch, float32 [GRID * GRID, 6]: smoothed Lab and its spread around that."""
    lab = cv2.cvtColor(crop.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
    smooth = cv2.GaussianBlur(lab, (0, 0), PATCH / 3)
    spread = np.sqrt(cv2.GaussianBlur(np.square(lab - smooth), (0, 0), PATCH / 2).clip(0))
    centres = np.s_[PATCH // 2 :: PATCH, PATCH // 2 :: PATCH]
    return np.concatenate([smooth[centres], spread[centres]], axis=-1).reshape(-1, 6)


def view(rng: np.random.Generator, image: np.ndarray, areas: np.ndarray):
    """A random crop, where its patch centres lie in the scene, float32 [GRID * GRID, 2] xy, how they look, and the
    means of the areas they lie in, float32 [GRID * GRID, 8]."""
    side = image.shape[0]
    length = int(side * np.sqrt(rng.uniform(0.25, 1.0)))
    x, y = rng.integers(0, side - length + 1, 2)
    how = cv2.INTER_AREA if length > VIEW else cv2.INTER_LINEAR
    crop = cv2.resize(image[y : y + length, x : x + length], (VIEW, VIEW), interpolation=how)
    centres = (np.arange(GRID) + 0.5) / GRID * length
    xs, ys = x + centres, y + centres
    if rng.random() < 0.5:
        crop, xs = np.ascontiguousarray(crop[:, ::-1]), xs[::-1]
    places = np.stack(np.meshgrid(xs, ys), axis=-1).reshape(-1, 2).astype(np.float32)
    cells = (places / CELL).astype(int)
    return recolor(rng, crop), places, look(crop), areas[cells[:, 1], cells[:, 0]].astype(np.float32)


def batch(rng: np.random.Generator, images: np.ndarray, areas: np.ndarray, size: int) -> tuple[torch.Tensor, ...]:
    """Two views a scene, first views first: pixels [2 * size, 3, VIEW, VIEW]; places, looks, means [2 * size, N, .].
    """
    chosen = rng.integers(0, len(images), size)
    made = [view(rng, images[i], areas[i]) for _ in range(2) for i in chosen]
    pixels = torch.from_numpy(np.stack([m[0] for m in made])).permute(0, 3, 1, 2) / 255
    pixels = (pixels - torch.tensor(IMAGENET_MEAN)[:, None, None]) / torch.tensor(IMAGENET_STD)[:, None, None]
    return pixels, *(torch.from_numpy(np.stack([m[k] for m in made])) for k in (1, 2, 3))


@torch.no_grad()
def partners(places: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """For every patch of a view the nearest patch of the other view, and whether it is near enough to be the same.

    Args:
        places: [2B, N, 2] patch centres in scene pixels.
    """
    half = len(places) // 2
    nearest = torch.cdist(places, places.roll(half, dims=0)).min(dim=2)
    step = (places[:, 1] - places[:, 0]).norm(dim=-1)
    step = torch.maximum(step, step.roll(half))
    return nearest.indices, nearest.values < 0.75 * step[:, None]


def alike(looks: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """How alike and near patches are, 0 to 1 [B, N, N], from looks [B, N, 6] and places [B, N, 2] in scene pixels."""
    # A row apart counts more than a column apart: scenes are layered from sky to ground.
    places = places * places.new_tensor([0.3, 1.0]) / PATCH
    apart = torch.cdist(looks, looks).square() + torch.cdist(places, places).square()
    return torch.exp(-apart / (2 * PAIR_COLOR**2))


def pair_loss(tokens: torch.Tensor, target: torch.Tensor, scale, bias) -> torch.Tensor:
    """Cross entropy of a view's patch cosines, from tokens [B, N, C], against how much the pairs belong together.

    `scale` and `bias` are learned: from cosines to logits.
    """
    unit = F.normalize(tokens.float(), dim=-1)
    return F.binary_cross_entropy_with_logits(scale * (unit @ unit.transpose(1, 2)) - bias, target)


@torch.no_grad()
def balance(cosines: torch.Tensor, temperature: float) -> torch.Tensor:
    """Sinkhorn-Knopp: soft assignments [n, K] in which every prototype gets about the same share."""
    q = (cosines.float() / temperature).sub((cosines.max() / temperature).float()).exp()
    for _ in range(3):
        q = q / q.sum(dim=0, keepdim=True).clamp(min=1e-8)
        q = q / q.sum(dim=1, keepdim=True).clamp(min=1e-8)
    return q


def main() -> None:
    """Command line."""
    args = arguments(__doc__, steps=1800, batch=8, peak=1.2e-3)
    device = set_up(args, "dino")
    torch.backends.cuda.enable_flash_sdp(True)  # unlike the others' windows, views of 400 patches gain from it
    images = load_pool().images[:SCENES]
    areas = load_areas(images, FOLDER / "areas.npy", args.threads)
    student = Network().to(device).train()
    teacher = copy.deepcopy(student).eval().requires_grad_(False)
    opt = optimizer(student, 0.04, betas=(0.9, 0.95))
    run = Run(args.run, args.fresh, student=student, teacher=teacher, optimizer=opt)
    while run.step < args.steps:
        for group in opt.param_groups:
            group["lr"] = learning_rate(run.step, args.steps, args.peak, warmup=100)
        rng = run.generator(args.seed)
        pixels, places, looks, means = (t.to(device) for t in batch(rng, images, areas, args.batch))
        hidden = torch.from_numpy(rng.random((len(pixels), GRID * GRID)) < 0.3).to(device)
        hidden &= torch.from_numpy(rng.random((len(pixels), 1)) < 0.5).to(device)
        with autocast(device):
            with torch.no_grad():
                scene_t, patch_t, _ = teacher(pixels)
            scene_s, patch_s, tokens = student(pixels, hidden.int())
        index, near = partners(places)
        target = balance(patch_t.flatten(0, 1), 0.05).unflatten(0, patch_t.shape[:2]).roll(len(places) // 2, dims=0)
        target = target.gather(1, index[..., None].expand_as(target))
        patch_loss = -(target * (patch_s.float() / 0.1).log_softmax(-1)).sum(-1)[near].mean()
        whole = balance(scene_t, 0.05).roll(len(scene_t) // 2, dims=0)
        scene_loss = -(whole * (scene_s.float() / 0.1).log_softmax(-1)).sum(-1).mean()
        together = (alike(looks, places) + 2 * alike(means[..., :6], means[..., 6:])) / 3
        pairs = pair_loss(tokens, together, student.pair_scale, student.pair_bias)
        loss = 0.5 * patch_loss + 0.1 * scene_loss + 8 * pairs
        opt.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        opt.step()
        momentum = 1 - 0.01 * learning_rate(run.step, args.steps, 1.0, 1)
        with torch.no_grad():
            for slow, fast in zip(teacher.parameters(), student.parameters(), strict=True):
                slow.lerp_(fast, 1 - momentum)
        run.step += 1
        run.log(50, loss=loss, patch=patch_loss, scene=scene_loss, pairs=pairs)
        if run.step % 200 == 0 or run.step == args.steps:
            run.save()
            save(args.out, teacher.backbone)


def save(folder, backbone) -> None:
    """Write the teacher without its mask token, in the format the app loads."""
    plain = build_dino(DINO_CONFIG)
    state = {k: v.cpu() for k, v in backbone.state_dict().items() if k != "embeddings.mask_token"}
    plain.load_state_dict(state)
    save_dino(folder, plain)


if __name__ == "__main__":
    main()
