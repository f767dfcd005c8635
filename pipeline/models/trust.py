"""Which weights may run code of their own: TorchScript files are programs, so only published ones are run unasked."""

from __future__ import annotations

import re
import zipfile
from functools import cache
from pathlib import Path

from ..errors import NamebrushError
from .catalog import CHECKPOINTS


@cache
def published() -> frozenset[str]:
    """SHA-256 of the TorchScript files that are known: the catalogue's, and OpenAI's CLIP as `open_clip` lists it."""
    from open_clip import pretrained

    known = {
        check.removeprefix("sha256:")
        for checkpoint in CHECKPOINTS.values() for source in checkpoint.sources for check in source.checks
        if re.fullmatch(r"sha256:[0-9a-f]{64}", check)
    }  # fmt: skip
    for name, tag in pretrained.list_pretrained():
        if tag == "openai":
            found = re.search(r"/([0-9a-f]{64})/", pretrained.get_pretrained_url(name, tag))
            known |= {found[1]} if found else set()
    return frozenset(known)


def is_program(path: Path) -> bool:
    """Whether a file is a TorchScript archive."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def check_program(path: Path, trusted: bool) -> None:
    """Refuse to run a TorchScript file whose checksum is not a published one's.

    Args:
        path: the file.
        trusted: a person said that these weights may run code.

    Raises:
        NamebrushError: it is not known; the sentence says what to do.
    """
    from .revisions import checksum

    if not trusted and checksum(path) not in published():
        raise NamebrushError(
            f"{path} is a TorchScript file, which runs code of its own when it is loaded, and not a published one. "
            "Where you know whom it is from, allow it with --trust-weights, in Python with trust_weights=True."
        )
