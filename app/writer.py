"""Writes sessions in the background: soon after they changed, never in the way of an answer."""

from __future__ import annotations

import errno
import logging
import threading
import time
from collections.abc import Callable

from .session import Session

log = logging.getLogger("namebrush")

#: Seconds several changes are waited for, to be written together; and after an error, before it is tried again.
PAUSE, AGAIN = 0.15, 10.0


class Writer:
    """A thread that writes what was marked.

    Args:
        save: writes a session; an `OSError` it raises is told to the session's visitor, and it is tried again.
    """

    def __init__(self, save: Callable[[Session], None]):
        self._save = save
        self._changed = threading.Condition()
        self._waiting: dict[Session, float] = {}
        self._busy = 0
        self._thread: threading.Thread | None = None

    def mark(self, session: Session) -> None:
        """Write this session soon."""
        with self._changed:
            self._waiting.setdefault(session, time.monotonic() + PAUSE)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def flush(self, timeout: float = 60.0) -> bool:
        """Write all that waits now; whether it was done within `timeout` seconds."""
        end = time.monotonic() + timeout
        with self._changed:
            for session in self._waiting:
                self._waiting[session] = 0.0
            self._changed.notify_all()
            while self._waiting or self._busy:
                left = end - time.monotonic()
                if left <= 0:
                    return False
                self._changed.wait(min(left, 0.2))
        return True

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting:
                    self._changed.wait()
                session, due = min(self._waiting.items(), key=lambda item: item[1])
                pause = due - time.monotonic()
                if pause > 0:
                    self._changed.wait(pause)
                    continue
                del self._waiting[session]
                self._busy += 1
            try:
                self._one(session)
            finally:
                with self._changed:
                    self._busy -= 1
                    self._changed.notify_all()

    def _one(self, session: Session) -> None:
        try:
            self._save(session)
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            log.error("A session could not be saved: %s", error)
            sentence = "disk_full" if full else "not_saved"
            if sentence not in session.notices:
                session.notices.append(sentence)
            with self._changed:
                self._waiting.setdefault(session, time.monotonic() + AGAIN)
        except Exception:
            log.exception("A session could not be saved.")
