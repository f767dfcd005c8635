"""Opens visitors' pictures in processes that may die, so that a hostile file harms nobody but its sender."""

from __future__ import annotations

from collections.abc import Hashable
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


def decoder(owner: Hashable = None) -> Client:
    """The server's decoder, for the visitor `owner`; those who wait are served in turn. A job's end ends it."""
    from pipeline.decoding.client import Client

    return Client(_decoder(), owner)


def open_picture(source: str | Path, owner: Hashable = None) -> Photo:
    """Open a picture a visitor sent; see `decoder` and `pipeline.photo.open_photo`.

    Raises:
        NamebrushError: as `pipeline.photo.open_photo`, or it costs more than a picture may.
        Cancelled: the job that opens it was stopped.
    """
    from pipeline.photo import open_photo

    return open_photo(source, MAX_MEGAPIXELS, decoder(owner))


def warm() -> None:
    """Start a decoding process in the background, so that the first photo finds it ready."""
    _decoder().warm()
