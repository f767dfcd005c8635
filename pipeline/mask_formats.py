"""What masks can be written as; see `masks_out`."""

from __future__ import annotations

from collections.abc import Iterable

from .errors import NamebrushError

#: What `masks_out.mask_files` can write, with a sentence for a person.
FORMATS = {
    "png": "one black and white PNG per mask",
    "indexed": "one palette PNG: 0 is no mask, then one number per mask",
    "coco": "one JSON in COCO's layout, masks as run lengths",
    "labelme": "one JSON in LabelMe's layout, masks as polygons",
}


def check_formats(names: Iterable[str]) -> tuple[str, ...]:
    """Names of formats as they are.

    Raises:
        NamebrushError: one of them is unknown.
    """
    names = tuple(names)
    for name in names:
        if name not in FORMATS:
            raise NamebrushError(f'"{name}" is no format for masks; choose from {", ".join(FORMATS)}.')
    return names
