"""Messages and open files between the server and a decoding process, over a pair of Unix sockets.

A message is a JSON object behind its length; with it may go one open file. Files carry what is large: the picture
file to the process, the decoded pixels back. Both are nameless (`memfd`, or a temporary file unlinked at once), so
nothing is left of them when a process is killed.
"""

from __future__ import annotations

import json
import os
import socket
import stat
import struct
import tempfile
from collections.abc import Iterable

import numpy as np

#: Bytes of one message; everything larger travels as a file.
MAX_MESSAGE = 1 << 16
_LENGTH = struct.Struct("<I")
_FLAGS = getattr(socket, "MSG_CMSG_CLOEXEC", 0)


class Closed(Exception):
    """The other end is gone, or speaks nonsense."""


def nameless_file() -> int:
    """A new, empty file descriptor without a name in any folder; its content is freed when the last holder is gone."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("namebrush-picture", os.MFD_CLOEXEC)
    handle, path = tempfile.mkstemp(prefix="namebrush-")
    os.unlink(path)
    return handle


def write_all(handle: int, parts: Iterable) -> int:
    """Write buffers one after the other; the number of bytes written."""
    total = 0
    for part in parts:
        view = memoryview(part).cast("B")
        while view:
            written = os.write(handle, view)
            view, total = view[written:], total + written
    return total


def read_all(handle: int, size: int) -> np.ndarray:
    """The first `size` bytes of an ordinary file as a fresh uint8 [size]: nobody else can change them any more.

    Raises:
        Closed: it is no ordinary file, or not of exactly this size.
    """
    info = os.fstat(handle)
    if not stat.S_ISREG(info.st_mode) or info.st_size != size:
        raise Closed
    content = np.empty(size, np.uint8)
    view, at = memoryview(content), 0
    while at < size:
        read = os.preadv(handle, [view[at:]], at)
        if not read:
            raise Closed
        at += read
    return content


def send(connection: socket.socket, message: dict, handle: int | None = None) -> None:
    """Send a message, and an open file with it.

    Raises:
        Closed: the other end is gone.
    """
    body = json.dumps(message).encode()
    frame = _LENGTH.pack(len(body)) + body
    if len(frame) > MAX_MESSAGE:
        raise ValueError(f"a message of {len(frame)} bytes")
    try:
        sent = 0 if handle is None else socket.send_fds(connection, [frame], [handle])
        connection.sendall(frame[sent:])
    except OSError as error:
        raise Closed from error


def receive(connection: socket.socket) -> tuple[dict, int | None]:
    """The next message and the open file that came with it; waits as long as the socket's timeout says.

    Raises:
        Closed: the other end is gone, or what it sent is no message.
        TimeoutError: nothing came in time.
    """
    handles: list[int] = []
    try:
        data = b""
        while len(data) < 4 or len(data) < 4 + _LENGTH.unpack(data[:4])[0]:
            part, got, _, _ = socket.recv_fds(connection, MAX_MESSAGE, 4, _FLAGS)
            handles += got
            if not part or len(data) + len(part) > MAX_MESSAGE:
                raise Closed
            data += part
        message = json.loads(data[4:])
        if not isinstance(message, dict) or len(handles) > 1:
            raise Closed
        return message, (handles.pop() if handles else None)
    except TimeoutError:
        raise
    except (OSError, ValueError) as error:
        raise Closed from error
    finally:
        for handle in handles:
            os.close(handle)
