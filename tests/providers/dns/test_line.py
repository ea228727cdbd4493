"""Sockets that somebody else closes: the waiting task finds out, and nobody is confused with it."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import anyio
import pytest

from nspd.providers.dns import line as line_module
from nspd.providers.dns.line import HungUp, Line, line_maker
from tests.backends import backend

pytestmark = pytest.mark.anyio

DEADLINE = 20


@contextmanager
def peer() -> Iterator[socket.socket]:
    """A UDP socket to talk to."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(DEADLINE)
        yield server


def called(line: Line, server: socket.socket) -> socket.socket:
    """A line's socket, connected, and known to the server by a message."""
    connection = line.open(socket.AF_INET, socket.SOCK_DGRAM)
    connection.connect(server.getsockname())
    connection.send(b"?")
    return connection


def answer(server: socket.socket) -> None:
    """Answer the next message."""
    _, address = server.recvfrom(10)
    server.sendto(b"!", address)


class Waiting:
    """A task that waits on a line, and how that ended."""

    def __init__(self, line: Line, *, write: bool = False) -> None:
        self._line = line
        self._write = write
        self.ended = ""

    async def run(self) -> None:
        """Wait."""
        try:
            await (self._line.writable() if self._write else self._line.readable())
            self.ended = "ready"
        except HungUp:
            self.ended = "hung up"
        finally:
            self._line.close()


async def test_a_task_waits_until_there_is_something_to_read() -> None:
    """It can read then, and its descriptor is closed by itself."""
    with peer() as server, anyio.fail_after(DEADLINE):
        line = line_maker()()
        connection = called(line, server)
        answer(server)
        await line.readable()
        assert connection.recv(10) == b"!"
        line.close()
        assert connection.fileno() == -1


async def test_hanging_up_closes_at_once_and_ends_the_wait() -> None:
    """The descriptor is closed when `hang_up` returns; the task hears of it."""
    with peer() as server, anyio.fail_after(DEADLINE):
        line = line_maker()()
        connection = called(line, server)
        waiting = Waiting(line)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(waiting.run)
            await anyio.wait_all_tasks_blocked()
            assert line.hang_up()
            assert connection.fileno() == -1
        assert waiting.ended == "hung up"


async def test_hanging_up_ends_a_wait_to_write_too() -> None:
    """A socket whose buffer is full is let go of like any other."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    with theirs, anyio.fail_after(DEADLINE):
        line = line_maker()()
        opened = line.open(socket.AF_UNIX, socket.SOCK_STREAM)
        os.dup2(ours.fileno(), opened.fileno())  # a connected socket in its place
        ours.close()
        opened.setblocking(False)
        with pytest.raises(BlockingIOError):
            while True:
                opened.send(bytes(65536))
        waiting = Waiting(line, write=True)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(waiting.run)
            await anyio.wait_all_tasks_blocked()
            assert line.hang_up()
        assert waiting.ended == "hung up"


async def test_nothing_open_is_nothing_to_hang_up() -> None:
    """The caller is told so; the line can never be opened again."""
    line = line_maker()()
    assert not line.hang_up()
    with pytest.raises(HungUp):
        line.open(socket.AF_INET, socket.SOCK_DGRAM)


@pytest.mark.parametrize("anyio_backend", [backend("asyncio in real time"), backend("uvloop")])
async def test_a_descriptor_that_is_used_again_belongs_to_its_new_owner(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An answer has come, and before the task resumes the line is hung up, its number reused.

    The resuming task must not take the new owner's wait away. (On trio a task that
    resumes does nothing to its descriptor.)
    """
    with peer() as server, anyio.fail_after(DEADLINE):
        first, other = line_maker()(), line_maker()()
        number = called(first, server).fileno()
        one, two = Waiting(first), Waiting(other)
        reused = anyio.Event()
        wake = line_module._wake

        def wake_and_reuse(waiter: asyncio.Future[None]) -> None:
            monkeypatch.setattr(line_module, "_wake", wake)
            tasks.start_soon(two.run)  # gets its turn before the task that is woken now
            wake(waiter)
            first.hang_up()
            assert called(other, server).fileno() == number
            reused.set()

        async with anyio.create_task_group() as tasks:
            monkeypatch.setattr(line_module, "_wake", wake_and_reuse)
            tasks.start_soon(one.run)
            await anyio.wait_all_tasks_blocked()
            answer(server)
            await reused.wait()
            answer(server)
        assert (one.ended, two.ended) == ("hung up", "ready")


async def test_a_cancelled_wait_leaves_the_line_to_be_closed() -> None:
    """Cancelling the task itself is as good as ever, and the descriptor is free afterwards."""
    with peer() as server:
        line = line_maker()()
        connection = called(line, server)
        waiting = Waiting(line)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(waiting.run)
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
        assert waiting.ended == ""
        assert connection.fileno() == -1
        assert not line.hang_up()
