"""The records of one lookup between the socket and the callers (C7).

A NextEx may be given up while its record is already on its way. That record
belongs to the lookup, not to the call: it goes to the oldest call that still
waits, or is kept for the next one. So a call may be served before its own reply
arrives, and its own record then goes to the one after it; the order in which
records arrived is the order in which they are handed out.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from itertools import count

from msgspec import Raw

from nspd.client.calls import NextExCall
from nspd.client.pending import Pending
from nspd.model.errors import WSA_E_NO_MORE, BufferTooSmall, WSAError
from nspd.model.native import native_size


class NextCall(Pending):
    """One NextEx."""

    __slots__ = ("arrival", "call", "records")

    def __init__(self, wake: Callable[[], None], call: NextExCall, records: Records) -> None:
        super().__init__(wake)
        self.call = call
        self.records = records
        self.arrival = -1
        """Where in the order of arrivals the outcome stands; -1 before there is one."""

    def arrive(self, result: Raw | None, error: WSAError | None) -> None:
        self.records.arrive(self, result, error)

    def abandon(self) -> None:
        self.abandoned = True
        self.records.give_up(self)


class Records:
    """What one begun lookup has on the client's side."""

    def __init__(self, *, watch: bool) -> None:
        """Make the empty state of a lookup.

        Args:
            watch: the lookup reports changes, so the one 10110 that marks the
                end of its first set must not be lost either.
        """
        self.ended = False
        """End was sent; whatever comes now is dropped."""
        self._watch = watch
        self._kept: list[tuple[int, Raw | WSAError]] = []
        self._waiting: deque[NextCall] = deque()
        self._arrivals = count()
        self._refused = False

    def serve(self, call: NextCall) -> bool:
        """Settle a new call from what was kept; False: nothing is."""
        if call.call.flush_previous and self._refused and self._kept:
            heapq.heappop(self._kept)
            self._refused = False
        if not self._kept:
            return False
        arrival, item = self._kept[0]
        if self._hand_over(call, arrival, item):
            heapq.heappop(self._kept)
        return True

    def wait(self, call: NextCall) -> None:
        """Note a call that is about to be sent; the oldest is served first."""
        self._waiting.append(call)

    def arrive(self, call: NextCall, result: Raw | None, error: WSAError | None) -> None:
        """Take the daemon's reply to a call, which may have been served or given up."""
        if self.ended and call.settled:
            return
        arrival = next(self._arrivals)
        if not call.settled and not call.abandoned:
            self._waiting.remove(call)
            call.arrival = arrival
            self._refused = isinstance(error, BufferTooSmall)
            call.settle(result, error)
        elif result is not None:
            self._pass_on(arrival, result)
        elif error is not None and self._watch and error.code == WSA_E_NO_MORE:
            self._pass_on(arrival, error)

    def give_up(self, call: NextCall) -> None:
        """The caller has left: without an outcome, or with one that nobody took."""
        if not call.settled:
            if call in self._waiting:
                self._waiting.remove(call)
        elif call.result is not None:
            self._pass_on(call.arrival, call.result)
        elif call.error is not None and self._watch and call.error.code == WSA_E_NO_MORE:
            self._pass_on(call.arrival, call.error)

    def end(self) -> None:
        """Forget what was kept; later arrivals are dropped."""
        self.ended = True
        self._kept.clear()

    def _pass_on(self, arrival: int, item: Raw | WSAError) -> None:
        if self.ended:
            return
        while self._waiting:
            if self._hand_over(self._waiting.popleft(), arrival, item):
                return
        heapq.heappush(self._kept, (arrival, item))

    def _hand_over(self, call: NextCall, arrival: int, item: Raw | WSAError) -> bool:
        """Settle the call with the item, or with 10014 if the item does not fit."""
        call.arrival = arrival
        if isinstance(item, WSAError):
            call.settle(None, item)
            return True
        room = call.call.buffer_length
        if room is not None and (needed := native_size(call.call.convert(item))) > room:
            self._refused = True
            data = {"buffer_length": needed}
            call.settle(None, BufferTooSmall(f"the record needs {needed} bytes", data=data))
            return False
        self._refused = False
        call.settle(item, None)
        return True
