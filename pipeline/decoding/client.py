"""What opens the pictures of strangers, by what this system offers."""

from __future__ import annotations

import importlib.util
import logging
import select
import socket
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from ..decode import Decoded, decode, decode_png
from ..errors import NamebrushError
from ..progress import checkpoint
from .limits import MEMORY_ENFORCED
from .pool import LARGEST_FILE, Decoder

log = logging.getLogger("namebrush.decoding")


def available() -> bool:
    """Whether this system can pass open files between processes and limits them; Windows does not."""
    return hasattr(socket, "send_fds") and hasattr(select, "poll") and importlib.util.find_spec("resource") is not None


class InProcess:
    """Decodes in this process, where no other can be had: a file's structure is checked, but nothing is limited."""

    def decode(
        self, source: bytes | BinaryIO, limit: float, name: str, check: Callable[[], None] | None = None,
        owner: Hashable = None,
    ) -> Decoded:  # fmt: skip
        """As `pool.Decoder.decode`, without its limits; `check` is called once, before."""
        data = source if isinstance(source, bytes) else source.read(LARGEST_FILE + 1)
        if len(data) > LARGEST_FILE:
            raise NamebrushError(f'"{name}" is larger than {LARGEST_FILE >> 20} MiB; make it smaller first.')
        return self._run(decode, data, limit, name, check)

    def decode_png(
        self, data: bytes, limit: float, name: str, check: Callable[[], None] | None = None, owner: Hashable = None
    ) -> np.ndarray:
        """As `pool.Decoder.decode_png`, without its limits."""
        return self._run(decode_png, data, limit, name, check)

    @staticmethod
    def _run(work, data, limit, name, check):
        if check is not None:
            check()
        try:
            return work(data, limit, name)
        except MemoryError as error:
            raise NamebrushError(f'There is not enough memory to open "{name}". Make it smaller first.') from error

    def warm(self) -> None:
        """Nothing needs to be started."""

    def close(self) -> None:
        """Nothing needs to be ended."""


@dataclass(frozen=True)
class Client:
    """A decoder used for one visitor, who may stop it; what `open_photo` takes.

    Attributes:
        decoder: what decodes.
        owner: for whom; see `pool.Decoder.decode`.
        check: called about ten times a second while waiting; what it raises ends the decoding.
    """

    decoder: Decoder | InProcess
    owner: Hashable = None
    check: Callable[[], None] | None = checkpoint

    def decode(self, source: bytes | BinaryIO, limit: float, name: str) -> Decoded:
        """As `pool.Decoder.decode`."""
        return self.decoder.decode(source, limit, name, self.check, self.owner)

    def decode_png(self, data: bytes, limit: float, name: str) -> np.ndarray:
        """As `pool.Decoder.decode_png`."""
        return self.decoder.decode_png(data, limit, name, self.check, self.owner)


def decoder_for_strangers() -> Decoder | InProcess:
    """A decoder for files one does not trust; where this system cannot limit it, the log says what is lost."""
    if not available():
        log.warning("this system has no processes to decode pictures in: a hostile picture can take all memory, block "
                    "the page or end it; let in only people you trust")  # fmt: skip
        return InProcess()
    if not MEMORY_ENFORCED:
        log.warning("this system's kernel does not limit memory: decoding processes are watched ten times a second")
    return Decoder()
