"""The raw connection: every line is shown, in order, and replies find their requests."""

from __future__ import annotations

import socket
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from nspd.race.connection import Connection, HungUp, connect
from nspd.race.loop import Loop


class Peer:
    """The daemon's end of a connection, driven by hand, and what the observer saw."""

    def __init__(self) -> None:
        own, self.socket = socket.socketpair()
        self.loop = Loop()
        self.seen: list[tuple[str, Any]] = []
        self.connection = Connection(self.loop, own, 1, self.observe)

    def observe(self, _time: float, number: int, direction: str, message: Any) -> None:
        assert number == 1
        self.seen.append((direction, message))

    def says(self, data: bytes) -> None:
        self.socket.sendall(data)

    def hears(self) -> list[Any]:
        return [msgspec.json.decode(line) for line in self.socket.recv(65_536).splitlines()]

    def run(self, test: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self.loop.run(test(), within=10)


@pytest.fixture
def peer() -> Iterator[Peer]:
    """A connected pair; both ends are closed afterwards."""
    peer = Peer()
    with peer.socket:
        yield peer
        peer.connection.close()


def test_requests_in_one_write(peer: Peer) -> None:
    """Requests sent together arrive together, each with an id of its own, and are observed."""
    ids = peer.connection.send(("a", {}), ("b", {"x": 1}))
    heard = peer.hears()
    assert [message["id"] for message in heard] == ids == [1, 2]
    assert peer.seen == [("sent", heard[0]), ("sent", heard[1])]


def test_replies_out_of_order(peer: Peer) -> None:
    """A reply is found by its id, whatever came before it, and however its bytes were cut."""

    async def test() -> None:
        first, second = peer.connection.send(("a", {}), ("b", {}))
        peer.says(b'{"id":2,"error":{"code":10111}}\n{"id":')
        failed = await peer.connection.reply(second)
        assert (failed.code, failed.result) == (10111, None)
        assert not peer.connection.answered(first)
        peer.says(b'1,"result":5}\n')
        assert peer.connection.answered(first)
        answered = await peer.connection.reply(first)
        assert (answered.code, answered.result) == (None, 5)
        assert 0 <= failed.seconds <= answered.seconds

    peer.run(test)


def test_second_reply_is_shown(peer: Peer) -> None:
    """The observer sees a doubled reply, though nobody waits for it any more."""

    async def test() -> None:
        peer.says(b'{"id":1,"result":1}\n{"id":1,"result":2}\n')
        assert (await peer.connection.call("a")).result == 1
        assert [message for direction, message in peer.seen if direction == "received"] == [
            {"id": 1, "result": 1},
            {"id": 1, "result": 2},
        ]

    peer.run(test)


def test_rubbish_is_shown_as_text(peer: Peer) -> None:
    """A line that is no JSON reaches the observer as it is, and ends nothing."""

    async def test() -> None:
        peer.says(b'rub\xff\n{"id":1,"result":1}\n')
        await peer.connection.call("a")
        assert ("received", "rub\ufffd") in peer.seen

    peer.run(test)


def test_hung_up(peer: Peer) -> None:
    """Who waits on a connection that the daemon closes is told so, and so is the observer."""

    async def test() -> None:
        peer.socket.close()
        with pytest.raises(HungUp):
            await peer.connection.call("a")
        assert peer.seen[-1] == ("hung_up", None)

    peer.run(test)


def test_last_words_are_read(peer: Peer) -> None:
    """What the daemon wrote before it closed is read, even if sending to it fails already."""

    async def test() -> None:
        peer.says(b'{"id":1,"result":1}\n')
        peer.socket.close()
        assert (await peer.connection.call("a")).result == 1

    peer.run(test)


def test_finish_reads_to_the_end(peer: Peer) -> None:
    """Finishing shuts the sending side and takes what is still under way."""

    async def test() -> None:
        peer.says(b'{"id":9,"result":null}\n')
        peer.socket.shutdown(socket.SHUT_WR)
        await peer.connection.finish()
        assert peer.seen == [
            ("shut", None),
            ("received", {"id": 9, "result": None}),
            ("hung_up", None),
        ]
        assert peer.socket.recv(1) == b""

    peer.run(test)


def test_leave(peer: Peer) -> None:
    """Leaving is observed once, and whoever waits on that connection is told."""

    async def test() -> None:
        peer.connection.leave()
        peer.connection.leave()
        assert peer.seen == [("left", None)]
        with pytest.raises(HungUp):
            await peer.connection.reply(1)

    peer.run(test)


def test_more_than_fits(peer: Peer) -> None:
    """What the socket does not take at once is sent when it does, in order."""
    padding = "x" * 100_000

    async def test() -> None:
        ids = peer.connection.send(*[("a", {"padding": padding})] * 20)
        heard = b""
        while heard.count(b"\n") < len(ids):
            heard += peer.socket.recv(65_536)
            await peer.loop.turn()
        assert [msgspec.json.decode(line)["id"] for line in heard.splitlines()] == ids

    peer.run(test)


def test_paused(peer: Peer) -> None:
    """A paused connection reads nothing until it goes on."""

    async def test() -> None:
        [id] = peer.connection.send(("a", {}))
        peer.connection.pause()
        peer.says(b'{"id":1,"result":1}\n')
        await peer.loop.sleep(0.002)
        assert [direction for direction, _ in peer.seen] == ["sent"]
        peer.connection.go_on()
        assert (await peer.connection.reply(id)).result == 1

    peer.run(test)


def test_nobody_listens(tmp_path: Path) -> None:
    """Connecting to nobody is the system's error."""
    loop = Loop()
    with pytest.raises(FileNotFoundError):
        loop.run(connect(loop, str(tmp_path / "nobody"), 1, lambda *_: None))


def test_backlog_is_full(tmp_path: Path) -> None:
    """A listener that is behind is waited for."""
    path, loop = str(tmp_path / "s"), Loop()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(0)
        listener.setblocking(False)

        async def main() -> int:
            connections = [await connect(loop, path, 1, lambda *_: None)]
            late = loop.spawn(connect(loop, path, 2, lambda *_: None))
            await loop.sleep(0.02)
            while not late.done:
                with suppress(BlockingIOError):
                    listener.accept()[0].close()
                await loop.sleep(0.001)
            connections.append(await loop.join(late))
            for connection in connections:
                connection.close()
            return connections[1].number

        assert loop.run(main(), within=10) == 2
