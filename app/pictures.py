"""Pictures for the browser: files in Gradio's cache under names nobody can guess."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path
from secrets import token_hex

import cv2
import numpy as np

#: Photos up to this many pixels are sent without loss.
LOSSLESS_PIXELS = 1_500_000
JPEG_QUALITY = 95


def as_picture(pixels: np.ndarray) -> tuple[str, bytes]:
    """A photo for the screen, uint8 [H, W, 3] or with alpha [H, W, 4]: ending and bytes.

    Small ones and those with alpha lose nothing, others become JPEG with whole colours.
    """
    small = pixels.shape[0] * pixels.shape[1] <= LOSSLESS_PIXELS or pixels.shape[2] == 4
    options = [cv2.IMWRITE_PNG_COMPRESSION, 2] if small else [
        cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    ]  # fmt: skip
    ending = ".png" if small else ".jpg"
    order = cv2.COLOR_RGBA2BGRA if pixels.shape[2] == 4 else cv2.COLOR_RGB2BGR
    ok, data = cv2.imencode(ending, cv2.cvtColor(pixels, order), options)
    if not ok:
        raise OSError(f"The picture could not be encoded as {ending}.")
    return ending, data.tobytes()


def as_index(index: np.ndarray) -> bytes:
    """An index uint16 [h, w] as a PNG whose red holds the low byte and green the high one."""
    low, high = (index & 255).astype(np.uint8), (index >> 8).astype(np.uint8)
    ok, data = cv2.imencode(".png", np.dstack([np.zeros_like(low), high, low]), [cv2.IMWRITE_PNG_COMPRESSION, 3])
    if not ok:
        raise OSError("The index picture could not be encoded.")
    return data.tobytes()


def is_full(error: BaseException) -> bool:
    """Whether an error says that there is no room on the disk."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def written(data: bytes, name: str, folder: str | Path) -> str:
    """Write bytes into a folder of their own below `folder`, under a name nobody can guess; returns the path.

    Raises:
        OSError: the disk is full, or refuses; nothing is left there then.
    """
    target = Path(folder) / token_hex(16)
    target.mkdir(parents=True)
    path = target / name
    try:
        path.write_bytes(data)
    except OSError:
        shutil.rmtree(target, ignore_errors=True)
        raise
    return str(path)


def handed_over(path: Path, folder: str | Path) -> str:
    """Move a file into a folder of its own below `folder`, from where the browser fetches it; returns its path.

    Raises:
        OSError: as `written`.
    """
    target = Path(folder) / token_hex(16)
    target.mkdir(parents=True)
    try:
        return str(shutil.move(path, target / path.name))
    except OSError:
        shutil.rmtree(target, ignore_errors=True)
        raise


def file_of(path: str) -> dict:
    """A path as Gradio passes files to the browser: it adds the address."""
    return {"path": path, "meta": {"_type": "gradio.FileData"}}
