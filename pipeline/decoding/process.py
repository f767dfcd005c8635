"""The server's handle on one decoding process: started, given one picture at a time, killed when it must be."""

from __future__ import annotations

import json
import logging
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from .limits import MEMORY_ENFORCED, Limits
from .transport import Closed, receive, send

log = logging.getLogger("namebrush.decoding")

#: Seconds a process may take to start; seconds between two looks at whether somebody still wants the picture.
START_SECONDS, LOOK = 60.0, 0.1
_ROOT = Path(__file__).resolve().parents[2]
#: What a process is told of the server's surroundings: nothing secret, nothing it does not need to start.
_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "HOME", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT",
                "VIRTUAL_ENV", "PYTHONHOME", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE")  # fmt: skip
#: Libraries decode one picture in one thread: several processes share the machine.
_SINGLE = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}


class Died(Exception):
    """The process ended while it decoded, or had to be ended. `reason` is "time", "memory" or "crash"."""

    def __init__(self, reason: str):
        super().__init__(reason)
        self.reason = reason


class Process:
    """A running decoding process. Used by one thread at a time, except `kill`, which any thread may call."""

    def __init__(self, limits: Limits, largest_file: int):
        """Start it and wait until it is ready.

        Raises:
            OSError: it does not start.
        """
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                self._popen = subprocess.Popen(
                    [sys.executable, "-m", "pipeline.decoding.worker", str(theirs.fileno()),
                     json.dumps(asdict(limits)), str(largest_file)],
                    cwd=_ROOT, env={k: os.environ[k] for k in _ENVIRONMENT if k in os.environ} | _SINGLE,
                    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                    pass_fds=(theirs.fileno(),), start_new_session=True,
                )  # fmt: skip
        except BaseException:
            ours.close()
            raise
        self._connection, self._limits = ours, limits
        try:
            ours.settimeout(START_SECONDS)
            receive(ours)
        except (Closed, TimeoutError) as error:
            code = self._wait()
            ours.close()
            raise OSError(f"The process that decodes pictures did not start (it ended with {code}).") from error

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._popen.pid

    def decode(
        self, what: str, handle: int, limit: float, name: str, check: Callable[[], None]
    ) -> tuple[dict, int | None]:
        """Have one picture decoded.

        Args:
            what: "photo" or "png"; see `worker`.
            handle: the picture file, open for reading.
            limit: megapixels allowed.
            name: for messages.
            check: called about ten times a second; what it raises ends the process and is raised here.

        Returns:
            The process's reply, and the open file that came with it, which the caller closes.

        Raises:
            Died: it took too long, needed too much memory or crashed; the process is no more.
        """
        deadline = time.monotonic() + self._limits.longest(limit)
        try:
            self._connection.settimeout(5.0)  # a whole message; `_ready` waits for its start
            send(self._connection, {"what": what, "limit": limit, "name": name}, handle)
            self._ready(deadline, limit, check)
            return receive(self._connection)
        except (Closed, TimeoutError) as error:
            raise Died(self._why()) from error
        except BaseException:
            self.kill()
            self._wait()
            raise

    def _ready(self, deadline: float, limit: float, check: Callable[[], None]) -> None:
        """Wait for a reply.

        Raises:
            Died: the deadline passed, or it holds too much memory where the kernel does not watch over that.
        """
        poll = select.poll()
        poll.register(self._connection, select.POLLIN)
        most = None if MEMORY_ENFORCED else self._limits.memory_for(int(limit * 1e6), 0) + (256 << 20)
        while not poll.poll(LOOK * 1000):
            check()
            if time.monotonic() > deadline:
                raise Died("time")
            if most is not None and _resident(self.pid) > most:
                raise Died("memory")

    def _why(self) -> str:
        """Why the other end fell silent."""
        try:
            code = self._popen.wait(1.0)
        except subprocess.TimeoutExpired:  # it runs on, but stopped in the middle of a message
            self._wait()
            return "crash"
        if code in (-signal.SIGPROF, -signal.SIGALRM):
            log.warning("decoding took too long, by %s", "the clock" if code == -signal.SIGALRM else "processor time")
            return "time"
        if code == -signal.SIGKILL:  # not by us: the system was out of memory
            return "memory"
        log.warning("decoding process ended with %s", code)
        return "crash"

    def _wait(self) -> int:
        try:
            return self._popen.wait(1.0)
        except subprocess.TimeoutExpired:
            self.kill()
            return self._popen.wait()

    def kill(self) -> None:
        """End it at once."""
        with suppress(OSError):
            self._popen.kill()

    def close(self) -> None:
        """End it and free what belongs to it; may be called again."""
        self.kill()
        self._connection.close()
        self._wait()


def _resident(pid: int) -> int:
    """Bytes of memory another process holds, as `ps` tells; 0 where it does not."""
    try:
        told = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, timeout=5).stdout
        return int(told) * 1024
    except (OSError, ValueError, subprocess.SubprocessError):
        return 0
