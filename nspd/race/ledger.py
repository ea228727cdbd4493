"""The ledger: what has been asked and is not settled, in the order in which it takes effect.

Requests of one connection take effect in the order sent. So the ledger changes
when a request is sent, and says then which answers to it are legal. What a
request of another connection does to a lookup is certain only once its reply
has come; until then the lookup is in doubt, and more is legal.
"""

from __future__ import annotations

from collections import Counter, deque

from nspd.race import messages
from nspd.race.entries import BeginCall, Call, Connection, OtherCall
from nspd.race.handles import HandleSet
from nspd.race.lookups import Lookup
from nspd.race.messages import MAY_WAIT, seconds

UNATTRIBUTABLE = "on a connection that has used an id again before its reply was read"
_DEPARTURE = 1.0
"""Seconds after which the daemon has surely noticed that a client is gone, or carried out
what it does not answer."""


class Ledger:
    """Every connection's open calls and lookups. As large as what is in flight."""

    def __init__(self, not_judged: Counter[str]) -> None:
        self.connections: dict[int, Connection] = {}
        self.lookups: dict[int, Lookup] = {}
        """Those of all connections, by handle."""
        self.handles = HandleSet()
        """Every handle that any Begin returned."""
        self.not_judged = not_judged
        self.now = 0.0
        self.interventions = 0
        """Requests so far that may have ended a lookup whose Begin was not answered yet, or
        an nspd.Lookup: a provider disabled, an EndLookup of a handle that nobody has read."""
        self._intervening = 0
        # For the census: how many there were at most, less those that are certainly gone.
        self.opened = 0
        self.closed = 0
        self.asked = 0
        self.answered = 0
        self.counts_all = True
        """These are all that there can be; else the census cannot be judged."""
        self._departed: deque[tuple[float, int, int]] = deque()
        """When what departed, of the last seconds: lookups, and calls that waited."""

    def close(self, client: int) -> list[Call]:
        """Forget a connection with its lookups. Returns its calls that still wait."""
        connection = self.connections.pop(client, None)
        if connection is None:
            return []
        calls = list(connection.waiting.values())
        begun = sum(call.method in (messages.BEGIN, messages.LOOKUP) for call in calls)
        waiting = sum(call.method in MAY_WAIT for call in calls)
        self._depart(len(connection.lookups) + begun, waiting)
        for handle in connection.lookups:
            self.lookups.pop(handle, None)
        return calls

    def begun(self, connection: Connection, call: BeginCall, handle: int) -> bool:
        """Enter a lookup when its Begin is answered; False if its handle is not new."""
        new = self.handles.add(handle)
        lookup = Lookup(handle, connection, call.params)
        if self.interventions != call.interventions or handle in connection.guesses:
            # What was sent before the handle was known may have acted on the lookup already.
            lookup.excused = True
        budget = seconds(call.params.get("timeout"))
        if budget is not None:
            lookup.deadline = self.now + budget
        if call.ended_by is not None:
            lookup.ended_by = call.ended_by
            if call.ended_by.id is None:
                self._depart(1, 0)
                return new
            if call.ended_by.answered:
                self.closed += 1
                return new
        elif call.era < connection.session.ended:
            # One of several Cleanups ended it, of which nobody knew when they were sent.
            self._depart(1, 0)
            return new
        if call.era:
            lookup.era = call.era
        self.lookups[handle] = connection.lookups[handle] = lookup
        return new

    def close_session(self, connection: Connection, by: OtherCall) -> None:
        """One of several Cleanups, as has turned out since it was sent, was the last.

        What it ended is forgotten as soon as its calls are answered.
        """
        for lookup in list(connection.lookups.values()):
            if lookup.ended_by is None and lookup.era < by.era:
                lookup.ended_by = by
                lookup.must_settle = lookup.end_answered = True
                if lookup.settled:
                    self.forget(lookup, unheard=by.id is None)

    def lose_sight(self, connection: Connection) -> None:
        """A client has used an id again before it read the reply: whose a reply is, is unknown.

        From here on its connection is not judged, and neither is the census.
        """
        self.not_judged[UNATTRIBUTABLE] += 1
        connection.blind = True
        self.counts_all = False
        for handle in connection.lookups:
            self.lookups.pop(handle, None)
        connection.lookups.clear()
        connection.waiting.clear()
        connection.guesses.clear()

    def forget(self, lookup: Lookup, *, unheard: bool = False) -> None:
        """Drop a lookup that is settled; its handle stays known as used.

        Args:
            lookup: it has ended, and all its calls are answered.
            unheard: that which ended it has no reply, so the daemon may still be about it.
        """
        if self.lookups.get(lookup.handle) is lookup:
            if unheard:
                self._depart(1, 0)
            else:
                self.closed += 1
            del self.lookups[lookup.handle]
        if lookup.owner.lookups.get(lookup.handle) is lookup:
            del lookup.owner.lookups[lookup.handle]

    def _depart(self, lookups: int, calls: int) -> None:
        """Note what the daemon will soon have closed and answered, though nobody will hear it."""
        self.gone()
        self._departed.append((self.now, lookups, calls))

    def gone(self) -> tuple[int, int]:
        """Lookups that are certainly closed by now, and calls that are certainly answered."""
        departed = self._departed
        while departed and departed[0][0] + _DEPARTURE < self.now:
            _, lookups, calls = departed.popleft()
            self.closed += lookups
            self.answered += calls
        return self.closed, self.answered

    def mark(self) -> int:
        """`interventions` as they are now; what is in flight may count or not."""
        return -1 if self._intervening else self.interventions

    def intervened(self, call: OtherCall) -> None:
        """A request that counted as an intervention has been answered."""
        if call.intervenes:
            self._intervening -= 1

    def intervene(self, call: OtherCall) -> None:
        """Enter a request that is an intervention."""
        self.interventions += 1
        # When one without an id has taken effect, nobody learns: it is under way for ever.
        self._intervening += 1
        call.intervenes = True
