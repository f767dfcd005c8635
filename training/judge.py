"""Train the judge of replacements: a classifier that says what a painted thing is and of what colour.

    python -m training.closeups && python -m training.judge

It never meets the models that paint or rank, so that it can't be fooled as they are. It sees the box around a hole, as
it sees the box around a replacement later. Its weights are not shipped; `benchmarks.replacement` needs them.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torchvision.models import resnet18

from . import closeups
from .common import Run, arguments, autocast, learning_rate, optimizer, set_up
from .pool import HELD_OUT
from .scenes import COLORS, NOUNS, STUFF
from .vae import to_pixels

THINGS = tuple(noun for noun in NOUNS if noun not in STUFF)
SIDE = 64
FOLDER = Path("runs/judge")


def build_judge() -> torch.nn.Module:
    """A ResNet-18 with one output for every noun and, after them, one for every colour."""
    return resnet18(num_classes=len(THINGS) + len(COLORS))


def cut(image: np.ndarray, hole: np.ndarray, margin: float = 0.06) -> np.ndarray:
    """The square around a hole, uint8 [64, 64, 3]; beyond the picture its edge is repeated.

    Args:
        image: uint8 [H, W, 3].
        hole: bool [H, W].
        margin: added on every side, as a share of the hole's longer side; negative cuts into it.
    """
    ys, xs = np.nonzero(hole)
    side = max(xs.max() - xs.min(), ys.max() - ys.min()) + 1
    half = max(4, round(side * (0.5 + margin)))
    y, x = (ys.min() + ys.max() + 1) // 2, (xs.min() + xs.max() + 1) // 2
    around = cv2.copyMakeBorder(image, half, half, half, half, cv2.BORDER_REPLICATE)
    part = around[y : y + 2 * half, x : x + 2 * half]
    return cv2.resize(part, (SIDE, SIDE), interpolation=cv2.INTER_AREA)


def normal(cuts: list[np.ndarray]) -> torch.Tensor:
    """Cut-outs as float32 [B, 3, 64, 64] in -1..1."""
    return to_pixels(np.stack(cuts))


def batch(rng, images, masks, texts, things, count: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Cut-outs and the numbers of their nouns and colours, -1 where a colour says nothing."""
    chosen = rng.choice(things, count)
    cuts = [cut(images[i], masks[i] & 1 > 0, rng.uniform(-0.08, 0.2)) for i in chosen]
    cuts = [c[:, ::-1] if rng.random() < 0.5 else c for c in cuts]
    nouns = torch.tensor([THINGS.index(texts[i]["noun"]) for i in chosen])
    colors = torch.tensor([COLORS.index(texts[i]["color"]) if texts[i]["color"] else -1 for i in chosen])
    return normal(cuts), nouns, colors


@torch.no_grad()
def judge(model: torch.nn.Module, cuts: list[np.ndarray]) -> list[tuple[str, str]]:
    """The noun and the colour of every cut-out."""
    out = model.eval()(normal(cuts))
    nouns, colors = out[:, : len(THINGS)].argmax(1), out[:, len(THINGS) :].argmax(1)
    return [(THINGS[n], COLORS[c]) for n, c in zip(nouns.tolist(), colors.tolist(), strict=True)]


def load_judge(folder: Path = FOLDER) -> torch.nn.Module:
    """The trained judge.

    Raises:
        SystemExit: it has not been trained; the message names the command that does it.
    """
    if not (folder / "judge.pt").exists():
        raise SystemExit("There is no judge yet. Run: python -m training.closeups && python -m training.judge")
    model = build_judge()
    model.load_state_dict(torch.load(folder / "judge.pt", weights_only=True))
    return model.eval()


def measure(model: torch.nn.Module, scenes: int) -> tuple[float, float, int]:
    """Shares of held-out things whose noun and whose colour are told right, and how many there were."""
    found = [one for seed in range(HELD_OUT, HELD_OUT + scenes) for one in closeups.closeups(seed) if one.noun]
    told = judge(model, [cut(one.image, one.hole) for one in found])
    nouns = [told_noun == one.noun for (told_noun, _), one in zip(told, found, strict=True)]
    colors = [told_color == one.color for (_, told_color), one in zip(told, found, strict=True) if one.color]
    return float(np.mean(nouns)), float(np.mean(colors)), len(found)


def main() -> None:
    """Command line."""
    args = arguments(__doc__, steps=1500, batch=32, peak=1e-3)
    device = set_up(args, "judge")
    images, masks, texts = closeups.load()
    things = np.flatnonzero([text["noun"] is not None for text in texts])
    model = build_judge().to(device)
    optim = optimizer(model, 0.02)
    run = Run(args.run, args.fresh, model=model, optimizer=optim)
    while run.step < args.steps:
        rng = run.generator(args.seed)
        cuts, nouns, colors = batch(rng, images, masks, texts, things, args.batch)
        with autocast(device):
            out = model.train()(cuts.to(device)).float()
        wrong = F.cross_entropy(out[:, : len(THINGS)], nouns.to(device), label_smoothing=0.05)
        loss = wrong + F.cross_entropy(out[:, len(THINGS) :], colors.to(device), ignore_index=-1, label_smoothing=0.05)
        loss.backward()
        for group in optim.param_groups:
            group["lr"] = learning_rate(run.step, args.steps, args.peak, 50)
        optim.step()
        optim.zero_grad()
        run.step += 1
        run.log(50, loss=loss, noun=(out[:, : len(THINGS)].argmax(1).cpu() == nouns).float().mean())
        if run.step % 250 == 0:
            run.save()
    torch.save(model.cpu().state_dict(), args.run / "judge.pt")
    nouns, colors, count = measure(model.eval(), 60)
    print(f"{count} held-out things: {nouns:.3f} of the nouns and {colors:.3f} of the colours told right")


if __name__ == "__main__":
    main()
