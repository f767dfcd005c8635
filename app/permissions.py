"""What visitors may ask for: presets that whoever runs the page offers, and models of the catalogue alone.

The page's dialog, switching, comparisons and the endpoints all ask here.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import NamebrushError
from pipeline.models.catalog import get_preset

from . import flags

if TYPE_CHECKING:
    from pipeline.comparison.entries import Entry

_served: flags.Flags | None = None


def serve(given: flags.Flags) -> None:
    """From now on what these flags allow is allowed."""
    global _served
    _served = given


def served() -> flags.Flags:
    """The flags the page is served with; those of the environment where none were given."""
    return flags.parse() if _served is None else _served


def without_places(sentence: str) -> str:
    """A sentence for a visitor: where it names a folder of this machine, none on a page that others reach."""
    if served().private:
        return sentence
    return _places().sub("…", sentence)


@cache
def _places() -> re.Pattern[str]:
    """What leads below the folders that sentences may name: the home, the libraries' caches, this copy, scratch."""
    named = [os.environ.get(name, "") for name in ("HF_HOME", "HF_HUB_CACHE", "NAMEBRUSH_STATE")]
    roots = [str(Path.home()), tempfile.gettempdir(), str(Path(__file__).resolve().parent.parent), *named]
    known = sorted({root.rstrip("/") for root in roots if len(root) > 2}, key=len, reverse=True)
    return re.compile("(?:" + "|".join(map(re.escape, known)) + r")[^\s,;()\"'<>]*")


def check_preset(name: str) -> None:
    """Refuse a preset that is unknown or not offered.

    Raises:
        NamebrushError: which, and who can change it.
    """
    get_preset(name)
    if name not in served().presets:
        raise NamebrushError(
            f"The models {name} are not offered on this page. Whoever runs it can offer them with --allow-presets."
        )


def check_entries(what: str | Iterable[str]) -> tuple[Entry, ...]:
    """The panels of a comparison, as `parse_entries` reads them; each with models that are offered.

    Raises:
        NamebrushError: one that is not known or not offered.
    """
    from pipeline.comparison.entries import parse_entries  # imports a model library

    entries = parse_entries(what)
    for preset in dict.fromkeys(entry.preset for entry in entries if entry.preset):
        check_preset(preset)
    return entries


def check_search(options: Mapping[str, Any]) -> Mapping[str, Any]:
    """The settings of a search; a model is one of the catalogue's unless whoever runs the page allows more.

    Raises:
        NamebrushError: a hub name or a path.
    """
    from pipeline.dense.options import PROXIES  # imports a model library

    proxy = options.get("proxy") or "own"
    if proxy not in ("own", "sam", *PROXIES) and not served().models:
        known = ", ".join(("own", "sam", *PROXIES))
        raise NamebrushError(f'Proxy must be one of {known} on this page; got "{str(proxy)[:40]}".')
    return options
