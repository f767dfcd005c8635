"""What a server keeps while it runs: the sessions, the account of memory, and the sweeper; one of each."""

from __future__ import annotations

import logging
import threading

from gradio.context import LocalContext

from . import folders, limits
from .account import Account
from .session import Session
from .session_store import SessionStore
from .sweeper import Sweeper

log = logging.getLogger("namebrush")

#: Seconds between two looks for sessions that are not used any more.
PACE = 20.0
#: Share of the memory that may be used for one session file that is opened, and bytes at least.
SHARE, LEAST_SESSION = 0.25, 1 << 30

_store: SessionStore | None = None
_account: Account | None = None
_sweeper: Sweeper | None = None


def store() -> SessionStore | None:
    """The sessions, or None where no server runs in this process."""
    return _store


def account() -> Account | None:
    """The account of memory, or None where no server runs in this process."""
    return _account


def start(memory: int | None = None) -> None:
    """Begin to keep sessions, in the folders of this process.

    Args:
        memory: bytes that may be used; None: the machine's or its container's.

    Raises:
        OSError: the folders cannot be made.
        ValueError: the memory that the environment names is no amount.
    """
    global _store, _account, _sweeper
    where = folders.prepare()
    _store = SessionStore(where.visitors)
    _account = Account(_store, memory)
    _sweeper = Sweeper(where, _store.shown_files, _store.present_folders, _store.folder_gone)
    _sweeper.start()
    _account.start()
    threading.Thread(target=_expire, args=(_store,), name="sessions", daemon=True).start()


def room(session: Session, bytes_: int) -> None:
    """Make room for a session's work of so many bytes; nothing to do where no server runs.

    Raises:
        NamebrushError: there is none.
    """
    if _account is not None:
        _account.room(session, bytes_)


def most_session() -> int:
    """Bytes of memory that a session file may take when it is opened: two large photos at least."""
    return max(LEAST_SESSION, int(SHARE * (limits.memory() if _account is None else _account.most)))


def admit(session: Session) -> None:
    """Check that a visitor's address may begin another piece of work; nothing to do where no server runs.

    Raises:
        NamebrushError: it holds too many already.
    """
    request = LocalContext.request.get(None)
    client = getattr(request, "client", None)
    if _store is not None and client is not None and not limits.hosted():
        # Behind a proxy on this machine all visitors come from it.
        _store.check_address(session, "" if client.host in ("127.0.0.1", "::1") else client.host)


def end(seconds: float) -> None:
    """Stop all work between two steps and save all sessions, within `seconds`."""
    for part in (_account, _sweeper):
        if part is not None:
            part.stop()
    if _store is not None:
        _store.stop_work()
        if not _store.writer.flush(seconds):
            log.error("Not every session could be saved in time.")


def _expire(of: SessionStore) -> None:
    while of is _store:
        try:
            of.expire()
        except Exception:
            log.exception("Sessions could not be looked through; it is tried again.")
        threading.Event().wait(PACE)
