"""The ledger: what has been asked and is not settled, in the order in which it takes effect.

Requests of one connection take effect in the order sent. So the ledger changes
when a request is sent, and says then which answers to it are legal.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from nspd.model.flags import LookupFlags
from nspd.race import messages
from nspd.race.entries import Call, Connection, Lookup
from nspd.race.handles import HandleSet
from nspd.race.messages import is_id, params_of

_FLUSHPREVIOUS = int(LookupFlags.FLUSHPREVIOUS)

_PARAMS_OF = {
    messages.NEXT: frozenset({"lookup", "control_flags", "buffer_length", "timeout"}),
    messages.END: frozenset({"lookup"}),
}


class Ledger:
    """Every connection's open calls and lookups. As large as what is in flight."""

    def __init__(self) -> None:
        self.connections: dict[int, Connection] = {}
        self.lookups: dict[int, Lookup] = {}
        """Those of all connections, by handle."""
        self.handles = HandleSet()
        """Every handle that any Begin returned."""
        self.not_judged: Counter[str] = Counter()

    def connection(self, client: int) -> Connection:
        """The entry of a connection, made when it is first heard of."""
        connection = self.connections.get(client)
        if connection is None:
            connection = self.connections[client] = Connection()
        return connection

    def close(self, client: int) -> list[Call]:
        """Forget a connection with its lookups. Returns its calls that still wait."""
        connection = self.connections.pop(client, Connection())
        for handle in connection.lookups:
            self.lookups.pop(handle, None)
        return list(connection.waiting.values())

    def sent(self, connection: Connection, message: Any) -> None:
        """Enter what a client sends: a request, a notification or a batch."""
        if isinstance(message, list):
            for request in message:
                self._enter(connection, request, in_batch=True)
        else:
            self._enter(connection, message, in_batch=False)

    def begun(self, connection: Connection, call: Call, handle: int) -> bool:
        """Enter a lookup when its Begin is answered; False if its handle is not new."""
        new = handle not in self.handles
        self.handles.add(handle)
        # A call that guessed this handle may have acted on the lookup already.
        excused = handle in connection.guesses
        lookup = Lookup(handle, connection, in_order=not call.watch, excused=excused)
        self.lookups[handle] = connection.lookups[handle] = lookup
        return new

    def forget(self, lookup: Lookup) -> None:
        """Drop a lookup that is settled; its handle stays known as used."""
        if self.lookups.get(lookup.handle) is lookup:
            del self.lookups[lookup.handle]
        if lookup.owner.lookups.get(lookup.handle) is lookup:
            del lookup.owner.lookups[lookup.handle]

    def _enter(self, connection: Connection, request: Any, *, in_batch: bool) -> None:
        if not isinstance(request, dict) or not isinstance(request.get("method"), str):
            self.not_judged["not a request"] += 1
            return
        id = request["id"] if is_id(request.get("id")) else None
        if id in connection.waiting:
            self.not_judged["an id that still waits"] += 1
            return
        call = Call(id, request["method"], in_batch=in_batch)
        self._take_effect(connection, call, params_of(request))
        if id is not None:
            connection.add(call)
            if call.lookup is not None and call.method == messages.NEXT:
                call.lookup.waiting[id] = call
        elif call.lookup is not None and call.method == messages.END:
            # Carried out and never answered.
            call.lookup.end_answered = True
            if call.lookup.settled:
                self.forget(call.lookup)

    def _take_effect(self, connection: Connection, call: Call, params: dict[str, Any]) -> None:
        match call.method:
            case messages.NEXT | messages.END:
                self._name_handle(connection, call, params)
            case messages.BEGIN:
                call.watch = params.get("watch") is True
            case messages.CANCEL:
                id = params.get("id")
                target = connection.waiting.get(id) if is_id(id) else None
                if target is not None:
                    target.cancel_requested = True
            case messages.RUNDOWN | messages.CLEANUP:
                connection.excused = True
            case messages.STARTUP:
                connection.excused |= params.get("cancel_on_begin") is True
            case messages.END_LOOKUP:
                handle = params.get("lookup")
                lookup = self.lookups.get(handle) if type(handle) is int else None
                if lookup is not None:
                    lookup.excused = True
            case messages.ENABLE_PROVIDER:
                for lookup in self.lookups.values():
                    lookup.excused = True

    def _name_handle(self, connection: Connection, call: Call, params: dict[str, Any]) -> None:
        """Find what a NextEx or End acts on, and let End act."""
        handle = params.get("lookup")
        if type(handle) is not int or params.keys() - _PARAMS_OF[call.method]:
            self.not_judged["a malformed request"] += 1
            return
        call.handle = handle
        lookup = self.lookups.get(handle)
        if lookup is None:
            call.gone = "has ended" if handle in self.handles else ""
        elif lookup.owner is not connection:
            call.gone = "belongs to another connection"
        elif lookup.ended:
            call.gone = "has ended"
        else:
            call.lookup = lookup
            flags = params.get("control_flags", 0)
            if call.method == messages.END:
                lookup.ended = True
            elif type(flags) is not int or flags & _FLUSHPREVIOUS:
                lookup.in_order = False
