"""How much memory some work takes beyond what was held before it began: the peak, not the end.

On a graphics card the peak of PyTorch's own allocator counts, which is exact. For a processor the peak of the whole
program's resident memory counts: Linux keeps it itself and lets a program set it back (`/proc/self/clear_refs`), so
nothing is missed between two looks; where that is forbidden the resident memory is looked at every few milliseconds,
and where it cannot be read at all nothing is claimed. Before the work, memory that was freed is given back to the
system, or the second of two equal jobs would seem to need less than the first. What other work does in the same
program at the same time is counted too, so measured jobs should run alone.
"""

from __future__ import annotations

import ctypes
import gc
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SELF = Path("/proc/self")
_EVERY = 0.004
#: The key of the program's own memory in what is measured; a graphics card's is "cuda".
PROCESS = "process"


def resident() -> int | None:
    """Bytes of this program that lie in memory now, or None where the system does not tell."""
    return _status("VmRSS")


def _status(field: str) -> int | None:
    try:
        lines = (_SELF / "status").read_text().splitlines()
    except OSError:
        return None
    found = next((line for line in lines if line.startswith(field + ":")), None)
    return None if found is None else int(found.split()[1]) * 1024


def give_back() -> None:
    """Let go of what nobody refers to any more, and of the heap's free pages where the C library can."""
    gc.collect()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


def _set_back() -> bool:
    """Set the system's record of the peak back to what is held now."""
    try:
        (_SELF / "clear_refs").write_text("5")
    except OSError:
        return False
    now, peak = resident(), _status("VmHWM")
    # Some sandboxes accept the request and do nothing.
    return now is not None and peak is not None and peak <= now * 1.02 + (1 << 20)


class _Looker:
    """Looks at the resident memory again and again in a thread of its own."""

    def __init__(self):
        self.peak = resident() or 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look, name="memory", daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while not self._done.wait(_EVERY):
            self.peak = max(self.peak, resident() or 0)

    def stop(self) -> int:
        """The largest value seen."""
        self._done.set()
        self._thread.join()
        return max(self.peak, resident() or 0)


@contextmanager
def peak_above(device: object = "cpu") -> Iterator[dict[str, int]]:
    """Measure the block: the dictionary is filled when it ends.

    Args:
        device: where the models are; a CUDA device is measured beside the program.

    Yields:
        Bytes at most beyond those held at the start: "process", and "cuda" on a graphics card. A key is left out where
        the system does not tell.
    """
    measured: dict[str, int] = {}
    give_back()
    cuda = _cuda(device)
    exact, before = _set_back(), resident()
    looker = None if exact or before is None else _Looker()
    try:
        yield measured
    finally:
        if cuda is not None:
            measured["cuda"] = cuda()
        if before is not None:
            peak = looker.stop() if looker is not None else _status("VmHWM") or before
            measured[PROCESS] = max(0, peak - before)


def _cuda(device: object):
    """A function that tells what a CUDA device's allocator held at most from now on; None for other devices."""
    if not str(device).startswith("cuda"):
        return None
    import torch

    torch.cuda.synchronize(device)
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    return lambda: max(0, torch.cuda.max_memory_allocated(device) - before)


def shown(memory) -> str:
    """What was measured, for a person: the graphics card's where there is one, else the program's; "" if nothing."""
    value = memory.get("cuda", memory.get(PROCESS))
    if value is None:
        return ""
    return f"{value / 1e9:.1f} GB" if value >= 1e9 else f"{value / 1e6:.0f} MB"
