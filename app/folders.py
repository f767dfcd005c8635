"""Where the server keeps files: a private folder for this process, and the visitors' folders, which outlive it.

Below one base folder (`NAMEBRUSH_STATE`, else `GRADIO_TEMP_DIR`, else `namebrush-<user>` in the system's folder for
temporary files; always readable by its owner alone) lie

- `run-<pid>-<random>/`, one per process: `cache` is Gradio's folder for uploads, pictures and downloads, `tmp` takes
  every temporary file. The process holds a lock in it, so that another one knows whether it still lives, and it goes
  as a whole when its process is gone.
- `visitors/`: one folder per visitor, with the steps that were saved.

Gradio's components note their folder when they are made, so this comes before the page is built.
"""

from __future__ import annotations

import os
import secrets
import shutil
import stat
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

#: Names the base folder.
VARIABLE = "NAMEBRUSH_STATE"
_LOCK = "alive.lock"


@dataclass(frozen=True)
class Folders:
    """The folders of this process.

    Attributes:
        base: what all Namebrush servers of this user share.
        run: of this process alone; cache and tmp lie in it.
        visitors: one folder per visitor.
        system: the system's folder for temporary files.
    """

    base: Path
    run: Path
    visitors: Path
    system: Path

    @property
    def cache(self) -> Path:
        """Gradio's folder."""
        return self.run / "cache"

    @property
    def tmp(self) -> Path:
        """For temporary files."""
        return self.run / "tmp"


_current: Folders | None = None
_lock: FileLock | None = None


def current() -> Folders | None:
    """What `prepare` made, or None before it was called."""
    return _current


def base_folder() -> Path:
    """The base folder's path; see the module."""
    named = os.environ.get(VARIABLE, "").strip() or os.environ.get("GRADIO_TEMP_DIR", "").strip()
    if named:
        return Path(named).expanduser().resolve()
    user = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "user")
    return Path(tempfile.gettempdir()).resolve() / f"namebrush-{user}"


def prepare() -> Folders:
    """Make the folders of this process and point Gradio and `tempfile` at them; later calls change nothing.

    Raises:
        OSError: the base folder cannot be made, or it is not a folder of this user's own.
    """
    global _current, _lock
    if _current is None:
        base = base_folder()
        private(base)
        # Named only once it is locked: another server that is starting must not take it for a dead one's.
        fresh = base / f".new-{os.getpid()}-{secrets.token_hex(6)}"
        private(fresh)
        _lock = FileLock(fresh / _LOCK)
        _lock.acquire(timeout=0)
        run = fresh.rename(base / fresh.name.replace(".new", "run"))
        made = Folders(base, run, base / "visitors", Path(tempfile.gettempdir()))
        for folder in (made.cache, made.tmp, made.visitors):
            private(folder)
        os.environ["GRADIO_TEMP_DIR"] = str(made.cache)
        os.environ["TMPDIR"] = str(made.tmp)  # of processes this one starts
        tempfile.tempdir = str(made.tmp)
        _current = made
    return _current


def of_flags(state_dir: str) -> None:
    """As `prepare`, in the base folder that was asked for; ends the program with status 2 where that is no use."""
    if state_dir:
        os.environ[VARIABLE] = state_dir
    try:
        prepare()
    except OSError as error:
        sys.stderr.write(f"No files can be kept: {error}\n")
        raise SystemExit(2) from None


def private(folder: Path) -> None:
    """Make a folder for its owner alone; one that is there must be that already.

    Raises:
        OSError: it cannot be made, or somebody else owns it or may write in it.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    about = os.lstat(folder)
    if not stat.S_ISDIR(about.st_mode) or (hasattr(os, "getuid") and about.st_uid != os.getuid()):
        raise PermissionError(f"{folder} is not a folder of this user's own; name another one with {VARIABLE}")
    if about.st_mode & 0o077:
        os.chmod(folder, 0o700)


def dead_runs(base: Path, own: Path | None = None) -> list[Path]:
    """Folders of processes that are no more, however they ended; `own` is this process's."""
    found = []
    for run in base.glob("run-*"):
        if run == own:
            continue
        lock = FileLock(run / _LOCK)
        try:
            lock.acquire(timeout=0)
        except (Timeout, OSError):
            if (run / _LOCK).exists():
                continue  # its process holds the lock
        else:
            lock.release()
        found.append(run)
    return found


def remove(folder: Path) -> None:
    """Delete a folder with all that is in it; what cannot be deleted is tried again by the next sweep."""
    shutil.rmtree(folder, ignore_errors=True)


def leave() -> None:
    """Delete the folder of this process; the visitors' stay."""
    if _current is not None:
        for _ in range(20):  # a thread that has not ended may write one more file into it
            remove(_current.run)
            if not _current.run.exists():
                break
            time.sleep(0.05)
