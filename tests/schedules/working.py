"""Races of a cancellation with the work behind a lookup: its start, its end, its stubbornness."""

from __future__ import annotations

import random
from collections.abc import Hashable

import anyio

from nspd.core.catalog import Entry
from nspd.core.provider import Query, Results
from tests.cases.fakes import FakeProvider, Step, named
from tests.cases.harness import (
    CANCELLED,
    FAILURE,
    INVALID_HANDLE,
    NO_MORE,
    TIMED_OUT,
    code_of,
    open_house,
    ticks,
    until,
)
from tests.schedules.laboratory import meet, race, told, work_of
from tests.seeded import spend


class HungLeader(FakeProvider):
    """A provider that shares all its work; its first run hangs."""

    def __init__(self) -> None:
        super().__init__(self._first_hangs)

    async def _first_hangs(self, query: Query, results: Results) -> None:
        if self.started == 1:
            await anyio.sleep_forever()
        await results.send(named("fresh"))

    def sharing_key(self, query: Query) -> Hashable:
        return "all"


@race("joined-a-hung-leader", (TIMED_OUT, TIMED_OUT), (TIMED_OUT, "fresh"))
async def late_caller_meets_the_leaders_budget(chance: random.Random) -> Hashable:
    """Who comes before the leader's budget is over joins it; after that nobody does (C11)."""
    async with open_house(Entry(HungLeader(), budget=1.0)) as house:
        one, two = house.connect(), house.connect()
        leader = one.next(one.begin())
        await anyio.sleep(chance.choice([0.9, 1.0]))
        await ticks(chance.randint(0, 4))
        late = two.next(two.begin())
        return await told(one, leader), await told(two, late)


@race("timed-out-call-stays", ("test-1", NO_MORE), (TIMED_OUT, TIMED_OUT))
async def time_outs_meet_a_record(chance: random.Random) -> Hashable:
    """Calls time out in the step of the record; they stand in no table, and it is not lost."""
    async with open_house() as house:
        client = house.connect()
        handle = client.begin("records=1&delay=1")
        calls = [client.next(handle, timeout=1) for _ in range(2)]
        outcome = tuple([await told(client, call) for call in calls])
        (link,) = house.server.links
        assert not link.connection.waiting
        last = NO_MORE if "test-1" in outcome else "test-1"
        assert await told(client, client.next(handle)) == last
        return outcome


@race("foreign-cancel", (FAILURE, "test-1"), (CANCELLED, "test-1"))
async def stray_cancellation_meets_end(chance: random.Random) -> Hashable:
    """A cancellation that is nobody's fails its own lookup, unless End was first; no sibling."""
    async with open_house() as house:
        house.log.announced.add("provider failed")
        client = house.connect()
        siblings = [client.begin("gate=later") for _ in range(2)]
        waiting = [client.next(handle) for handle in siblings]
        struck = client.begin("records=0&foreign=1")
        call = client.next(struck)
        await meet(lambda: client.end(struck), lambda: house.open("later", 2), chance=chance)
        kept = {await told(client, id) for id in waiting}
        assert len(kept) == 1
        return await told(client, call), *kept


@race("flood-then-end", (CANCELLED, "none"), ("test-1", "stopped"))
async def end_of_a_flood(chance: random.Random) -> Hashable:
    """A producer that never has to wait is stopped, however many records it has given."""
    async with open_house() as house:
        client = house.connect()
        handle = client.begin("records=1000000&flood=1")
        calls = [client.next(handle)]

        async def read() -> None:
            while (await client.code(calls[-1])) == 0:
                calls.append(client.next(handle))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            await ticks(chance.randint(0, 12))
            end = client.end(handle)
        # The last call was waiting, or came too late for the handle.
        assert await client.code(calls[-1]) in (CANCELLED, INVALID_HANDLE)
        return await told(client, calls[0]), await work_of(client, end)


@race("ended-before-started", (0, "none"), (1, "stopped"))
async def end_meets_the_first_step(chance: random.Random) -> Hashable:
    """Work either never takes a step, or has begun and is stopped; nothing in between."""
    provider = FakeProvider(lambda query, results: anyio.sleep_forever())
    async with open_house(provider) as house:
        client = house.connect()
        handle = client.begin()
        await ticks(chance.randint(0, 3))
        work = await work_of(client, client.end(handle))
        await until(lambda: house.router.work.running == 0)
        assert provider.started == provider.stopped == provider.cancelled
        return provider.started, work


@race("shutdown-waits-for-worker", "done", CANCELLED)
async def drain_meets_a_blocked_worker(chance: random.Random) -> Hashable:
    """A drain lasts as long as was said and no longer, whatever a deaf worker does."""
    step = Step()

    async def blocked(query: Query, results: Results) -> None:
        with anyio.CancelScope(shield=True):  # what a call in a thread comes to
            await step.wait()
        await results.send(named("done"))

    async with open_house(FakeProvider(blocked), end_grace=0.1) as house:
        client = house.connect()
        handle = client.begin()
        call = client.next(handle)
        await step.reached.wait()
        begun = anyio.current_time()

        async def drain() -> None:
            await house.server.drain(1)
            assert anyio.current_time() - begun <= 1 + 0.1 + 0.5 + 0.001
            step.go()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(drain)
            await anyio.sleep(chance.choice([0.5, 1.0]))
            await ticks(chance.randint(0, 4))
            if chance.random() < 0.8:
                step.go()
        return await told(client, call)


@race("swallowed-cancel", "none", "stopped", "detached")
async def cancellation_is_swallowed(chance: random.Random) -> Hashable:
    """Code that swallows its cancellation is left alone once its grace is over.

    Each resumption takes a millisecond of the grace of 10, so that it lasts some
    ten of them; after that one comes each second.
    """
    release = anyio.Event()
    resumed = 0
    patience = chance.choice([1, 3, 1000])

    async def deaf(query: Query, results: Results) -> None:
        nonlocal resumed
        while not release.is_set() and resumed < patience:
            try:
                await release.wait()
            except anyio.get_cancelled_exc_class():
                resumed += 1
                spend(0.001)

    async with open_house(FakeProvider(deaf), end_grace=0.01) as house:
        client = house.connect()
        handle = client.begin()
        call = client.next(handle)
        await ticks(chance.randint(0, 4))
        end = client.end(handle)
        assert code_of(client.now(call)) == CANCELLED
        work = await work_of(client, end)
        before = resumed
        await anyio.sleep(3.5)
        assert before <= 20
        assert resumed - before <= 5
        release.set()
        return work
