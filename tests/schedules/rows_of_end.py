"""Race rows among the cases about End and the work that it stops, by number.

Others are in `rows_of_order.py` and in tests/cases/test_races.py.
"""

from __future__ import annotations

import random
from collections.abc import Hashable

import anyio

from nspd.core.provider import Query, Results
from tests.cases.fakes import FakeProvider, Step, named
from tests.cases.harness import (
    CANCELLED,
    HANG,
    INVALID_HANDLE,
    Reply,
    open_house,
    ticks,
    until,
)
from tests.schedules.laboratory import meet, race, told, work_of

KINDS = ("", "records=0", HANG, "gate=g", "shared=k&gate=g", "records=3&flood=1", "delay=0.1")


@race("case-51", 1, 2, 3)
async def end_during_retries(chance: random.Random) -> Hashable:
    """Case 51: End during the provider's retries: no further try is made."""
    tries = 0

    async def retry(query: Query, results: Results) -> None:
        nonlocal tries
        while tries < 3:
            tries += 1
            await anyio.sleep(1)
        await anyio.sleep_forever()

    async with open_house(FakeProvider(retry)) as house:
        client = house.connect()
        handle = client.begin()
        call = client.next(handle)
        pause = chance.choice([0.5, 1, 2, 2.5])
        await anyio.sleep(pause)
        await ticks(chance.randint(0, 2))
        end = client.end(handle)
        made = tries
        assert await told(client, call) == CANCELLED
        assert await work_of(client, end) == "stopped"
        await anyio.sleep(5)
        # A timer that goes off in the very step of End may let the try begin (C5).
        assert tries - made <= (pause in (1, 2))
        return tries


@race("case-54", 0, CANCELLED, "record")
async def end_directly_after_next(chance: random.Random) -> Hashable:
    """Case 54: lookups of mixed kinds, each ended directly after its Next; clean Cleanup."""
    async with open_house() as house:
        client = house.connect()
        calls, ends = [], []
        for script in chance.sample(KINDS, len(KINDS)):
            handle = client.begin(script)
            await ticks(chance.randint(0, 3))
            calls.append(client.next(handle))
            ends.append(client.end(handle))
        assert {await client.code(id) for id in ends} == {0}
        outcomes = {await told(client, call) for call in calls}
        assert await client.code(client.send("NSPv2Cleanup")) == 0
        assert CANCELLED in outcomes  # of the one that hangs
        if outcomes == {CANCELLED}:
            return CANCELLED
        return "record" if any(type(outcome) is str for outcome in outcomes) else 0


@race("case-55", False, True)
async def gate_opens_after_end(chance: random.Random) -> Hashable:
    """Cases 55 and 56: once End and Next are answered, no frame about them ever follows."""
    async with open_house() as house:
        client = house.connect()
        handles = [client.begin(f"gate=g{number % 3}") for number in range(6)]
        calls = [client.next(handle) for handle in handles]
        await ticks(chance.randint(0, 3))
        ends = [client.end(handle) for handle in handles]
        await meet(*(lambda n=n: house.open(f"g{n}", 2) for n in range(3)), chance=chance)
        settled = [await told(client, call) for call in calls]
        works = {await work_of(client, end) for end in ends}
        frames = len(client.received)
        await ticks(100)
        assert len(client.received) == frames
        assert settled == [CANCELLED] * 6
        return "stopped" in works


@race("case-57", "test-1")
async def begin_on_receiving_10111(chance: random.Random) -> Hashable:
    """Case 57: a lookup begun on receiving the 10111 of another is not cancelled with it."""
    async with open_house() as house:
        client = house.connect()
        first = client.begin("gate=never")
        cancelled = client.next(first)
        begins: list[int] = []

        def begin_another(reply: Reply) -> None:
            if reply["id"] == cancelled:
                begins.append(client.send_begin("records=1"))

        client.on_reply = begin_another
        await ticks(chance.randint(0, 3))
        client.end(first)
        assert await told(client, cancelled) == CANCELLED
        handle = (await client.result(begins[0]))["lookup"]
        return await told(client, client.next(handle))


@race("case-61", ("record", 0), ("record", 1), ("record", 2))
async def end_of_those_who_queue(chance: random.Random) -> Hashable:
    """Cases 61 and 62: who waits for a place or a lock is cancelled at once, and it is free."""
    lock = anyio.Semaphore(1)
    step = Step()

    async def body(query: Query, results: Results) -> None:
        async with lock:
            await step.wait()
            await results.send(named("record"))

    async with open_house(FakeProvider(body)) as house:
        client = house.connect()
        handles = [client.begin() for _ in range(4)]
        calls = [client.next(handle) for handle in handles]
        await step.reached.wait()
        await meet(step.go, *(lambda h=handle: client.end(h) for handle in handles), chance=chance)
        cancelled = [await told(client, call) for call in calls].count(CANCELLED)
        handle = client.begin()
        outcome = await told(client, client.next(handle))
        return outcome, min(4 - cancelled, 2)


@race("case-69", "stopped", "detached")
async def two_ends_of_work_that_goes_on(chance: random.Random) -> Hashable:
    """Case 69: End twice while the provider cannot be aborted: 0 and 6, and its record is lost."""
    finish = chance.choice([0.05, 0.1, 0.2])

    async def body(query: Query, results: Results) -> None:
        with anyio.CancelScope(shield=True):
            await anyio.sleep(finish)
            await results.send(named("late"))

    async with open_house(FakeProvider(body), end_grace=0.1) as house:
        client = house.connect()
        handle = client.begin()
        call = client.next(handle)
        await ticks(2)
        end = client.end(handle)
        assert client.told(call) is not None
        await ticks(chance.randint(0, 3))
        assert await client.code(client.end(handle)) == INVALID_HANDLE
        assert await told(client, call) == CANCELLED
        work = await work_of(client, end)
        await until(lambda: house.router.work.running == 0)
        return work


@race("case-70", True, False)
async def end_with_a_stalled_reader(chance: random.Random) -> Hashable:
    """Case 70: the 10111 of a client that takes nothing waits for him, and nobody for it."""
    async with open_house() as house:
        client, other = house.connect(), house.connect()
        handle = client.begin("gate=g")
        call = client.next(handle)
        client.socket.stop_reading(chance.choice([0, 20]))
        await meet(
            lambda: house.open("g"),
            lambda: other.send("nspd.EndLookup", lookup=handle),
            chance=chance,
        )
        assert await told(other, other.next(other.begin())) == "test-1"
        assert client.told(call) is None
        client.socket.read_again()
        return await told(client, call) == CANCELLED
