"""Races of a cancellation with the call, the record or the handle that it is about."""

from __future__ import annotations

import random
from collections.abc import Callable, Hashable

import anyio

from nspd.core.limits import Limits
from nspd.core.provider import Query, Results
from nspd.model import errors
from tests.cases.fakes import FakeProvider, Step, named
from tests.cases.harness import (
    ALICE,
    CANCELLED,
    HANG,
    INVALID_HANDLE,
    NOT_ENOUGH_MEMORY,
    Client,
    Reply,
    code_of,
    open_house,
    ticks,
    until,
)
from tests.schedules.laboratory import meet, race, told, work_of


@race("cancel-before-registered", INVALID_HANDLE, CANCELLED, "test-1")
async def end_meets_next(chance: random.Random) -> Hashable:
    """End comes before, with or after the Next that it is to cancel: it is never lost."""
    async with open_house() as house:
        client = house.connect()
        handle = client.begin("gate=g")
        nexts: list[int] = []
        ends: list[int] = []
        await meet(
            lambda: nexts.append(client.next(handle)),
            lambda: ends.append(client.end(handle)),
            lambda: house.open("g"),
            chance=chance,
        )
        assert await client.code(ends[0]) == 0
        return await told(client, nexts[0])


@race(
    "cancel-before-registered-by-request",
    (CANCELLED, "test-1"),
    ("test-1", "test-2"),
)
async def cancel_meets_next(chance: random.Random) -> Hashable:
    """The same for `$/cancelRequest`: one that comes first does nothing (C13)."""
    async with open_house() as house:
        client = house.connect()
        handle = client.begin("records=2&gate=g")
        call = 4711
        await meet(
            lambda: client.send("NSPv2LookupServiceNextEx", lookup=handle, id=call),
            lambda: client.send("$/cancelRequest", {"id": call}),
            lambda: house.open("g"),
            chance=chance,
        )
        house.open("g")
        return await told(client, call), await told(client, client.next(handle))


def _returns(results: Results) -> None:
    """Return as if every record had been given."""


def _no_more(results: Results) -> None:
    raise errors.NoMoreResults


def _not_found(results: Results) -> None:
    raise errors.ServiceNotFound


def _crash(results: Results) -> None:
    raise RuntimeError("the clean-up failed")


REACTIONS = (_returns, _no_more, _not_found, _crash)


@race("cancel-as-success", (CANCELLED, "stopped"), (CANCELLED, "none"), ("a", "none"))
async def provider_makes_something_of_it(chance: random.Random) -> Hashable:
    """Whatever the provider makes of its cancellation, the call is told 10111 or its record."""
    react: Callable[[Results], None] = chance.choice(REACTIONS)
    step = Step()

    async def body(query: Query, results: Results) -> None:
        try:
            await step.wait()
        except anyio.get_cancelled_exc_class():
            react(results)
            return
        await results.send(named("a"))

    async with open_house(FakeProvider(body)) as house:
        client = house.connect()
        handle = client.begin()
        waiting = client.next(handle)
        ends: list[int] = []
        await meet(step.go, lambda: ends.append(client.end(handle)), chance=chance)
        return await told(client, waiting), await work_of(client, ends[0])


@race(
    "cancel-drops-finished",
    (CANCELLED, ("test-1", "test-2")),
    ("test-1", ("test-1", "test-2")),
)
async def one_ends_what_another_has_ready(chance: random.Random) -> Hashable:
    """End of one of two lookups takes nothing that was produced for the other."""
    async with open_house() as house:
        client = house.connect()
        shared = chance.choice(["", "&shared=k"])
        ended, kept = (client.begin(f"records=2&gate=g{shared}") for _ in range(2))
        waiting = client.next(ended)
        await ticks(chance.randint(0, 3))
        tokens = 2 if shared else 4
        await meet(lambda: house.open("g", tokens), lambda: client.end(ended), chance=chance)
        if not shared:
            house.open("g", 2)  # for tokens that went to the lookup that was ended
        got = tuple([await told(client, client.next(kept)) for _ in range(2)])
        return await told(client, waiting), got


@race("result-before-handle", "test-1", INVALID_HANDLE)
async def next_on_a_guessed_handle(chance: random.Random) -> Hashable:
    """Next is sent with its Begin, on a handle that is guessed: the reply to Begin comes first."""
    async with open_house() as house:
        client, other = house.connect(), house.connect()
        begun = client.begin()
        guess = begun + 1
        ids: list[int] = []

        def both_at_once() -> None:
            query = {"namespace": 65537}
            ids.extend((801, 802))
            client.asked += ids
            client.write(
                *(
                    {"jsonrpc": "2.0", "id": id, "method": method, "params": params}
                    for id, method, params in (
                        (801, "NSPv2LookupServiceBegin", {"restrictions": query}),
                        (802, "NSPv2LookupServiceNextEx", {"lookup": guess}),
                    )
                )
            )

        await meet(both_at_once, other.begin, chance=chance)
        outcome = await told(client, 802)
        order = [reply.get("id") for reply in client.received]
        if outcome != INVALID_HANDLE:
            assert order.index(801) < order.index(802)
        return outcome


@race(
    "result-before-handle-in-the-news",
    "begun",
    "begun, ended",
)
async def news_of_a_lookup(chance: random.Random) -> Hashable:
    """A monitor on the same connection hears of a lookup after the reply to its Begin."""
    async with open_house() as house:
        client = house.connect()
        monitor = client.send("nspd.Monitor")
        asked = client.send_begin()
        handle: int = client.now(asked)["result"]["lookup"]
        ends = chance.random() < 0.5
        if ends:
            client.end(handle)
        await ticks(chance.randint(0, 4))
        client.send("$/cancelRequest", {"id": monitor})
        await client.reply(monitor)
        about = [message for message in client.received if f": {handle}" in str(message)]
        assert about[0]["id"] == asked
        return ", ".join(
            message["params"]["event"].removeprefix("lookup_")
            for message in about
            if message.get("method") == "nspd.Event"
        )


@race(
    "destroy-in-callback",
    ("test-1", CANCELLED, CANCELLED),
    ("test-1", "test-2", CANCELLED),
    ("test-1", "test-2", "test-3"),
)
async def end_on_receiving_a_record(chance: random.Random) -> Hashable:
    """The client ends the lookup as it is handed a record: that one stays, the others go."""
    async with open_house() as house:
        client = house.connect()
        handle = client.begin("records=3&gate=g")
        calls = [client.next(handle) for _ in range(3)]
        last = calls[chance.randrange(2)]

        def end_it(reply: Reply) -> None:
            if reply["id"] == last:
                client.on_reply = None
                client.end(handle)

        client.on_reply = end_it
        await meet(
            lambda: house.open("g"),
            lambda: house.open("g"),
            lambda: house.open("g"),
            chance=chance,
        )
        return tuple([await told(client, call) for call in calls])


@race("cancel-can-fail", (CANCELLED, 0), (CANCELLED, NOT_ENOUGH_MEMORY))
async def end_with_everything_full(chance: random.Random) -> Hashable:
    """With every limit reached and the work deaf, End releases at once, and frees its place."""
    release = anyio.Event()

    async def deaf(query: Query, results: Results) -> None:
        with anyio.CancelScope(shield=True):
            await release.wait()

    limits = Limits(lookups=1, lookups_per_user=1, bytes_per_user=1, waiting_calls=1)
    async with open_house(FakeProvider(deaf), limits=limits) as house:
        client, other = house.connect(ALICE), house.connect(ALICE)
        handle = client.begin()
        waiting = client.next(handle)
        await ticks(chance.randint(0, 3))
        ends: list[int] = []
        begins: list[int] = []

        def end() -> None:
            ends.append(client.end(handle))
            assert client.told(waiting) is not None

        await meet(end, lambda: begins.append(other.send_begin()), chance=chance)
        assert house.router.lookups == (code_of(other.now(begins[0])) == 0)
        release.set()
        assert await client.code(ends[0]) == 0
        return await told(client, waiting), await other.code(begins[0])


@race(
    "released-but-running",
    (CANCELLED, "none", 0),
    (CANCELLED, "stopped", 0),
    (CANCELLED, "detached", 1),
    ("test-1", "none", 0),
)
async def stubborn_work(chance: random.Random) -> Hashable:
    """What End says of the work is what the census says: it has stopped, or is counted."""
    async with open_house(end_grace=0.1) as house:
        client = house.connect()
        stubborn = chance.choice([0.05, 0.1, 0.3])
        handle = client.begin(f"gate=g&stubborn={stubborn}")
        waiting = client.next(handle)
        ends: list[int] = []
        begun = anyio.current_time()
        await meet(lambda: house.open("g"), lambda: ends.append(client.end(handle)), chance=chance)
        outcome = await told(client, waiting)
        assert anyio.current_time() == begun
        work = await work_of(client, ends[0])
        await until(lambda: house.router.work.running == 0)
        assert not house.router.detached
        return outcome, work, house.router.detached_ever


@race("end-of-a-hung-lookup", ("none",), ("stopped",))
async def end_of_nothing_but_hanging(chance: random.Random) -> Hashable:
    """End meets the first step of work that would hang: it never ran, or it has stopped."""
    async with open_house() as house:
        client: Client = house.connect()
        handle = client.begin(HANG)
        await ticks(chance.randint(0, 3))
        return (await work_of(client, client.end(handle)),)
