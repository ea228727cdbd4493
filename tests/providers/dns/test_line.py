"""Sockets that somebody else closes: the waiting task finds out, and nobody is confused with it."""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import pytest

from nspd.providers.dns.line import HungUp, Line, Sockets, open_sockets

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
    """Again and again on one socket; nothing is told twice."""
    with peer() as server, open_sockets() as sockets, anyio.fail_after(DEADLINE):
        line = sockets.line()
        connection = called(line, server)
        for _ in range(3):
            answer(server)
            await line.readable()
            assert connection.recv(10) == b"!"
            with pytest.raises(BlockingIOError):
                connection.recv(10)
            connection.send(b"?")
        line.close()
        assert connection.fileno() == -1


async def test_hanging_up_closes_at_once_and_ends_the_wait() -> None:
    """The descriptor is closed when `hang_up` returns; the task hears of it when it is told."""
    with peer() as server, open_sockets() as sockets, anyio.fail_after(DEADLINE):
        line = sockets.line()
        connection = called(line, server)
        waiting = Waiting(line)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(waiting.run)
            await anyio.wait_all_tasks_blocked()
            news = line.hang_up()
            assert connection.fileno() == -1
            assert news is not None
            news.set()
        assert waiting.ended == "hung up"


async def test_hanging_up_ends_a_wait_to_write_too() -> None:
    """A socket whose buffer is full is let go of like any other."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    with theirs, open_sockets() as sockets, anyio.fail_after(DEADLINE):
        line = sockets.line()
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
            news = line.hang_up()
            assert news is not None
            news.set()
        assert waiting.ended == "hung up"


async def test_a_line_that_was_hung_up_is_never_opened() -> None:
    """Whoever comes too late is told so."""
    with open_sockets() as sockets:
        line = sockets.line()
        assert line.hang_up() is None
        with pytest.raises(HungUp):
            line.open(socket.AF_INET, socket.SOCK_DGRAM)
        with pytest.raises(HungUp), line.interrupting():
            pytest.fail("there is nothing to wait for")


async def test_hanging_up_ends_other_waits_within_the_context() -> None:
    """A task may wait for its turn, too; what it does afterwards is its own."""
    ended: list[str] = []
    with open_sockets() as sockets, anyio.fail_after(DEADLINE):
        line = sockets.line()

        async def wait() -> None:
            try:
                with line.interrupting():
                    await anyio.sleep_forever()
            except HungUp:
                ended.append("hung up")

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait)
            await anyio.wait_all_tasks_blocked()
            line.hang_up()
        assert ended == ["hung up"]


async def test_what_was_got_before_one_hangs_up_is_not_lost() -> None:
    """Who was given something in the same step goes on, and can give it back."""
    places = anyio.Semaphore(0)
    ended: list[str] = []
    with open_sockets() as sockets, anyio.fail_after(DEADLINE):
        line = sockets.line()

        async def wait() -> None:
            with line.interrupting():
                await places.acquire()
            ended.append("has a place")
            places.release()
            with pytest.raises(HungUp):
                line.open(socket.AF_INET, socket.SOCK_DGRAM)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait)
            await anyio.wait_all_tasks_blocked()
            places.release()
            line.hang_up()
        assert (ended, places.value) == (["has a place"], 1)


async def test_a_descriptor_that_is_used_again_belongs_to_its_new_owner(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An answer has come, and before the task resumes the line is hung up, its number reused.

    The resuming task must not take the new owner's wait away.
    """
    tell = Sockets.tell
    owned = anyio.Event()
    answered = anyio.Event()

    def tell_and_reuse(sockets: Sockets) -> None:
        tell(sockets)
        if owned.is_set() or first._ready is None or not first._ready.is_set():
            return
        first.hang_up()
        assert called(other, server).fileno() == number
        sockets.watch(number, select.EPOLLIN, answered, again=False)
        owned.set()

    monkeypatch.setattr(Sockets, "tell", tell_and_reuse)
    with peer() as server, open_sockets() as sockets, anyio.fail_after(DEADLINE):
        first, other = sockets.line(), sockets.line()
        number = called(first, server).fileno()
        waiting = Waiting(first)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(waiting.run)
            await anyio.wait_all_tasks_blocked()
            answer(server)
            await owned.wait()
        assert waiting.ended == "hung up"
        answer(server)
        await answered.wait()
        other.close()


async def test_a_cancelled_wait_leaves_the_line_to_be_closed() -> None:
    """Cancelling the task itself is as good as ever, and the descriptor is free afterwards."""
    with peer() as server, open_sockets() as sockets:
        line = sockets.line()
        connection = called(line, server)
        waiting = Waiting(line)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(waiting.run)
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
        assert waiting.ended == ""
        assert connection.fileno() == -1


async def test_closing_lets_go_of_the_descriptors() -> None:
    """The epoll is closed, and the event loop does not watch it any more."""

    def descriptors() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    before = descriptors()
    with open_sockets():
        assert descriptors() == before + 1
        await anyio.lowlevel.checkpoint()
    assert descriptors() == before


@pytest.mark.parametrize("turns", range(5))
async def test_sockets_may_be_closed_at_any_moment(turns: int) -> None:
    """Before the event loop has looked at them once, or with an answer just come."""
    with peer() as server:
        with open_sockets() as sockets:
            line = sockets.line()
            called(line, server)
            waiting = Waiting(line)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(waiting.run)
                await anyio.wait_all_tasks_blocked()
                answer(server)
                for _ in range(turns):
                    await anyio.lowlevel.checkpoint()
                tasks.cancel_scope.cancel()
        with open_sockets():
            pass
        await anyio.wait_all_tasks_blocked()
