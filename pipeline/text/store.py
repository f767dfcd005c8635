"""Text embeddings kept on disk, so that a word runs through the text tower once per machine and not once per process.

One small file per word, under a folder that `NAMEBRUSH_CACHE` names ("off" keeps nothing) and that else is `namebrush`
in the hub library's home (`HF_HOME`). What a person typed is not written: a file's name is a hash of the model and of
the sentences that the template set made of the word, and its content is the vector and a checksum over both. A file
that is cut, changed or of another word is no answer and is written anew; a folder that cannot be written only means
that nothing is kept.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path

import numpy as np

#: Name of the environment variable, and the values of it that keep nothing on disk.
VARIABLE, OFF = "NAMEBRUSH_CACHE", ("off", "0", "none")
#: Most files kept, and how many are left when there are more; a file of 512 numbers takes 2 KB.
MOST, LEFT = 20_000, 15_000

_MAGIC = b"NBTXT1\0\0"
_CHECK = 16


def folder() -> Path | None:
    """Where embeddings are kept, asked anew every time; None: nowhere."""
    named = os.environ.get(VARIABLE, "").strip()
    if named.casefold() in OFF:
        return None
    if named:
        return Path(named).expanduser() / "text"
    from ..models.fetch import weights_dir

    return weights_dir() / "text"


class TextStore:
    """Vectors of one model on one device.

    Args:
        model: identifies the weights and how they are run; part of every file's name.
        root: the folder; None: nothing is kept.
    """

    def __init__(self, model: str, root: Path | None):
        self._model, self._root = model, root

    def get(self, sentences: str) -> np.ndarray | None:
        """The vector of a word's sentences, float32 [D], or None where it is not there or not whole."""
        if self._root is None:
            return None
        key, path = self._place(sentences)
        try:
            data = path.read_bytes()
            os.utime(path)  # what was used last is dropped last
        except OSError:
            return None
        payload, check = data[len(_MAGIC) : -_CHECK], data[-_CHECK:]
        if not data.startswith(_MAGIC) or check != _checksum(key, payload) or not payload or len(payload) % 4:
            return None
        vector = np.frombuffer(payload, "<f4").astype(np.float32)
        return vector if np.isfinite(vector).all() else None

    def put(self, vectors: dict[str, np.ndarray]) -> None:
        """Keep vectors by their sentences, each file written whole or not at all; of too many the oldest go."""
        if self._root is None or not vectors:
            return
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            for sentences, vector in vectors.items():
                key, path = self._place(sentences)
                payload = np.ascontiguousarray(vector, "<f4").tobytes()
                _write(path, _MAGIC + payload + _checksum(key, payload))
            _prune(self._root)
        except OSError:  # a cache that cannot be written is a slower one, no mistake of anyone's
            return

    def _place(self, sentences: str) -> tuple[bytes, Path]:
        key = hashlib.sha256(f"{self._model}\0{sentences}".encode("utf-8", "surrogatepass")).digest()
        return key, self._root / f"{key.hex()[:40]}.vec"


def _checksum(key: bytes, payload: bytes) -> bytes:
    return hashlib.blake2b(key + payload, digest_size=_CHECK).digest()


def _write(path: Path, data: bytes) -> None:
    handle, scratch = tempfile.mkstemp(prefix=".", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.replace(scratch, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(scratch)
        raise


def _prune(root: Path) -> None:
    """Drop the files used longest ago, where there are more than `MOST`, until `LEFT` are left."""
    names = os.listdir(root)
    if len(names) <= MOST:
        return
    ages = []
    for name in names:
        with contextlib.suppress(OSError):  # another process may have dropped it
            ages.append((os.stat(root / name).st_mtime_ns, name))
    for _, name in sorted(ages)[: max(0, len(ages) - LEFT)]:
        with contextlib.suppress(OSError):
            os.unlink(root / name)
