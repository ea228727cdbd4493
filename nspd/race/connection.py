"""One connection that speaks protocol lines, and shows every one of them to an observer.

Not the client library: the judge must see what is on the wire, in the order in
which it was written and read.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NoReturn

import msgspec
from msgspec import Struct

from nspd.race.judge import Direction
from nspd.race.loop import GONE, IN, OUT, Loop, Task

Observer = Callable[[float, int, Direction, Any], None]
"""Takes (time in seconds, number of the connection, direction, message)."""

Request = tuple[str, dict[str, Any]]
"""Method and parameters."""

_RETRY_CONNECT = 0.01

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class HungUp(Exception):
    """The daemon closed the connection."""


class Reply(Struct, frozen=True, gc=False):
    """What became of a request, and when."""

    asked: float
    """When the request was written, in seconds of the monotonic clock."""
    received: float
    code: int | None
    """The code of an error; None: it has a result."""
    result: Any

    @property
    def seconds(self) -> float:
        """From asking to the reply."""
        return self.received - self.asked


class Connection:
    """A connection for one task: what it sends is written at once, and it reads while it waits.

    Whoever opened it closes it, by `finish` or `leave`.
    """

    def __init__(self, loop: Loop, sock: socket.socket, number: int, observe: Observer) -> None:
        """Take over a connected socket."""
        sock.setblocking(False)
        self.loop = loop
        self._socket = sock
        self.number = number
        """Tells it from the other connections of the run."""
        self._observe = observe
        self.last_id = 0
        """Of the requests sent; they are numbered from 1."""
        self._asked: dict[int, float] = {}
        self._replies: dict[int, Reply] = {}
        self._rest = b""
        self._unsent = b""
        self._buffer = loop.buffer
        self._waiter: Task[Any] | None = None
        self._wanted: int | None = None
        self._paused = False
        self.hung_up = False
        """The daemon has closed it."""
        self.closed = False
        loop.watch(sock.fileno(), IN, self._on_ready)

    # Sending

    def send(self, *requests: Request) -> list[int]:
        """Write requests in one piece, and return their ids."""
        now = time.monotonic()
        ids = []
        lines = []
        for method, params in requests:
            self.last_id = id = self.last_id + 1
            message = {"jsonrpc": "2.0", "id": id, "method": method, "params": params}
            self._asked[id] = now
            self._observe(now, self.number, "sent", message)
            ids.append(id)
            lines.append(_encode(message))
        lines.append(b"")
        self.write(b"\n".join(lines))
        return ids

    def write(self, data: bytes) -> None:
        """Write bytes as they are, after those that are unsent; no observer sees them."""
        if self._unsent or self.hung_up or self.closed:
            self._unsent += data
            return
        sent = self._written(data)
        if sent < len(data):
            self._unsent = data[sent:]
            self._watch()

    def _written(self, data: bytes) -> int:
        try:
            return self._socket.send(data)
        except BlockingIOError:
            return 0
        except OSError:
            # What the daemon had written before it closed is still to be read.
            return len(data)

    # Receiving

    async def reply(self, id: int) -> Reply:
        """Wait until this request is answered.

        Raises:
            HungUp: the daemon closed the connection first.
        """
        while id not in self._replies:
            if self.hung_up or self.closed:
                self._lost()
            self._wanted, self._waiter = id, self.loop.current
            await self.loop.suspend()
        return self._replies.pop(id)

    async def call(self, method: str, **params: Any) -> Reply:
        """Send one request and wait until it is answered."""
        [id] = self.send((method, params))
        return await self.reply(id)

    def answered(self, id: int) -> bool:
        """Read what has come, without waiting, and tell whether this request is answered."""
        while id not in self._replies and not self.hung_up and self._read():
            pass
        return id in self._replies

    def pause(self) -> None:
        """Read nothing more, as a client does that hangs."""
        self._paused = True
        self._watch()

    def go_on(self) -> None:
        """Read again."""
        self._paused = False
        self._watch()

    # Leaving

    async def finish(self) -> None:
        """Shut the sending side and read to the end, so that no late reply goes unseen."""
        self.half_close()
        while not (self.hung_up or self.closed):
            self._wanted, self._waiter = None, self.loop.current
            await self.loop.suspend()
        self.close()

    def half_close(self) -> None:
        """Shut the sending side: the daemon answers what it owes, and closes."""
        if not (self.hung_up or self.closed):
            self._observe(time.monotonic(), self.number, "shut", None)
            with suppress(OSError):  # the daemon has just closed it
                self._socket.shutdown(socket.SHUT_WR)

    def leave(self) -> None:
        """Close at once, whatever is owed."""
        if not (self.hung_up or self.closed):
            self._observe(time.monotonic(), self.number, "left", None)
        self.close()

    def close(self) -> None:
        """Give the socket back; closing again does nothing."""
        if not self.closed:
            self.closed = True
            self.loop.unwatch(self._socket.fileno())
            self._socket.close()
            self._wake()

    # Within

    def _watch(self) -> None:
        if not self.closed and not self.hung_up:
            mask = (0 if self._paused else IN) | (OUT if self._unsent else 0)
            self.loop.watch(self._socket.fileno(), mask, self._on_ready)

    def _on_ready(self, events: int) -> None:
        if events & OUT and self._unsent:
            self._unsent = self._unsent[self._written(self._unsent) :]
            if not self._unsent:
                self._watch()
        if events & (IN | GONE) and not (self._paused and not events & GONE):
            self._read()
            if self._waiter is not None and (
                self._wanted is None or self._wanted in self._replies or self.hung_up
            ):
                self._wake()

    def _wake(self) -> None:
        if self._waiter is not None:
            waiter, self._waiter = self._waiter, None
            self.loop.resume(waiter)

    def _read(self) -> bool:
        """Read once. False: nothing is there now."""
        try:
            size = self._socket.recv_into(self._buffer)
        except BlockingIOError:
            return False
        except OSError:
            size = 0
        now = time.monotonic()
        if not size:
            self.hung_up = True
            self.loop.unwatch(self._socket.fileno())
            self._observe(now, self.number, "hung_up", None)
            return False
        *lines, self._rest = (self._rest + self._buffer[:size].tobytes()).split(b"\n")
        for line in lines:
            self._take(now, line)
        return True

    def _take(self, now: float, line: bytes) -> None:
        try:
            message = _decode(line)
        except msgspec.DecodeError:
            message = line.decode(errors="replace")
        self._observe(now, self.number, "received", message)
        if not isinstance(message, dict):
            return
        id = message.get("id")
        asked = self._asked.pop(id, None) if type(id) is int else None
        if asked is not None and type(id) is int:
            error = message.get("error")
            code = error.get("code") if isinstance(error, dict) else None
            self._replies[id] = Reply(asked, now, code, message.get("result"))

    def _lost(self) -> NoReturn:
        raise HungUp("the daemon closed the connection")


async def connect(loop: Loop, path: str, number: int, observe: Observer) -> Connection:
    """Connect to a daemon.

    Args:
        loop: the loop of the calling task.
        path: the daemon's socket.
        number: tells this connection from all others of the run.
        observe: sees every message.

    Raises:
        OSError: nobody listens there.
    """
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.setblocking(False)
    while True:
        try:
            sock.connect(path)
        except BlockingIOError:
            # The listener's backlog is full, and nothing tells when it no longer is.
            await loop.sleep(_RETRY_CONNECT)
        except OSError:
            sock.close()
            raise
        else:
            return Connection(loop, sock, number, observe)
