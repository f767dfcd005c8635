"""Deletes files nobody needs any more: by age and by bytes, at the start and then again and again.

What the pages of present visitors show stays. Everything else in this process's folders goes after half an hour, a
visitor's saved steps an hour after the visitor was last seen, and what a killed server left behind at the next start.
"""

from __future__ import annotations

import logging
import os
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from . import folders

log = logging.getLogger("namebrush")

#: Seconds a picture, an upload or a download stays that no page shows.
CACHE_AGE = 30 * 60
#: Seconds a visitor's steps stay after the visitor was last seen.
VISITOR_AGE = 60 * 60
#: Seconds between two sweeps.
PACE = 30.0
#: Of all files a server keeps; the free disk counts too, see `most_bytes`.
MOST_BYTES = 20 << 30
#: Files younger than this are not deleted for their bytes: an event may be about to read them.
LEAST_AGE = 60.0
#: File in a visitor's folder whose time of change says when the visitor was last seen.
SEEN = "seen"
#: Names `tempfile` gives folders that are asked for with the prefix "namebrush-".
_SCRATCH = re.compile(r"namebrush-[a-z0-9_]{8}")


@dataclass(frozen=True)
class Entry:
    """A file or a visitor's folder: its path, when it was used last, and its bytes."""

    path: Path
    used: float
    bytes: int


def files_below(folder: Path) -> Iterator[Entry]:
    """All files below a folder; what disappears meanwhile is left out."""
    for root, _, names in os.walk(folder):
        for name in names:
            path = Path(root, name)
            try:
                about = path.lstat()
            except OSError:
                continue
            # The time of the change of name counts: an upload keeps the content's own time when it is moved.
            yield Entry(path, max(about.st_mtime, about.st_ctime), about.st_size)


def visitor_folders(folder: Path) -> list[Entry]:
    """The visitors' folders, with the time each was last seen."""
    found = []
    for path in folder.iterdir() if folder.is_dir() else ():
        size = sum(entry.bytes for entry in files_below(path))
        try:
            mark = path / SEEN
            found.append(Entry(path, (mark if mark.exists() else path).stat().st_mtime, size))
        except OSError:
            continue
    return found


def most_bytes(folder: Path) -> int:
    """Bytes a server's files may take: `MOST_BYTES`, less where the disk has less room."""
    try:
        about = os.statvfs(folder)
    except (OSError, AttributeError):
        return MOST_BYTES
    used = sum(entry.bytes for entry in files_below(folder))
    return min(MOST_BYTES, int(0.8 * (about.f_bavail * about.f_frsize + used)))


class Sweeper:
    """Sweeps the folders of this process.

    Args:
        where: the folders.
        shown: the paths of files that present visitors' pages show.
        present: names of the visitors' folders that must stay whatever their age.
        gone: told the name of a visitor's folder that was deleted.
        clock: seconds since the epoch.
    """

    def __init__(
        self, where: folders.Folders, shown: Callable[[], Iterable[str]] = tuple,
        present: Callable[[], Iterable[str]] = tuple, gone: Callable[[str], None] = lambda name: None,
        clock: Callable[[], float] = time.time,
    ):  # fmt: skip
        self.where, self.shown, self.present, self.gone, self.clock = where, shown, present, gone, clock
        self._end = threading.Event()

    def start(self) -> None:
        """Sweep now, and again every `PACE` seconds in a thread of its own."""
        self.sweep()
        threading.Thread(target=self._run, name="sweeper", daemon=True).start()

    def stop(self) -> None:
        """No more sweeps."""
        self._end.set()

    def _run(self) -> None:
        while not self._end.wait(PACE):
            try:
                self.sweep()
            except Exception:
                log.exception("Sweeping failed; it is tried again.")

    def sweep(self) -> None:
        """Delete what is too old, then the oldest of what is too much."""
        for run in folders.dead_runs(self.where.base, self.where.run):
            folders.remove(run)
        now, shown = self.clock(), {os.path.realpath(path) for path in self.shown()}
        spare = [e for e in files_below(self.where.cache) if os.path.realpath(e.path) not in shown]
        spare += files_below(self.where.tmp)
        self._files([entry for entry in spare if now - entry.used > CACHE_AGE])
        present = set(self.present())
        left = [e for e in visitor_folders(self.where.visitors) if e.path.name not in present]
        for entry in left:
            if now - entry.used > VISITOR_AGE:
                self._visitor(entry.path)
        self._leftovers(now)
        self._too_much(now, shown, present)

    def _files(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            try:
                entry.path.unlink(missing_ok=True)
                # Every file lies in a folder of its own; one that holds another file refuses to go.
                if entry.path.parent not in (self.where.cache, self.where.tmp):
                    entry.path.parent.rmdir()
            except OSError:
                continue

    def _visitor(self, path: Path) -> None:
        folders.remove(path)
        self.gone(path.name)

    def _leftovers(self, now: float) -> None:
        """Temporary folders of programs that died, in the system's folder for them."""
        for path in self.where.system.glob("namebrush-*"):
            if not _SCRATCH.fullmatch(path.name):
                continue
            try:
                about = path.lstat()
                mine = not hasattr(os, "getuid") or about.st_uid == os.getuid()
                old = now - max([about.st_mtime, *(e.used for e in files_below(path))]) > VISITOR_AGE
            except OSError:
                continue
            if mine and old:
                folders.remove(path)

    def _too_much(self, now: float, shown: set[str], present: set[str]) -> None:
        """Delete the oldest until all fits; the work of present visitors stays."""
        kept = [e for e in files_below(self.where.cache)]
        visitors = visitor_folders(self.where.visitors)
        over = sum(e.bytes for e in (*kept, *visitors)) - most_bytes(self.where.base)
        if over <= 0:
            return
        old = [e for e in kept if now - e.used > LEAST_AGE and os.path.realpath(e.path) not in shown]
        left = [e for e in visitors if e.path.name not in present]
        for entry in sorted([*old, *left], key=lambda e: e.used):
            if over <= 0:
                return
            over -= entry.bytes
            self._visitor(entry.path) if entry in left else self._files([entry])
