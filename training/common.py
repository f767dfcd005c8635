"""What every recipe shares: seeds, schedules, curves, checkpoints that survive being killed."""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import time
from pathlib import Path

import numpy as np
import torch


def arguments(description: str, steps: int, **defaults) -> argparse.Namespace:
    """The options every recipe has: steps, seed, threads, folders, resume; `defaults` add integer or float options."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=steps)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--run", type=Path, help="folder of checkpoints and curves (default: runs/<name>)")
    parser.add_argument("--out", type=Path, help="folder the finished weights go to (default: assets/<name>)")
    parser.add_argument("--fresh", action="store_true", help="start over even when a checkpoint exists")
    for name, value in defaults.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)
    return parser.parse_args()


def set_up(args: argparse.Namespace, name: str) -> torch.device:
    """Fix seeds and threads, choose the device and fill in default folders."""
    torch.set_num_threads(args.threads)
    random.seed(args.seed)
    np.random.seed(args.seed)
    torch.manual_seed(args.seed)
    # The backward pass of fused attention is slower than plain matrix products for models this small on a CPU.
    torch.backends.cuda.enable_flash_sdp(False)
    torch.backends.cuda.enable_mem_efficient_sdp(False)
    args.run = args.run or Path("runs") / name
    args.out = args.out or Path("assets") / name
    args.run.mkdir(parents=True, exist_ok=True)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def autocast(device: torch.device) -> torch.autocast:
    """bfloat16 for matrix products, float32 for what must be exact."""
    return torch.autocast(device.type, torch.bfloat16)


def learning_rate(step: int, steps: int, peak: float, warmup: int) -> float:
    """Linear warm-up, then half a cosine down to a hundredth of the peak."""
    if step < warmup:
        return peak * (step + 1) / warmup
    share = (step - warmup) / max(1, steps - warmup)
    return peak * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, share))))


def optimizer(
    model: torch.nn.Module, weight_decay: float, betas: tuple[float, float] = (0.9, 0.98)
) -> torch.optim.AdamW:
    """AdamW that decays matrices only."""
    wide = [p for p in model.parameters() if p.requires_grad and p.ndim > 1]
    narrow = [p for p in model.parameters() if p.requires_grad and p.ndim <= 1]
    groups = [{"params": wide, "weight_decay": weight_decay}, {"params": narrow, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=0.0, betas=betas, eps=1e-8, fused=True)


class Run:
    """Checkpoints and curves of one training run.

    Everything in `parts` (models, optimisers) is saved together with the step, so a run that was killed goes on with
    the same learning rate; the data of step i depends on the seed and i alone.
    """

    def __init__(self, folder: Path, fresh: bool = False, **parts):
        self.folder, self.parts, self.step = folder, parts, 0
        self.file, self.curve = folder / "checkpoint.pt", folder / "curve.jsonl"
        self.start, self.sums = time.time(), {}
        if fresh:
            self.curve.unlink(missing_ok=True)
        elif self.file.exists():
            state = torch.load(self.file, map_location="cpu", weights_only=True)
            self.step = state["step"]
            for name, part in parts.items():
                part.load_state_dict(state[name])
            print(f"going on from step {self.step}", flush=True)

    def generator(self, seed: int) -> np.random.Generator:
        """The random numbers of the current step."""
        return np.random.default_rng([seed, self.step])

    def log(self, every: int, **values: float) -> None:
        """Add a step to the curve; a line of means is written every `every` steps. A step may leave values out."""
        for name, value in values.items():
            total, count = self.sums.get(name, (0.0, 0))
            self.sums[name] = (total + float(value.detach() if torch.is_tensor(value) else value), count + 1)
        if self.step % every == 0:
            line = {"step": self.step, "seconds": round(time.time() - self.start, 1)}
            line.update({name: round(total / count, 4) for name, (total, count) in self.sums.items()})
            with self.curve.open("a") as out:
                out.write(json.dumps(line) + "\n")
            print(line, flush=True)
            self.sums = {}

    def save(self) -> None:
        """Write a checkpoint; the old one stays until the new one is complete."""
        state = {"step": self.step, **{name: part.state_dict() for name, part in self.parts.items()}}
        temporary = self.file.with_suffix(".tmp")
        torch.save(state, temporary)
        os.replace(temporary, self.file)
