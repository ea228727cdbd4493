"""Races of clients: they die, do not read, come back, and share a user's limits."""

from __future__ import annotations

import random
from collections.abc import Callable, Hashable
from functools import partial

import anyio
import pytest

from nspd import AsyncClient
from nspd.core.limits import Limits
from nspd.core.provider import Query, Results
from tests.cases.fakes import FakeProvider, named
from tests.cases.harness import (
    ALICE,
    BOB,
    CANCELLED,
    NOT_ENOUGH_MEMORY,
    TEST,
    open_house,
    ticks,
    until,
)
from tests.schedules.laboratory import meet, race, told
from tests.server import house as sockets


@race("client-died-server-works", 0, 1, 2)
async def client_dies_at_any_time(chance: random.Random) -> Hashable:
    """However far its two lookups had come, nothing works on for a client that is gone."""
    provider = FakeProvider(lambda query, results: anyio.sleep_forever())
    async with open_house(provider) as house:
        client = house.connect()

        async def live() -> None:
            client.next(client.begin())
            await ticks(2)
            if not client.socket.gone:
                client.next(client.begin())

        async def die(after: int) -> None:
            await ticks(after)
            client.vanish()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(live)
            tasks.start_soon(die, chance.randint(1, 6))
        begun = anyio.current_time()
        await until(lambda: house.router.work.running == 0)
        assert anyio.current_time() - begun < 0.1
        assert provider.started == provider.stopped == provider.cancelled
        return provider.started


@race("slow-reader", 2, 4, 6)
async def reader_stops_and_reads_again(chance: random.Random) -> Hashable:
    """Who does not read is handed nothing beyond his room; End and reading on may meet."""
    async with open_house(limits=Limits(ready_records=2)) as house:
        client = house.connect()
        handle = client.begin("records=6&size=150000")
        client.socket.stop_reading(1000)
        calls = [client.next(handle) for _ in range(6)]
        await ticks(20)
        assert len(client.received) == 2  # the replies to Startup and Begin
        assert sum(user.bytes for user in house.router.users.values()) < 1_000_000
        # His own End would not be read before he reads.
        other = house.connect()
        await meet(
            client.socket.read_again,
            lambda: other.send("nspd.EndLookup", lookup=handle),
            chance=chance,
            most=8,
        )
        outcomes = [await told(client, call) for call in calls]
        got = [outcome for outcome in outcomes if outcome != CANCELLED]
        assert got == [f"test-{number}" for number in range(1, len(got) + 1)]
        return len(got)


@race("counter-drift", "records", "cancelled", "both")
async def many_ways_to_end(chance: random.Random) -> Hashable:
    """However a lookup ends, its place is free; after all of them a limit of two is still two."""
    limits = Limits(lookups_per_user=2)
    scripts = ["gate=g", "records=0", "gate=g&hang=1", "records=9", "gate=g&shared=k", "delay=0.1"]
    seen: set[int | str] = set()
    async with open_house(limits=limits) as house:
        house.log.announced.add("provider failed")
        for _ in range(4):
            client = house.connect(ALICE)
            handle = client.begin(chance.choice(scripts), timeout=chance.choice([None, 0, 0.1]))
            call = client.next(handle, timeout=chance.choice([None, 0, 0.1]))
            ends: list[Callable[[], object]] = [
                client.vanish,
                partial(client.end, handle),
                partial(client.send, "NSPv2ClientSessionRundown"),
                partial(client.send, "NSPv2Cleanup"),
            ]
            await meet(lambda: house.open("g"), chance.choice(ends), chance=chance)
            if not client.left:
                seen.add(await told(client, call))
            house.test.reset()
        last = house.connect(ALICE)
        begins = [last.send_begin("gate=never") for _ in range(3)]
        assert [await last.code(id) for id in begins] == [0, 0, NOT_ENOUGH_MEMORY]
    records = any(isinstance(outcome, str) for outcome in seen)
    if records and CANCELLED in seen:
        return "both"
    return "records" if records else "cancelled"


@race("quota-per-connection", (0, NOT_ENOUGH_MEMORY, 0), (NOT_ENOUGH_MEMORY, 0, 0))
async def two_connections_of_one_user(chance: random.Random) -> Hashable:
    """Of two connections of one user with a single place one gets it; another user is not hurt."""
    async with open_house(limits=Limits(lookups_per_user=1)) as house:
        one, two, other = house.connect(ALICE), house.connect(ALICE), house.connect(BOB)
        begins: dict[str, int] = {}
        await meet(
            lambda: begins.setdefault("one", one.send_begin("gate=g")),
            lambda: begins.setdefault("two", two.send_begin("gate=g")),
            lambda: begins.setdefault("other", other.send_begin("gate=g")),
            chance=chance,
        )
        return (
            await one.code(begins["one"]),
            await two.code(begins["two"]),
            await other.code(begins["other"]),
        )


@race("quota-per-connection-of-the-dead", 0, NOT_ENOUGH_MEMORY)
async def place_of_a_connection_that_is_lost(chance: random.Random) -> Hashable:
    """The place of a client that dies is free in that step, and not before."""
    async with open_house(limits=Limits(lookups_per_user=1)) as house:
        old, new = house.connect(ALICE), house.connect(ALICE)
        old.next(old.begin("gate=g"))
        begins: list[int] = []
        await meet(old.vanish, lambda: begins.append(new.send_begin("gate=g")), chance=chance)
        return await new.code(begins[0])


@race("mass-death", True, False)
async def many_lookups_die_at_once(chance: random.Random) -> Hashable:
    """Another client is served while one client's lookups are freed, slice by slice."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nspd.core.sweeper.SLICE", 2)
        async with open_house() as house:
            victim, other = house.connect(ALICE), house.connect(BOB)
            for _ in range(12):
                victim.next(victim.begin("gate=never"))
            handle = other.begin("gate=g")
            call = other.next(handle)
            await ticks(3)
            await meet(victim.vanish, lambda: house.open("g"), chance=chance, most=8)
            assert house.router.lookups == 1
            await other.reply(call)
            return house.router.sweeper.idle


@race("client-side-drop", 0, 1)
async def caller_leaves_as_its_record_comes(chance: random.Random) -> Hashable:
    """A record that comes as its caller is cancelled, in our client, is the next call's (C7)."""

    async def body(query: Query, results: Results) -> None:
        for name in "abc":
            await ticks(3)
            await results.send(named(name))

    got: list[str | None] = []
    left = 0
    async with (
        sockets.open_house(FakeProvider(body)) as house,
        AsyncClient(str(house.path)) as client,
        client.lookup(namespace=TEST) as lookup,
    ):
        for _ in range(2):
            with anyio.CancelScope() as caller:
                async with anyio.create_task_group() as tasks:

                    async def leave(scope: anyio.CancelScope = caller) -> None:
                        await ticks(chance.randint(0, 14))
                        scope.cancel()

                    tasks.start_soon(leave)
                    got.append((await lookup.next()).service_instance_name)
                    tasks.cancel_scope.cancel()
            left += caller.cancelled_caught
        while len(got) < 3:
            got.append((await lookup.next()).service_instance_name)
    assert got == ["a", "b", "c"]
    return min(left, 1)
