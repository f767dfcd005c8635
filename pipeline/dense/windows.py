"""How a photo is cut for CLIP: the resized frame, the windows on it, their padding, and batches of them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..records import Box

Size = tuple[int, int]
#: The multiple to which ProxyCLIP's and Trident's published code pads windows: whole patches of 14 and of 8 pixels.
PUBLISHED_PADDING = 56


@dataclass(frozen=True)
class Layout:
    """Where the windows lie.

    Attributes:
        frame: height and width of the resized photo.
        boxes: windows row by row, `x0, y0, x1, y1` in frame pixels, before padding.
        multiple: windows are zero-padded to whole multiples of it, 1 for no padding.
    """

    frame: Size
    boxes: tuple[Box, ...]
    multiple: int = 1


def window_boxes(frame: Size, window: int, stride: int) -> tuple[Box, ...]:
    """Sliding windows that cover a frame, row by row; the last of each axis is moved back inside.

    Per axis there are max(H - window + stride - 1, 0) // stride + 1. A frame smaller than the window is one window.
    """
    height, width = frame
    rows, cols = _spans(height, window, stride), _spans(width, window, stride)
    return tuple((x0, y0, x1, y1) for y0, y1 in rows for x0, x1 in cols)


def _spans(length: int, window: int, stride: int) -> list[tuple[int, int]]:
    ends = [min(i * stride + window, length) for i in range(max(length - window + stride - 1, 0) // stride + 1)]
    return [(max(end - window, 0), end) for end in ends]


def padding(height: int, width: int, multiple: int) -> tuple[int, int, int, int]:
    """Left, right, top and bottom padding to whole multiples; the smaller half lies left and on top."""
    extra_w, extra_h = -width % multiple, -height % multiple
    return extra_w // 2, extra_w - extra_w // 2, extra_h // 2, extra_h - extra_h // 2


def padded_box(box: Box, multiple: int) -> Box:
    """The box that a window covers after padding; it may reach outside the frame."""
    x0, y0, x1, y1 = box
    left, right, top, bottom = padding(y1 - y0, x1 - x0, multiple)
    return x0 - left, y0 - top, x1 + right, y1 + bottom


def cut(image: Tensor, box: Box, multiple: int = 1) -> Tensor:
    """One window of an image [3, H, W], zero-padded: [3, h, w]. Zero in a normalised image is the mean colour."""
    x0, y0, x1, y1 = box
    return F.pad(image[:, y0:y1, x0:x1], padding(y1 - y0, x1 - x0, multiple))


def batches(image: Tensor, layout: Layout, boxes: Sequence[Box], size: int) -> Iterator[tuple[list[int], Tensor]]:
    """Cut windows in groups of at most `size` of equal shape.

    Yields:
        Indices into `boxes`, in order, and the windows [B, 3, h, w].
    """
    group: list[int] = []
    for index, box in enumerate(boxes):
        if group and (len(group) == size or _extent(boxes[group[0]]) != _extent(box)):
            yield group, torch.stack([cut(image, boxes[i], layout.multiple) for i in group])
            group = []
        group.append(index)
    if group:
        yield group, torch.stack([cut(image, boxes[i], layout.multiple) for i in group])


def _extent(box: Box) -> Size:
    return box[3] - box[1], box[2] - box[0]


def short_side_frame(size: Size, short: int) -> Size:
    """A size with its short side brought to `short`, the other in proportion (rounded to the nearest pixel)."""
    height, width = size
    factor = short / min(height, width)
    return (short, max(short, int(width * factor + 0.5))) if height <= width else (
        max(short, int(height * factor + 0.5)), short)


def patch_frame(size: Size, patch: int, window: int) -> Size:
    """Trident's frame, whole patches on both sides.

    A size that divides by the patch is left as it is, even where it is smaller than the window. Otherwise the long
    side goes up to a multiple of the patch, the other side follows in proportion and up to a multiple, and neither is
    smaller than the window.
    """
    height, width = size
    if height % patch == 0 and width % patch == 0:
        return size
    long = math.ceil(max(size) / patch) * patch
    other = math.ceil(int(long * min(size) / max(size)) / patch) * patch
    long, other = max(long, window), max(other, window)
    return (long, other) if height >= width else (other, long)


def resize_photo(pixels: np.ndarray, size: Size) -> Tensor:
    """Photo pixels uint8 [H, W, 3] as float32 [3, h, w] in 0..1 at another size.

    Bilinear; where the photo shrinks the filter widens with it, so that fine texture does not alias.
    """
    image = torch.tensor(pixels).permute(2, 0, 1).float().div_(255)
    if image.shape[-2:] == tuple(size):
        return image
    return F.interpolate(image[None], size=tuple(size), mode="bilinear", align_corners=False, antialias=True)[0]


def normalised(image: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Colours 0..1 [..., 3, H, W] brought to a model's statistics."""
    return (image - image.new_tensor(mean)[:, None, None]) / image.new_tensor(std)[:, None, None]


def unnormalised(image: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Inverse of `normalised`."""
    return image * image.new_tensor(std)[:, None, None] + image.new_tensor(mean)[:, None, None]
