"""What a decoding process sends back, checked: one that was taken over by its picture is not believed."""

from __future__ import annotations

import os

import numpy as np

from ..decode import Decoded, check_size
from ..errors import NamebrushError
from .transport import Closed, read_all

#: Notes on a photo; bytes of its EXIF block, and of its colour profile.
MAX_NOTES, MAX_EXTRA = 16, 8 << 20


def refusal(reason: str, name: str) -> NamebrushError:
    """One sentence on a picture that cost its process too much."""
    return NamebrushError({
        "time": f'"{name}" takes too long to decode and was refused. Save it again as an ordinary JPEG or PNG.',
        "memory": f'"{name}" needs too much memory to decode and was refused. Make it smaller, or save it again.',
        "crash": f'"{name}" is damaged in a way that ends the program that reads it. Get a fresh copy of it.',
    }[reason])  # fmt: skip


def content(handle: int | None, limit: float, name: str) -> np.ndarray:
    """What came back, as memory of our own; a process that was taken over by its picture is not believed."""
    if handle is None:
        raise refusal("crash", name)
    size = os.fstat(handle).st_size
    if size > limit * 1e6 * 8 + 2 * MAX_EXTRA:
        raise refusal("memory", name)
    try:
        return read_all(handle, size)
    except (Closed, OSError) as error:
        raise refusal("crash", name) from error


def checked_photo(reply: dict, parts: np.ndarray, limit: float, name: str) -> Decoded:
    try:
        height, width, channels = map(int, reply["shape"])
        exif, icc = (None if reply[kind] is None else int(reply[kind]) for kind in ("exif", "icc"))
        count, alpha = height * width, height * width if reply["alpha"] else 0
        notes = [str(note)[:500] for note in reply["notes"][:MAX_NOTES]]
        extra = [0 if size is None else size for size in (exif, icc)]
        if channels != 3 or min(height, width, *extra, 0) < 0 or max(extra) > MAX_EXTRA:
            raise ValueError
        if parts.size != 3 * count + alpha + sum(extra):
            raise ValueError
    except (KeyError, TypeError, ValueError) as error:
        raise refusal("crash", name) from error
    check_size(width, height, limit, name)
    pixels, rest = parts[: 3 * count].reshape(height, width, 3), parts[3 * count + alpha :].tobytes()
    return Decoded(
        pixels=pixels,
        alpha=parts[3 * count : 3 * count + alpha].reshape(height, width) if alpha else None,
        exif=None if exif is None else rest[: extra[0]],
        icc=None if icc is None else rest[extra[0] :],
        notes=notes,
    )


def checked_samples(reply: dict, parts: np.ndarray, limit: float, name: str) -> np.ndarray:
    try:
        height, width, channels = map(int, reply["shape"])
        dtype = {"uint8": np.uint8, "uint16": np.uint16}[reply["dtype"]]
        if min(height, width) < 1 or height * width > limit * 1e6 or channels not in (1, 3, 4):
            raise ValueError
        return parts.view(dtype).reshape(height, width, channels)
    except (KeyError, TypeError, ValueError) as error:
        raise refusal("crash", name) from error
