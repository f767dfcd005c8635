"""Writing a comparison as a figure: PNG, PDF, SVG, or a ZIP of panels for LaTeX."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from .comparison.latex import panels_zip
from .comparison.plate import Plate, Sizes, as_pdf, as_pixels, as_svg, differing, lay_out, printed
from .errors import NamebrushError
from .files import write_atomic
from .palette import Color
from .records import Segmentation

__all__ = ["ENDINGS", "Plate", "Sizes", "as_pixels", "check_ending", "differing", "figure_bytes", "lay_out", "printed",
           "write_figure"]  # fmt: skip

ENDINGS = (".png", ".pdf", ".svg", ".zip")
#: Width on paper of a ZIP's panels where none is asked for: a text of two columns.
LATEX_MM = 180.0


def check_ending(path: str | os.PathLike) -> str:
    """The ending of a figure's file.

    Raises:
        NamebrushError: another than .png, .pdf, .svg or .zip.
    """
    ending = Path(path).suffix.lower()
    if ending not in ENDINGS:
        raise NamebrushError(f'"{path}" must end in {", ".join(ENDINGS)}.')
    return ending


def write_figure(
    found: Sequence[Segmentation],
    path: str | os.PathLike,
    width_mm: float | None = None,
    colors: Sequence[Color] | None = None,
    differences: str = "",
) -> None:
    """Draw the photo and what each method found, with a legend, and write it whole or not at all.

    Args:
        found: of one photo and one vocabulary, in the order to show.
        path: ends in .png, .pdf or .svg (pictures with text that stays text), or .zip (see `comparison.latex`).
        width_mm: width on paper, with letters of 8 and 7 points; None: as wide as suits the screen.
        colors: per name; None takes the standard order.
        differences: what is faded, see `comparison.plate.differing`.

    Raises:
        NamebrushError: another ending, a width that no paper has, or a place that cannot be written.
    """
    write_atomic(path, figure_bytes(found, check_ending(path), width_mm, colors, differences))


def figure_bytes(
    found: Sequence[Segmentation],
    ending: str,
    width_mm: float | None = None,
    colors: Sequence[Color] | None = None,
    differences: str = "",
) -> bytes:
    """The figure's file as bytes; arguments as for `write_figure`."""
    height, width = found[0].photo.size
    if ending == ".zip":
        sizes = printed(width_mm or LATEX_MM, len(found) + 1, width / height)
        return panels_zip(found, sizes, colors, differences)
    sizes = Sizes() if width_mm is None else printed(width_mm, len(found) + 1, width / height)
    plate = lay_out(found, sizes, colors, differences)
    if ending == ".svg":
        return as_svg(plate, width_mm)
    if ending == ".pdf":
        return as_pdf(plate)
    buffer = io.BytesIO()
    Image.fromarray(as_pixels(plate)).save(buffer, "PNG", dpi=(plate.dots_per_inch,) * 2)
    return buffer.getvalue()
