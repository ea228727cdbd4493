"""One clock for the whole daemon: every time-out is an entry in one heap.

A task or a backend timer for each call would cost more than the call. The heap
is served by one task, `Clock.run`, which sleeps until the earliest entry; it
therefore runs under a test's virtual clock as well.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Any

import anyio
from anyio.lowlevel import checkpoint

from nspd.core.guard import call_guarded

_SLICE = 256
"""Actions carried out before other tasks get their turn."""

_REBUILD_FROM = 64
"""Below this many dead entries a rebuild is not worth it."""


class Timer:
    """One entry of the clock. `cancel` lets go of what it points to at once."""

    __slots__ = ("_clock", "action", "when")

    def __init__(self, clock: Clock, when: float, action: Callable[[], None]) -> None:
        self._clock: Clock | None = clock
        self.when = when
        self.action: Callable[[], None] | None = action

    def cancel(self) -> None:
        """Take the entry back; harmless if it has fired or was cancelled before."""
        clock, self._clock = self._clock, None
        if clock is not None:
            self.action = None
            clock._forget()


class Clock:
    """Calls plain functions when their time has come; owned by the router.

    An action should not raise: an exception in one is a bug. It is logged, and
    the others come in time all the same.
    """

    def __init__(self, now: Callable[[], float], log: Any) -> None:
        """Make an empty clock.

        Args:
            now: gives the current time.
            log: a structlog logger.
        """
        self.now = now
        """The current time in seconds, on the event loop's clock."""
        self._log = log
        self._heap: list[tuple[float, int, Timer]] = []
        self._order = count()
        self._dead = 0
        self._sleep: anyio.CancelScope | None = None

    def __len__(self) -> int:
        """Entries held, dead ones included."""
        return len(self._heap)

    def call_at(self, when: float, action: Callable[[], None]) -> Timer:
        """Call ``action`` at ``when`` (seconds on the event loop's clock), or soon if past."""
        timer = Timer(self, when, action)
        heappush(self._heap, (when, next(self._order), timer))
        if self._sleep is not None and when < self._sleep.deadline:
            self._sleep.deadline = when
        return timer

    def call_later(self, delay: float, action: Callable[[], None]) -> Timer:
        """Call ``action`` after ``delay`` seconds."""
        return self.call_at(self.now() + delay, action)

    def _forget(self) -> None:
        self._dead += 1
        if self._dead > _REBUILD_FROM and self._dead * 2 > len(self._heap):
            self._heap = [entry for entry in self._heap if entry[2].action is not None]
            heapify(self._heap)
            self._dead = 0

    def _fire(self, now: float) -> bool:
        """Carry out what is due, at most one slice; whether more is due."""
        for _ in range(_SLICE):
            if not self._heap or self._heap[0][0] > now:
                return False
            timer = heappop(self._heap)[2]
            action = timer.action
            if action is None:
                self._dead -= 1
            else:
                timer.action = None
                timer._clock = None
                call_guarded(self._log, "timer action failed", action)
        return True

    async def run(self) -> None:
        """Serve the heap until cancelled."""
        while True:
            while self._fire(self.now()):
                await checkpoint()
            deadline = self._heap[0][0] if self._heap else math.inf
            with anyio.CancelScope(deadline=deadline) as self._sleep:
                await anyio.sleep_forever()
            self._sleep = None
