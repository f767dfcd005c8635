"""Which weights exactly: a short text per model that changes when the weights do."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

_known: dict[tuple[str, int, int], str] = {}
_guard = threading.Lock()


def revisions_of(models: Any, kinds: Iterable[str]) -> dict[str, str]:
    """Title and revision of each kind of model, such as "Namebrush SAM (sha256:0123456789ab)".

    Args:
        models: a `Models`, or anything else with `.title(kind)` and, if it can tell, `.revision(kind)`.
        kinds: of `catalog.KINDS`.
    """
    tell = getattr(models, "revision", None)
    return {kind: models.title(kind) + (f" ({tell(kind)})" if tell is not None else "") for kind in kinds}


def revision(kind: str, part: Any) -> str:
    """The revision of a part as `Models` keeps it: a hub's commit, a file's hash, or that it came from memory.

    A folder's revision is the hash of its files' names and sizes and of the contents of the small ones.
    """
    from . import builtin, fetch, hub  # they bring torch, which a history of edits without a model does not need

    if part is None:
        return "none"
    if not isinstance(part, fetch.Choice):
        return "given in memory"
    if part.path is not None:
        return _of_path(part.path)
    if not part.checkpoint.sources:
        home = builtin.home(kind)
        return _of_path(home if kind == "inpaint" else home / builtin.WEIGHTS)
    for source in part.checkpoint.sources:
        if source.repo:
            found = hub.cached_file(source.repo, (source.files or ("model_index.json",))[0])
            if found is not None and "snapshots" in found.parts:  # .../snapshots/COMMIT/FILE
                return f"hub:{found.parts[found.parts.index('snapshots') + 1][:12]}"
    stated = [check for source in part.checkpoint.sources for check in source.checks if check.startswith("sha256:")]
    return stated[0][: len("sha256:") + 12] if stated else f"catalogue:{part.checkpoint.name}"


def _of_path(path: Path) -> str:
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    digest = hashlib.sha256()
    for file in files:
        if path.is_dir():
            digest.update(f"{file.relative_to(path)} {file.stat().st_size}\n".encode())
        if not path.is_dir() or file.stat().st_size < 1 << 20:
            digest.update(checksum(file).encode())
    return f"sha256:{digest.hexdigest()[:12]}" if path.is_dir() else f"sha256:{checksum(path)[:12]}"


def checksum(file: Path) -> str:
    """SHA-256 of a file in hexadecimal, read once as long as it stays the same."""
    state = file.stat()
    key = (str(file), state.st_size, state.st_mtime_ns)
    with _guard:
        if key in _known:
            return _known[key]
    digest = hashlib.sha256()
    with open(file, "rb") as stream:
        while block := stream.read(1 << 22):
            digest.update(block)
    with _guard:
        _known[key] = digest.hexdigest()
    return digest.hexdigest()
