"""Who is given up on too early, or holds up others when he goes."""

from __future__ import annotations

import weakref
from typing import cast

import anyio
import pytest
from anyio.lowlevel import checkpoint

from nspd.core.limits import Limits
from nspd.core.lookup import Lookup
from nspd.core.sweeper import SLICE, Sweeper
from tests.backends import VIRTUAL_TIME
from tests.cases import harness as memory
from tests.core.world import Log
from tests.server.house import open_house, until

pytestmark = pytest.mark.anyio


class _Closable:
    """Stands for a lookup that is swept."""

    handle = 7

    def close(self) -> None:
        """It takes no time."""


async def test_swept_lookups_are_let_go_of_one_slice_at_a_time() -> None:
    """Freeing all of 100,000 at the end of their sweep would hold everybody up."""
    sweeper = Sweeper(Log())
    swept = [_Closable() for _ in range(3 * SLICE)]
    left = weakref.WeakSet(swept)
    sweeper.sweep(cast(list[Lookup], swept))
    del swept
    assert len(left) == 2 * SLICE
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(sweeper.run)
        await checkpoint()
        while not sweeper.idle:
            assert len(left) % SLICE == 0
            await checkpoint()
        tasks.cancel_scope.cancel()
    assert len(left) == 0


async def test_calls_of_a_client_that_died_go_with_their_lookups() -> None:
    """Nothing keeps a dead client's calls until the last of them is settled."""
    async with memory.open_house() as house:
        client = house.connect()
        for _ in range(SLICE + 1):
            client.next(client.begin(memory.HANG))
        (link,) = house.server.links
        client.vanish()
        assert len(link.connection.waiting) == 1
        await memory.until(lambda: not link.connection.waiting)


async def test_faults_in_timers_and_sweeps_leave_the_daemon_serving() -> None:
    """A bug in what the clock or the sweeper calls costs its own effect, and nothing else."""

    def fault() -> None:
        raise LookupError

    async with open_house() as house:
        house.log.announced |= {"timer action failed", "what follows a sweep failed"}
        client = await house.client()
        await client.startup()
        router = house.server.router
        for _ in range(2):
            router.clock.call_later(0, fault)
            router.sweeper.sweep(cast(list[Lookup], [_Closable()] * (SLICE + 1)), fault)
            await until(lambda: router.sweeper.idle and not len(router.clock))
        handle = await client.begin(memory.HANG)
        ending = await client.result("NSPv2LookupServiceEnd", lookup=handle)
        assert ending["cancelled"] == 0
        faults = [event for _, event in house.log.entries if event in house.log.announced]
        assert sorted(faults) == sorted([*house.log.announced] * 2)


@VIRTUAL_TIME
async def test_slow_reader_that_reads_steadily_stays() -> None:
    """A socket of which some bytes were read in `send_timeout` has taken some, though it is full.

    The kernel calls it writable only once most of it has been read.
    """
    async with open_house(limits=Limits(send_timeout=2)) as house:
        client = await house.client()
        await client.startup()
        handle = await client.begin("records=40&size=200000")
        for _ in range(40):
            client.next(handle)
        await until(lambda: house.connection().corked)
        for _ in range(20):
            await anyio.sleep(1.5)
            client.socket.recv(40_000)
        assert len(house.server.links) == 1


async def test_hanging_up_answers_what_waits() -> None:
    """A drain that is cut short still answers 10111 where that takes no time (C1)."""
    async with memory.open_house() as house:
        client = house.connect()
        waiting = client.next(client.begin(memory.HANG))
        await memory.ticks()
        house.server.close()
        assert memory.code_of(client.now(waiting)) == memory.CANCELLED
        assert client.socket.closed


async def test_drain_answers_what_was_received_before_it_is_over() -> None:
    """Requests that wait for their turn keep a drain from ending (C1)."""
    async with memory.open_house() as house:
        client = house.connect()
        calls = [f"call {number}" for number in range(200)]
        client.asked += calls
        client.write(*({"jsonrpc": "2.0", "id": id, "method": "nspd.Statistics"} for id in calls))
        await house.server.drain(5)
        assert client.open_calls == []
        assert client.socket.closed
