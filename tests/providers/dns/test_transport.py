"""One query at one server: sockets, and where replies are read."""

from __future__ import annotations

import errno
import os
import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import anyio
import dns.message
import dns.name
import dns.rdatatype
import pytest
from anyio.lowlevel import checkpoint

from nspd.model import errors
from nspd.providers.dns.line import HungUp, Line, open_sockets
from nspd.providers.dns.messages import Query
from nspd.providers.dns.servers import parse_server
from nspd.providers.dns.transport import Exchange, Transport, Unreachable
from tests.providers.dns.fakes import FakeServer, answering, nobody

pytestmark = pytest.mark.anyio

DEADLINE = 20

good = answering("A", "192.0.2.1")


def exchange(server: object, transport: Transport, line: Line) -> Exchange:
    query = Query(dns.name.from_text("www.example.test"), dns.rdatatype.A, id=0x1234)
    return Exchange(parse_server(str(server)), query, transport, anyio.CapacityLimiter(1), line)


async def reply_of(server: object, transport: Transport) -> dns.message.Message:
    """What a server answers."""
    with open_sockets() as sockets:
        return await exchange(server, transport, sockets.line()).run()


@pytest.mark.parametrize("how", ["udp", "tcp"])
async def test_a_query_is_answered(how: Transport) -> None:
    """Both transports bring the reply."""
    with FakeServer(good) as fake:
        reply = await reply_of(fake, how)
        assert reply.answer[0][0].to_text() == "192.0.2.1"
        assert fake.asked[0].transport == how


@pytest.mark.parametrize("how", ["udp", "tcp"])
async def test_a_closed_port_is_unreachable(how: Transport) -> None:
    """The network says so; nothing is waited for."""
    with nobody() as nowhere, pytest.raises(Unreachable, match="Connection refused"):
        await reply_of(nowhere, how)


@pytest.mark.parametrize("how", ["udp", "tcp"])
@pytest.mark.parametrize("scope", ["nowhere0", "999999999999999"])
async def test_a_missing_interface_is_unreachable(how: Transport, scope: str) -> None:
    """A scope without an interface is no way to the server, and not our own lack."""
    with pytest.raises(Unreachable):
        await reply_of(f"fe80::1%{scope}", how)


@contextmanager
def no_descriptors() -> Iterator[None]:
    """The process can open no more files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest_free = os.dup(0)
    os.close(lowest_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("how", ["udp", "tcp"])
async def test_without_a_descriptor_it_is_our_own_lack(how: Transport) -> None:
    """The server is not to blame: 10055."""
    with open_sockets() as sockets:
        asking = exchange("127.0.0.1", how, sockets.line())
        with no_descriptors(), pytest.raises(errors.NoBuffers, match="Too many open files"):
            await asking.run()


@pytest.mark.parametrize("how", ["udp", "tcp"])
async def test_without_a_watch_it_is_our_own_lack(
    how: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The user's limit of watched descriptors (epoll(7), max_user_watches) is not the server's."""

    def refuse(*watched: object, **how: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with FakeServer(good) as fake, open_sockets() as sockets:
        line = sockets.line()
        monkeypatch.setattr(sockets, "watch", refuse)
        with pytest.raises(errors.NoBuffers, match="No space left"):
            await exchange(fake, how, line).run()
        assert line.hang_up() is None


@pytest.mark.parametrize(("addresses", "apart"), [(1, False), (300, True)])
async def test_long_replies_are_read_apart(
    addresses: int, apart: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The event loop reads short replies itself; a long one would hold it up."""
    readers: list[threading.Thread] = []

    def noted(query: Query, wire: bytes) -> dns.message.Message:
        readers.append(threading.current_thread())
        return read(query, wire)

    read = Query.read
    monkeypatch.setattr(Query, "read", noted)
    data = [f"198.51.{100 + number // 200}.{number % 200}" for number in range(addresses)]
    with FakeServer(answering("A", *data)) as fake:
        reply = await reply_of(fake, "tcp")
    assert len(reply.answer[0]) == addresses
    assert [reader is not threading.current_thread() for reader in readers] == [apart]


async def test_a_long_reply_that_nobody_wants_any_more_is_not_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Who is hung up while others have the reader leaves the queue; it is not waited for."""
    read: list[bytes] = []
    monkeypatch.setattr(Query, "read", lambda query, wire: read.append(wire))
    query = Query(dns.name.from_text("www.example.test"), dns.rdatatype.A, id=0x1234)
    reader = anyio.CapacityLimiter(1)
    data = [f"198.51.{100 + number // 200}.{number % 200}" for number in range(300)]
    ended: list[str] = []
    with FakeServer(answering("A", *data)) as fake, open_sockets() as sockets:
        line = sockets.line()

        async def asking() -> None:
            with pytest.raises(HungUp):
                await Exchange(parse_server(str(fake)), query, "tcp", reader, line).run()
            ended.append("hung up")

        with anyio.fail_after(DEADLINE):
            async with reader, anyio.create_task_group() as tasks:
                tasks.start_soon(asking)
                while not reader.statistics().tasks_waiting:
                    await checkpoint()
                line.hang_up()
    assert (ended, read) == (["hung up"], [])
