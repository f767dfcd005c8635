"""One visitor's folder on the disk: every step, written once, and what the page needs to go on from there.

It is a session file unpacked: the same files and the same records (`pipeline.history.packing`), so that a step is
read back through the same checks as a session file from outside. `session.json` names all files in use and is
replaced as a whole after they are complete; a server that is killed at any instant leaves the last complete one.
"""

from __future__ import annotations

import json
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.history import History
from pipeline.history.packing import (
    pack_photo,
    pack_result,
    pack_segmentation,
    unpack_photo,
    unpack_result,
    unpack_segmentation,
)
from pipeline.records import EditResult, Photo, Segmentation

from . import folders
from .stored import Content, StoredStep
from .sweeper import SEEN

if TYPE_CHECKING:
    from .session import Session

MANIFEST = "session.json"
EDITION = 1
#: What of the page comes back with the steps; see `Session`.
PAGE = ("picked", "layers", "tool", "lang", "preset", "kind")
#: Steps read back last that stay in memory for the next look.
RECENT = 2
#: A manifest of 40 steps with hundreds of masks each is some ten megabytes.
MOST_MANIFEST = 256 << 20


class VisitorFolder:
    """A folder that holds a visitor's steps; see the module. Safe under threads.

    Args:
        path: made when the first step is written.
    """

    def __init__(self, path: Path):
        self.path = path
        self._writing = threading.Lock()
        self._files: set[str] = set()
        self._serial = 0
        # Records that are alive are handed out again, so that steps go on sharing them.
        self._photos: weakref.WeakValueDictionary[str, Photo] = weakref.WeakValueDictionary()
        self._segmentations: weakref.WeakValueDictionary[str, Segmentation] = weakref.WeakValueDictionary()
        self._edits: weakref.WeakValueDictionary[str, EditResult] = weakref.WeakValueDictionary()
        self._packed: weakref.WeakKeyDictionary[Any, dict] = weakref.WeakKeyDictionary()
        self._recent: deque[Content] = deque(maxlen=RECENT)

    def save(self, session: Session) -> None:
        """Write the steps that are not here yet, and how the page stands.

        Raises:
            OSError: the folder cannot be written; the files written before stay complete.
        """
        with self._writing:
            history = session.history  # immutable: what is added meanwhile is saved next time
            if not history.steps:
                return
            folders.private(self.path)
            for step in history.steps:
                if step.packed is None:
                    step.saved(self._pack(step), self.read)
            self._write_manifest(history, session)
            self._forget(history)
            self.seen()

    def seen(self, when: float | None = None) -> None:
        """Note that the visitor was here, for the sweeper."""
        mark = self.path / SEEN
        if self.path.is_dir():
            mark.touch()
            os.utime(mark, (when or time.time(),) * 2)

    def read(self, packed: Mapping[str, Any]) -> Content:
        """The heavy part of a step.

        Raises:
            NamebrushError: a file is missing or damaged.
        """
        content = Content(self._photo(packed["photo"]))
        if packed["segmentation"] is not None:
            name = packed["segmentation"]["name"]
            content.segmentation = self._segmentations.get(name)
            if content.segmentation is None:
                photo = self._photo(packed["segmented"])
                content.segmentation = unpack_segmentation(packed["segmentation"], photo, self._get)
                self._segmentations[name] = content.segmentation
                self._packed[content.segmentation] = dict(packed["segmentation"])
        if packed["edit"] is not None:
            name = packed["edit_name"]
            content.edit = self._edits.get(name)
            if content.edit is None:
                content.edit = unpack_result(packed["edit"], self._photo(packed["before"]), self._photo)
                self._edits[name] = content.edit
                self._packed[content.edit] = {"name": name, "edit": packed["edit"]}
        self._recent.append(content)
        return content

    def forget_recent(self) -> None:
        """Let go of what was read back last."""
        self._recent.clear()

    def load(self) -> tuple[History, dict]:
        """The steps that are saved here, nothing heavy of them in memory, and how the page stood.

        Raises:
            FileNotFoundError: nothing is saved here.
            ValueError: the manifest is damaged.
        """
        path = self.path / MANIFEST
        if path.stat().st_size > MOST_MANIFEST:
            raise ValueError("the manifest is too large")
        told = json.loads(path.read_bytes())
        if told["edition"] != EDITION:
            raise ValueError("written by another edition")
        self._serial = int(told["serial"])
        steps = []
        for one in told["steps"]:
            plain = {name: one[name] for name in ("kind", "label", "choice", "call", "told", "models", "id", "parent")}
            steps.append(StoredStep.cold(one["heavy"], self.read, **plain))
        self._files = _names(step.packed for step in steps)
        history = History(tuple(steps), int(told["at"]), {int(a): int(b) for a, b in told["ahead"]})
        history.step(history.at)
        return history, told["page"]

    def _pack(self, step: StoredStep) -> dict:
        """Write the files of a step; what the manifest tells of its heavy part."""
        found, edit = step.segmentation, step.edit
        packed = {
            "photo": self._pack_photo(step.photo), "work": step.is_work,
            "segmentation": None, "segmented": None, "edit": None, "edit_name": None, "before": None,
        }  # fmt: skip
        if found is not None:
            if found not in self._packed:
                name = f"steps/{self._next()}"
                self._packed[found] = pack_segmentation(found, name, self._put)
                self._segmentations[name] = found
            packed["segmentation"] = self._packed[found]
            packed["segmented"] = self._pack_photo(found.photo)
        if edit is not None:
            if edit not in self._packed:
                name = f"edits/{self._next()}"
                self._packed[edit] = {"name": name, "edit": pack_result(edit, self._put)}
                self._edits[name] = edit
            packed["edit"], packed["edit_name"] = self._packed[edit]["edit"], self._packed[edit]["name"]
            packed["before"] = self._pack_photo(edit.photo)
            for photo in edit.images:
                self._pack_photo(photo)
        return packed

    def _pack_photo(self, photo: Photo) -> dict:
        if photo not in self._packed:
            packed = pack_photo(photo, self._put)
            self._packed[photo] = packed
            self._photos.setdefault(_key(packed), photo)
        return self._packed[photo]

    def _photo(self, packed: Mapping[str, Any]) -> Photo:
        key = _key(packed)
        photo = self._photos.get(key)
        if photo is None:
            photo = self._photos[key] = unpack_photo(packed, self._get)
            self._packed[photo] = dict(packed)
        return photo

    def _next(self) -> int:
        self._serial += 1
        return self._serial

    def _put(self, name: str, make: Callable[[], bytes]) -> None:
        """A `packing.Put`: a file that no manifest names yet may be half of one, and is written anew."""
        if name in self._files:
            return
        path = self.path / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            path.write_bytes(make())
        except OSError:
            path.unlink(missing_ok=True)
            raise
        self._files.add(name)

    def _get(self, name: str) -> bytes:
        return (self.path / name).read_bytes()

    def _write_manifest(self, history: History, session: Session) -> None:
        steps = [
            {
                "kind": s.kind, "label": s.label, "choice": s.choice, "call": dict(s.call), "told": s.told,
                "models": dict(s.models), "id": s.id, "parent": s.parent, "heavy": s.packed,
            }
            for s in history.steps
        ]  # fmt: skip
        told = {
            "edition": EDITION, "serial": self._serial, "at": history.at, "ahead": list(history.ahead.items()),
            "steps": steps, "page": {name: getattr(session, name) for name in PAGE},
        }  # fmt: skip
        fresh = self.path / f".{MANIFEST}.part"
        try:
            fresh.write_text(json.dumps(told, ensure_ascii=False), encoding="utf-8")
            os.replace(fresh, self.path / MANIFEST)
        except OSError:
            fresh.unlink(missing_ok=True)
            raise

    def _forget(self, history: History) -> None:
        """Delete the files of steps that are no more."""
        used = _names(step.packed for step in history.steps)
        for name in self._files - used:
            (self.path / name).unlink(missing_ok=True)
        self._files = used


def _key(packed: Mapping[str, Any]) -> str:
    return json.dumps(packed, sort_keys=True)


def _names(packed) -> set[str]:
    """The files that packed steps name."""
    names: set[str] = set()

    def photo(one: Mapping[str, Any] | None) -> None:
        if one is not None:
            names.update(one[kind] for kind in ("file", "exif", "icc") if one.get(kind))

    for one in packed:
        for part in ("photo", "segmented", "before"):
            photo(one[part])
        if one["segmentation"] is not None:
            stem = one["segmentation"]["name"]
            names.update({f"{stem}-labels.png", f"{stem}-scores.npz"})
            names.update({f"{stem}-regions.npz"} if one["segmentation"]["arrays"] else ())
        if one["edit"] is not None:
            for image in one["edit"]["images"]:
                photo(image)
            photo((one["edit"]["request"] or {}).get("picture"))
    return names
