"""What decoding one picture may cost, and how the kernel is told so."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass

#: Where address space beyond RLIMIT_AS is really refused. macOS accepts the limit and does not keep it.
MEMORY_ENFORCED = sys.platform.startswith("linux")
#: What a process may use while it reads a file's header, before the picture's size is known.
_HEADER_SECONDS = 3


@dataclass(frozen=True)
class Limits:
    """What one picture may cost.

    Attributes:
        max_megapixels: pictures above this are refused whatever the caller allows.
        memory: bytes above what an idle process holds, for any picture; memory_per_pixel: bytes more for each pixel
            its header declares.
        seconds: processor seconds for any picture; seconds_per_megapixel: more for each megapixel declared.
        patience: seconds on the clock for each processor second, since others may use the machine too.
        photos: pictures after which a process is replaced.
        kept_memory: bytes above its start at which an idle process is replaced.
    """

    max_megapixels: float = 50.0
    memory: int = 192 << 20
    memory_per_pixel: int = 22
    seconds: float = 3.0
    seconds_per_megapixel: float = 0.4
    patience: float = 6.0
    photos: int = 500
    kept_memory: int = 128 << 20

    def memory_for(self, pixels: int, file_bytes: int) -> int:
        """Bytes a picture of so many pixels may use; its file may be held twice."""
        return int(self.memory + self.memory_per_pixel * pixels + 2 * file_bytes)

    def seconds_for(self, pixels: int) -> float:
        """Processor seconds a picture of so many pixels may use."""
        return self.seconds + self.seconds_per_megapixel * pixels / 1e6

    def longest(self, max_megapixels: float) -> float:
        """Seconds on the clock after which the server gives up on any picture of at most `max_megapixels`."""
        return self.patience * self.seconds_for(int(min(max_megapixels, self.max_megapixels) * 1e6)) + 2.0


def address_space() -> int:
    """Bytes of address space this process has taken; 0 where the system does not tell."""
    return _statm(0)


def resident_bytes() -> int:
    """Bytes of memory this process really holds; 0 where the system does not tell."""
    return _statm(1)


def _statm(field: int) -> int:
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[field]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


class Enforcer:
    """Applies `Limits` to the process it is made in, through the kernel; made once everything is imported."""

    def __init__(self, limits: Limits, largest_file: int):
        """`largest_file`: bytes of the largest file that will be decoded.

        The bound on memory that this sets for good is that of the largest picture; each picture's own lies below.
        """
        import resource

        self._limits, self._resource = limits, resource
        self._idle = address_space()
        self._most = self._idle + limits.memory_for(int(limits.max_megapixels * 1e6), largest_file)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would hold somebody's photo
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
        largest_result = int(limits.max_megapixels * 1e6 * 8) + (16 << 20)
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest_result, largest_result))
        if MEMORY_ENFORCED:
            resource.setrlimit(resource.RLIMIT_AS, (self._most, self._most))

    def header(self, file_bytes: int) -> None:
        """Limits while the header is read."""
        self._apply(0, file_bytes, min(_HEADER_SECONDS, self._limits.seconds))

    def picture(self, pixels: int, file_bytes: int) -> None:
        """Limits while a picture of this many pixels is decoded."""
        self._apply(pixels, file_bytes, self._limits.seconds_for(pixels))

    def _apply(self, pixels: int, file_bytes: int, seconds: float) -> None:
        import signal

        resource = self._resource
        if MEMORY_ENFORCED:
            most = min(self._idle + self._limits.memory_for(pixels, file_bytes), self._most)
            resource.setrlimit(resource.RLIMIT_AS, (most, self._most))
        # The signals' default action ends the process wherever it is, also inside a library.
        signal.setitimer(signal.ITIMER_PROF, seconds)
        signal.setitimer(signal.ITIMER_REAL, self._limits.patience * seconds)

    def idle(self) -> None:
        """No limits on time while no picture is decoded."""
        import signal

        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        if MEMORY_ENFORCED:
            self._resource.setrlimit(self._resource.RLIMIT_AS, (self._most, self._most))
