"""Race rows among the cases about ids, orders, sessions and changes, by number."""

from __future__ import annotations

import random
from collections.abc import Hashable

import anyio
from anyio.lowlevel import checkpoint

from nspd.core.provider import Change, Query, Results
from tests.cases.fakes import FakeProvider
from tests.cases.harness import (
    CANCELLED,
    INVALID,
    INVALID_HANDLE,
    NO_MORE,
    NOT_FOUND,
    NOT_READY,
    TEST,
    Reply,
    open_house,
    ticks,
    until,
)
from tests.schedules.laboratory import meet, race, told


@race("case-74", (CANCELLED, "test-1"), ("test-1", "test-1"))
async def id_is_used_again_at_once(chance: random.Random) -> Hashable:
    """Case 74: the id of an answered call may be used again in the same step."""
    async with open_house() as house:
        client = house.connect()
        handles = [client.begin("gate=g"), client.begin("gate=h")]
        call = "mine"
        again: list[str] = []

        def use_it_again(reply: Reply) -> None:
            if reply["id"] == call and not again:
                again.append(call)
                client.send("NSPv2LookupServiceNextEx", lookup=handles[1], id=call)

        client.on_reply = use_it_again
        client.send("NSPv2LookupServiceNextEx", lookup=handles[0], id=call)
        await meet(
            lambda: house.open("g"),
            lambda: client.end(handles[0]),
            lambda: house.open("h"),
            chance=chance,
        )
        await until(lambda: len(client._replies.get(call, ())) == 2)
        first, second = client._replies[call]
        codes = ["error" in first and first["error"]["code"], second["result"]]
        return codes[0] or "test-1", codes[1]["service_instance_name"]


@race("case-78", 0, 1)
async def end_meets_a_delayed_start(chance: random.Random) -> Hashable:
    """Case 78: work that a timer starts: End before it, and the timer does nothing."""
    begun = 0

    async def delayed(query: Query, results: Results) -> None:
        nonlocal begun
        await anyio.sleep(1)
        begun += 1
        await anyio.sleep_forever()

    async with open_house(FakeProvider(delayed)) as house:
        client = house.connect()
        handle = client.begin()
        client.next(handle)
        pause = chance.choice([0.9, 1])
        await anyio.sleep(pause)
        await ticks(chance.randint(0, 2))
        client.end(handle)
        made = begun
        await anyio.sleep(3)
        # A timer that goes off in the very step of End may be first (C5).
        assert begun - made <= (pause == 1)
        return begun


@race("case-85", CANCELLED, "test-1")
async def cleanup_meets_a_record(chance: random.Random) -> Hashable:
    """Case 85: Cleanup without Rundown: the Next is answered before the Cleanup is."""
    async with open_house() as house:
        client = house.connect()
        call = client.next(client.begin("gate=g"))
        cleanups: list[int] = []
        await meet(
            lambda: house.open("g"),
            lambda: cleanups.append(client.send("NSPv2Cleanup")),
            chance=chance,
        )
        assert await client.code(cleanups[0]) == 0
        order = [reply["id"] for reply in client.received]
        assert order.index(call) < order.index(cleanups[0])
        return await told(client, call)


@race("case-86", INVALID)
async def begin_during_rundown(chance: random.Random) -> Hashable:
    """Case 86: a Begin on receiving the first 10111 of a Rundown is refused."""
    async with open_house() as house:
        client = house.connect()
        calls = [client.next(client.begin("gate=g")) for _ in range(3)]
        begins: list[int] = []

        def begin_again(reply: Reply) -> None:
            if reply["id"] in calls and reply.get("error", {}).get("code") == CANCELLED:
                begins.append(client.send_begin())

        client.on_reply = begin_again
        await ticks(chance.randint(0, 3))
        await client.result(client.send("NSPv2ClientSessionRundown"))
        codes = {await client.code(id) for id in begins}
        assert len(codes) == 1
        return codes.pop()


@race("case-91", "test-1", CANCELLED)
async def drain_meets_a_record(chance: random.Random) -> Hashable:
    """Cases 91 and 92: a record that comes before the drain is over is delivered."""
    async with open_house() as house:
        client = house.connect()
        call = client.next(client.begin("gate=g"))

        async def open_in_time() -> None:
            await anyio.sleep(chance.choice([0.5, 1]))
            await ticks(chance.randint(0, 3))
            house.open("g")

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(house.server.drain, 1)
            tasks.start_soon(open_in_time)
            await until(lambda: house.router.draining)
            assert await client.code(client.send_begin()) == NOT_READY
        return await told(client, call)


@race("case-114", ("made", True), ("made", False))
async def client_leaves_during_a_change(chance: random.Random) -> Hashable:
    """Case 114: a change under way is made entirely, whether or not anybody hears of it."""
    stages: list[str] = []

    async def change(change: Change) -> None:
        stages.append("begun")
        await checkpoint()
        await checkpoint()
        stages.append("made")

    async with open_house(FakeProvider(set_service=change)) as house:
        client = house.connect()
        registration = {"namespace": TEST, "service_instance_name": "n"}
        asked = client.send("NSPv2SetServiceEx", registration=registration, operation=0)
        await ticks(chance.randint(0, 8))
        heard = client.told(asked) is not None
        client.vanish()
        await until(lambda: house.router.work.running == 0)
        assert stages == ["begun", "made"]
        return stages[-1], heard


@race("case-76", NOT_FOUND, CANCELLED, INVALID_HANDLE)
async def provider_fails_at_once(chance: random.Random) -> Hashable:
    """Cases 75 and 76: a provider that fails at once meets Next and End: one reply each."""

    async def body(query: Query, results: Results) -> None:
        await checkpoint()

    async with open_house(FakeProvider(body)) as house:
        client = house.connect()
        handle = client.begin()
        calls: list[int] = []
        await meet(
            lambda: calls.append(client.next(handle)), lambda: client.end(handle), chance=chance
        )
        return await told(client, calls[0])


@race("case-130", ("test-1", "test-2", NO_MORE))
async def gates_open_in_any_order(chance: random.Random) -> Hashable:
    """Case 130: Nexts of one lookup are served first come, first served, in any schedule."""
    async with open_house() as house:
        client = house.connect()
        handle = client.begin("records=2&gate=g")
        calls = [client.next(handle) for _ in range(3)]
        await meet(lambda: house.open("g"), lambda: house.open("g"), chance=chance)
        outcomes = tuple([await told(client, call) for call in calls])
        order = [reply["id"] for reply in client.received if reply["id"] in calls]
        assert order == calls
        return outcomes
