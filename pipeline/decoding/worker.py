"""The program that decodes pictures: `python -m pipeline.decoding.worker FD LIMITS LARGEST_FILE`.

It knows nothing but the picture it is given, runs under the kernel's limits on memory and seconds, and ends when the
server is gone. Whatever a hostile file does to it, it does to no one else.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from functools import partial

import cv2
from PIL import AvifImagePlugin, Image

from ..decode import Decoded, decode, decode_png
from ..errors import NamebrushError
from .limits import Enforcer, Limits, resident_bytes
from .transport import Closed, nameless_file, receive, send, write_all


def main() -> None:
    """Serve until the other end closes or this process should be replaced."""
    _end_with_the_server()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C in the server's terminal is the server's to handle
    connection = socket.socket(fileno=int(sys.argv[1]))
    limits, largest_file = Limits(**json.loads(sys.argv[2])), int(sys.argv[3])
    cv2.setNumThreads(1)
    # A thread takes address space whether it uses it or not; on a machine of 64 processors none would be left.
    AvifImagePlugin.DEFAULT_MAX_THREADS = min(2, os.cpu_count() or 1)
    Image.init()
    first = resident_bytes()
    enforcer = Enforcer(limits, largest_file)
    served = 0
    try:
        send(connection, {"ready": True})
        while True:
            job, handle = receive(connection)
            reply, result = _serve(job, handle, enforcer)
            served += 1
            reply["last"] = served >= limits.photos or resident_bytes() > first + limits.kept_memory
            send(connection, reply, result)
            if result is not None:
                os.close(result)
            if reply["last"]:
                return
    except Closed:
        return


def _end_with_the_server() -> None:
    """Be killed when the server is, also in the middle of a picture; only Linux offers this.

    Elsewhere a process ends when it next looks for a picture, or by its limits.
    """
    if sys.platform.startswith("linux"):
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG; the thread that started us outlives us


def _serve(job: dict, handle: int, enforcer: Enforcer) -> tuple[dict, int | None]:
    """Decode one picture: the reply, and the file with its pixels."""
    try:
        size = os.fstat(handle).st_size
        enforcer.header(size)
        with open(handle, "rb") as file:
            file.seek(0)
            data = file.read()
        work = {"photo": _photo, "png": _png}[job["what"]]
        return work(data, float(job["limit"]), str(job["name"]), partial(_size_known, enforcer, len(data)))
    except NamebrushError as error:
        return {"error": "told", "message": str(error)}, None
    except MemoryError:
        return {"error": "memory"}, None
    except Exception as error:  # a fault of ours; the picture is refused, and the server's log names it
        return {"error": "fault", "message": repr(error)[:500]}, None
    finally:
        enforcer.idle()


def _size_known(enforcer: Enforcer, file_bytes: int, width: int, height: int) -> None:
    enforcer.picture(width * height, file_bytes)


def _photo(data: bytes, limit: float, name: str, on_size) -> tuple[dict, int]:
    out: Decoded = decode(data, limit, name, on_size)
    handle = nameless_file()
    write_all(handle, [out.pixels, *(part for part in (out.alpha, out.exif, out.icc) if part is not None)])
    return {
        "shape": list(out.pixels.shape),
        "alpha": out.alpha is not None,
        "exif": None if out.exif is None else len(out.exif),
        "icc": None if out.icc is None else len(out.icc),
        "notes": out.notes,
    }, handle


def _png(data: bytes, limit: float, name: str, on_size) -> tuple[dict, int]:
    samples = decode_png(data, limit, name, on_size)
    handle = nameless_file()
    write_all(handle, [samples])
    return {"shape": list(samples.shape), "dtype": samples.dtype.name}, handle


if __name__ == "__main__":
    main()
