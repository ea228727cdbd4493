"""The session of one connection before the judge: how many Startups of it stand.

Startups and Cleanups take effect in the order sent, whatever is answered first.
So each is counted once it is answered and all before it are; one without an id,
which is never answered, as soon as all before it are. Whether such a Startup
succeeded nobody learns: then the number is known within bounds only.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from nspd.model.errors import WSAEINVAL
from nspd.race.messages import STARTUP

if TYPE_CHECKING:
    from nspd.race.entries import OtherCall


class Session:
    """What the Startups and Cleanups of a connection come to."""

    __slots__ = ("cancel_on_begin", "cleanups", "ended", "least", "most", "pending")

    def __init__(self) -> None:
        self.least = 0
        """Startups that succeeded, less Cleanups: at least so many."""
        self.most = 0
        """And at most so many."""
        self.pending: deque[OtherCall] = deque()
        """Those that are not counted yet, in the order sent."""
        self.cleanups = 0
        """Cleanups sent."""
        self.ended = 0
        """What was begun before so many Cleanups were sent has ended."""
        self.cancel_on_begin = False

    @property
    def may_cancel_on_begin(self) -> bool:
        """Whether a Startup that is not counted yet asks for ``cancel_on_begin``."""
        return any(call.params.get("cancel_on_begin") is True for call in self.pending)

    def sent(self, call: OtherCall) -> OtherCall | None:
        """Take in a Startup or Cleanup that a client sends; returns what `settle` does."""
        if call.method != STARTUP:
            self.cleanups += 1
            call.era = self.cleanups
        self.pending.append(call)
        return self.settle()

    def settle(self) -> OtherCall | None:
        """Count what can be counted. Returns the last Cleanup that closed the session, if any."""
        closed = None
        pending = self.pending
        while pending and (pending[0].answered or pending[0].id is None):
            call = pending.popleft()
            if call.method == STARTUP:
                self._start(call)
            elif self._clean(call):
                closed = call
        return closed

    def _start(self, call: OtherCall) -> None:
        if call.code is not None:
            return
        if call.id is not None:
            if not self.most:
                self.cancel_on_begin = call.params.get("cancel_on_begin") is True
            self.least += 1
        self.most += 1

    def _clean(self, call: OtherCall) -> bool:
        """Count a Cleanup; whether it closed the session."""
        before = self.most
        if call.code is None:
            self.least = max(self.least - 1, 0)
            self.most = max(self.most - 1, 0)
        elif call.code == WSAEINVAL and not self.least:
            self.most = 0  # one too many
        else:
            return False
        if self.most or not before:
            return False
        self.cancel_on_begin = False
        self.ended = call.era
        return True
