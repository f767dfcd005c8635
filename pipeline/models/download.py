"""Fetching one file: resumable, verified, atomic, cancellable, one download at a time however many ask for it.

A file grows beside its target as `<name>.part`, with `<name>.part.json` telling which bytes these are (address, the
server's tag, full size). Only a complete and verified file takes the target's name, by `os.replace`. Cancelling or
losing the connection leaves the part for the next attempt.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from ..errors import NamebrushError
from ..progress import Progress

BLOCK = 1 << 20
SPARE = 64 << 20  # bytes left free on the disk beside the file
ATTEMPTS = 5  # in a row without a single new byte
PAUSE = 0.2  # seconds; the pause between attempts is 2, 4, 8, 16 of these
TIMEOUT = (10.0, 30.0)  # seconds to connect, seconds without a byte
_FULL = (errno.ENOSPC, errno.EDQUOT)


class DownloadError(NamebrushError):
    """A source did not give its file; another source may."""


class WrongFile(DownloadError):
    """What arrived is not what was expected, so that going on with it makes no sense."""


class DiskFull(NamebrushError):
    """There is no room for the file: no other source will help."""


class _Passing(Exception):
    """Something that may be over in a moment: a lost connection, a server that is busy."""


@dataclass(frozen=True)
class Check:
    """An expected checksum, or the beginning of one.

    Attributes:
        algorithm: a name of `hashlib`, such as `sha256`; `git-sha1` for the name git gives a file's content.
        start: lower-case hexadecimal digits the digest must start with; a whole digest is a start too.
    """

    algorithm: str
    start: str

    @classmethod
    def parse(cls, text: str) -> Check:
        """`"sha256:5806e7…"` or `"md5:01ec64"`."""
        algorithm, _, start = text.partition(":")
        return cls(algorithm, start.lower())

    def hasher(self, size: int):
        """A fresh `hashlib` object for a file of `size` bytes."""
        if self.algorithm == "git-sha1":
            return hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
        if self.algorithm == "md5":
            return hashlib.md5(usedforsecurity=False)
        return hashlib.new(self.algorithm)


def offline() -> bool:
    """Whether a person forbade the network with `HF_HUB_OFFLINE` or `TRANSFORMERS_OFFLINE`; read anew every time."""
    names = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    return any(os.environ.get(name, "").upper() in {"1", "ON", "YES", "TRUE"} for name in names)


def download(
    url: str,
    target: Path,
    *,
    label: str,
    checks: tuple[Check, ...] = (),
    size: int | None = None,
    headers: Mapping[str, str] | None = None,
    lock: Path | None = None,
    progress: Progress | None = None,
) -> Path:
    """Fetch `url` to `target`, going on where an earlier attempt stopped; a file that is there is taken as it is.

    Args:
        url: http or https address.
        target: the file's final path; its folder is made.
        label: what it is, for the sentences a person reads.
        checks: checksums that all must hold.
        size: exact size in bytes where it is known.
        headers: further request headers; `requests` drops a token when redirected to another host.
        lock: the file that keeps others out; None: in a folder `.locks` beside the target.
        progress: told the bytes so far; its `Cancelled` leaves the part behind.

    Raises:
        DownloadError: the server cannot be reached, answers with an error, or sent something else than expected.
        DiskFull: there is no room; what has arrived is kept.
        NamebrushError: the network is forbidden and the file is not there, or the folder cannot be written.
    """
    progress = progress or Progress()
    if target.is_file():
        return target
    if offline():
        raise NamebrushError(f"{label} is not at {target} and HF_HUB_OFFLINE forbids fetching it from {url}.")
    lock = lock or target.parent / ".locks" / f"{target.name}.lock"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        lock.parent.mkdir(parents=True, exist_ok=True)
        with _alone(lock, label, progress):
            if target.is_file():  # someone else fetched it while this call waited
                return target
            part = Part(target)
            try:
                _fetch(url, part, label, size, bool(checks), dict(headers or {}), progress)
                _verify(part.path, checks, size, label, url, progress)
            except WrongFile:
                part.drop()
                raise
            os.replace(part.path, target)
            part.drop()
    except OSError as error:
        if error.errno in _FULL:
            raise DiskFull(f"The disk with {target.parent} is full; free some space, then {label} goes on.") from error
        if isinstance(error, PermissionError) or error.errno == errno.EROFS:
            raise NamebrushError(f"{target.parent} cannot be written; set HF_HOME to a folder that can.") from error
        raise
    return target


class Part:
    """A growing file and the note beside it that says which bytes it holds."""

    def __init__(self, target: Path):
        self.path = target.with_name(target.name + ".part")
        self.note = target.with_name(target.name + ".part.json")

    @property
    def bytes(self) -> int:
        """Bytes that have arrived."""
        return self.path.stat().st_size if self.path.is_file() else 0

    def known(self, url: str) -> dict:
        """The note, if it belongs to `url` and there is something to go on from; else empty."""
        try:
            note = json.loads(self.note.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return note if isinstance(note, dict) and note.get("url") == url and self.bytes else {}

    def write_note(self, note: dict) -> None:
        """Replace the note at once."""
        scratch = self.note.with_name(self.note.name + ".tmp")
        scratch.write_text(json.dumps(note), encoding="utf-8")
        os.replace(scratch, self.note)

    def drop(self) -> None:
        """Remove part and note."""
        self.path.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)


@contextmanager
def _alone(path: Path, label: str, progress: Progress) -> Iterator[None]:
    """Hold the lock at `path` against other threads and processes; waiting can be cancelled."""
    from filelock import FileLock, Timeout

    lock = FileLock(path, thread_local=False)
    while True:
        try:
            lock.acquire(timeout=0.2)
            break
        except Timeout:
            progress.step(f"Waiting for another download of {label}")
    try:
        yield
    finally:
        lock.release()


def _fetch(
    url: str, part: Part, label: str, size: int | None, checked: bool, headers: dict[str, str], progress: Progress
) -> None:
    """Bring the part to its full length, trying again after a lost connection."""
    # Compressed transfer would make lengths and ranges mean something else than the file's bytes.
    headers = {"Accept-Encoding": "identity", "User-Agent": "namebrush", **headers}
    failures, before = 0, part.bytes
    while True:
        try:
            _stream(url, part, label, size, checked, headers, progress)
            return
        except _Passing as error:
            failures = 1 if part.bytes > before else failures + 1
            before = part.bytes
            if failures >= ATTEMPTS:
                kept = f"; {_mb(before)} MB are kept for the next try" if before else ""
                raise DownloadError(f"{label} could not be fetched from {_host(url)}: {error}{kept}.") from error
            for _ in range(2**failures):  # short steps, so that cancelling need not wait
                progress.step(f"Trying {_host(url)} again: {error}")
                time.sleep(PAUSE)


def _stream(
    url: str, part: Part, label: str, size: int | None, checked: bool, headers: dict[str, str], progress: Progress
) -> None:
    """One request: ask for what is missing, append it."""
    import requests

    note, start = part.known(url), part.bytes
    if not note or not (note.get("tag") or (checked and note.get("size"))):
        start = 0  # nothing would tell that the server's file is another one by now
    elif start == note.get("size"):
        return
    try:
        ask = {**headers, "Range": f"bytes={start}-"} if start else headers
        with _session(url) as session, session.get(url, headers=ask, stream=True, timeout=TIMEOUT) as answer:
            if start and answer.status_code in (206, 416) and not _continues(answer, start, note):
                part.drop()  # another file by now, or one shorter than what arrived: from the beginning
                return _stream(url, part, label, size, checked, headers, progress)
            if answer.status_code in (429, 500, 502, 503, 504):
                raise _Passing(f"the server is busy (HTTP {answer.status_code})")
            if answer.status_code not in (200, 206 if start else 200):
                raise DownloadError(f"{label} could not be fetched from {_host(url)}: HTTP {answer.status_code}.")
            if answer.status_code == 200:
                start = 0  # the server sends the whole file, whatever was asked
            _append(answer, part, start, url, label, size, progress)
    except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
        raise _Passing(_reason(error)) from error


def _session(url: str):
    """A session that follows redirects to encrypted addresses, or within the place it was sent to."""
    import requests

    class Encrypted(requests.adapters.HTTPAdapter):
        def send(self, request, *args, **kwargs):
            if request.url.partition("/")[0] != "https:" and urlsplit(request.url)[:2] != urlsplit(url)[:2]:
                raise DownloadError(f"{_host(url)} sends to {_host(request.url)}, which is not encrypted.")
            return super().send(request, *args, **kwargs)

    session = requests.Session()
    session.mount("http://", Encrypted())
    return session


def _append(answer, part: Part, start: int, url: str, label: str, size: int | None, progress: Progress) -> None:
    """Write an answer's bytes behind the first `start` bytes of the part."""
    length = answer.headers.get("Content-Length")
    if length is not None and not re.fullmatch(r"\d{1,15}", length):
        raise WrongFile(f"{label} at {_host(url)} states an impossible size.")
    total = size if length is None else start + int(length)
    if size is not None and total != size:
        raise WrongFile(f"{label} at {_host(url)} has {total} bytes, {size} were expected.")
    _room(part.path.parent, (total or 0) - start, label)
    part.write_note({"url": url, "tag": _tag(answer), "size": total})
    with open(part.path, "r+b" if start else "wb") as file:
        file.truncate(start)
        file.seek(start)
        done = start
        _tell(progress, label, done, total)
        for block in answer.iter_content(BLOCK):
            file.write(block)
            done += len(block)
            if total is not None and done > total:
                raise WrongFile(f"{label} at {_host(url)} goes on after its {total} bytes; nothing was kept.")
            if total is None:  # nobody said where it ends
                _room(part.path.parent, len(block), label)
            _tell(progress, label, done, total)
        file.flush()
        os.fsync(file.fileno())
    if total is not None and done != total:
        raise _Passing("the connection was lost")


def _continues(answer, start: int, note: dict) -> bool:
    """Whether an answer carries the bytes after `start` of the same file as before."""
    span, _, total = answer.headers.get("Content-Range", "").removeprefix("bytes ").partition("/")
    same_size = total == "*" or note.get("size") is None or total == str(note["size"])
    return answer.status_code == 206 and span.startswith(f"{start}-") and same_size and _tag(answer) == note.get("tag")


def _tag(answer) -> str | None:
    """What the server says identifies this version of the file."""
    return answer.headers.get("ETag") or answer.headers.get("Last-Modified")


def _verify(
    path: Path, checks: tuple[Check, ...], size: int | None, label: str, url: str, progress: Progress
) -> None:
    """Compare size and checksums of the whole file."""
    total = path.stat().st_size
    if size is not None and total != size:
        raise WrongFile(f"{label} from {_host(url)} has {total} bytes, {size} were expected; nothing was kept.")
    if not checks:
        return
    hashers, done = [check.hasher(total) for check in checks], 0
    with open(path, "rb") as file:
        while block := file.read(BLOCK):
            for hasher in hashers:
                hasher.update(block)
            done += len(block)
            progress.step(f"Checking {label}", done / max(total, 1))
    for check, hasher in zip(checks, hashers, strict=True):
        if not hasher.hexdigest().startswith(check.start):
            raise WrongFile(
                f"{label} from {_host(url)} is not the published file: its {check.algorithm} is "
                f"{hasher.hexdigest()[:16]}…, {check.start[:16]}… was expected; nothing was kept."
            )


def _room(folder: Path, needed: int, label: str) -> None:
    free = shutil.disk_usage(folder).free
    if needed > 0 and free < needed + SPARE:
        raise DiskFull(
            f"{label} needs {_mb(needed)} MB more, but only {_mb(free)} MB are free in {folder}; "
            "free some space or set HF_HOME to another disk."
        )


def _tell(progress: Progress, label: str, done: int, total: int | None) -> None:
    if total:
        progress.step(f"Downloading {label}: {_mb(done)} of {_mb(total)} MB", done / total)
    else:
        progress.step(f"Downloading {label}: {_mb(done)} MB")


def _mb(count: int) -> str:
    return f"{count / 1e6:.0f}" if count >= 10e6 else f"{count / 1e6:.1f}"


def _host(url: str) -> str:
    return url.split("/")[2] if "://" in url else url


def _reason(error: Exception) -> str:
    """A short reason without the object addresses `requests` puts into its messages."""
    import requests

    if isinstance(error, requests.Timeout):
        return "no answer in time"
    text = str(error)
    if "resolve" in text or "Name or service" in text:
        return "its name is not known here (is this machine online?)"
    if "refused" in text:
        return "it refuses connections"
    return "the connection was lost"
