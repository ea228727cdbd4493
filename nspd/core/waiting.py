"""NextEx calls that wait: entries in their lookup's queue, not tasks.

The queue is a linked list through the calls themselves. A call may leave it
from anywhere (its time-out, ``$/cancelRequest``), 100,000 may stand in one
queue, and 100,000 lookups may have a queue of one: so it must be O(1) to leave
and cost nothing when short.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mypy_extensions import mypyc_attr

from nspd.core.outcome import CANCELLED, TIMED_OUT, Failure, Outcome

if TYPE_CHECKING:
    from nspd.core.clock import Timer
    from nspd.core.lookup import Lookup


@mypyc_attr(allow_interpreted_subclasses=True)
class Waiter:
    """One NextEx with no record ready. Settled exactly once, by whoever is first (C5).

    Subclasses say in `settle` what an outcome means to their caller. It runs
    within the very step that decides, so it may neither wait nor raise; it may
    begin and end lookups, this one included.
    """

    __slots__ = ("buffer_length", "control_flags", "lookup", "next", "prev", "timer")

    def __init__(self, control_flags: int = 0, buffer_length: int | None = None) -> None:
        self.control_flags = control_flags
        self.buffer_length = buffer_length
        self.lookup: Lookup | None = None
        """The lookup in whose queue it stands; None before and after."""
        self.next: Waiter | None = None
        self.prev: Waiter | None = None
        self.timer: Timer | None = None

    def settle(self, outcome: Outcome) -> None:
        """Tell the caller how the call ended."""
        raise NotImplementedError

    def withdraw(self) -> None:
        """End the call with 10111 and nothing else (``$/cancelRequest``); the lookup lives on."""
        self.refuse(CANCELLED)

    def refuse(self, failure: Failure) -> None:
        """End the call with this; its record, if any, stays for the next call."""
        if self.lookup is not None:
            self.lookup.waiting.remove(self)
            self.settle(failure)

    def time_out(self) -> None:
        """The call's own time-out has come: its record, if any, stays for the next call.

        On a lookup that is being swept the cancellation was first.
        """
        lookup = self.lookup
        if lookup is not None:
            lookup.waiting.remove(self)
            self.settle(TIMED_OUT if lookup.life.alive else CANCELLED)


class WaitQueue:
    """The calls that wait on one lookup, first come, first served."""

    __slots__ = ("_last", "first")

    def __init__(self) -> None:
        self.first: Waiter | None = None
        self._last: Waiter | None = None

    def __len__(self) -> int:
        count, waiter = 0, self.first
        while waiter is not None:
            count, waiter = count + 1, waiter.next
        return count

    def append(self, waiter: Waiter, lookup: Lookup) -> None:
        """Put a call at the end."""
        waiter.lookup = lookup
        waiter.prev = self._last
        if self._last is None:
            self.first = waiter
        else:
            self._last.next = waiter
        self._last = waiter

    def remove(self, waiter: Waiter) -> None:
        """Take a call out, wherever it stands, and drop its timer."""
        before, after = waiter.prev, waiter.next
        if before is None:
            self.first = after
        else:
            before.next = after
        if after is None:
            self._last = before
        else:
            after.prev = before
        waiter.lookup = waiter.next = waiter.prev = None
        if waiter.timer is not None:
            waiter.timer.cancel()
            waiter.timer = None
