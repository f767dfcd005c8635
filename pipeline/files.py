"""Files that appear whole or not at all.

Bytes go to a hidden file beside the target, are flushed to the disk, and only then take the target's name. A full
disk, a read-only folder or a cancelled job therefore leaves what was there before, and nothing half written.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from .errors import NamebrushError


def shown(path: str | os.PathLike) -> str:
    """A path as a message shows it: on one line, of bounded length."""
    text = "".join(c if c.isprintable() else "?" for c in str(path))
    return text if len(text) <= 200 else f"{text[:80]} ... {text[-80:]}"


def _reason(error: OSError) -> str:
    return (error.strerror or str(error) or type(error).__name__).rstrip(".")


@contextmanager
def replacing(path: str | os.PathLike) -> Iterator[BinaryIO]:
    """A file to write that takes the name `path`, whole, when the block ends well; an older file there is replaced.

    Until then the older file stays what it was, whenever this process is killed. What killed writers of the same file
    left behind is cleared away.

    Raises:
        NamebrushError: as `write_atomic`.
    """
    try:
        target = _checked_target(path)
        if not target.parent.is_dir():
            raise NamebrushError(f'The folder "{shown(target.parent)}" does not exist; make it first.')
        _clear_leftovers(target)
        part = target.with_name(f".{target.name}.{os.getpid()}.{secrets.token_hex(4)}.part")
        try:
            with open(os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666), "w+b") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, target)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        _sync_folder(target.parent)
    except OSError as error:
        raise NamebrushError(
            f'Could not write "{shown(path)}": {_reason(error)}. Nothing was changed there.'
        ) from error


def _clear_leftovers(target: Path) -> None:
    """Remove parts of this file whose writers are no longer alive."""
    pattern = re.compile(re.escape(f".{target.name}.") + r"(\d+)\.[0-9a-f]{8}\.part")
    for entry in target.parent.iterdir():
        match = pattern.fullmatch(entry.name)
        if match and int(match[1]) != os.getpid():
            try:
                os.kill(int(match[1]), 0)
            except ProcessLookupError:
                entry.unlink(missing_ok=True)
            except OSError:  # somebody else's process, or a system that cannot tell
                continue


def _sync_folder(folder: Path) -> None:
    """Bring a rename to the disk, where the system lets a folder be opened."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError:  # some network file systems refuse this
        pass
    finally:
        os.close(handle)


def _write_beside(target: Path, data: bytes) -> Path:
    """Write `data` to a new hidden file in the target's folder and return its path; nothing stays on failure."""
    part = target.with_name(f".{secrets.token_hex(8)}.part")
    try:
        # os.open with 0o666 lets the umask decide the rights, as for any file a program writes.
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return part


def _checked_target(path: str | os.PathLike) -> Path:
    """The real path behind links; it must be a plain file or free."""
    target = Path(os.path.realpath(Path(path).expanduser()))
    if target.is_dir():
        raise NamebrushError(f'"{shown(path)}" is a folder; give the name of a file to write.')
    if target.exists() and not target.is_file():
        raise NamebrushError(f'"{shown(path)}" is not an ordinary file; choose another name.')
    return target


def write_atomic(path: str | os.PathLike, data: bytes) -> None:
    """Write `data` to `path`, whole or not at all; an older file there is replaced.

    Raises:
        NamebrushError: the folder is missing or not writable, the disk is full, or `path` is not a plain file.
    """
    try:
        target = _checked_target(path)
        if not target.parent.is_dir():
            raise NamebrushError(f'The folder "{shown(target.parent)}" does not exist; make it first.')
        part = _write_beside(target, data)
        try:
            os.replace(part, target)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the path
        if isinstance(error, NamebrushError):
            raise
        reason = _reason(error) if isinstance(error, OSError) else str(error)
        raise NamebrushError(f'Could not write "{shown(path)}": {reason}. Nothing was changed there.') from error


def write_folder(folder: str | os.PathLike, files: Mapping[str, bytes]) -> None:
    """Write several files into a folder, made where missing: all of them, or on failure none.

    All bytes reach the disk under hidden names before the first file takes its own name. Other files there stay.

    Args:
        folder: where to write.
        files: bytes by file name (no folders in the names).

    Raises:
        NamebrushError: the folder cannot be made or written, or the disk is full.
    """
    made: list[Path] = []
    parts: dict[Path, Path] = {}
    try:
        root = Path(folder).expanduser()
        missing = [p for p in (root, *root.parents) if not p.exists()]
        for path in reversed(missing):
            path.mkdir(exist_ok=True)
            made.append(path)
        for name, data in files.items():
            target = _checked_target(root / name)
            parts[target] = _write_beside(target, data)
        for target in list(parts):
            os.replace(parts[target], target)
            del parts[target]
    except BaseException as error:
        for part in parts.values():
            part.unlink(missing_ok=True)
        for path in reversed(made):
            try:
                path.rmdir()
            except OSError:  # something is in it by now, which is not ours to delete
                break
        if isinstance(error, NamebrushError) or not isinstance(error, (OSError, ValueError)):
            raise
        reason = _reason(error) if isinstance(error, OSError) else str(error)
        raise NamebrushError(f'Could not write into the folder "{shown(folder)}": {reason}.') from error
