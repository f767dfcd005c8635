"""The models' part in judging an edit: segmenting the result again, and CLIP's opinion of what was painted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from .device import on_device
from .edit.judge import Judge
from .models.catalog import PRESETS
from .progress import Progress
from .records import Box, EditRequest, Photo
from .text.embed import embed_words

if TYPE_CHECKING:
    from .pipeline import Pipeline

#: Context around a mask that CLIP sees, as a share of its longer side.
CONTEXT = 0.15


def judge_of(pipe: Pipeline, request: EditRequest, progress: Progress) -> Judge:
    """Who judges an edit by diffusion: the segmentation where a named thing is removed, CLIP where words are painted.

    Args:
        pipe: the engine; its CLIP must be here already or be loadable.
        request: what is done.
        progress: told of the work; its seconds are the judge's own.
    """
    quiet = Progress(lambda message, share=None: progress.report("Looking at the result", None))
    if request.kind == "remove" and request.subject:
        return Judge(there=lambda photo, mask: _share(pipe, photo, mask, request.subject, quiet))
    if request.kind in ("replace", "restyle") and request.prompt.strip():
        return Judge(likeness=lambda photo, box: _likeness(pipe, photo, box, request.prompt, quiet))
    return Judge()


def _share(pipe: Pipeline, photo: Photo, mask: np.ndarray, subject: str, progress: Progress) -> float:
    """Share of a mask, bool [H, W], whose pixels are named as one of the subject's names."""
    preset = PRESETS.get(pipe.preset)
    found = pipe.segment(
        photo, subject, method=preset.method if preset else "sclip", refine="none", progress=progress
    )
    return float((found.labels[mask] >= 0).mean())


def _likeness(pipe: Pipeline, photo: Photo, box: Box, words: str, progress: Progress) -> float:
    """Cosine of CLIP between a part of a photo, with a little context, and words."""
    import torch

    clip = pipe.models.clip
    margin = round(CONTEXT * max(box[2] - box[0], box[3] - box[1]))
    x0, y0 = max(0, box[0] - margin), max(0, box[1] - margin)
    part = photo.pixels[y0 : box[3] + margin, x0 : box[2] + margin]
    size = clip.model.visual.image_size
    height, width = (size, size) if isinstance(size, int) else size
    how = cv2.INTER_AREA if part.shape[0] > height else cv2.INTER_CUBIC
    seen = cv2.resize(part, (width, height), interpolation=how)
    text = embed_words(clip, [words], "auto", progress, guard=lambda: on_device(pipe.models.device, progress))
    with on_device(pipe.models.device, progress), torch.no_grad():
        first = next(clip.model.visual.parameters())
        pixels = torch.from_numpy(seen).to(first.device).permute(2, 0, 1)[None].float() / 255
        mean, std = (torch.tensor(v, device=first.device).view(1, 3, 1, 1) for v in (clip.mean, clip.std))
        image = clip.model.encode_image(((pixels - mean) / std).to(first.dtype), normalize=True)
        return float(image[0].float().cpu() @ torch.from_numpy(np.array(text[0])))
