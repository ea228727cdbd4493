"""The raw connection: every line is shown, in order, and replies find their requests."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from nspd.race.connection import Connection, HungUp

pytestmark = pytest.mark.anyio


class Peer:
    """The daemon's end of a connection, driven by hand, and what the observer saw."""

    def __init__(self) -> None:
        own, self.socket = socket.socketpair()
        own.setblocking(False)
        self.client_socket = own
        self.seen: list[tuple[str, Any]] = []
        self.connection = Connection(own, 1, self.observe)

    def observe(self, _time: float, number: int, direction: str, message: Any) -> None:
        assert number == 1
        self.seen.append((direction, message))

    def says(self, data: bytes) -> None:
        self.socket.sendall(data)

    def hears(self) -> list[Any]:
        return [msgspec.json.decode(line) for line in self.socket.recv(65_536).splitlines()]


@pytest.fixture
def peer() -> Iterator[Peer]:
    """A connected pair; both ends are closed afterwards."""
    peer = Peer()
    with peer.socket, peer.client_socket:
        yield peer


async def test_requests_in_one_write(peer: Peer) -> None:
    """Requests sent together arrive together, each with an id of its own, and are observed."""
    ids = await peer.connection.send(("a", {}), ("b", {"x": 1}))
    heard = peer.hears()
    assert [message["id"] for message in heard] == ids == [1, 2]
    assert peer.seen == [("sent", heard[0]), ("sent", heard[1])]


async def test_replies_out_of_order(peer: Peer) -> None:
    """A reply is found by its id, whatever came before it, and however its bytes were cut."""
    first, second = await peer.connection.send(("a", {}), ("b", {}))
    peer.says(b'{"id":2,"error":{"code":10111}}\n{"id":')
    failed = await peer.connection.reply(second)
    assert (failed.code, failed.result) == (10111, None)
    assert not peer.connection.answered(first)
    peer.says(b'1,"result":5}\n')
    assert peer.connection.answered(first)
    answered = await peer.connection.reply(first)
    assert (answered.code, answered.result) == (None, 5)
    assert 0 <= failed.seconds <= answered.seconds


async def test_second_reply_is_shown(peer: Peer) -> None:
    """The observer sees a doubled reply, though nobody waits for it any more."""
    peer.says(b'{"id":1,"result":1}\n{"id":1,"result":2}\n')
    assert (await peer.connection.call("a")).result == 1
    assert [message for direction, message in peer.seen if direction == "received"] == [
        {"id": 1, "result": 1},
        {"id": 1, "result": 2},
    ]


async def test_rubbish_is_shown_as_text(peer: Peer) -> None:
    """A line that is no JSON reaches the observer as it is, and ends nothing."""
    peer.says(b'rub\xff\n{"id":1,"result":1}\n')
    await peer.connection.call("a")
    assert ("received", "rub\ufffd") in peer.seen


async def test_hung_up(peer: Peer) -> None:
    """Who waits on a connection that the daemon closes is told so, and so is the observer."""
    peer.socket.close()
    with pytest.raises(HungUp):
        await peer.connection.call("a")
    assert peer.seen[-1] == ("hung_up", None)


async def test_finish_reads_to_the_end(peer: Peer) -> None:
    """Finishing shuts the sending side and takes what is still under way."""
    peer.says(b'{"id":9,"result":null}\n')
    peer.socket.shutdown(socket.SHUT_WR)
    await peer.connection.finish()
    assert peer.seen == [("received", {"id": 9, "result": None}), ("hung_up", None)]
    assert peer.socket.recv(1) == b""
