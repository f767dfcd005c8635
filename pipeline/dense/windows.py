"""How a photo is cut for CLIP: the resized frame, the windows on it, and their padding."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..records import Box

Size = tuple[int, int]


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


def layout_of(
    size: Size, short: int, window: int, stride: int, patch: int, multiple: int, whole_patches: bool, pad: bool
) -> Layout:
    """The frame and windows of a photo.

    Args:
        size: height and width of the photo.
        short, window, stride: in pixels.
        patch: side of a CLIP patch.
        multiple: least common multiple of the patches of all models that look at a window.
        whole_patches: Trident's frame, with window origins on patches; the window is rounded up to `multiple`, the
            stride to the nearest whole patch. Else the short side alone decides.
        pad: zero-pad windows to `multiple` (for frames smaller than a window, or windows of broken patches). The
            published 56 is the multiple of patches of 14 and 8.
    """
    frame = short_side_frame(size, short)
    if whole_patches:
        window = math.ceil(window / multiple) * multiple
        stride = max(1, round(stride / patch)) * patch
        frame = patch_frame(frame, patch, window)
    return Layout(frame, window_boxes(frame, window, stride), multiple if pad else 1)


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


def cut_all(image: Tensor, layout: Layout, start: int, stop: int) -> Tensor:
    """Windows start..stop of a layout, zero-padded: [B, 3, h, w]. All windows of a layout have one size."""
    return torch.stack([cut(image, box, layout.multiple) for box in layout.boxes[start:stop]])


def cut_regions(regions: Tensor, layout: Layout, box: Box) -> Tensor:
    """The part of a map of region numbers int64 [H, W] under one window; what is padded belongs to no region (-1)."""
    x0, y0, x1, y1 = box
    return F.pad(regions[y0:y1, x0:x1], padding(y1 - y0, x1 - x0, layout.multiple), value=-1)


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
    """Photo pixels uint8 [H, W, 3] at another size, as float32 [3, h, w] in 0..1.

    Bilinear, rounded to 8 bits as published; where the photo shrinks the filter widens with it, so that fine texture
    does not alias.
    """
    image = torch.tensor(pixels).permute(2, 0, 1)[None]
    if image.shape[-2:] != tuple(size):
        image = F.interpolate(image, size=tuple(size), mode="bilinear", align_corners=False, antialias=True)
    return image[0].float() / 255


def normalised(image: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Colours 0..1 [..., 3, H, W] brought to a model's statistics."""
    return (image - image.new_tensor(mean)[:, None, None]) / image.new_tensor(std)[:, None, None]


def unnormalised(image: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Inverse of `normalised`."""
    return image * image.new_tensor(std)[:, None, None] + image.new_tensor(mean)[:, None, None]
