"""The sockets of questions: one epoll for all of a resolver, and a line for each question.

Whoever cancels a question hangs up its line: the socket is closed in that very
step, and the task that waits for it finds out when it gets its turn. A task that
closes its socket itself does so late when a thousand are cancelled together, and
until then its descriptor is missing where others may need it.

An epoll of our own, because the event loops' ways to wait for a socket do not
allow for that: on asyncio a task that has been told that it can read still gives
up "its" descriptor when it resumes, and by then that may be another question's.
It also costs one system call where uvloop needs five.
"""

from __future__ import annotations

import asyncio
import os
import select
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import anyio
import sniffio
import trio

_ONCE = select.EPOLLONESHOT
_UNKNOWN = -1

_AT_ONCE = 256
"""Lines told in one turn of the event loop."""


class HungUp(Exception):
    """Somebody has hung up: nobody wants the answer any more."""


class Line:
    """At most one socket at a time; once hung up, never one again. Made by `Sockets.line`."""

    __slots__ = ("_number", "_ready", "_scope", "_socket", "_sockets", "is_hung_up")

    def __init__(self, sockets: Sockets) -> None:
        self._sockets = sockets
        self._socket: socket.socket | None = None
        self._number = _UNKNOWN  # of a socket that the epoll knows
        self._ready: anyio.Event | None = None
        self._scope: anyio.CancelScope | None = None
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
        """Close the socket, if it is open."""
        if self._socket is not None:
            if self._number != _UNKNOWN:
                self._sockets.forget(self._number)
                self._number = _UNKNOWN
            closing, self._socket = self._socket, None
            os.close(closing.detach())  # as `close` does it, in fewer calls

    def hang_up(self) -> anyio.Event | None:
        """Close the socket at once; whatever the task waits for here ends with `HungUp`.

        Returns:
            What to set for the task to find that out, if it waits for its socket.
            That has time: nobody waits for the task, and nothing is held any more.
        """
        self.is_hung_up = True
        self.close()
        if self._scope is not None:
            self._scope.cancel()
        return self._ready

    async def readable(self) -> None:
        """Wait until the open socket can be read from.

        Raises:
            HungUp: as its name says.
        """
        await self._wait(select.EPOLLIN)

    async def writable(self) -> None:
        """Wait until the open socket can be written to.

        Raises:
            HungUp: as its name says.
        """
        await self._wait(select.EPOLLOUT)

    async def _wait(self, events: int) -> None:
        assert self._socket is not None
        ready = anyio.Event()
        number = self._socket.fileno()
        self._sockets.watch(number, events, ready, again=self._number != _UNKNOWN)
        self._number = number
        self._ready = ready
        try:
            await ready.wait()
        finally:
            self._ready = None
        if self.is_hung_up:
            raise HungUp

    @contextmanager
    def interrupting(self) -> Iterator[None]:
        """Within this context, waiting for something else than a socket ends with `HungUp`, too.

        Who had what it waited for before somebody hung up goes on with it, so that
        it can be given back.

        Raises:
            HungUp: as its name says.
        """
        if self.is_hung_up:
            raise HungUp
        with anyio.CancelScope() as scope:
            self._scope = scope
            try:
                yield
            finally:
                self._scope = None
        if scope.cancelled_caught:
            raise HungUp


class Sockets:
    """All sockets that lines wait for. Opened and closed by `open_sockets`."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._waiting: dict[int, anyio.Event] = {}

    def line(self) -> Line:
        """A line for one question."""
        return Line(self)

    def watch(self, number: int, events: int, ready: anyio.Event, *, again: bool) -> None:
        """Set `ready` once a descriptor is ready; `again` if it was watched before.

        Raises:
            OSError: it cannot be watched.
        """
        if again:
            self._epoll.modify(number, events | _ONCE)
        else:
            self._epoll.register(number, events | _ONCE)
        self._waiting[number] = ready

    def forget(self, number: int) -> None:
        """A watched descriptor is about to be closed, which takes it out of the epoll, too."""
        self._waiting.pop(number, None)

    def tell(self) -> None:
        """Wake those whose descriptors are ready. None of them runs before this returns."""
        for number, _ in self._epoll.poll(0, _AT_ONCE):
            ready = self._waiting.pop(number, None)
            if ready is not None:
                ready.set()

    async def tell_on_trio(self) -> None:
        """Wake those whose descriptors are ready until the epoll is closed."""
        try:
            # It may have been closed before the task's first step, and before any other.
            while not self._epoll.closed:
                self.tell()
                await trio.lowlevel.wait_readable(self._epoll.fileno())
        except trio.ClosedResourceError:
            pass

    @contextmanager
    def told(self) -> Iterator[None]:
        """Have the running event loop watch the epoll."""
        if sniffio.current_async_library() == "trio":
            trio.lowlevel.spawn_system_task(self.tell_on_trio)
            try:
                yield
            finally:
                trio.lowlevel.notify_closing(self._epoll.fileno())
        else:
            loop = asyncio.get_running_loop()
            loop.add_reader(self._epoll.fileno(), self.tell)
            try:
                yield
            finally:
                loop.remove_reader(self._epoll.fileno())

    def close(self) -> None:
        """Let go of the epoll."""
        self._epoll.close()


@contextmanager
def open_sockets() -> Iterator[Sockets]:
    """Sockets of the running event loop; what waits for one must be over before this is."""
    sockets = Sockets()
    try:
        with sockets.told():
            yield sockets
    finally:
        sockets.close()
