"""What a process costs, as the kernel counts it (proc(5), ``/proc/PID/stat``)."""

from __future__ import annotations

import os
import time
from pathlib import Path

from msgspec import Struct

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Sample(Struct, frozen=True):
    """A process at one moment."""

    time: float
    """Seconds of the monotonic clock."""
    cpu: float
    """Seconds of CPU time since it started, in user and kernel mode."""
    resident: int
    """Bytes of memory."""


def sample(pid: int) -> Sample | None:
    """Look at a process; None if it is not there, or not ours to see."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    # The name, in parentheses, may hold anything.
    fields = text.rpartition(")")[2].split()
    cpu = (int(fields[11]) + int(fields[12])) / _TICKS
    return Sample(time.monotonic(), cpu, int(fields[21]) * _PAGE)


class Meter:
    """Samples of one process over a run, at most so many."""

    def __init__(self, pid: int | None, most: int = 512) -> None:
        self._pid = pid
        self._most = most
        self._skip = 0
        self._every = 1
        self.samples: list[Sample] = []

    def take(self) -> None:
        """Take a sample. When there are too many, every other one is dropped from then on."""
        self._skip = (self._skip + 1) % self._every
        if self._pid is None or self._skip:
            return
        found = sample(self._pid)
        if found is None:
            return
        self.samples.append(found)
        if len(self.samples) >= self._most:
            del self.samples[1::2]
            self._every *= 2

    def share(self) -> float | None:
        """The share of one CPU between the first and the last sample; None: not known."""
        if len(self.samples) < 2:
            return None
        first, last = self.samples[0], self.samples[-1]
        return (last.cpu - first.cpu) / max(last.time - first.time, 1e-9)

    def shares(self) -> list[tuple[float, float]]:
        """(time, share of one CPU) between one sample and the next."""
        return [
            (later.time, (later.cpu - earlier.cpu) / max(later.time - earlier.time, 1e-9))
            for earlier, later in zip(self.samples, self.samples[1:], strict=False)
        ]
