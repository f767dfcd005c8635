"""All visitors' sessions, by the name their page gives itself (Gradio's session hash).

Arriving costs a few hundred bytes and evicts nobody: what a page shows by itself, the first example and its names, is
shared. A session becomes somebody's *work* with the first step beyond that; from then on its steps are saved, it has a
secret token by which its visitor finds it again, and only time lets it go: `UNUSED` seconds while a page shows it,
`LEFT` after its last page was closed. Whoever comes back later is told.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.errors import NamebrushError

from . import engine, examples, folders, permissions
from .session import Session
from .sweeper import VISITOR_AGE
from .visitor_folder import KEPT, PAGE, VisitorFolder
from .writer import Writer

log = logging.getLogger("namebrush")

#: Seconds without use after which a session that a page still shows is let go, and one whose pages are closed.
UNUSED, LEFT = 6 * 3600.0, VISITOR_AGE
#: Sessions without work kept at once, and seconds they are kept without a page.
MOST_EMPTY, EMPTY = 5_000, 900.0
#: Sessions with work of one address.
MOST_OF_ADDRESS = 200
#: Names of sessions that were let go, so that whoever comes back is told.
MOST_REMEMBERED = 20_000


@dataclass(eq=False)
class Visit:
    """A session and its visitor's presence.

    Attributes:
        used: when anything was last asked of it, in seconds since the epoch.
        pages: how many pages hold a connection to it.
        folder: where its steps are saved, once it is somebody's work.
    """

    session: Session
    used: float
    pages: int = 0
    folder: VisitorFolder | None = None
    keys: set[str] = field(default_factory=set)

    def present(self, now: float) -> bool:
        """Whether its visitor is likely to look at it now."""
        return self.pages > 0 or now - self.used < EMPTY


def folder_name(token: str) -> str:
    """The name of a token's folder: whoever reads it cannot tell the token."""
    return hashlib.sha256(token.encode()).hexdigest()[:32]


def arriving(session: Session) -> bool:
    """Whether there is nothing in it but what a page shows by itself when it is opened."""
    return all(examples.is_arrival(step) for step in session.history.steps)


class SessionStore:
    """The sessions of a server.

    Args:
        root: folder of the visitors' folders; None: nothing is saved.
        clock: seconds since the epoch.
    """

    def __init__(self, root: Path | None = None, clock: Callable[[], float] = time.time):
        self.root, self.clock = root, clock
        self.writer = Writer(self._save)
        self._guard = threading.RLock()
        self._visits: OrderedDict[str, Visit] = OrderedDict()
        self._gone: OrderedDict[str, None] = OrderedDict()

    def session(self, key: str) -> Session:
        """The session of a page, made where there is none yet; counts as a use of it."""
        with self._guard:
            visit = self._visits.get(key)
            if visit is None:
                visit = self._visits[key] = Visit(Session(changed=self._changed), self.clock(), keys={key})
                if self._gone.pop(key, key) is None:
                    visit.session.notices.append("let_go")
                self._drop_empty()
            visit.used = self.clock()
            self._visits.move_to_end(key)
            return visit.session

    def has_work(self, key: str) -> bool:
        """Whether a page holds somebody's work; no use of it."""
        visit = self._visits.get(key)
        return visit is not None and bool(visit.session.token)

    def arrived(self, key: str) -> None:
        """A page holds a connection from now on."""
        with self._guard:
            self.session(key)
            self._visits[key].pages += 1

    def left(self, key: str) -> None:
        """A page has let its connection go."""
        with self._guard:
            visit = self._visits.get(key)
            if visit is not None:
                visit.pages = max(0, visit.pages - 1)
                visit.used = self.clock()

    def visits(self) -> list[Visit]:
        """All visits, the one used last at the end; a session that two pages show once."""
        with self._guard:
            return list(dict.fromkeys(self._visits.values()))

    def check_address(self, session: Session, address: str) -> None:
        """Note where a session's visitor comes from, before it becomes work.

        Raises:
            NamebrushError: too many sessions of that address hold work already.
        """
        if session.token or not address:
            return
        count = sum(v.session.address == address for v in self.visits() if v.session.token)
        if count >= MOST_OF_ADDRESS:
            raise NamebrushError(session.say("too_many_pages", count=count))
        session.address = address

    def offered(self, token: str) -> str:
        """Whether the session of a token can be restored: "yes", "open" (a page shows it now) or "no"."""
        with self._guard:
            visit = self._with(token)
            if visit is not None:
                return "open" if visit.pages else "yes"
            if self.root is None or not token:
                return "no"
            return "yes" if (self.root / folder_name(token) / PAGE).exists() else "no"

    def restore(self, key: str, token: str) -> Session:
        """Give a page the session of a token, from memory or from the disk, in place of its own.

        Raises:
            NamebrushError: there is none any more, or another page shows it.
        """
        with self._guard:
            state, own = self.offered(token), self.session(key)
            if state != "yes":
                raise NamebrushError(own.say("open_elsewhere" if state == "open" else "let_go"))
            visit = self._with(token) or self._from_disk(token)
            if visit is None:
                raise NamebrushError(own.say("let_go"))
            visit.pages, visit.used = self._visits[key].pages, self.clock()
            for old in visit.keys:
                self._visits.pop(old, None)
            visit.keys = {key}
            visit.session.lang, visit.session.plain = own.lang, own.plain
            visit.session.stamp = max(visit.session.stamp, own.stamp) + 1
            if own is not visit.session:
                own.replaced = True
                own.stop()
            self._visits[key] = visit
        visit.session.step.hold()
        if visit.folder is not None:
            visit.folder.seen()
        return visit.session

    def forget(self, token: str) -> None:
        """Delete what is kept of a token, at its visitor's wish; one that a page shows stays."""
        if self.offered(token) != "yes":
            return
        with self._guard:
            visit = self._with(token)
            for key in visit.keys if visit is not None else ():
                self._visits.pop(key, None)
        if self.root is not None:
            folders.remove(self.root / folder_name(token))

    def expire(self) -> None:
        """Let go of what was not used for long, and note on the disk who is still here."""
        now = self.clock()
        for visit in self.visits():
            limit = (UNUSED if visit.pages else LEFT) if visit.session.token else (UNUSED if visit.pages else EMPTY)
            if now - visit.used > limit:
                self._let_go(visit)
            elif visit.folder is not None:
                visit.folder.seen(now if visit.pages else visit.used)

    def folder_gone(self, name: str) -> None:
        """A visitor's folder was deleted; its session goes too."""
        for visit in self.visits():
            if visit.folder is not None and visit.folder.path.name == name:
                self._let_go(visit)

    def present_folders(self) -> list[str]:
        """Names of the folders of sessions that are in memory."""
        return [visit.folder.path.name for visit in self.visits() if visit.folder is not None]

    def shown_files(self) -> set[str]:
        """The files that pages of present visitors show."""
        now = self.clock()
        return {path for visit in self.visits() if visit.present(now) for path in visit.session.showing}

    def stop_work(self) -> None:
        """Tell all jobs of all visitors to stop at their next step."""
        for visit in self.visits():
            visit.session.stop()

    def _changed(self, session: Session) -> None:
        if self.root is None or (not session.token and arriving(session)):
            return
        if not session.token:
            session.token = secrets.token_urlsafe(24)
            visit = next((v for v in self.visits() if v.session is session), None)
            if visit is not None:
                visit.folder = VisitorFolder(self.root / folder_name(session.token))
        self.writer.mark(session)

    def _save(self, session: Session) -> None:
        visit = next((v for v in self.visits() if v.session is session), None)
        if visit is not None and visit.folder is not None:
            visit.folder.save(session)

    def _with(self, token: str) -> Visit | None:
        found = (v for v in self._visits.values() if v.session.token and token)
        return next((v for v in found if secrets.compare_digest(v.session.token.encode(), token.encode())), None)

    def _from_disk(self, token: str) -> Visit | None:
        folder = VisitorFolder(self.root / folder_name(token))
        try:
            history, page = folder.load()
            made = Session(token=token, changed=self._changed, history=history)
            for name in KEPT:
                value = page[name]
                setattr(made, name, tuple(value) if isinstance(value, list) else value)
            if made.preset not in permissions.served().presets:  # it was offered when the steps were written
                made.preset = engine.PRESET
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            log.exception("Saved steps could not be read back.")
            return None
        return Visit(made, self.clock(), folder=folder)

    def _let_go(self, visit: Visit) -> None:
        with self._guard:
            for key in visit.keys:
                if self._visits.get(key) is visit:
                    del self._visits[key]
                    if visit.session.token:
                        self._gone[key] = None
            while len(self._gone) > MOST_REMEMBERED:
                self._gone.popitem(last=False)
        visit.session.stop()
        if visit.folder is not None:
            folders.remove(visit.folder.path)

    def _drop_empty(self) -> None:
        """Too many sessions without work: those used longest ago go."""
        if len(self._visits) <= MOST_EMPTY:
            return
        empty = [key for key, visit in self._visits.items() if not visit.session.token]
        for key in empty[: max(0, len(empty) - MOST_EMPTY)]:
            del self._visits[key]
