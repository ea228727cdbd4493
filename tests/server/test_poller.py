"""One epoll for all sockets."""

from __future__ import annotations

import select
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import anyio
import pytest

from nspd.server.poller import GONE, READ, WRITE, Poller
from tests.server.house import until

pytestmark = pytest.mark.anyio


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two connected sockets."""
    ours, theirs = socket.socketpair()
    for each in (ours, theirs):
        each.setblocking(False)
    with ours, theirs:
        yield ours, theirs


@asynccontextmanager
async def running() -> AsyncIterator[Poller]:
    """A poller that is served."""
    poller = Poller()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(poller.run)
        yield poller
        tasks.cancel_scope.cancel()
    poller.close()


async def test_events_come_until_they_are_seen_to(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    """Level-triggered: what is not read is told again."""
    ours, theirs = pair
    events: list[int] = []
    async with running() as poller:
        poller.register(ours.fileno(), READ, events.append)
        theirs.send(b"x")
        await until(lambda: len(events) >= 3)
        assert set(events) == {READ}
        ours.recv(1)
        poller.unregister(ours.fileno())
        poller.unregister(ours.fileno())


async def test_interest_can_be_changed(pair: tuple[socket.socket, socket.socket]) -> None:
    """With no interest at all only a peer that is gone is told, without reading (POLLHUP)."""
    ours, theirs = pair
    events: list[int] = []
    async with running() as poller:
        poller.register(ours.fileno(), WRITE, events.append)
        await until(lambda: events)
        assert set(events) == {WRITE}
        poller.modify(ours.fileno(), 0)
        theirs.send(b"unread")
        await anyio.lowlevel.checkpoint()
        events.clear()
        theirs.close()
        await until(lambda: events)
        assert all(event & GONE and not event & select.EPOLLIN for event in events)
        poller.unregister(ours.fileno())


async def test_call_soon_comes_in_the_next_turn() -> None:
    """Functions are called in order, not within `call_soon`, and may ask for another turn."""
    order: list[str] = []
    async with running() as poller:

        def first() -> None:
            order.append("first")
            poller.call_soon(lambda: order.append("third"))

        poller.call_soon(first)
        poller.call_soon(lambda: order.append("second"))
        assert order == []
        await until(lambda: len(order) == 3)
        assert order == ["first", "second", "third"]


async def test_a_new_descriptor_gets_no_event_of_an_old_one(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    """What was ready under a number in a turn is not told to whoever has that number since."""
    ours, theirs = pair
    old: list[str] = []
    new: list[int] = []
    async with running() as poller:

        def handler(name: str, other: socket.socket) -> None:
            old.append(name)
            if len(old) == 1:
                poller.unregister(other.fileno())
                poller.register(other.fileno(), READ, new.append)

        poller.register(ours.fileno(), WRITE, lambda events: handler("ours", theirs))
        poller.register(theirs.fileno(), WRITE, lambda events: handler("theirs", ours))
        await until(lambda: len(old) >= 5)
        assert new == []
        for each in pair:
            poller.unregister(each.fileno())


class Noted:
    """Notes what the poller has it do."""

    def __init__(self, poller: Poller, name: str, stages: list[str]) -> None:
        self._poller = poller
        self._name = name
        self._stages = stages

    def carry_out(self) -> None:
        self._stages.append(f"work {self._name}")
        self._poller.before_waiting(self)
        if self._name == "broken":
            raise ArithmeticError

    def send(self) -> bool:
        self._stages.append(f"send {self._name}")
        return True

    def failed(self) -> None:
        assert isinstance(sys.exc_info()[1], ArithmeticError)
        self._stages.append(f"failed {self._name}")


async def test_a_turn_reads_all_then_works_then_sends(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    """Nothing is carried out before all that is ready was read, nor sent before all is done."""
    stages: list[str] = []
    async with running() as poller:

        def handler(name: str, own: socket.socket) -> None:
            own.recv(1)
            stages.append(f"read {name}")
            poller.after_reading(Noted(poller, name, stages))

        ours, theirs = pair
        ours.send(b"x")
        theirs.send(b"x")
        poller.register(ours.fileno(), READ, lambda _events: handler("a", ours))
        poller.register(theirs.fileno(), READ, lambda _events: handler("b", theirs))
        await until(lambda: len(stages) == 6)
        assert [stage.split()[0] for stage in stages] == ["read"] * 2 + ["work"] * 2 + ["send"] * 2
        assert stages[2][-1] == stages[0][-1], "first read, first carried out"
        for each in pair:
            poller.unregister(each.fileno())


async def test_what_is_called_soon_may_use_the_stages() -> None:
    """Work asked for outside of a turn is carried out in the next one, and sent at its end."""
    stages: list[str] = []
    async with running() as poller:
        poller.call_soon(lambda: poller.after_reading(Noted(poller, "a", stages)))
        poller.call_soon(lambda: stages.append("other work"))
        await until(lambda: len(stages) == 3)
        assert stages == ["other work", "work a", "send a"]


async def test_a_failing_step_costs_nobody_else_his_turn() -> None:
    """Whoever raises is told, within the handling of it; the others go on."""
    stages: list[str] = []
    async with running() as poller:

        def turn() -> None:
            for name in ("a", "broken", "b"):
                poller.after_reading(Noted(poller, name, stages))

        poller.call_soon(turn)
        await until(lambda: len(stages) == 7)
        assert stages[:4] == ["work a", "work broken", "failed broken", "work b"]
        assert stages[4:] == ["send a", "send broken", "send b"]
