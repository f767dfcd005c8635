"""How much memory this program may use: the machine's, or less where its container or whoever starts it says so."""

from __future__ import annotations

import ctypes
import os
import re
from pathlib import Path

#: Says how much may be used, such as "4GB", "512 MB" or a number of bytes.
VARIABLE = "NAMEBRUSH_MEMORY"
#: What is assumed where no system tells.
UNKNOWN = 8 << 30
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_MEMINFO = Path("/proc/meminfo")
_CGROUP = Path("/sys/fs/cgroup")
_OWN_CGROUP = Path("/proc/self/cgroup")
_STATM = Path("/proc/self/statm")


def parse_bytes(text: str) -> int:
    """A number of bytes from `4GB`, `512 MB`, `1.5g` or `1073741824`; units are powers of 1024.

    Raises:
        ValueError: it is none, or not above zero.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?\s*", text.lower())
    found = int(float(match[1]) * _UNITS[match[2]]) if match else 0
    if found <= 0:
        raise ValueError(f"{text!r} is no amount of memory; write it as 4GB or 512MB")
    return found


def hosted() -> bool:
    """Whether this is a Space; the hub says so to every one."""
    return bool(os.environ.get("SPACE_ID"))


def memory() -> int:
    """Bytes this program may use: the least of `NAMEBRUSH_MEMORY`, its control group's limit and the machine's.

    Raises:
        ValueError: `NAMEBRUSH_MEMORY` is no amount of memory.
    """
    found = [_machine(), *_groups()]
    named = os.environ.get(VARIABLE, "").strip()
    if named:
        found.append(parse_bytes(named))
    return min((n for n in found if n), default=UNKNOWN)


def _machine() -> int | None:
    try:
        lines = _MEMINFO.read_text().splitlines()
        return int(next(line for line in lines if line.startswith("MemTotal:")).split()[1]) * 1024
    except (OSError, StopIteration, ValueError):
        return None


def _groups() -> list[int]:
    """Limits of the control group this process is in and of those above it, of both versions."""
    places = [_CGROUP / "memory.max", _CGROUP / "memory" / "memory.limit_in_bytes"]
    try:
        for line in _OWN_CGROUP.read_text().splitlines():
            number, controllers, path = line.split(":", 2)
            names = [p for p in path.split("/") if p and p != ".."]
            for depth in range(1, len(names) + 1):
                below = Path(*names[:depth])
                if number == "0" and not controllers:
                    places.append(_CGROUP / below / "memory.max")
                elif "memory" in controllers.split(","):
                    places.append(_CGROUP / "memory" / below / "memory.limit_in_bytes")
    except (OSError, ValueError):
        pass
    found = []
    for place in places:
        try:
            found.append(int(place.read_text()))
        except (OSError, ValueError):  # no such group, or "max"
            continue
    return found


def used() -> int:
    """Bytes of memory this process and those it started hold now; 0 where no system tells."""
    try:
        return sum(_resident(pid) for pid in ("self", *_children(os.getpid())))
    except (OSError, ValueError, IndexError):
        return _by_psutil()


def _resident(pid: str) -> int:
    """What a process has in memory; of one this one started only what it does not share."""
    try:
        fields = Path(f"/proc/{pid}/statm").read_text().split()
    except OSError:
        if pid == "self":
            raise
        return 0  # it ended meanwhile
    return (int(fields[1]) - (int(fields[2]) if pid != "self" else 0)) * os.sysconf("SC_PAGE_SIZE")


def _children(pid: int) -> list[str]:
    found: list[str] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += path.read_text().split()
        except OSError:
            continue
    return found + [below for child in found for below in _children(int(child))]


def _by_psutil() -> int:
    try:
        import psutil
    except ImportError:
        return 0
    return int(psutil.Process().memory_info().rss)


def give_back() -> None:
    """Ask the C library to return freed memory to the system, where it keeps it (glibc)."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError, TypeError):
        return
