"""EXIF blocks of pictures: read, bounded, and rewritten for the upright photo."""

from __future__ import annotations

from PIL import Image

from .directories import bloated

#: Bytes of an EXIF block, and of a colour profile, that are kept; what is longer is left out and said.
MAX_EXIF, MAX_ICC = 1 << 20, 4 << 20

_ORIENTATION, _EXIF_IFD, _COLOR_SPACE, _PIXEL_X, _PIXEL_Y = 0x0112, 0x8769, 0xA001, 0xA002, 0xA003
_IMAGE_WIDTH, _IMAGE_HEIGHT = 0x0100, 0x0101
# A TIFF keeps its own structure (strips, compression, ...) among its tags; only these describe the photo itself.
_TIFF_DESCRIPTIVE = {270, 271, 272, 282, 283, 296, 305, 306, 315, 33432, _EXIF_IFD, 34853}
_DAMAGED = "The photo's EXIF data are damaged and were left out."
_TOO_LONG = "The photo's EXIF data are too long and were left out."


def read_exif(image: Image.Image, notes: list[str]) -> tuple[Image.Exif | None, int]:
    """The EXIF block and the orientation it asks for, 1..8."""
    try:
        block = image.info.get("exif", b"")
        if not block and "Raw profile type exif" in image.info:  # as ImageMagick writes it into PNG
            block = bytes.fromhex("".join(image.info["Raw profile type exif"].split("\n")[3:]))
        if isinstance(block, bytes) and (len(block) > MAX_EXIF or bloated(block)):
            notes.append(_TOO_LONG)
            return None, 1
        own = image.getexif()
        orientation = int(own.get(_ORIENTATION, 1))
        exif = Image.Exif()  # a copy: the image may belong to the caller
        exif.load(own.tobytes())
        return exif, orientation
    except MemoryError:
        raise
    except Exception:  # EXIF blocks are often broken; the photo itself is not
        notes.append(_DAMAGED)
        return None, 1


def write_exif(
    exif: Image.Exif | None, size: tuple[int, int], from_tiff: bool, notes: list[str]
) -> bytes | None:
    """The EXIF block for the upright photo of `size` (height, width).

    Its orientation is 1, its size the true one, its colours sRGB; no preview of what the photo once was is kept.
    """
    if not exif:
        return None
    try:
        height, width = size
        for tag in list(exif):
            if tag in (_IMAGE_WIDTH, _IMAGE_HEIGHT) or (from_tiff and tag not in _TIFF_DESCRIPTIVE):
                del exif[tag]
        if _EXIF_IFD in exif:
            inner = exif.get_ifd(_EXIF_IFD)
            for tag, value in ((_PIXEL_X, width), (_PIXEL_Y, height), (_COLOR_SPACE, 1)):
                if tag in inner:
                    inner[tag] = value
        if not exif:
            return None
        exif[_ORIENTATION] = 1
        block = exif.tobytes()  # Pillow writes no second directory (the thumbnail) unless it was asked to read it
    except MemoryError:
        raise
    except Exception:
        notes.append(_DAMAGED)
        return None
    if len(block) > MAX_EXIF:
        notes.append(_TOO_LONG)
        return None
    return block
