"""What requests do when they are sent: the ledger is changed as the daemon's state will be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nspd.race import messages
from nspd.race.entries import BeginCall, Call, Connection, NextCall, OtherCall, StatusCall
from nspd.race.ledger import UNATTRIBUTABLE, Ledger
from nspd.race.lookups import Lookup
from nspd.race.messages import (
    MAY_WAIT,
    NO_NOTIFICATION,
    PARAMS_OF,
    is_id,
    seconds,
)


class Effects:
    """Enters into a ledger what clients send."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._batch: list[Call] | None = None
        self._effects: dict[str, Callable[[Connection, Any, Any], Call | None]] = {
            messages.NEXT: self._next,
            messages.END: self._end,
            messages.BEGIN: self._begin,
            messages.LOOKUP: self._lookup,
            messages.CANCEL: self._cancel,
            messages.RUNDOWN: self._rundown,
            messages.CLEANUP: self._cleanup,
            messages.STARTUP: self._startup,
            messages.END_LOOKUP: self._end_lookup,
            messages.ENABLE_PROVIDER: self._enable_provider,
            messages.STATUS: self._status,
        }

    def sent(self, connection: Connection, message: Any) -> None:
        """Enter what a client sends: a request, a notification or a batch."""
        if type(message) is not list:
            self.enter(connection, message)
            return
        self._batch = []
        for request in message:
            self.enter(connection, request)
        self._batch = None

    def enter(self, connection: Connection, request: Any) -> None:
        """Enter one request or notification."""
        if type(request) is not dict or type(method := request.get("method")) is not str:
            self._ledger.not_judged["not a request"] += 1
            return
        if connection.blind:
            self._ledger.not_judged[UNATTRIBUTABLE] += 1
            self._on_others(connection, method, request.get("params"))
            return
        id = request.get("id")
        if type(id) is not int and type(id) is not str:
            id = None
            if method in NO_NOTIFICATION:
                return
        elif id in connection.waiting:
            self._ledger.lose_sight(connection)
            self._on_others(connection, method, request.get("params"))
            return
        effect = self._effects.get(method)
        params = request.get("params")
        entered = effect and effect(connection, id, params if type(params) is dict else {})
        if entered is None and effect is not None:
            self._ledger.not_judged["a malformed request"] += 1
        call = entered or Call(id, method, self._ledger.now, self._batch)
        if id is not None:
            if method in MAY_WAIT:
                self._ledger.asked += 1
            if self._batch is not None:
                self._batch.append(call)
            connection.waiting[id] = call
            if call.handle is not None and call.lookup is None and not call.gone:
                connection.guesses[call.handle] = connection.guesses.get(call.handle, 0) + 1

    def _on_others(self, connection: Connection, method: str, params: Any) -> None:
        """What a request does to other connections whose reply will not be known for its own."""
        if method in (messages.END_LOOKUP, messages.ENABLE_PROVIDER) and type(params) is dict:
            self._effects[method](connection, None, params)

    # What each method does when it is sent. None: it is malformed.

    def _next(self, connection: Connection, id: Any, params: dict[str, Any]) -> Call | None:
        handle = params.get("lookup")
        if type(handle) is not int or params.keys() - PARAMS_OF[messages.NEXT]:
            return None
        lookup = self._ledger.lookups.get(handle)
        if lookup is None or lookup.owner is not connection or lookup.ended_by is not None:
            other = Call(id, messages.NEXT, self._ledger.now, self._batch)
            other.handle = handle
            other.gone = self._why_gone(connection, lookup, handle)
            return other
        call = NextCall(id, messages.NEXT, self._ledger.now, self._batch)
        call.handle = handle
        call.lookup = lookup
        if len(params) > 1:
            flags, room = params.get("control_flags", 0), params.get("buffer_length")
            if type(flags) is not int or (room is not None and type(room) is not int):
                return None
            call.flags, call.room = flags, room
            timeout = seconds(params.get("timeout"))
            if timeout is not None:
                call.deadline = self._ledger.now + timeout
        lookup.append(call)
        return call

    def _why_gone(self, connection: Connection, lookup: Lookup | None, handle: int) -> str:
        """Why a handle is known not to exist for a connection; empty: it may exist."""
        if lookup is not None and lookup.owner is not connection:
            return "belongs to another connection"
        return "has ended" if lookup is not None or handle in self._ledger.handles else ""

    def _end(self, connection: Connection, id: Any, params: dict[str, Any]) -> Call | None:
        handle = params.get("lookup")
        if type(handle) is not int or len(params) != 1:
            return None
        call = Call(id, messages.END, self._ledger.now, self._batch)
        call.handle = handle
        lookup = self._ledger.lookups.get(handle)
        if lookup is None or lookup.owner is not connection or lookup.ended_by is not None:
            call.gone = self._why_gone(connection, lookup, handle)
            return call
        call.lookup = lookup
        lookup.ended_by = call
        if id is None:
            # Carried out and never answered.
            lookup.end_answered = True
            if not lookup.unanswered:
                self._ledger.forget(lookup, unheard=True)
        return call

    def _begin(self, connection: Connection, id: Any, params: dict[str, Any]) -> Call:
        call = BeginCall(id, messages.BEGIN, self._ledger.now, self._batch)
        call.params = params
        call.interventions = self._ledger.mark()
        call.after_rundown = connection.run_down
        self._ledger.opened += 1
        session = connection.session
        if session.cleanups:
            call.era = session.cleanups
        if session.pending and connection.lookups and session.may_cancel_on_begin:
            connection.excused = True  # whether this session cancels on Begin, one cannot tell
        if session.cancel_on_begin:
            for lookup in connection.lookups.values():
                if lookup.ended_by is None and lookup.unanswered:
                    lookup.doubts += 1
                    call.candidates = [*call.candidates, *lookup.waiting()]
        return call

    def _lookup(self, connection: Connection, id: Any, params: dict[str, Any]) -> Call:
        call = BeginCall(id, messages.LOOKUP, self._ledger.now, self._batch)
        call.params = params
        call.interventions = self._ledger.mark()
        self._ledger.opened += 1
        return call

    def _cancel(self, connection: Connection, id: Any, params: dict[str, Any]) -> Call | None:
        target_id = params.get("id")
        if not is_id(target_id) or len(params) != 1:
            return None
        target = connection.waiting.get(target_id)
        if target is not None:
            target.cancel_requested = True
            if target.lookup is not None:
                target.lookup.withdrawn = True
        return Call(id, messages.CANCEL, self._ledger.now, self._batch)

    def _rundown(self, connection: Connection, id: Any, params: dict[str, Any]) -> Call | None:
        if params:
            return None
        call = OtherCall(id, messages.RUNDOWN, self._ledger.now, self._batch)
        call.certain = True
        self._end_all(connection, call)
        if connection.session.least and not connection.session.pending:
            connection.run_down = True
        return call

    def _cleanup(self, connection: Connection, id: Any, params: dict[str, Any]) -> Call | None:
        if params:
            return None
        call = OtherCall(id, messages.CLEANUP, self._ledger.now, self._batch)
        connection.cleaned = True
        connection.run_down = False
        session = connection.session
        if id is None or session.pending or session.least != session.most or not session.most:
            connection.excused = True
        elif session.most == 1:
            call.certain = True
            self._end_all(connection, call)
        self._session(connection, call)
        return call

    def _startup(self, connection: Connection, id: Any, params: dict[str, Any]) -> Call:
        call = OtherCall(id, messages.STARTUP, self._ledger.now, self._batch)
        call.params = params
        if id is None:
            connection.excused = True  # whether this session cancels on Begin, one cannot tell
        self._session(connection, call)
        return call

    def _session(self, connection: Connection, call: OtherCall) -> None:
        closed = connection.session.sent(call)
        if closed is not None:
            self._ledger.close_session(connection, closed)

    def _end_all(self, connection: Connection, by: OtherCall) -> None:
        """End every lookup of a connection, those that it is just beginning too."""
        for lookup in list(connection.lookups.values()):
            if lookup.ended_by is None:
                lookup.ended_by = by
                if by.id is None:
                    lookup.end_answered = True
                    if lookup.settled:
                        self._ledger.forget(lookup, unheard=True)
        for other in connection.waiting.values():
            if other.method in (messages.BEGIN, messages.LOOKUP) and other.ended_by is None:
                other.ended_by = by

    def _end_lookup(self, connection: Connection, id: Any, params: dict[str, Any]) -> Call | None:
        handle = params.get("lookup")
        if type(handle) is not int or len(params) != 1:
            return None
        call = OtherCall(id, messages.END_LOOKUP, self._ledger.now, self._batch)
        lookup = self._ledger.lookups.get(handle)
        if lookup is None:
            # Somebody may know it from ListLookups before its owner has read the reply to Begin.
            if handle not in self._ledger.handles:
                self._ledger.intervene(call)
        elif lookup.owner is connection and lookup.ended_by is None and id is not None:
            call.handle = handle
            call.lookup = lookup
            call.certain = True
            lookup.ended_by = call
        elif id is None:
            lookup.excused = True
        else:
            call.handle = handle
            call.lookup = lookup
            lookup.doubts += 1
        return call

    def _enable_provider(self, connection: Connection, id: Any, params: dict[str, Any]) -> Call:
        call = OtherCall(id, messages.ENABLE_PROVIDER, self._ledger.now, self._batch)
        if params.get("enable") is not True:
            self._ledger.intervene(call)
            for lookup in self._ledger.lookups.values():
                lookup.excused = True
        return call

    def _status(self, connection: Connection, id: Any, params: dict[str, Any]) -> Call:
        call = StatusCall(id, messages.STATUS, self._ledger.now, self._batch)
        call.closed = self._ledger.gone()
        return call
