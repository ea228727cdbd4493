from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from nspd.client.outbox import Outbox


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two connected sockets."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def test_what_finds_no_room_goes_first_later(pair: tuple[socket.socket, socket.socket]) -> None:
    """An offer never waits; what is left of a line is sent before the next one."""
    ours, theirs = pair
    outbox = Outbox(ours)
    lines = [bytes([65 + number]) * 100_000 + b"\n" for number in range(20)]
    for line in lines:
        outbox.offer(line)
    assert outbox.waiting
    received = b""
    while len(received) < sum(map(len, lines)):
        received += theirs.recv(1 << 20)
        outbox.flush()
    assert received == b"".join(lines)
    assert not outbox.waiting


def test_an_offer_while_somebody_sends_waits_its_turn(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    """A finalizer may run inside a send: it neither blocks nor cuts that line in two."""
    ours, theirs = pair
    outbox = Outbox(ours)
    with outbox.sending:
        outbox.offer(b"late\n")
        outbox.send(b"now\n")
    assert theirs.recv(100) == b"late\nnow\n"


class Interrupting:
    """A socket whose send is interrupted once, after some bytes or before any."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._interrupted = False

    def send(self, data: bytes, flags: int) -> int:
        if not self._interrupted:
            self._interrupted = True
            raise KeyboardInterrupt
        return self._sock.send(data[:3], flags)


def test_an_interrupted_send_is_completed_by_the_next(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    """Ctrl-C loses no byte of what was to be sent, and repeats none."""
    ours, theirs = pair
    outbox = Outbox(Interrupting(ours))  # type: ignore[arg-type]  # has what is used of a socket
    with outbox.sending, pytest.raises(KeyboardInterrupt):
        outbox.send(b"first\n")
    with outbox.sending:
        outbox.send(b"second\n")
    assert theirs.recv(100) == b"first\nsecond\n"


def test_a_dead_peer_is_left_to_the_reader(pair: tuple[socket.socket, socket.socket]) -> None:
    """Sending to a closed peer raises nothing; whoever reads finds the end."""
    ours, theirs = pair
    theirs.close()
    outbox = Outbox(ours)
    with outbox.sending:
        outbox.send(b"lost\n")
    outbox.offer(b"lost\n")
    assert not outbox.waiting
    assert ours.recv(1) == b""
