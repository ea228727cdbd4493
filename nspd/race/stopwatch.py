"""Latencies, from the same observations that the judge gets.

So they can be taken from any history, and no scenario has to remember them.
"""

from __future__ import annotations

from typing import Any

from nspd.model.errors import WSA_E_CANCELLED
from nspd.race.histogram import Histogram
from nspd.race.judge import Direction
from nspd.race.messages import CANCEL, END, NEXT, is_id

TO_CANCELLED = "to_cancelled"
TO_END_REPLY = "to_end_reply"
NEXT_EX = "next"
TO_CENSUS = "to_census"

KINDS = {
    TO_CANCELLED: "cancel to 10111",
    TO_END_REPLY: "End to its reply",
    NEXT_EX: "NextEx",
    TO_CENSUS: "disconnect to census",
}
"""The latencies that are kept, with their names for people. ``next`` has the calls that got
a record or the end; those that were cancelled are in ``to_cancelled``."""


class Latencies:
    """One histogram of each kind."""

    __slots__ = ("next", "to_cancelled", "to_census", "to_end_reply")

    def __init__(self) -> None:
        self.to_cancelled = Histogram()
        """From sending what cancels (End, a cancel request) to each 10111."""
        self.to_end_reply = Histogram()
        """Of Ends that ended something; a second one is told 6, and not timed."""
        self.next = Histogram()
        self.to_census = Histogram()
        """From leaving to the first ListSessions without that session."""

    def by_kind(self) -> dict[str, Histogram]:
        """The histograms under the names in `KINDS`."""
        return {kind: getattr(self, kind) for kind in KINDS}

    def add(self, other: Latencies) -> None:
        """Count everything that others count."""
        for kind, histogram in self.by_kind().items():
            histogram.add(getattr(other, kind))


class Stopwatch:
    """Times the requests of any number of connections. It holds what is in flight."""

    def __init__(self) -> None:
        self._connections: dict[int, _Open] = {}

    def observe(
        self,
        time: float,
        client: int,
        direction: Direction,
        message: Any,
        into: Latencies,
        late: float = 0.0,
    ) -> None:
        """Take in one observation; its arguments are those of `nspd.race.judge.Judge.observe`.

        Args:
            time: seconds.
            client: the connection.
            direction: what happened.
            message: what was sent or received.
            into: where a latency goes that is known now.
            late: seconds by which the lookup began after its time; they count as waiting,
                for a client that sends on schedule would have waited them.
        """
        connection = self._connections.get(client)
        if connection is None:
            connection = self._connections[client] = _Open()
        if direction == "sent":
            if type(message) is dict:
                connection.sent(time, message)
            elif type(message) is list:
                for request in message:
                    if type(request) is dict:
                        connection.sent(time, request)
        elif direction == "received":
            if type(message) is dict:
                connection.received(time, message, into, late)
            elif type(message) is list:
                for reply in message:
                    if type(reply) is dict:
                        connection.received(time, reply, into, late)
        elif direction != "shut":
            del self._connections[client]


class _Open:
    """What one connection waits for."""

    __slots__ = ("cancelled", "ends", "nexts")

    def __init__(self) -> None:
        self.nexts: dict[Any, tuple[float, Any]] = {}
        """When each NextEx was sent, and its handle, by id."""
        self.ends: dict[Any, tuple[float, Any]] = {}
        """The same of each End."""
        self.cancelled: dict[Any, float] = {}
        """When a call was withdrawn, by id, and a lookup ended, by ("lookup", handle)."""

    def sent(self, now: float, request: dict[str, Any]) -> None:
        method = request.get("method")
        if method not in _TIMED:
            return
        id, params = request.get("id"), request.get("params")
        if type(params) is not dict or not is_id(id):
            return
        if method == NEXT:
            self.nexts[id] = (now, _hashable(params.get("lookup")))
        elif method == END:
            handle = _hashable(params.get("lookup"))
            self.ends[id] = (now, handle)
            self.cancelled.setdefault(("lookup", handle), now)
        else:
            target = _hashable(params.get("id"))
            if target in self.nexts:
                self.cancelled.setdefault(target, now)

    def received(self, now: float, reply: dict[str, Any], into: Latencies, late: float) -> None:
        id = reply.get("id")
        if not is_id(id):
            return
        if id in self.nexts:
            asked, handle = self.nexts.pop(id)
            withdrawn = self.cancelled.pop(id, None) if self.cancelled else None
            error = reply.get("error")
            if type(error) is dict and error.get("code") == WSA_E_CANCELLED:
                if withdrawn is None:
                    withdrawn = self.cancelled.get(("lookup", handle))
                if withdrawn is not None:
                    into.to_cancelled.record(now - withdrawn + late)
            else:
                into.next.record(now - asked + late)
        elif id in self.ends:
            asked, handle = self.ends.pop(id)
            # C2: every 10111 comes before this reply.
            self.cancelled.pop(("lookup", handle), None)
            if "error" not in reply:
                into.to_end_reply.record(now - asked + late)


_TIMED = frozenset({NEXT, END, CANCEL})


def _hashable(value: Any) -> Any:
    return value if is_id(value) else None
