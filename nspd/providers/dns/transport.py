"""One query to one server, over UDP or TCP.

Each query has a socket of its own, so that its source port is the kernel's
random choice (RFC 5452, 9.2). The socket is connected: the kernel passes on only
what comes from the server's address and port, and tells of a closed port. It is
closed in the step in which the exchange ends, cancelled ones too, or in which
somebody hangs up. Time limits are the caller's; no function here has one.
"""

from __future__ import annotations

import errno
import os
import socket
from typing import Literal

import anyio
import anyio.to_thread
import dns.message

from nspd.model import errors
from nspd.providers.dns.line import Line
from nspd.providers.dns.messages import PAYLOAD, Malformed, Query, is_truncated
from nspd.providers.dns.servers import Server

Transport = Literal["udp", "tcp"]

_LARGEST = 65535
# EAGAIN is what connect() says when no port is left, ENOSPC what epoll says when
# this user watches too much.
_NOT_THE_SERVERS = frozenset(
    {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EAGAIN, errno.ENOSPC}
)


class Unreachable(Exception):
    """The server cannot be reached, or nobody listens there."""


class BrokenOff(Exception):
    """The server closed the TCP connection before it had answered."""


class Truncated(Exception):
    """The answer is longer than UDP can carry."""


class Exchange:
    """One query at one server, over one transport.

    A reply longer than `PAYLOAD` is read in a thread: one of 64 KiB that is made
    for it takes more than a second to read. The thread is waited for even if the
    exchange is cancelled, so there are never more of them than the limiter allows.

    Attributes:
        server: the server asked.
        transport: "udp" or "tcp".
        dropped: messages that did not answer the query and were passed over.
    """

    __slots__ = ("_line", "_query", "_readers", "dropped", "server", "transport")

    def __init__(
        self,
        server: Server,
        query: Query,
        transport: Transport,
        readers: anyio.CapacityLimiter,
        line: Line,
    ) -> None:
        """Make it; nothing is sent yet.

        Args:
            server: whom to ask.
            query: what to ask.
            transport: how.
            readers: limits the threads that read long replies.
            line: has the socket.
        """
        self.server = server
        self._query = query
        self._readers = readers
        self._line = line
        self.transport = transport
        self.dropped = 0

    async def run(self) -> dns.message.Message:
        """Ask; returns the first message that answers the query.

        Raises:
            Truncated: the answer is too long for UDP; ask over TCP (RFC 7766).
            Unreachable: the server is not there, or does not take TCP.
            BrokenOff: it closed the TCP connection without an answer, or amid one.
            Malformed: the answer cannot be read.
            NoBuffers: we have no socket left (10055).
            HungUp: somebody has hung up.
        """
        return await (self._udp() if self.transport == "udp" else self._tcp())

    async def _udp(self) -> dns.message.Message:
        line = self._line
        try:
            connection = line.open(self.server.family, socket.SOCK_DGRAM)
            connection.connect(self.server.sockaddr())
            connection.send(self._query.wire)
            while True:
                await line.readable()
                try:
                    wire = connection.recv(_LARGEST)
                except BlockingIOError:  # its checksum was wrong
                    continue
                if self._query.is_answered_by(wire):
                    break
                self.dropped += 1
        except OSError as error:
            raise _mishap(error) from error
        finally:
            line.close()
        if is_truncated(wire):
            raise Truncated
        return await self._read(wire)

    async def _tcp(self) -> dns.message.Message:
        line = self._line
        try:
            try:
                connection = line.open(self.server.family, socket.SOCK_STREAM)
                await _connect(line, connection, self.server)
            except OSError as error:
                raise _mishap(error) from error
            try:
                await _send(line, connection, len(self._query.wire).to_bytes(2) + self._query.wire)
                while True:
                    length = int.from_bytes(await _receive(line, connection, 2))
                    wire = await _receive(line, connection, length)
                    if self._query.is_answered_by(wire):
                        break
                    self.dropped += 1
            except OSError as error:
                raise BrokenOff(_reason(error)) from error
        finally:
            line.close()
        if is_truncated(wire):
            raise Malformed("truncated over TCP too")
        return await self._read(wire)

    async def _read(self, wire: bytes) -> dns.message.Message:
        if len(wire) <= PAYLOAD:
            return self._query.read(wire)
        with self._line.interrupting():
            return await anyio.to_thread.run_sync(self._query.read, wire, limiter=self._readers)


def _mishap(error: OSError) -> Exception:
    """What a failed system call means: our own lack, or a server out of reach."""
    if error.errno in _NOT_THE_SERVERS:
        return errors.NoBuffers(f"no socket for a DNS query: {_reason(error)}")
    return Unreachable(_reason(error))


def _reason(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno else str(error)


async def _connect(line: Line, connection: socket.socket, server: Server) -> None:
    code = connection.connect_ex(server.sockaddr())
    if code == errno.EINPROGRESS:
        await line.writable()
        code = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code:
        raise OSError(code, os.strerror(code))


async def _send(line: Line, connection: socket.socket, data: bytes) -> None:
    while data:
        try:
            data = data[connection.send(data) :]
        except BlockingIOError:
            await line.writable()


async def _receive(line: Line, connection: socket.socket, count: int) -> bytes:
    received = bytearray()
    while len(received) < count:
        await line.readable()
        try:
            part = connection.recv(count - len(received))
        except BlockingIOError:
            continue
        if not part:
            raise BrokenOff("the connection was closed amid the answer")
        received += part
    return bytes(received)
