"""One connection that speaks protocol lines, and shows every one of them to an observer.

Not the client library: the judge must see what is on the wire, in the order in
which it was written and read.
"""

from __future__ import annotations

import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, NoReturn

import anyio
import msgspec
from msgspec import Struct

from nspd.race.judge import Direction

Observer = Callable[[float, int, Direction, Any], None]
"""Takes (time in seconds, number of the connection, direction, message)."""

_CHUNK = 65_536
_RETRY_CONNECT = 0.01


class HungUp(Exception):
    """The daemon closed the connection."""


class Reply(Struct, frozen=True):
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
    """A connection for one task: what it sends is written at once, and it reads when it waits."""

    def __init__(self, sock: socket.socket, number: int, observe: Observer) -> None:
        """Take over a connected, non-blocking socket; whoever made it closes it."""
        self._socket = sock
        self.number = number
        """Tells it from the other connections of the run."""
        self._observe = observe
        self._last_id = 0
        self._asked: dict[int, float] = {}
        self._replies: dict[int, Reply] = {}
        self._rest = b""

    async def send(self, *requests: tuple[str, dict[str, Any]]) -> list[int]:
        """Write requests in one piece, and return their ids."""
        ids = []
        lines = []
        now = time.monotonic()
        for method, params in requests:
            self._last_id += 1
            message = {"jsonrpc": "2.0", "id": self._last_id, "method": method, "params": params}
            self._asked[self._last_id] = now
            self._observe(now, self.number, "sent", message)
            ids.append(self._last_id)
            lines.append(msgspec.json.encode(message) + b"\n")
        await self._write(b"".join(lines))
        return ids

    async def reply(self, id: int) -> Reply:
        """Read until this request is answered.

        Raises:
            HungUp: the daemon closed the connection first.
        """
        while id not in self._replies:
            if not self._take_what_came():
                await anyio.wait_readable(self._socket)
        return self._replies.pop(id)

    async def call(self, method: str, **params: Any) -> Reply:
        """Send one request and read until it is answered."""
        [id] = await self.send((method, params))
        return await self.reply(id)

    def answered(self, id: int) -> bool:
        """Read what has come, without waiting, and tell whether this request is answered."""
        while id not in self._replies and self._take_what_came():
            pass
        return id in self._replies

    async def finish(self) -> None:
        """Shut the sending side and read to the end, so that no late reply goes unseen."""
        try:
            self._socket.shutdown(socket.SHUT_WR)
            while True:
                if not self._take_what_came():
                    await anyio.wait_readable(self._socket)
        except (HungUp, OSError):
            return

    async def _write(self, data: bytes) -> None:
        while data:
            try:
                data = data[self._socket.send(data) :]
            except BlockingIOError:
                await anyio.wait_writable(self._socket)
            except OSError as error:
                self._hung_up(error)

    def _take_what_came(self) -> bool:
        """Read once. False: nothing is there yet."""
        try:
            chunk = self._socket.recv(_CHUNK)
        except BlockingIOError:
            return False
        except OSError as error:
            self._hung_up(error)
        if not chunk:
            self._hung_up()
        now = time.monotonic()
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            self._take(now, line)
        return True

    def _take(self, now: float, line: bytes) -> None:
        try:
            message = msgspec.json.decode(line)
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

    def _hung_up(self, cause: OSError | None = None) -> NoReturn:
        self._observe(time.monotonic(), self.number, "hung_up", None)
        raise HungUp("the daemon closed the connection") from cause


@asynccontextmanager
async def connected(path: str, number: int, observe: Observer) -> AsyncIterator[Connection]:
    """Connect to a daemon; the socket is closed at the end.

    Args:
        path: its socket.
        number: tells this connection from all others of the run.
        observe: sees every message.

    Raises:
        OSError: nobody listens there.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.setblocking(False)
        while True:
            try:
                sock.connect(path)
                break
            except BlockingIOError:
                # The listener's backlog is full, and nothing tells when it no longer is.
                await anyio.sleep(_RETRY_CONNECT)
        yield Connection(sock, number, observe)
