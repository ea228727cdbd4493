"""One connection of the blocking client, shared by any number of threads.

Two locks: ``sending`` keeps requests in the order in which the exchange numbered
them, and may be held for as long as the socket is full; ``_state`` guards the
exchange and is held for moments only, so that the reader thread can always take
what the daemon sends. Who needs both takes ``sending`` first.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import TypeVar

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


class Connection:
    """A connected socket, its exchange, and the thread that reads it.

    The reader thread ends when the socket does, and is the one that closes it:
    a descriptor must not be closed while another thread may be reading from it.
    """

    def __init__(self, path: str, startup: StartupParams, timeout: float | None) -> None:
        """Connect.

        Args:
            path: the daemon's socket.
            startup: how to open the session.
            timeout: seconds for connecting (None: `CONNECT_TIMEOUT`) and for
                each End (None: as long as it takes).

        Raises:
            NetworkDown: the daemon cannot be reached.
        """
        self._path = path
        self._timeout = timeout
        self._socket = _connected(path, CONNECT_TIMEOUT if timeout is None else timeout)
        self._outbox = Outbox(self._socket)
        self._state = threading.Lock()
        self._exchange = Exchange(startup, self._outbox.offer)
        self._reader = threading.Thread(target=self._read, name="nspd-client-reader", daemon=True)
        self._reader.start()

    @property
    def lost(self) -> bool:
        """Whether the connection is over, and its lookups with it."""
        return self._exchange.lost

    def perform(self, call: Call[T], timeout: float | None) -> T:
        """Make one call and wait for its result, or for ``timeout`` seconds.

        Raises:
            ConnectionLost: the connection was over before the call was made.
            TimedOut: there was no answer in time.
            WSAError: what the daemon answered.
        """
        wake = _Wake()
        pending = self._exchange.pending_for(call.method, wake.set)
        self._converse(call, pending, wake, timeout, lambda: self._exchange.request(call, pending))
        return call.convert(pending.take())

    def next(self, call: NextExCall, records: Records) -> QuerySet:
        """Make a NextEx; an interrupted one is withdrawn, and its record kept (C7)."""
        wake = _Wake()
        pending = NextCall(wake.set, call, records)
        self._converse(call, pending, wake, None, lambda: self._exchange.next(pending))
        return call.convert(pending.take())

    def end(self, call: Call[EndResult], records: Records) -> EndResult:
        """Make an End. It is sent even if the wait for its reply is interrupted."""
        wake = _Wake()
        pending = Pending(wake.set)
        self._converse(
            call, pending, wake, self._timeout, lambda: self._exchange.end(call, records, pending)
        )
        return call.convert(pending.take())

    def end_unheard(self, handle: int, records: Records) -> None:
        """End a lookup without waiting and without taking a lock; fit for a finalizer."""
        records.ended = True
        self._exchange.end_unheard(handle)

    def monitor(self, call: Call[None], pending: MonitorCall) -> None:
        """Send a Monitor; what comes is handed to ``pending``."""
        self._send(lambda: self._exchange.request(call, pending))

    def withdraw(self, pending: Pending) -> None:
        """Have a waiting call answered now, without taking a lock; fit for a finalizer."""
        self._exchange.withdraw(pending)

    def abandon(self, pending: Pending, method: str) -> None:
        """The caller of a pending call has left."""
        with self._state:
            self._exchange.abandon(pending, method)

    def close(self) -> None:
        """End the session, fail whatever still waits (10111), and close the socket."""
        if self._exchange.session_open:
            with contextlib.suppress(WSAError, ConnectionLost):
                self.perform(calls.cleanup(), CLOSE_GRACE)
        with self._state:
            reason = "the client was closed"
            self._exchange.lose(reason, LookupCancelled(reason))
        self._outbox.shut_down()
        if threading.current_thread() is not self._reader:
            self._reader.join()

    def drop(self) -> None:
        """Close without a word; takes no lock. The daemon runs the session down."""
        self._outbox.shut_down()

    def forget_in_child(self) -> None:
        """After a fork, in the child: let go of the socket, which is the parent's.

        The thread that read it, and whoever held a lock, exist in the parent only.
        """
        self._state = threading.Lock()
        self._exchange.lose("this process was forked from the one that connected")
        self._outbox = Outbox(self._socket)
        self._socket.close()

    def _converse(
        self,
        call: Call[T],
        pending: Pending,
        wake: _Wake,
        timeout: float | None,
        note: Callable[[], bytes],
    ) -> None:
        """Send and wait. Whatever ends the wait early, the call is seen to."""
        answered = False
        try:
            self._send(note)
            answered = wake.wait(timeout)
        finally:
            if not answered:
                self.abandon(pending, call.method)
        if not answered:
            raise TimedOut(f"no answer to {call.method} within {timeout} s")

    def _send(self, note: Callable[[], bytes]) -> None:
        with self._outbox.sending:
            with self._state:
                line = note()
            if line:
                self._outbox.send(line)
        if self._outbox.waiting:
            self._outbox.flush()

    def _read(self) -> None:
        reason = f"the daemon at {self._path} closed the connection"
        error: WSAError | None = None
        try:
            while data := self._socket.recv(_CHUNK):
                with self._state:
                    self._exchange.receive(data)
        except OSError as failure:
            reason = f"the connection to the daemon at {self._path} broke ({failure.strerror})"
        except ProtocolError as failure:
            error = RemoteProtocolError(str(failure))
        except RemoteProtocolError as failure:
            error = failure
        finally:
            with self._state:
                self._exchange.lose(reason, error)
            # Whoever is sending finds the socket shut down, and lets go of the lock.
            self._outbox.shut_down()
            with self._outbox.sending:
                self._socket.close()


class _Wake:
    """A one-time event; a bare lock is the quickest that threads can wait for."""

    __slots__ = ("_lock", "set")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()
        self.set = self._lock.release

    def wait(self, timeout: float | None) -> bool:
        if timeout is None:
            return self._lock.acquire()
        return self._lock.acquire(timeout=min(timeout, threading.TIMEOUT_MAX))


def _connected(path: str, timeout: float) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX)
    try:
        sock.settimeout(timeout)
        sock.connect(path)
        sock.settimeout(None)
    except OSError as error:
        sock.close()
        raise unreachable(path, error) from error
    except BaseException:
        sock.close()
        raise
    return sock
