"""One visitor's folder on the disk: every step, written once, and what the page needs to go on from there.

A step is written as a session of its own: the files and the text of a session file, not zipped, so that it is read
back through the same door (`pipeline.history.manifest`, `unpacking`). `page.json` names the steps in use and is
replaced as a whole after their files are complete; a server that is killed at any instant leaves the last complete
one. Another session that is opened in place of this one begins another `generation`, whose steps have their own
numbers.
"""

from __future__ import annotations

import json
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import NamebrushError
from pipeline.history import History
from pipeline.history.session import EDITION, FORMAT, pack_step
from pipeline.records import EditResult, Photo

from . import folders
from .stored import Content, StoredStep
from .sweeper import SEEN

if TYPE_CHECKING:
    from .session import Session

PAGE = "page.json"
#: What of the page comes back with the steps; see `Session`.
KEPT = ("picked", "layers", "tool", "lang", "preset", "kind")
#: What `page.json` tells of a step, beside its number and parent.
PLAIN = ("kind", "label", "choice", "call", "told", "models")
#: Steps read back last that stay in memory for the next look.
RECENT = 2
#: Bytes of `page.json` at most.
MOST_PAGE = 16 << 20


class VisitorFolder:
    """A folder that holds a visitor's steps; see the module. Safe under threads.

    Args:
        path: made when the first step is written.
    """

    def __init__(self, path: Path):
        self.path = path
        self._writing = threading.Lock()
        self._generation = 0
        #: Files of every step that is written, by its number.
        self._steps: dict[int, frozenset[str]] = {}
        # Records that are alive are handed out again, so that steps go on sharing them.
        self._photos: weakref.WeakValueDictionary[tuple, Photo] = weakref.WeakValueDictionary()
        self._edits: weakref.WeakValueDictionary[tuple, EditResult] = weakref.WeakValueDictionary()
        self._recent: deque[Content] = deque(maxlen=RECENT)

    def save(self, session: Session) -> None:
        """Write the steps that are not here yet, and how the page stands.

        Raises:
            OSError: the folder cannot be written; what was written before stays complete.
        """
        with self._writing:
            history = session.history  # immutable: what is added meanwhile is saved next time
            if not history.steps:
                return
            folders.private(self.path)
            if any(step.packed is None and step.id in self._steps for step in history.steps):
                self._generation, self._steps = self._generation + 1, {}
            for step in history.steps:
                if step.packed is None:
                    self._write_step(step)
            self._write_page(history, session)
            self._forget(history)
            self.seen()

    def seen(self, when: float | None = None) -> None:
        """Note that the visitor was here, for the sweeper."""
        if self.path.is_dir():
            mark = self.path / SEEN
            mark.touch()
            os.utime(mark, (when or time.time(),) * 2)

    def forget_recent(self) -> None:
        """Let go of what was read back last."""
        self._recent.clear()

    def load(self) -> tuple[History, dict]:
        """The steps that are saved here, nothing heavy of them in memory, and how the page stood.

        Raises:
            OSError: nothing is saved here.
            ValueError, KeyError, TypeError: it is damaged.
        """
        path = self.path / PAGE
        if path.stat().st_size > MOST_PAGE:
            raise ValueError("too long")
        told = json.loads(path.read_bytes())
        if told["edition"] != EDITION:
            raise ValueError("written by another edition")
        self._generation = int(told["generation"])
        steps = []
        for one in told["steps"]:
            packed = {"work": bool(one["work"]), "generation": self._generation, "id": int(one["id"])}
            self._steps[packed["id"]] = frozenset(map(str, one["files"]))
            plain = {name: one[name] for name in PLAIN}
            plain |= {"id": packed["id"], "parent": None if one["parent"] is None else int(one["parent"])}
            steps.append(StoredStep.cold(packed, partial(self.read, packed), **plain))
        history = History(tuple(steps), int(told["at"]), {int(a): int(b) for a, b in told["ahead"]})
        return history, {name: told["page"][name] for name in KEPT}

    def read(self, packed: Mapping[str, Any]) -> Content:
        """The heavy part of a step.

        Raises:
            NamebrushError: a file is missing or damaged.
        """
        from pipeline.history.manifest import read_manifest

        from .reading import FolderArchive, Reader

        folder = self._folder(packed["generation"])
        try:
            archive = FolderArchive(folder)
            (entry,) = read_manifest(archive.step(packed["id"])).steps
            step = Reader(archive, self._photos, self._edits).step(entry)
        except NamebrushError:
            raise
        except Exception as error:  # as for session files: readers of damaged bytes raise anything
            raise NamebrushError("This step's pictures on the server's disk are damaged or gone.") from error
        content = Content(step.photo, step.segmentation, step.edit)
        self._recent.append(content)
        return content

    def _folder(self, generation: int) -> Path:
        return self.path / f"g{generation}"

    def _write_step(self, step: StoredStep) -> None:
        """Write a step's files; from then on it may leave memory."""
        from .reading import note_records

        folder, names = self._folder(self._generation), set()
        kept = frozenset().union(*self._steps.values())

        def put(name: str, make: Callable[[], bytes]) -> None:
            # A file that no finished step names may be half of one. Other names than photos' mean this step's alone.
            if name not in names and name not in kept:
                _write(folder / name, make())
            names.add(name)

        entry = {**pack_step(step, put), "parent": None}
        told = {"format": FORMAT, "edition": EDITION, "at": step.id, "ahead": [], "steps": [entry]}
        name = f"steps/{step.id}.json"
        put(name, lambda: json.dumps(told, ensure_ascii=False).encode())
        note_records(step, entry, self._photos, self._edits)
        packed = {"work": step.is_work, "generation": self._generation, "id": step.id}
        self._steps[step.id] = frozenset(names)
        step.saved(packed, partial(self.read, packed))

    def _write_page(self, history: History, session: Session) -> None:
        steps = [
            {
                "id": s.id, "parent": s.parent, "work": s.is_work, "files": sorted(self._steps[s.id]),
                **{name: getattr(s, name) for name in PLAIN},
            }
            for s in history.steps
        ]  # fmt: skip
        told = {
            "edition": EDITION, "generation": self._generation, "at": history.at,
            "ahead": list(history.ahead.items()), "steps": steps,
            "page": {name: getattr(session, name) for name in KEPT},
        }  # fmt: skip
        text = json.dumps(told, ensure_ascii=False, default=dict).encode()
        fresh = self.path / f".{PAGE}.part"
        _write(fresh, text)
        os.replace(fresh, self.path / PAGE)

    def _forget(self, history: History) -> None:
        """Delete the files of steps that are no more, and other generations."""
        here = {step.id for step in history.steps}
        before = frozenset().union(*self._steps.values())
        self._steps = {number: names for number, names in self._steps.items() if number in here}
        for name in before - frozenset().union(*self._steps.values()):
            (self._folder(self._generation) / name).unlink(missing_ok=True)
        for other in self.path.glob("g*"):
            if other != self._folder(self._generation):
                folders.remove(other)


def _write(path: Path, data: bytes) -> None:
    """Write a file; of one that cannot be written whole, nothing stays."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        path.write_bytes(data)
    except OSError:
        path.unlink(missing_ok=True)
        raise
