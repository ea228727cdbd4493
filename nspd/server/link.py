"""A client's socket: bytes from it into its `Connection`, and replies back.

Writes are one non-blocking send for each chunk read, at the end of the poller's
turn; only when the socket takes no more does the link wait for it to become
writable.
"""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING, Any

from nspd.core.guard import call_guarded
from nspd.core.limits import UNSENT_BYTES
from nspd.server.connection import Connection
from nspd.server.poller import GONE, READ, WRITE
from nspd.wire.decode import CHUNK

if TYPE_CHECKING:
    from nspd.core.clock import Timer
    from nspd.core.users import Peer
    from nspd.server.server import Server

_DISCARD_SECONDS = 1.0


class Link:
    """One connected socket. Opened by the listener; closes itself, whoever hung up.

    Closing order: out of the poller, the connection's session is run down, the
    socket is closed, the server forgets the link.
    """

    def __init__(self, server: Server, connected: socket.socket, peer: Peer) -> None:
        self._server = server
        self._socket = connected
        self._recv = connected.recv
        self._send = connected.send
        self._router = server.router
        self._poller = server.poller
        self._after_reading = server.poller.after_reading
        self._descriptor = connected.fileno()
        self.connection = Connection(server, peer, self)
        self.received = b""
        """Read, but not yet given to the connection."""
        self._unsent = memoryview(b"")
        self._events = READ
        self._at_end = False  # the client will send nothing more
        self._flush_due = False
        self._turn_due = False
        self._discarding = False
        self._patience: Timer | None = None
        self.closed = False
        self._poller.register(self._descriptor, READ, self._ready)

    # What the socket tells

    def _ready(self, events: int) -> None:
        try:
            if events & READ and self._events & READ:
                try:
                    data = self._recv(CHUNK)
                except (BlockingIOError, InterruptedError):
                    pass
                except OSError:
                    self.close()
                else:
                    if data and not self._discarding:
                        self.received = data
                        self._after_reading(self)
                    elif not data:
                        self._hear_the_end()
            elif events & GONE:
                self.close()
            if events & WRITE:
                self.send()
        except Exception:  # noqa: BLE001 - as in the poller's later stages
            self.failed()

    def _hear_the_end(self) -> None:
        if self._discarding:
            self.close()
        else:
            self._at_end = True
            self._watch()
            self.connection.end_of_input()
            self._after_reading(self)

    def carry_out(self) -> None:
        """Carry out what was received, as much as fits one turn, and have the replies sent."""
        if self.closed:
            return
        connection = self.connection
        data, self.received = self.received, b""
        self.carried_out(connection.receive(data) if data else connection.turn())

    def carried_out(self, more: bool) -> None:
        """Have the replies sent; ``more`` was received, and is for another turn."""
        if self.connection.owed and self._poller.soon_is_cheap:
            # What an End has just stopped is nearly always over within this turn of
            # the loop: then its reply goes in one send with the 10111 before it.
            self.output_ready()
        else:
            self._poller.before_waiting(self)
        if more and not self._turn_due:
            self._turn_due = True
            self._poller.call_soon(self._next_turn)

    def failed(self) -> None:
        """Hang up after a bug of ours, while its exception is being handled; raises nothing."""
        self.log.exception("connection failed")
        call_guarded(self._server.log, "closing a failed connection failed", self.close)

    def _next_turn(self) -> None:
        self._turn_due = False
        self._poller.after_reading(self)

    # What the connection tells

    def output_ready(self) -> None:
        """There are replies outside of a turn: send them soon, together."""
        if not self._flush_due:
            self._flush_due = True
            self._poller.call_soon(self._flush_soon)

    def _flush_soon(self) -> None:
        self._flush_due = False
        self._poller.before_waiting(self)

    @property
    def unsent(self) -> int:
        """Bytes of replies that the socket has not taken."""
        return len(self._unsent) + len(self.connection.output)

    def send(self) -> bool:
        """Send what there is, as far as the socket takes it; whether all of it went at once."""
        connection = self.connection
        if (
            self._events != READ
            or connection.backlog
            or connection.corked
            or connection.closing
            or self._router.draining
        ):
            self._send_with_care()
            return False
        # Nearly always: it just reads and writes, so one send takes it all and
        # nothing else changes.
        output = connection.output
        if not output:
            return False
        connection.output = bytearray()
        try:
            sent = self._send(output)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError:
            self.close()
            return False
        if sent == len(output):
            return True
        self._unsent = memoryview(output)[sent:]
        self._send_with_care()
        return False

    def _send_with_care(self) -> None:
        if self.closed or self._discarding:
            return  # the last word is said; all that is left is the time until the hang-up
        connection = self.connection
        before = self.unsent
        while True:
            if not self._unsent:
                output, connection.output = connection.output, bytearray()
                if not output:
                    break
                self._unsent = memoryview(output)
            try:
                sent = self._send(self._unsent)
            except (BlockingIOError, InterruptedError):
                break
            except OSError:
                self.close()
                return
            self._unsent = self._unsent[sent:]
        self._sent(before)

    def _sent(self, before: int) -> None:
        unsent = self.unsent
        connection = self.connection
        connection.charge(unsent)
        if unsent < before or not unsent:
            self._stop_patience()
        if not unsent:
            self._server.check_drained()
            if connection.finished:
                self._finish()
                return
        elif self._patience is None:
            self._patience = self._router.clock.call_later(
                self._server.settings.limits.send_timeout, self._lost_patience
            )
        corked = unsent > (UNSENT_BYTES // 2 if connection.corked else UNSENT_BYTES)
        if corked != connection.corked:
            connection.cork(corked)
        if connection.backlog and not (connection.corked or connection.crowded or self._turn_due):
            self._turn_due = True
            self._poller.call_soon(self._next_turn)
        self._watch()

    def _watch(self) -> None:
        """Wait for what is wanted now: bytes, room for bytes, or just the hang-up."""
        if self.closed:
            return
        connection = self.connection
        events = 0
        if not self._at_end and (
            self._discarding or not (connection.corked or connection.backlog or connection.closing)
        ):
            events |= READ
        if self._unsent:
            events |= WRITE
        if events != self._events:
            self._events = events
            self._poller.modify(self._descriptor, events)

    # The end

    @property
    def log(self) -> Any:
        """The log, bound to who is at the other end."""
        peer = self.connection.peer
        return self._server.log.bind(pid=peer.pid, uid=peer.uid)

    def _stop_patience(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _lost_patience(self) -> None:
        # A UNIX socket is called writable only when most of it is empty; one that is
        # read slowly takes bytes all the same.
        lost = self._patience
        self.send()
        if self.closed or self._patience is not lost:
            return
        self.log.warning("client takes no replies (limits.send_timeout)", unsent=self.unsent)
        self.close()

    def _finish(self) -> None:
        """All that was owed is sent: hang up, politely if the client may still be sending."""
        if not self.connection.discard_input:
            self.close()
        elif not self._discarding:
            self._discarding = True
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_WR)
            self._patience = self._router.clock.call_later(_DISCARD_SECONDS, self.close)
            self._watch()

    def close(self) -> None:
        """Hang up at once; what waits is settled without anybody to hear it."""
        if self.closed:
            return
        self.closed = True
        self._events = 0
        self._stop_patience()
        self._poller.unregister(self._descriptor)
        try:
            self.connection.closed()
        finally:
            self._socket.close()
            self._unsent = memoryview(b"")
            self._server.forget(self)
