"""SAM as a function of its inputs: an embedding and prompts in, logits out.

`segment_anything`'s prompt encoder and mask decoder are called directly. `SamPredictor` keeps a photo inside, which a
model that several people share must not. Sizes are read from the modules: any image size, grid and width will do.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from segment_anything.utils.transforms import ResizeLongestSide

from ..device import on_device
from ..models.records import Sam2, SamModel
from ..progress import Progress
from ..records import Box, Prompt, SamEmbedding
from .decoder import decode_masks
from .sam2 import decode_sam2

#: Memory one decoder call may take where free memory is not told.
DECODER_BYTES = 2 << 30
#: Rows of pixels that are resized at a time.
BAND = 48


def side(sam: SamModel | Sam2) -> int:
    """Side of the padded square SAM sees, in pixels (1024 for the official models)."""
    return int(sam.model.prompt_encoder.input_image_size if isinstance(sam, Sam2) else sam.sam.image_encoder.img_size)


def device_of(sam: SamModel | Sam2) -> torch.device:
    """Where the model is."""
    return next((sam.model if isinstance(sam, Sam2) else sam.sam).parameters()).device


def low_side(sam: SamModel | Sam2) -> int:
    """Side of SAM's low-resolution masks, four times its token grid (256 for the official models)."""
    return int((sam.model if isinstance(sam, Sam2) else sam.sam).prompt_encoder.mask_input_size[0])


def input_size(size: tuple[int, int], long_side: int) -> tuple[int, int]:
    """Height and width after the long side is brought to `long_side`, rounded as `ResizeLongestSide` rounds."""
    return ResizeLongestSide.get_preprocess_shape(size[0], size[1], long_side)


def low_size(embedding: SamEmbedding, low: int) -> tuple[int, int]:
    """Height and width of the part of a low-resolution mask that holds the photo; SAM 2 stretches photos over all."""
    return (low, low) if embedding.stretched else input_size(embedding.original_size, low)


def grid_size(grid: tuple[int, int], embedding: SamEmbedding) -> tuple[int, int]:
    """Height and width in SAM input pixels that SAM's transform brings a map of `grid` to."""
    square = max(embedding.input_size)
    return (square, square) if embedding.stretched else input_size(grid, square)


def to_sam(xy: np.ndarray, embedding: SamEmbedding) -> np.ndarray:
    """Photo pixels to SAM input pixels; float [..., 2] of x and y."""
    return np.asarray(xy, np.float64) * _scale(embedding)


def to_photo(xy: np.ndarray, embedding: SamEmbedding) -> np.ndarray:
    """SAM input pixels to photo pixels; the inverse of `to_sam`."""
    return np.asarray(xy, np.float64) / _scale(embedding)


def _scale(embedding: SamEmbedding) -> np.ndarray:
    (height, width), (full_height, full_width) = embedding.input_size, embedding.original_size
    return np.array([width / full_width, height / full_height])


def decode(
    sam: SamModel | Sam2,
    embedding: SamEmbedding,
    prompts: Sequence[Prompt],
    multimask: bool = False,
    rowwise_masks: bool = False,
    budget: int | None = None,
    best: bool = True,
    mixed: bool = False,
    precise: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Ask SAM all prompts at once.

    All prompts share one call, but for prompts with and without a box (SAM adds a padding point to the latter) or a
    mask. Within a call, prompts with fewer points are filled up with SAM's "not a point" (label -1). A mask that
    several prompts share is embedded once.

    Args:
        sam: the model; only its prompt encoder and mask decoder run.
        embedding: of the photo.
        prompts: in photo pixels; a box's exclusive ends become the pixel indices SAM expects.
        multimask: SAM's three masks, meant for a single point.
        rowwise_masks: embed masks as Trident's published code does, see `_embed_masks`; SAM 2 knows no such way.
        budget: bytes the decoder may take on a graphics card; None: a quarter of what is free there.
        best: of three masks only the one SAM expects most of.
        mixed: half precision where the device has it: on a graphics card.
        precise: the mask decoder in double precision, for comparing with recorded numbers: a decoder of random weights
            magnifies rounding until it says more about the order of sums than about the method. Not for SAM 2.

    Returns:
        Low-resolution logits float32 [N, low, low] and predicted IoU float32 [N]; with `best` off [N, 3, low, low] and
        [N, 3]. Where SAM's padding lies logits are -32, but for `precise` and SAM 2.
    """
    low, count = low_side(sam), 3 if multimask else 1
    logits = np.zeros((len(prompts), count, low, low), np.float32)
    iou = np.zeros((len(prompts), count), np.float32)
    kinds: dict[tuple[bool, bool], list[int]] = {}
    for i, prompt in enumerate(prompts):
        kinds.setdefault((prompt.box is None, prompt.mask is None), []).append(i)
    for members in kinds.values():
        asked = [prompts[i] for i in members]
        with on_device(device_of(sam), Progress()):
            made = _decode(sam, embedding, asked, multimask, rowwise_masks, budget, mixed, precise)
        if len(kinds) == 1:
            logits, iou = made
        else:
            logits[members], iou[members] = made
    if not best:
        return logits, iou
    rows, chosen = np.arange(len(prompts)), iou.argmax(axis=1)
    return (logits[:, 0], iou[:, 0]) if count == 1 else (logits[rows, chosen], iou[rows, chosen])


@torch.no_grad()
def _decode(
    sam: SamModel | Sam2, embedding: SamEmbedding, prompts: Sequence[Prompt], multimask: bool, rowwise: bool,
    budget: int | None, mixed: bool, precise: bool,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """One call of prompt encoder and mask decoder; either all prompts have a box or none has, and so with masks."""
    # Without a box an empty list of points would leave the encoder without a batch size.
    most, boxed = max(len(p.points) for p in prompts), prompts[0].box is not None
    xy, labels = np.zeros((len(prompts), most, 2)), np.full((len(prompts), most), -1.0)
    for i, p in enumerate(prompts):
        xy[i, : len(p.points)], labels[i, : len(p.points)] = to_sam(p.points, embedding), p.labels
    corners = np.stack([_corners(p.box, embedding) for p in prompts]) if boxed else None
    if isinstance(sam, Sam2):
        logits, iou = decode_sam2(sam, embedding, prompts, xy, labels, corners, multimask)
        return logits.numpy(), iou.numpy()
    model = sam.sam
    weight = model.prompt_encoder.no_mask_embed.weight
    place = {"device": weight.device, "dtype": weight.dtype}
    points = (torch.as_tensor(xy, **place), torch.as_tensor(labels, **place)) if most or not boxed else None
    boxes = torch.as_tensor(corners, **place) if boxed else None
    if budget is None:
        budget = torch.cuda.mem_get_info(weight.device)[0] // 4 if weight.is_cuda else DECODER_BYTES
    encoder, decoder = model.prompt_encoder, model.mask_decoder
    sparse, nothing = encoder(points=points, boxes=boxes, masks=None)
    image = torch.as_tensor(np.array(embedding.features), **place)
    if prompts[0].mask is None:
        dense, which, closing = nothing[:1], torch.zeros(len(prompts), dtype=torch.int64), None
        image = image + nothing[:1]
    else:
        dense, which = _embed_masks(encoder, [p.mask for p in prompts], rowwise)
        closing, bias = encoder.mask_downscaling[-1].weight.flatten(1), encoder.mask_downscaling[-1].bias
        image = image + bias.view(1, -1, 1, 1)
    valid = None
    if precise:
        decoder, place = copy.deepcopy(decoder).double(), {**place, "dtype": torch.float64}
    else:
        valid = valid_cells(embedding, image.shape[-2:])
    logits, iou = decode_masks(
        decoder, image.to(**place), encoder.get_dense_pe().to(**place), sparse.to(**place), dense.to(**place),
        which.to(weight.device), None if closing is None else closing.to(**place), multimask, budget, valid, mixed,
    )  # fmt: skip
    return logits.cpu().numpy(), iou.cpu().numpy()


def valid_cells(embedding: SamEmbedding, grid: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns of SAM's token grid whose masks reach into the photo when they are brought to its size."""
    square = max(embedding.input_size)
    # Each token has four cells, and resizing reaches one cell beyond the photo's edge.
    ends = (math.ceil((math.ceil(4 * n * length / square) + 1) / 4) for n, length in
            zip(grid, embedding.input_size, strict=True))  # fmt: skip
    rows, columns = (min(end, n) for end, n in zip(ends, grid, strict=True))
    return rows, columns


def _embed_masks(encoder, masks: Sequence[np.ndarray], rowwise: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """The different masks before the encoder's last convolution, [U, M, g, g], and int64 [N], which one each has.

    Trident's published code hands SAM's encoder a mask without a batch axis. SAM's LayerNorm2d then normalises over
    the rows of the map in place of its channels, which lifts the faint mask (alpha = 0.005) to full strength. The
    recorded numbers contain this; `rowwise` reproduces it. Without it masks are embedded as SAM was trained.
    """
    different = {_identity(m): m for m in masks}
    place = {key: i for i, key in enumerate(different)}
    which = torch.tensor([place[_identity(m)] for m in masks])
    weight = encoder.no_mask_embed.weight
    maps = torch.as_tensor(np.stack(list(different.values()))[:, None], device=weight.device, dtype=weight.dtype)
    down = encoder.mask_downscaling[:-1]
    return torch.stack([down(m) for m in maps]) if rowwise else down(maps), which


def _identity(array: np.ndarray) -> tuple:
    """Equal for views of the same numbers, as the prompts of one class hold them."""
    return array.ctypes.data, array.shape, array.strides


def _corners(box: Sequence[float], embedding: SamEmbedding) -> np.ndarray:
    """A box with exclusive ends as SAM's four coordinates: the first and the last pixel inside it."""
    x0, y0, x1, y1 = box
    return to_sam(np.array([[x0, y0], [max(x0, x1 - 1), max(y0, y1 - 1)]]), embedding).reshape(4)


def upsample(
    logits: np.ndarray, embedding: SamEmbedding, crop: Box | None = None, size: tuple[int, int] | None = None
) -> np.ndarray:
    """Low-resolution logits to photo pixels, before any threshold.

    SAM's own steps (bilinear to its square, padding cut off, bilinear to the photo) are linear and separable, so they
    are two small matrix products, which also yield any part of the photo without the rest.

    Args:
        logits: float32 [N, low, low].
        embedding: of the photo.
        crop: x0, y0, x1, y1 of the part wanted, photo pixels; None: all of it.
        size: height and width to resize to (bilinear) after SAM's own steps; None: the photo's.

    Returns:
        float32 [N, y1 - y0, x1 - x0].
    """
    low, square = logits.shape[-1], max(embedding.input_size)
    size = tuple(embedding.original_size) if size is None else tuple(size)
    x0, y0, x1, y1 = (0, 0, size[1], size[0]) if crop is None else crop
    (in_h, in_w), (full_h, full_w) = embedding.input_size, embedding.original_size
    rows = _axis(low, square, in_h, full_h, size[0])[y0:y1]
    cols = _axis(low, square, in_w, full_w, size[1])[x0:x1]
    return np.stack([_banded(cols, _banded(rows, np.asarray(m, np.float32)).T).T for m in logits])


def _banded(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """weights @ values, where a row of weights reaches a few neighbouring cells: band by band, without the zeros."""
    made = np.empty((len(weights), values.shape[1]), np.float32)
    for start in range(0, len(weights), BAND):
        band = weights[start : start + BAND]
        reach = _reach(band)
        np.matmul(band[:, reach], values[reach], out=made[start : start + BAND])
    return made


@lru_cache(maxsize=16)
def _axis(low: int, square: int, valid: int, full: int, final: int) -> np.ndarray:
    """The weights float32 [final, low] of one axis: low to square, cut to valid, to full, to final; all bilinear."""
    weights = _resize(torch.eye(low)[None, None], square)[:, :, :valid]
    weights = _resize(_resize(weights, full), final)[0, 0].numpy()
    weights.flags.writeable = False
    return weights


def _resize(weights: torch.Tensor, length: int) -> torch.Tensor:
    return F.interpolate(weights, (length, weights.shape[3]), mode="bilinear", align_corners=False)


def _reach(weights: np.ndarray) -> slice:
    used = np.flatnonzero(weights.any(axis=0))
    return slice(int(used[0]), int(used[-1]) + 1)


def positive_box(logits: np.ndarray, embedding: SamEmbedding, size: tuple[int, int]) -> Box | None:
    """A box of photo pixels outside which the upsampled logits [low, low] are certainly not above zero.

    Resizing twice reaches at most two low-resolution cells beyond a positive one. None: nothing is positive.
    """
    low, square = logits.shape[-1], max(embedding.input_size)
    positive = logits > 0
    ends = []
    for axis in (1, 0):
        hit = np.flatnonzero(positive.any(axis=1 - axis))
        if not len(hit):
            return None
        scale = square / low * size[axis] / embedding.input_size[axis]
        start, stop = int(np.floor((hit[0] - 2) * scale)), int(np.ceil((hit[-1] + 3) * scale))
        ends.append((max(start, 0), min(stop, size[axis])))
    (x0, x1), (y0, y1) = ends
    return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None


def mask_to_logits(mask: np.ndarray, embedding: SamEmbedding, low: int, strength: float = 8.0) -> np.ndarray:
    """A drawn mask, bool [H, W], as a mask prompt: +strength inside, -strength outside, soft between.

    Returns:
        float32 [low, low] over SAM's padded square; the padding counts as outside.
    """
    height, width = low_size(embedding, low)
    small = cv2.resize(mask.astype(np.float32), (max(width, 1), max(height, 1)), interpolation=cv2.INTER_AREA)
    logits = np.full((low, low), -strength, np.float32)
    logits[: small.shape[0], : small.shape[1]] = (2 * small - 1) * strength
    return logits
