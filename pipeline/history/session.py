"""Session files: one zip with everything that was done, which reopens anywhere and can be done again.

`session.json` tells the steps; beside it lie the photos (PNG, once each), label maps, and small arrays. A session is
saved to a hidden file that takes the session's name only when it is complete on the disk, so that whoever kills the
program at whatever instant finds the last session that was complete.
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from ..errors import Cancelled, NamebrushError
from ..files import replacing, shown
from ..photo import MAX_MEGAPIXELS
from ..progress import Progress
from .packing import pack_photo, pack_result, pack_segmentation
from .steps import History, Step

if TYPE_CHECKING:
    from .archive import Archive, DecodePng

FORMAT, EDITION = "namebrush-session", 1
ENDING = ".namebrush.zip"
MANIFEST = "session.json"
#: Bytes of memory for what a session that is opened holds, where nobody says less.
MAX_BYTES = 2 << 30


def save_session(history: History, path: str | os.PathLike, progress: Progress | None = None) -> None:
    """Write a history into a session file, whole or not at all; an older session there is replaced.

    Photos that the older file holds already are taken over as they are, so saving after every step costs the new
    step's pictures and the disk's speed.

    Raises:
        NamebrushError: nothing was done yet, the folder is missing or not writable, or the disk is full.
    """
    progress = progress or Progress()
    if not history.steps:
        raise NamebrushError("There is nothing to save yet: open a photo first.")
    with _older(path) as older, replacing(path) as file:
        _write(history, file, older, progress)


def session_bytes(history: History, file: BinaryIO, progress: Progress | None = None) -> None:
    """The same into an open binary file, for a download."""
    _write(history, file, None, progress or Progress())


def open_session(
    path: str | os.PathLike, progress: Progress | None = None, max_megapixels: float = MAX_MEGAPIXELS,
    max_bytes: int = MAX_BYTES, decode: DecodePng | None = None,
) -> History:  # fmt: skip
    """Read a session file, which may come from anybody: whole, or not at all.

    Args:
        path: the file.
        progress: told of every step.
        max_megapixels: of one picture, as for `open_photo`.
        max_bytes: of memory for what the session holds; a file of few bytes gets less.
        decode: decodes its pictures; None: `pipeline.decode.decode_png`, in this process.

    Raises:
        NamebrushError: missing, no session, damaged, larger than allowed, or written by a newer edition.
    """
    from ..decode import decode_png
    from .archive import reading  # with them comes what checks the text, which takes a moment to make

    progress = progress or Progress()
    try:
        with reading(Path(path).expanduser(), max_bytes, round(max_megapixels * 1e6), decode or decode_png) as archive:
            return _read(archive, progress)
    except (NamebrushError, Cancelled):
        raise
    except OSError as error:
        reason = error.strerror or "it is no session file, or it is damaged"
        raise NamebrushError(f'Could not open "{shown(path)}": {reason}.') from error
    except MemoryError as error:
        raise NamebrushError(f'There is not enough memory to open "{shown(path)}".') from error
    except Exception as error:  # readers of foreign bytes raise anything: zlib.error, struct.error, RecursionError ...
        raise NamebrushError(f'"{shown(path)}" is no session file, or it is damaged.') from error


@contextmanager
def _older(path: str | os.PathLike) -> Iterator[zipfile.ZipFile | None]:
    """The session that is there already, or None."""
    try:
        archive = zipfile.ZipFile(Path(path).expanduser())
    except (OSError, zipfile.BadZipFile, NotImplementedError, ValueError):
        yield None
        return
    with archive:
        yield archive


def _write(history: History, file: BinaryIO, older: zipfile.ZipFile | None, progress: Progress) -> None:
    there: set[str] = set()
    kept = set(older.namelist()) if older is not None else set()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:

        def put(name: str, make: Callable[[], bytes]) -> None:
            if name in there:
                return
            there.add(name)
            # names of photos are hashes of what is in them; of other files a step number, which may mean another step
            same = name in kept and name.startswith("photos/")
            archive.writestr(name, (same and _taken_over(older, name)) or make())

        steps = []
        for index, step in enumerate(history.steps):
            progress.step("Saving the session", index / len(history.steps))
            steps.append(pack_step(step, put))
        told = {
            "format": FORMAT, "edition": EDITION, "at": history.at,
            "ahead": [[a, b] for a, b in history.ahead.items()], "steps": steps,
        }  # fmt: skip
        text = json.dumps(told, ensure_ascii=False, indent=1).encode()
        archive.writestr(zipfile.ZipInfo(MANIFEST), text, zipfile.ZIP_DEFLATED)


def _taken_over(older: zipfile.ZipFile, name: str) -> bytes | None:
    """A file of the older session; None where that is damaged, packed or locked in another way than it is written."""
    entry = older.getinfo(name)
    if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1 or entry.file_size != entry.compress_size:
        return None
    try:
        return older.read(entry)
    except (OSError, zipfile.BadZipFile, NotImplementedError):
        return None


def pack_step(step: Step, put: Callable) -> dict:
    """A step as `manifest.StepEntry` reads it; `put` is a `packing.Put` for its pictures and arrays."""
    found = step.segmentation
    return {
        "id": step.id, "parent": step.parent, "kind": step.kind, "label": step.label, "told": step.told,
        "choice": step.choice, "call": dict(step.call), "models": dict(step.models),
        "photo": pack_photo(step.photo, put),
        "before": None if step.edit is None else pack_photo(step.edit.photo, put),
        "edit": None if step.edit is None else pack_result(step.edit, put),
        "segmentation": None if found is None else pack_segmentation(found, f"steps/{step.id}", put),
        "segmented": None if found is None else pack_photo(found.photo, put),
    }  # fmt: skip


def _read(archive: Archive, progress: Progress) -> History:
    from .manifest import read_manifest
    from .unpacking import Unpacker

    told = read_manifest(archive.manifest())
    unpacker, steps = Unpacker(archive), []
    for index, entry in enumerate(told.steps):
        progress.step("Opening the session", index / len(told.steps))
        steps.append(unpacker.step(entry))
    return History(tuple(steps), told.at, dict(told.ahead))
