"""How much memory visitors may hold together.

On a hosted Space (a free one has 16 GB and two processors) many strangers share what the machine, or the container it
is, was given. A page that somebody serves for themselves keeps long histories of few visitors.
"""

from __future__ import annotations

import os
from pathlib import Path

#: Share of the memory for all visitors' histories together; the rest is the models', the caches' and the work's.
SHARE = 0.35
#: Visitors whose histories are kept at once, and bytes of one at least and at most.
LEAST_VISITORS, MOST_VISITORS = 16, 200
LEAST_BYTES, MOST_BYTES = 128 << 20, 1 << 30
#: What is assumed where no system tells.
UNKNOWN = 8 << 30
_CGROUPS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
_MEMINFO = Path("/proc/meminfo")


def memory() -> int:
    """Bytes this program may use: the machine's, or less where its container is given less."""
    found = []
    try:
        lines = _MEMINFO.read_text().splitlines()
        found.append(int(next(line for line in lines if line.startswith("MemTotal:")).split()[1]) * 1024)
    except (OSError, StopIteration, ValueError):
        pass
    for path in _CGROUPS:
        try:
            found.append(int(path.read_text()))
        except (OSError, ValueError):  # no such group, or "max"
            continue
    return min(found, default=UNKNOWN)


def hosted() -> bool:
    """Whether this is a Space; the hub says so to every one."""
    return bool(os.environ.get("SPACE_ID"))


def visitors(total: int | None = None) -> int:
    """How many visitors' histories are kept; the one not seen for longest goes first."""
    if not hosted():
        return MOST_VISITORS
    budget = SHARE * (memory() if total is None else total)
    return int(min(max(budget // LEAST_BYTES, LEAST_VISITORS), MOST_VISITORS))


def history_bytes(total: int | None = None) -> int:
    """Bytes one visitor's history may hold, so that those of a Space's visitors stay within their share."""
    if not hosted():
        return MOST_BYTES
    total = memory() if total is None else total
    return int(min(max(SHARE * total // visitors(total), LEAST_BYTES // 2), MOST_BYTES))
