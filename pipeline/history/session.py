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
from typing import BinaryIO

from ..errors import NamebrushError
from ..files import replacing, shown
from ..progress import Progress
from ..records import Photo
from .packing import (
    pack_photo,
    pack_result,
    pack_segmentation,
    unpack_photo,
    unpack_result,
    unpack_segmentation,
)
from .steps import History, Step

FORMAT, EDITION = "namebrush-session", 1
ENDING = ".namebrush.zip"
MANIFEST = "session.json"
#: No file of a session is larger, and all together are not: a small zip can unpack to anything.
_MOST_BYTES = 4 << 30


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


def open_session(path: str | os.PathLike, progress: Progress | None = None) -> History:
    """Read a session file.

    Raises:
        NamebrushError: missing, no session, damaged, or written by a newer edition.
    """
    progress = progress or Progress()
    try:
        with zipfile.ZipFile(Path(path).expanduser()) as archive:
            return _read(archive, progress)
    except (OSError, zipfile.BadZipFile, NotImplementedError) as error:
        reason = getattr(error, "strerror", None) or "it is no session file, or it is damaged"
        raise NamebrushError(f'Could not open "{shown(path)}": {reason}.') from error
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        if isinstance(error, NamebrushError):
            raise
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
            archive.writestr(name, older.read(name) if same else make())

        steps = []
        for index, step in enumerate(history.steps):
            progress.step("Saving the session", index / len(history.steps))
            steps.append(_pack_step(step, put))
        told = {
            "format": FORMAT, "edition": EDITION, "at": history.at,
            "ahead": [[a, b] for a, b in history.ahead.items()], "steps": steps,
        }  # fmt: skip
        text = json.dumps(told, ensure_ascii=False, indent=1).encode()
        archive.writestr(zipfile.ZipInfo(MANIFEST), text, zipfile.ZIP_DEFLATED)


def _pack_step(step: Step, put: Callable) -> dict:
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


def _read(archive: zipfile.ZipFile, progress: Progress) -> History:
    sizes = {entry.filename: entry.file_size for entry in archive.infolist()}
    if sum(sizes.values()) > _MOST_BYTES:
        raise NamebrushError("This session file unpacks to more than 4 GiB, more than a session needs.")
    told = json.loads(archive.read(MANIFEST))
    if told["format"] != FORMAT:
        raise ValueError("another format")
    if told["edition"] > EDITION:
        raise NamebrushError("This session file was written by a newer edition of the program; update this one.")
    photos: dict[str, Photo] = {}

    def photo(packed: dict) -> Photo:
        key = json.dumps(packed, sort_keys=True)
        if key not in photos:
            photos[key] = unpack_photo(packed, archive.read)
        return photos[key]

    steps = []
    for index, one in enumerate(told["steps"]):
        progress.step("Opening the session", index / len(told["steps"]))
        found = one["segmentation"]
        steps.append(Step(
            one["kind"], one["label"], photo(one["photo"]),
            None if found is None else unpack_segmentation(found, photo(one["segmented"]), archive.read),
            None if one["edit"] is None else unpack_result(one["edit"], photo(one["before"]), photo),
            int(one["choice"]), one["call"], one["told"], one["models"], int(one["id"]), one["parent"],
        ))  # fmt: skip
    history = History(tuple(steps), told["at"], {int(a): int(b) for a, b in told["ahead"]})
    seen: set[int | None] = {None}
    for step in steps:
        if step.parent not in seen or step.id in seen:
            raise ValueError("a step before its parent")
        seen.add(step.id)
    if history.current is None:
        raise ValueError("no current step")
    return history
