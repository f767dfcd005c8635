"""LoftUp's learned upsampler through its published interface: the dense features themselves become finer.

Source: Huang et al., LoftUp: Learning a Coordinate-Based Feature Upsampler for Vision Foundation Models, ICCV 2025.
`torch.hub.load("andrehuang/loftup", "loftup_clip")` gives a module called with features [1, 512, h, w] and the image
they were made of, normalised as for ImageNet, [1, 3, H, W]; it answers with features of the image's size. It was
trained on CLIP ViT-B/16, so only features of 512 channels can be given to it. Loading runs the authors' code from
their repository and fetches their weights from the hub; nothing of it is in ours.

The thesis of methods.md, section 14, goes from a grid of 14 to 28. We ask for `FACTOR` times the grid by giving the
image at that size, because features at every pixel of every window would fill any memory.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from ..device import loading
from ..errors import NamebrushError
from ..models.download import offline
from ..models.records import IMAGENET_MEAN, IMAGENET_STD
from ..progress import Progress
from ..records import Encoded

REPOSITORY, ENTRY, CHANNELS = "andrehuang/loftup", "loftup_clip", 512
#: How many times finer the grid becomes.
FACTOR = 4

_loaded: dict[str, Any] = {}
_guard = threading.Lock()


def check_channels(channels: int) -> None:
    """Refuse features that LoftUp was not trained on.

    Raises:
        NamebrushError: other than 512 channels.
    """
    if channels != CHANNELS:
        raise NamebrushError(
            f"LoftUp's weights take CLIP ViT-B/16's {CHANNELS} channels, and this CLIP has {channels}; "
            "choose the preset base, or upsample=bilateral."
        )


def load_loftup(device: torch.device, progress: Progress | None = None) -> Callable:
    """The published module, loaded once per device.

    Raises:
        NamebrushError: its code or weights are not on this machine and cannot be fetched.
    """
    with loading(_guard, progress or Progress()):
        if str(device) not in _loaded:
            (progress or Progress()).step("Loading LoftUp")
            _loaded[str(device)] = _fetch().to(device).eval().requires_grad_(False)
        return _loaded[str(device)]


def _fetch() -> torch.nn.Module:
    here = Path(torch.hub.get_dir()) / f"{REPOSITORY.replace('/', '_')}_main"
    remedy = f"its code is at https://github.com/{REPOSITORY} and its weights under haiwen/loftup-clip on the hub"
    if offline() and not here.is_dir():
        raise NamebrushError(
            f"LoftUp is not on this machine (looked in {here}) and HF_HUB_OFFLINE forbids fetching it; {remedy}."
        )
    source = {"source": "local"} if here.is_dir() else {"source": "github", "trust_repo": True}
    try:
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere):  # its own progress bars
            return torch.hub.load(str(here) if here.is_dir() else REPOSITORY, ENTRY, pretrained=True, **source)
    except Exception as error:
        # The hub, the authors' imports and their download raise what they like; a person needs one line of it.
        first = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise NamebrushError(
            f"LoftUp could not be loaded ({first[:160]}); {remedy}. upsample=bilateral needs no download."
        ) from error


@torch.inference_mode()
def refine_features(
    encoded: Encoded,
    pixels: np.ndarray,
    network: Callable,
    device: torch.device,
    progress: Progress | None = None,
    factor: int = FACTOR,
) -> Encoded:
    """Dense features on a grid `factor` times as fine.

    Args:
        encoded: dense features of a photo.
        pixels: uint8 [H, W, 3], the photo.
        network: see `load_loftup`.
        device: where the network is.
        progress: told of every window, may cancel between them.
        factor: 1 or more.

    Returns:
        The same windows with features float32 [D, factor * h, factor * w] of unit norm.

    Raises:
        NamebrushError: features that LoftUp was not trained on.
    """
    progress = progress or Progress()
    photo = torch.from_numpy(np.array(pixels)).permute(2, 0, 1)[None].float() / 255
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (IMAGENET_MEAN, IMAGENET_STD))
    photo = (photo - mean) / std
    maps = []
    for index, one in enumerate(encoded.maps):
        progress.step("LoftUp makes the features finer", index / len(encoded.maps))
        check_channels(one.features.shape[0])
        features = torch.tensor(one.features)[None]
        size = factor * features.shape[2], factor * features.shape[3]
        image = _cut_out(photo, one.box, one.frame or encoded.frame, size)
        finer = network(features.to(device), image.to(device)).float().cpu()
        if tuple(finer.shape[2:]) != size:
            finer = F.interpolate(finer, size=size, mode="bilinear", align_corners=False)
        maps.append(replace(one, features=F.normalize(finer[0], dim=0).numpy()))
    return replace(encoded, maps=tuple(maps))


def _cut_out(photo: torch.Tensor, box, frame: tuple[int, int], size: tuple[int, int]) -> torch.Tensor:
    """The part of the photo under a box of a frame, at a size; beyond the photo its edge goes on."""
    x0, y0, x1, y1 = box
    rows = (torch.arange(size[0]) + 0.5) / size[0] * (y1 - y0) + y0
    columns = (torch.arange(size[1]) + 0.5) / size[1] * (x1 - x0) + x0
    grid = torch.stack(torch.meshgrid(2 * rows / frame[0] - 1, 2 * columns / frame[1] - 1, indexing="ij"), dim=-1)
    # Shrinking first keeps fine detail from turning into noise.
    height, width = photo.shape[2:]
    cells = size[0] * frame[0] / (y1 - y0), size[1] * frame[1] / (x1 - x0)
    if cells[0] < height and cells[1] < width:
        photo = F.interpolate(photo, size=(max(1, round(cells[0])), max(1, round(cells[1]))), mode="area")
    return F.grid_sample(photo, grid.flip(-1)[None], mode="bilinear", padding_mode="border", align_corners=False)
