"""The client's half of one connection: no input, no output, no waiting.

An `Exchange` numbers the requests, knows who waits for what, and is fed what
arrives. Both clients drive one for each connection; the blocking one holds a
lock around every call.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Raw

from nspd.client import calls
from nspd.client.pending import BeginCall, MonitorCall, Pending, StartupCall
from nspd.client.records import NextCall, Records
from nspd.model.errors import (
    InvalidArgument,
    InvalidHandle,
    NetworkDown,
    NotInitialised,
    WSAError,
)
from nspd.wire.client import Notification, ProtocolError, Reply, ReplyReceiver, exception
from nspd.wire.client import notification as notification_line
from nspd.wire.client import request as request_line
from nspd.wire.params import CancelParams, EndParams, Params, StartupParams
from nspd.wire.types import METHODS

_NEED_SESSION = frozenset({calls.BEGIN, calls.SET_SERVICE})
_MAX_MESSAGE = 1024 * 1024

_LOST = "the connection over which the lookup was begun is lost"


class ConnectionLost(Exception):
    """The connection was over before the call was made; nothing was sent."""


class Exchange:
    """The calls of one connection, from request to outcome.

    The session is opened by the first call that needs one: its Startup goes out
    in the same write, ahead of it, which costs no round trip of its own.
    """

    def __init__(self, startup: StartupParams, offer: Callable[[bytes], None]) -> None:
        """Make the state of a fresh connection.

        Args:
            startup: how to open the session, once a call needs it.
            offer: sends a line that nobody waits for; it must not block.
        """
        self._startup = startup
        self._offer = offer
        self._receiver = ReplyReceiver()
        self._pending: dict[int, Pending] = {}
        self._monitors: list[MonitorCall] = []
        self._last_id = 0
        self._max_message = _MAX_MESSAGE
        self._startup_error: WSAError | None = None
        self._parting: WSAError | None = None
        self.session_open = False
        """Startup was sent, and was not refused."""
        self.lost = False
        """The connection is over; whatever waited was settled."""

    def pending_for(self, method: str, wake: Callable[[], None]) -> Pending:
        """The right kind of pending call for a method."""
        return BeginCall(wake, self._end_unwanted) if method == calls.BEGIN else Pending(wake)

    def request(self, call: calls.Call[Any], pending: Pending) -> bytes:
        """Note a call and return the bytes to send for it.

        Raises:
            ConnectionLost: it must go over another connection.
            InvalidArgument: it cannot be sent.
        """
        if self.lost:
            raise ConnectionLost
        line = self._line(call.method, call.params, self._last_id + 1)
        self._last_id += 1
        self._expect(self._last_id, pending)
        if call.method not in _NEED_SESSION or self.session_open:
            return line
        self._last_id += 1
        self._expect(self._last_id, StartupCall(self._started))
        self.session_open = True
        self._startup_error = None
        return self._line(calls.STARTUP, self._startup, self._last_id) + line

    def next(self, pending: NextCall) -> bytes:
        """Note a NextEx; what is kept of earlier calls serves it without a frame.

        Raises:
            InvalidHandle: the lookup has ended, or its connection is lost.
        """
        if pending.records.ended:
            raise InvalidHandle("the lookup has ended")
        if pending.records.serve(pending):
            return b""
        if self.lost:
            raise InvalidHandle(_LOST)
        line = self._line(calls.NEXT_EX, pending.call.params, self._last_id + 1)
        self._last_id += 1
        pending.records.wait(pending)
        self._expect(self._last_id, pending)
        return line

    def end(self, call: calls.Call[Any], records: Records, pending: Pending) -> bytes:
        """Note an End; from here on the lookup is over for every caller.

        Raises:
            InvalidHandle: it was over before.
        """
        if records.ended:
            raise InvalidHandle("the lookup has ended")
        records.end()
        if self.lost:
            raise InvalidHandle(_LOST)
        line = self._line(call.method, call.params, self._last_id + 1)
        self._last_id += 1
        self._expect(self._last_id, pending)
        return line

    def end_unheard(self, handle: int) -> None:
        """End a lookup without asking what came of it. Takes no lock, waits for nothing."""
        if not self.lost:
            self._notify(calls.END, EndParams(lookup=handle))

    def abandon(self, pending: Pending, method: str) -> None:
        """The caller has left: withdraw the call, and see to what comes all the same."""
        pending.abandon()
        if method in METHODS and METHODS[method].waiting:
            self.withdraw(pending)

    def withdraw(self, pending: Pending) -> None:
        """Ask the daemon to answer a waiting call now. Takes no lock, waits for nothing."""
        if not pending.settled and pending.request_id is not None:
            self._notify("$/cancelRequest", CancelParams(id=pending.request_id))

    def receive(self, data: bytes) -> None:
        """Take bytes from the daemon and settle whatever they answer.

        Raises:
            ProtocolError: they are not what a daemon sends; the connection is of
                no use any more.
        """
        for message in self._receiver.feed(data):
            if isinstance(message, Reply):
                self._replied(message)
            else:
                self._notified(message)

    def lose(self, reason: str, error: WSAError | None = None) -> None:
        """The connection is over: every call that still waits fails, each once.

        Args:
            reason: one sentence for a person.
            error: what the calls fail with, instead of NetworkDown.
        """
        if self.lost:
            return
        self.lost = True
        self.session_open = False
        error = error or self._parting
        pending = list(self._pending.values())
        self._pending.clear()
        self._monitors.clear()
        for call in pending:
            # Each its own: one exception object must not be raised in two threads.
            call.arrive(None, _copy(error) if error is not None else NetworkDown(reason))

    def _replied(self, reply: Reply) -> None:
        request_id = reply.id
        if request_id is None and reply.error is not None:
            # Not an answer: the daemon says why it is about to close.
            self._parting = exception(reply.error)
            return
        pending = self._pending.pop(request_id, None) if isinstance(request_id, int) else None
        if pending is None:
            raise ProtocolError(f"the daemon answered {request_id!r}, which was not asked")
        if isinstance(pending, MonitorCall):
            self._monitors.remove(pending)
        if reply.error is None:
            pending.arrive(reply.result, None)
            return
        error = exception(reply.error)
        if isinstance(error, NotInitialised) and self._startup_error is not None:
            error = _copy(self._startup_error)
        pending.arrive(None, error)

    def _notified(self, message: Notification) -> None:
        if message.method == "nspd.Event":
            for monitor in self._monitors:
                monitor.event(message.params)

    def _started(self, result: Raw | None, error: WSAError | None) -> None:
        if error is not None:
            self._startup_error = error
            self.session_open = False
        elif result is not None:
            limit = calls.startup_of(result).limits.get("max_message", _MAX_MESSAGE)
            self._max_message = int(limit)

    def _end_unwanted(self, begun: Raw) -> None:
        self.end_unheard(calls.handle_of(begun))

    def _expect(self, request_id: int, pending: Pending) -> None:
        pending.request_id = request_id
        self._pending[request_id] = pending
        if isinstance(pending, MonitorCall):
            self._monitors.append(pending)

    def _line(self, method: str, params: Params | dict[str, Any], request_id: int) -> bytes:
        try:
            line = request_line(request_id, method, params)
        except UnicodeEncodeError as error:
            raise InvalidArgument(f"text that is not Unicode: {error}") from error
        if len(line) > self._max_message:
            raise InvalidArgument(
                f"the request has {len(line)} bytes, past max_message, {self._max_message}"
            )
        return line

    def _notify(self, method: str, params: Params) -> None:
        self._offer(notification_line(method, params))


def _copy(error: WSAError) -> WSAError:
    return type(error)(error.detail, code=error.code, data=error.data)
