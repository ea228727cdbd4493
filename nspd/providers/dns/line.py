"""The socket of one question, which whoever cancels the question can close at once.

A cancelled task closes its socket when its turn comes. With a thousand questions
cancelled together the last turn comes late, and until then their sockets take
answers that nobody wants, and descriptors that others may need. So the one who
cancels hangs up: the socket is closed in that very step, and the task finds out
when it gets its turn.

anyio's `wait_readable` is not used here. On asyncio a task that has been told
that its socket is readable still gives up "its" descriptor when it resumes; by
then the descriptor may have been closed from outside and be another question's.
"""

from __future__ import annotations

import asyncio
import socket
from abc import ABC, abstractmethod
from collections.abc import Callable

import sniffio
import trio


class HungUp(Exception):
    """Somebody has hung up: nobody wants the answer any more."""


class Line(ABC):
    """At most one socket at a time; once hung up, never one again. Made by `line_maker`."""

    __slots__ = ("_socket", "is_hung_up")

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self.is_hung_up = False

    def open(self, family: int, kind: socket.SocketKind) -> socket.socket:
        """A new socket that does not block; `close` it.

        Raises:
            HungUp: as its name says.
            OSError: there is none.
        """
        if self.is_hung_up:
            raise HungUp
        assert self._socket is None, "a line has one socket at a time"
        self._socket = socket.socket(family, kind | socket.SOCK_NONBLOCK)
        return self._socket

    def close(self) -> None:
        """Close the socket, if it is open; for the task that has opened it."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def hang_up(self) -> bool:
        """Close the socket under the task that waits for it; its wait ends with `HungUp`.

        Returns:
            Whether a socket was open. If not, the task does not wait for one, and
            finds out when it opens the next.
        """
        self.is_hung_up = True
        if self._socket is None:
            return False
        self._let_go(self._socket)
        self.close()
        return True

    async def readable(self) -> None:
        """Wait until the open socket can be read from.

        Raises:
            HungUp: as its name says.
        """
        assert self._socket is not None
        await self._wait(self._socket, write=False)
        if self.is_hung_up:
            raise HungUp

    async def writable(self) -> None:
        """Wait until the open socket can be written to.

        Raises:
            HungUp: as its name says.
        """
        assert self._socket is not None
        await self._wait(self._socket, write=True)
        if self.is_hung_up:
            raise HungUp

    @abstractmethod
    async def _wait(self, connection: socket.socket, *, write: bool) -> None:
        """Wait; comes back after `_let_go`, too."""

    @abstractmethod
    def _let_go(self, connection: socket.socket) -> None:
        """Have the event loop forget the descriptor, and the task come back."""


class _AsyncioLine(Line):
    __slots__ = ("_loop", "_remove", "_waiter")

    _remove: Callable[[int], object]

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._loop = loop
        self._waiter: asyncio.Future[None] | None = None

    async def _wait(self, connection: socket.socket, *, write: bool) -> None:
        loop = self._loop
        self._waiter = waiter = loop.create_future()
        fd = connection.fileno()
        if write:
            loop.add_writer(fd, _wake, waiter)
            self._remove = loop.remove_writer
        else:
            loop.add_reader(fd, _wake, waiter)
            self._remove = loop.remove_reader
        try:
            await waiter
        finally:
            self._waiter = None
            if not self.is_hung_up:
                self._remove(fd)

    def _let_go(self, connection: socket.socket) -> None:
        if self._waiter is not None:
            self._remove(connection.fileno())
            _wake(self._waiter)


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


class _TrioLine(Line):
    __slots__ = ()

    async def _wait(self, connection: socket.socket, *, write: bool) -> None:
        wait = trio.lowlevel.wait_writable if write else trio.lowlevel.wait_readable
        try:
            await wait(connection.fileno())
        except trio.ClosedResourceError:
            raise HungUp from None

    def _let_go(self, connection: socket.socket) -> None:
        trio.lowlevel.notify_closing(connection.fileno())


def line_maker() -> Callable[[], Line]:
    """What makes lines for the running event loop."""
    if sniffio.current_async_library() == "trio":
        return _TrioLine
    loop = asyncio.get_running_loop()
    return lambda: _AsyncioLine(loop)
