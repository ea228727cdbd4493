"""One connection of the asynchronous client.

A request leaves in the same step in which it is made: one send on a socket that
does not block. Only what finds no room waits for the writer task. So a call
that is cancelled, or a scope that is left, can say so without awaiting anything.
"""

from __future__ import annotations

import contextlib
import socket
from typing import TypeVar

import anyio
from anyio import Event

from nspd.client import calls
from nspd.client.address import unreachable
from nspd.client.calls import Call, NextExCall
from nspd.client.exchange import ConnectionLost, Exchange
from nspd.client.faults import RemoteProtocolError
from nspd.client.outbox import Outbox
from nspd.client.pending import MonitorCall, Pending
from nspd.client.records import NextCall, Records
from nspd.model.errors import LookupCancelled, TimedOut, WSAError
from nspd.model.queryset import QuerySet
from nspd.wire.client import ProtocolError
from nspd.wire.params import StartupParams
from nspd.wire.results import EndResult

T = TypeVar("T")

CONNECT_TIMEOUT = 10.0
"""Seconds that connecting may take, unless the client was given a ``timeout``."""

CLOSE_GRACE = 1.0
"""Seconds that closing waits at most until the daemon confirms the end of the session."""

_CHUNK = 256 * 1024
_CONNECT_RETRY = 0.01


class Connection:
    """A connected socket, its exchange, and the two tasks that serve it.

    `serve` runs in the client's task group for as long as the connection lasts,
    and closes the socket; `close` makes it end.
    """

    def __init__(
        self, sock: socket.socket, path: str, startup: StartupParams, timeout: float | None
    ) -> None:
        """Take over a connected socket.

        Args:
            sock: what `connected` returned.
            path: the daemon's socket.
            startup: how to open the session.
            timeout: seconds for each End; None: as long as it takes.
        """
        self._timeout = timeout
        self._socket = sock
        self._path = path
        self._outbox = Outbox(sock)
        self._exchange = Exchange(startup, self._outbox.offer)
        self._stuck = Event()

    @property
    def lost(self) -> bool:
        """Whether the connection is over, and its lookups with it."""
        return self._exchange.lost

    async def serve(self) -> None:
        """Read and write until the connection is over."""
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._write)
                await self._read()
                tasks.cancel_scope.cancel()
        finally:
            self._exchange.lose("the client was closed", _closed())
            self._socket.close()

    async def perform(self, call: Call[T], timeout: float | None) -> T:
        """Make one call and wait for its result, or for ``timeout`` seconds.

        Raises:
            ConnectionLost: the connection was over before the call was made.
            TimedOut: there was no answer in time.
            WSAError: what the daemon answered.
        """
        wake = Event()
        pending = self._exchange.pending_for(call.method, wake.set)
        self._send(self._exchange.request(call, pending))
        await self._settled(call, pending, wake, timeout)
        return call.convert(pending.take())

    async def next(self, call: NextExCall, records: Records) -> QuerySet:
        """Make a NextEx; a cancelled one is withdrawn, and its record kept (C7)."""
        wake = Event()
        pending = NextCall(wake.set, call, records)
        self._send(self._exchange.next(pending))
        await self._settled(call, pending, wake, None)
        return call.convert(pending.take())

    async def end(self, call: Call[EndResult], records: Records) -> EndResult:
        """Make an End. It is sent even if the wait for its reply is cancelled."""
        wake = Event()
        pending = Pending(wake.set)
        self._send(self._exchange.end(call, records, pending))
        await self._settled(call, pending, wake, self._timeout)
        return call.convert(pending.take())

    def end_unheard(self, handle: int, records: Records) -> None:
        """End a lookup without waiting; fit for a finalizer."""
        records.ended = True
        self._exchange.end_unheard(handle)

    def monitor(self, call: Call[None], pending: MonitorCall) -> None:
        """Send a Monitor; what comes is handed to ``pending``."""
        self._send(self._exchange.request(call, pending))

    def withdraw(self, pending: Pending) -> None:
        """Have a waiting call answered now; fit for a finalizer."""
        self._exchange.withdraw(pending)

    def abandon(self, pending: Pending, method: str) -> None:
        """The caller of a pending call has left."""
        self._exchange.abandon(pending, method)
        self._wake_writer()

    async def aclose(self) -> None:
        """End the session, fail whatever still waits (10111), and have `serve` end."""
        try:
            if self._exchange.session_open:
                with contextlib.suppress(WSAError, ConnectionLost):
                    await self.perform(calls.cleanup(), CLOSE_GRACE)
        finally:
            self.close()

    def close(self) -> None:
        """Fail whatever still waits (10111), and have `serve` end."""
        self._exchange.lose("the client was closed", _closed())
        # The reader finds the end of the stream; it owns the socket and closes it.
        self._outbox.shut_down()

    async def _settled(
        self, call: Call[T], pending: Pending, wake: Event, timeout: float | None
    ) -> None:
        answered = False
        try:
            if timeout is None:
                await wake.wait()
            else:
                with anyio.move_on_after(timeout):
                    await wake.wait()
            answered = pending.settled
        finally:
            if not answered:
                self.abandon(pending, call.method)
        if not answered:
            raise TimedOut(f"no answer to {call.method} within {timeout} s")

    def _send(self, line: bytes) -> None:
        if line:
            self._outbox.offer(line)
            self._wake_writer()

    def _wake_writer(self) -> None:
        if self._outbox.waiting:
            self._stuck.set()

    async def _write(self) -> None:
        while True:
            await self._stuck.wait()
            self._stuck = Event()
            while self._outbox.waiting:
                await anyio.wait_writable(self._socket)
                self._outbox.flush()

    async def _read(self) -> None:
        reason = f"the daemon at {self._path} closed the connection"
        error: WSAError | None = None
        try:
            while True:
                await anyio.wait_readable(self._socket)
                try:
                    data = self._socket.recv(_CHUNK)
                except BlockingIOError:
                    continue
                if not data:
                    break
                self._exchange.receive(data)
                self._wake_writer()
        except OSError as failure:
            reason = f"the connection to the daemon at {self._path} broke ({failure.strerror})"
        except ProtocolError as failure:
            error = RemoteProtocolError(str(failure))
        except RemoteProtocolError as failure:
            error = failure
        self._exchange.lose(reason, error)


async def connected(path: str, timeout: float | None) -> socket.socket:
    """A non-blocking socket connected to the daemon.

    Args:
        path: the daemon's socket.
        timeout: seconds that it may take; None: `CONNECT_TIMEOUT`.

    Raises:
        NetworkDown: the daemon cannot be reached.
    """
    sock = socket.socket(socket.AF_UNIX)
    try:
        sock.setblocking(False)
        with anyio.fail_after(CONNECT_TIMEOUT if timeout is None else timeout):
            while True:
                try:
                    sock.connect(path)
                except BlockingIOError:
                    # The listener's queue is full, and Linux has no event for "it has room".
                    await anyio.sleep(_CONNECT_RETRY)
                else:
                    return sock
    except OSError as error:
        sock.close()
        raise unreachable(path, error) from error
    except BaseException:
        sock.close()
        raise


def _closed() -> LookupCancelled:
    return LookupCancelled("the client was closed")
