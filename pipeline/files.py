"""Files that appear whole or not at all.

Bytes go to a hidden file beside the target, are flushed to the disk, and only then take the target's name. A full
disk, a read-only folder or a cancelled job therefore leaves what was there before, and nothing half written.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from .errors import NamebrushError


def shown(path: str | os.PathLike) -> str:
    """A path as a message shows it: on one line, of bounded length."""
    text = "".join(c if c.isprintable() else "?" for c in str(path))
    return text if len(text) <= 200 else f"{text[:80]} ... {text[-80:]}"


def _reason(error: OSError) -> str:
    return (error.strerror or str(error) or type(error).__name__).rstrip(".")


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
