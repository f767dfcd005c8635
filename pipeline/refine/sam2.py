"""SAM 2 in SAM's place: the same questions in photo pixels, asked of `transformers`' `Sam2Model`.

It differs in three ways: photos are stretched over the square instead of padded, the mask decoder adds finer feature
maps, and a single mask that is not stable gives way to the best of three inside the library. Trident's aggregation
needs attention SAM 2 has not, so only refinement, voting, proposals and selection by hand can use it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..models.records import Sam2
from ..progress import Progress
from ..records import Prompt, SamEmbedding


@torch.no_grad()
def encode_sam2(sam: Sam2, pixels: np.ndarray, progress: Progress | None = None) -> SamEmbedding:
    """Run the image encoder once on a photo uint8 [H, W, 3]."""
    (progress or Progress()).step("Finding edges in the photo")
    side = int(sam.model.prompt_encoder.input_image_size)
    weight = sam.model.no_memory_embedding
    image = np.asarray(Image.fromarray(pixels).resize((side, side), Image.Resampling.BILINEAR), np.float32) / 255
    image = (image - np.array(sam.mean, np.float32)) / np.array(sam.std, np.float32)
    batch = torch.from_numpy(image).permute(2, 0, 1)[None].to(weight)
    *fine, features = sam.model.get_image_embeddings(batch)
    return SamEmbedding(
        features.float().cpu().numpy(), (side, side), pixels.shape[:2],
        fine=tuple(f.float().cpu().numpy() for f in fine), stretched=True,
    )  # fmt: skip


@torch.no_grad()
def decode_sam2(
    sam: Sam2, embedding: SamEmbedding, prompts: Sequence[Prompt], points: np.ndarray, labels: np.ndarray,
    corners: np.ndarray | None, multimask: bool, group: int = 32,
) -> tuple[Tensor, Tensor]:
    """All prompts' masks; arguments as `sam._decode` prepares them.

    Args:
        prompts: those that share a mask and have as many points are asked together, `group` at a time.
        points: float64 [N, P, 2] in SAM's pixels; labels: [N, P], -1 where there is no point.
        corners: float64 [N, 4], or None.

    Returns:
        Logits [N, M, low, low] and IoU [N, M], M = 3 or 1, on the CPU.
    """
    weight = sam.model.no_memory_embedding
    maps = [torch.from_numpy(np.array(f)).to(weight) for f in (*embedding.fine, embedding.features)]
    found: dict[int, tuple[Tensor, Tensor]] = {}
    alike: dict[tuple, list[int]] = {}
    for i, prompt in enumerate(prompts):
        shown = () if prompt.mask is None else (prompt.mask.ctypes.data, prompt.mask.strides)
        # Points the library pads with still take part in its attention, so only equal numbers go together.
        alike.setdefault((shown, len(prompt.points)), []).append(i)
    for members in alike.values():
        mask, count = prompts[members[0]].mask, len(prompts[members[0]].points)
        shown = None if mask is None else torch.from_numpy(np.array(mask))[None, None].to(weight)
        for start in range(0, len(members), group):
            chunk = members[start : start + group]
            asked = {}
            if count:
                asked["input_points"] = torch.from_numpy(points[chunk, :count])[None].to(weight)
                asked["input_labels"] = torch.from_numpy(labels[chunk, :count]).long()[None].to(weight.device)
            if corners is not None:
                asked["input_boxes"] = torch.from_numpy(corners[chunk])[None].to(weight)
            out = sam.model(image_embeddings=maps, input_masks=shown, multimask_output=multimask, **asked)
            logits, iou = out.pred_masks[0].float().cpu(), out.iou_scores[0].float().cpu()
            # Of a mask alone the library makes one answer, which is that of every prompt that has just this mask.
            found.update((i, (logits[k], iou[k])) for k, i in zip(_rows(len(chunk), len(logits)), chunk, strict=True))
    answers = [found[i] for i in range(len(prompts))]
    return torch.stack([a for a, _ in answers]), torch.stack([a for _, a in answers])


def _rows(count: int, answers: int) -> list[int]:
    return list(range(count)) if answers == count else [0] * count
