"""Which cancelled work outlives its grace.

Every cancelled run gets the same time, and nearly all of them use a small part of
it. So they stand in a queue, which has one timer, instead of each having one that
would nearly always be taken back.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from nspd.core.guard import call_guarded

if TYPE_CHECKING:
    from nspd.core.clock import Clock, Timer
    from nspd.core.run import Run

_SLICE = 256
"""Runs that outlive their grace before others get their turn."""

_SWEEP_FROM = 64
"""Up to so many runs may have ended and still stand in the queue, behind one that goes on."""


class Graces:
    """The cancelled runs that have not ended, in the order in which their time is over."""

    __slots__ = ("_clock", "_log", "_queue", "_sweep_at", "_timer", "seconds")

    def __init__(self, clock: Clock, seconds: float, log: Any) -> None:
        """No run is cancelled yet.

        Args:
            clock: tells when the time is over.
            seconds: how long that is, for each.
            log: a structlog logger.
        """
        self._clock = clock
        self._log = log
        self.seconds = seconds
        """For how long cancelled work may go on before it counts as detached."""
        self._queue: deque[tuple[float, Run]] = deque()
        self._timer: Timer | None = None  # while somebody stands in the queue
        self._sweep_at = _SWEEP_FROM

    def __len__(self) -> int:
        """Runs that stand in the queue, those that have ended meanwhile included."""
        return len(self._queue)

    def begin(self, run: Run) -> None:
        """Have `Run.outlive_grace` called when the time is over, unless the run ends before."""
        queue = self._queue
        when = self._clock.now() + self.seconds
        queue.append((when, run))
        if self._timer is None:
            self._timer = self._clock.call_at(when, self._look)
        elif len(queue) > self._sweep_at:
            self._queue = deque(each for each in queue if each[1].ended is None)
            self._sweep_at = max(_SWEEP_FROM, 2 * len(self._queue))

    def forget_ended(self) -> None:
        """A run that was cancelled has ended: let go of it, unless others before it go on."""
        queue = self._queue
        while queue and queue[0][1].ended is not None:
            queue.popleft()
        if not queue and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        now = self._clock.now()
        left = _SLICE
        # Who is told may have others cancelled, and have them end: the queue is read anew.
        while left and (queue := self._queue):
            when, run = queue[0]
            if when > now and run.ended is None:
                break
            queue.popleft()
            if run.ended is None:
                left -= 1
                call_guarded(self._log, "detaching work failed", run.outlive_grace)
        if self._timer is not None:
            self._timer.cancel()  # one that was set meanwhile, or the one that has fired
            self._timer = None
        if self._queue:
            # If more are due, then later than now: others get their turn before that.
            when = max(self._queue[0][0], self._clock.now())
            self._timer = self._clock.call_at(when, self._look)
