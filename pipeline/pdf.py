"""One page of PDF: pictures, filled squares and lines of text, in the few kilobytes of the format that this needs.

Written after the PDF reference (ISO 32000-1): objects, a cross-reference table and one content stream. Pictures are
kept without loss (Flate); text is Helvetica in WinAnsi, which every reader has, so it can be searched and edited.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np

_POINTS_PER_INCH = 72


def pdf_page(
    width: int,
    height: int,
    dots_per_inch: int,
    images: Sequence[tuple[int, int, np.ndarray]],
    squares: Sequence[tuple[int, int, int, tuple[int, int, int]]],
    texts: Sequence[tuple[int, int, int, tuple[int, int, int], str]],
) -> bytes:
    """A page of `width` x `height` pixels at `dots_per_inch`.

    Args:
        width, height: in pixels, y down.
        dots_per_inch: pixels per inch of paper.
        images: x, y and uint8 [h, w, 3].
        squares: x, y, side and colour.
        texts: x and y of a line's top left corner, letter size, colour and text.

    Raises:
        UnicodeEncodeError: a text has letters that WinAnsi lacks.
    """
    unit = _POINTS_PER_INCH / dots_per_inch
    content = [f"{unit:.6f} 0 0 {unit:.6f} 0 0 cm"]
    objects: list[bytes] = []
    for i, (x, y, pixels) in enumerate(images):
        high, wide = pixels.shape[:2]
        content.append(f"q {wide} 0 0 {high} {x} {height - y - high} cm /P{i} Do Q")
        data = zlib.compress(np.ascontiguousarray(pixels).tobytes(), 6)
        head = f"/Type /XObject /Subtype /Image /Width {wide} /Height {high} /ColorSpace /DeviceRGB "
        objects.append(_stream(head + "/BitsPerComponent 8 /Filter /FlateDecode", data))
    for x, y, side, color in squares:
        content.append(f"{_rgb(color)} rg {x} {height - y - side} {side} {side} re f")
    body = "\n".join(content).encode("ascii")
    for x, y, size, color, text in texts:
        words = text.encode("cp1252").replace(b"\\", b"\\\\").replace(b"(", b"\\(").replace(b")", b"\\)")
        place = f"\nBT {_rgb(color)} rg /F {size} Tf {x} {height - y - size} Td (".encode("ascii")
        body += place + words + b") Tj ET"
    pictures = " ".join(f"/P{i} {i + 5} 0 R" for i in range(len(images)))
    box = f"0 0 {width * unit:.3f} {height * unit:.3f}"
    font = "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"
    resources = f"<< /Font << /F {font} >> /XObject << {pictures} >> >>"
    first = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        f"<< /Type /Page /Parent 2 0 R /MediaBox [{box}] /Contents 4 0 R /Resources {resources} >>".encode("ascii"),
        _stream("/Filter /FlateDecode", zlib.compress(body)),
    ]
    return _file([*first, *objects])


def _rgb(color: tuple[int, int, int]) -> str:
    return " ".join(f"{c / 255:.4f}" for c in color)


def _stream(head: str, data: bytes) -> bytes:
    return f"<< {head} /Length {len(data)} >>\nstream\n".encode("ascii") + data + b"\nendstream"


def _file(objects: Sequence[bytes]) -> bytes:
    """Number the objects from 1 and close the file with its table."""
    out = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    starts = []
    for number, one in enumerate(objects, 1):
        starts.append(len(out))
        out += f"{number} 0 obj\n".encode("ascii") + one + b"\nendobj\n"
    table = len(out)
    out += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode("ascii")
    out += b"".join(f"{start:010d} 00000 n \n".encode("ascii") for start in starts)
    out += f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{table}\n%%EOF\n".encode("ascii")
    return bytes(out)
