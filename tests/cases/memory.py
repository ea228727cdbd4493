"""The daemon's sockets, in memory: what a client writes is read in the same step.

So a test says at which point a request takes effect, and nothing of the kernel's
timing comes into it. Replies that come later leave in a task of their own, as
they do in the daemon.
"""

from __future__ import annotations

import socket
import struct
from collections import deque
from collections.abc import Callable
from typing import cast

import anyio
from anyio.lowlevel import checkpoint

from nspd.server.poller import GONE, READ, WRITE, Handler, Poller

_HUNG_UP = 1 << 4  # EPOLLHUP


class MemorySocket:
    """The daemon's end of one connection; ``taken`` gets what the daemon sends."""

    def __init__(
        self, descriptor: int, uid: int, poller: MemoryPoller, taken: Callable[[bytes], None]
    ) -> None:
        self._descriptor = descriptor
        self._uid = uid
        self._poller = poller
        self._taken = taken
        self._inbound = bytearray()
        self._input_over = False
        self._unread = bytearray()
        self.gone = False
        """The client has closed altogether."""
        self.closed = False
        """The daemon has hung up."""
        self.room: int | None = None
        """Bytes that the client's end holds while it does not read; None: it reads."""

    # The client's side

    def write(self, data: bytes) -> None:
        """Send bytes to the daemon, which reads them at once."""
        if not self.closed:
            self._inbound += data
            self._poller.serve(self._descriptor)

    def end_input(self) -> None:
        """Shut down the client's writing side."""
        self._input_over = True
        self._poller.serve(self._descriptor)

    def vanish(self) -> None:
        """Close the client's end; the daemon is told at once."""
        self.gone = True
        self._poller.serve(self._descriptor)

    def stop_reading(self, room: int) -> None:
        """Let so many more bytes into the client's end, and no more."""
        self.room = room

    def read_again(self) -> None:
        """Take what has come meanwhile, and all that follows."""
        self.room = None
        unread, self._unread = bytes(self._unread), bytearray()
        self._taken(unread)
        self._poller.kick()

    @property
    def ready(self) -> int:
        """The events that an epoll would report."""
        events = 0
        if self._inbound or self._input_over or self.gone:
            events |= READ
        if self.room is None or len(self._unread) < self.room:
            events |= WRITE
        return events | (_HUNG_UP if self.gone else 0)

    # The daemon's side: the part of `socket.socket` that it uses

    def fileno(self) -> int:
        return self._descriptor

    def setblocking(self, flag: bool) -> None:
        assert not flag

    def getsockopt(self, level: int, option: int, size: int) -> bytes:
        if option == socket.SO_PEERCRED:
            return struct.pack("3i", 4242, self._uid, self._uid)
        return b""

    def recv(self, size: int) -> bytes:
        if self.gone:
            raise ConnectionResetError
        if not self._inbound and not self._input_over:
            raise BlockingIOError
        data = bytes(self._inbound[:size])
        del self._inbound[:size]
        return data

    def send(self, data: memoryview) -> int:
        if self.gone:
            raise BrokenPipeError
        if self.room is None:
            self._taken(bytes(data))
            return len(data)
        fits = min(len(data), self.room - len(self._unread))
        if fits <= 0:
            raise BlockingIOError
        self._unread += data[:fits]
        return fits

    def shutdown(self, how: int) -> None:
        assert how == socket.SHUT_WR

    def close(self) -> None:
        self.closed = True


class MemoryListener:
    """The listening socket: clients that connected wait here to be accepted."""

    def __init__(self, poller: MemoryPoller) -> None:
        self._poller = poller
        self._queue: deque[MemorySocket] = deque()
        self._open = True

    def connect(self, client: MemorySocket) -> None:
        """Have the daemon accept a client, at once."""
        if not self._open:
            raise ConnectionRefusedError
        self._queue.append(client)
        self._poller.sockets[client.fileno()] = client
        self._poller.serve(self.fileno())

    @property
    def ready(self) -> int:
        return READ if self._queue else 0

    def fileno(self) -> int:
        return 0 if self._open else -1

    def accept(self) -> tuple[socket.socket, str]:
        if not self._queue:
            raise BlockingIOError
        return cast(socket.socket, self._queue.popleft()), ""

    def close(self) -> None:
        self._open = False


class MemoryPoller(Poller):
    """The daemon's poller over sockets in memory."""

    soon_is_cheap = False  # each reply leaves in the step that makes it

    def __init__(self) -> None:
        self.sockets: dict[int, MemorySocket | MemoryListener] = {}
        self._registered: dict[int, tuple[int, Handler]] = {}
        self._later: deque[Callable[[], None]] = deque()
        self._work = deque()
        self._sends = deque()
        self.after_reading = self._work.append
        self.before_waiting = self._sends.append
        self._kicked_awake = anyio.Event()
        self._busy = False

    def register(self, descriptor: int, events: int, handler: Handler) -> None:
        self._registered[descriptor] = events, handler

    def modify(self, descriptor: int, events: int) -> None:
        self._registered[descriptor] = events, self._registered[descriptor][1]
        self.kick()

    def unregister(self, descriptor: int) -> None:
        self._registered.pop(descriptor, None)

    def call_soon(self, function: Callable[[], None]) -> None:
        self._later.append(function)
        self.kick()

    def kick(self) -> None:
        """Have `run` look at everything again."""
        self._kicked_awake.set()

    def serve(self, descriptor: int) -> None:
        """Serve one descriptor now; if the daemon is just serving another, soon."""
        if self._busy:
            self.kick()
            return
        self._busy = True
        try:
            while self._serve_once(descriptor):
                pass
        finally:
            self._busy = False

    def _serve_once(self, descriptor: int) -> bool:
        wanted, handler = self._registered.get(descriptor, (0, None))
        if handler is None:
            return False
        events = self.sockets[descriptor].ready & (wanted | GONE)
        if events:
            handler(events)
            self._finish_turn()
        return bool(events)

    def _turn(self) -> None:
        for descriptor in list(self._registered):
            self.serve(descriptor)
        later, self._later = self._later, deque()
        self._busy = True
        try:
            for function in later:
                function()
            self._finish_turn()
        finally:
            self._busy = False

    async def run(self) -> None:
        while True:
            await self._kicked_awake.wait()
            self._kicked_awake = anyio.Event()
            self._turn()
            await checkpoint()

    def close(self) -> None:
        """Nothing is open."""
