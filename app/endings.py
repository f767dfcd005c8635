"""How the server ends: on Ctrl+C and SIGTERM work stops between two steps, sessions are saved, files go.

The process leaves through `os._exit`: threads that are inside PyTorch while the interpreter shuts down abort it.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable

log = logging.getLogger("namebrush")

#: Set once the server is ending; long work looks at it between its steps.
ENDING = threading.Event()
#: Seconds everything may take that is done at the end.
PATIENCE = 8.0

_code = 0
_asked = threading.Event()


def install() -> None:
    """Take over SIGINT and SIGTERM; from the main thread."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _on_signal)


def _on_signal(number: int, _frame) -> None:
    global _code
    if _asked.is_set():  # asked twice: at once
        os._exit(128 + number)
    _code = 128 + number
    ENDING.set()
    _asked.set()


def wait() -> int:
    """Wait until a signal came; returns the status to exit with: 130 or 143."""
    while not _asked.wait(1.0):
        continue
    return _code


def finish(code: int, *steps: Callable[[float], None]) -> None:
    """Do what is to be done at the end, each step given the seconds it may take, and leave with `code`.

    A step that fails is logged and the next one follows. Does not return.
    """
    end = time.monotonic() + PATIENCE
    watch = threading.Timer(PATIENCE + 1.0, lambda: os._exit(code))
    watch.daemon = True
    watch.start()
    for step in steps:
        try:
            step(max(0.5, end - time.monotonic()))
        except Exception:
            log.exception("Something failed while the server was ending.")
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            continue
    os._exit(code)
