"""Opens visitors' pictures in processes that may die, so that a hostile file harms nobody but its sender."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.decoding.client import Client
    from pipeline.records import Photo

MAX_MEGAPIXELS = 50.0


@cache
def _decoder():
    """The one decoder of this server; made when first needed, since building the page shall stay quick."""
    from pipeline.decoding.client import decoder_for_strangers

    return decoder_for_strangers()


def decoder(owner: Hashable = None, check: Callable[[], None] | None = None) -> Client:
    """The server's decoder, for one visitor.

    Args:
        owner: whose picture it is; visitors who wait are served in turn.
        check: called about ten times a second; what it raises ends the decoding.
    """
    from pipeline.decoding.client import Client

    return Client(_decoder(), owner, check)


def open_picture(
    source: str | Path, owner: Hashable = None, check: Callable[[], None] | None = None
) -> Photo:
    """Open a picture a visitor sent; see `decoder` and `pipeline.photo.open_photo`.

    Raises:
        NamebrushError: as `pipeline.photo.open_photo`, or it costs more than a picture may.
    """
    from pipeline.photo import open_photo

    return open_photo(source, MAX_MEGAPIXELS, decoder(owner, check))


def warm() -> None:
    """Start a decoding process in the background, so that the first photo finds it ready."""
    _decoder().warm()
