"""The races among the cases, over many schedules: each legal outcome comes up, and no other.

A legal outcome that is never seen would mean that the race was never run. The
books (ledger, census, log) are checked after each run by `open_house`.
"""

from __future__ import annotations

import random
from collections.abc import Hashable

import anyio
import pytest
from anyio.lowlevel import checkpoint

from nspd.core.catalog import Entry
from nspd.core.provider import Query, Results
from nspd.core.router import open_router
from nspd.core.users import Peer
from nspd.model.queryset import QuerySet
from nspd.providers.test import TestProvider
from tests.cases.fakes import FakeProvider, Step, named
from tests.cases.harness import (
    ADMIN,
    ALICE,
    CANCELLED,
    HANG,
    INTERNAL_ERROR,
    INVALID_HANDLE,
    NO_DATA,
    NO_MORE,
    TEST,
    Client,
    House,
    Log,
    another_test_provider,
    code_of,
    open_house,
    ticks,
)
from tests.schedules.laboratory import meet, told
from tests.seeded import BACKENDS, check_outcomes, one_seed_only, outcomes

pytestmark = pytest.mark.parametrize("backend", BACKENDS)

Told = tuple[Hashable, ...]


def test_end_meets_the_second_record(backend: str) -> None:
    """Case 43: it is delivered or cancelled; the first one, delivered before, stays."""

    async def scenario(chance: random.Random) -> Told:
        async with open_house() as house:
            client = house.connect()
            handle = client.begin("records=2&gate=g")
            house.open("g")
            first = await told(client, client.next(handle))
            second = client.next(handle)
            ends: list[int] = []
            await meet(
                lambda: house.open("g"), lambda: ends.append(client.end(handle)), chance=chance
            )
            assert await client.code(ends[0]) == 0
            return first, await told(client, second)

    check_outcomes(outcomes(backend, scenario), {("test-1", "test-2"), ("test-1", CANCELLED)})


def test_fifty_ends_meet_fifty_records(backend: str) -> None:
    """Case 52: each Next is exactly one of data and 10111, each End 0; in five rounds."""

    async def scenario(chance: random.Random) -> Told:
        seen: set[int] = set()
        async with open_house() as house:
            client = house.connect()
            for _ in range(5):
                seen |= await fifty(house, client, chance)
                await client.result(client.send("nspd.TestReset"))
        return tuple(sorted(seen))

    # The chance of 250 lookups that all end alike is nil: each run shows both.
    check_outcomes(outcomes(backend, scenario, range(5)), {(0, CANCELLED)})


async def fifty(house: House, client: Client, chance: random.Random) -> set[int]:
    """One round with fifty lookups; the codes of their Nexts."""
    handles = [client.begin("gate=g") for _ in range(50)]
    nexts = [client.next(handle) for handle in handles]
    ends: list[int] = []
    opens = [lambda: house.open("g")] * 50
    closes = [lambda h=handle: ends.append(client.end(h)) for handle in handles]
    await meet(*opens, *closes, chance=chance, most=12)
    assert [await client.code(id) for id in ends] == [0] * 50
    return {await client.code(id) for id in nexts}


def test_ends_meet_gates_of_ten_lookups(backend: str) -> None:
    """Case 53: the odd ones end while all gates open, the even ones are ended afterwards."""

    async def scenario(chance: random.Random) -> Told:
        async with open_house() as house:
            client = house.connect()
            handles = [client.begin(f"gate=g{n}") for n in range(4)]
            nexts = [client.next(handle) for handle in handles]
            await ticks(5)
            ends: list[int] = []
            await meet(
                *[lambda h=handle: ends.append(client.end(h)) for handle in handles[1::2]],
                *[lambda n=n: house.open(f"g{n}") for n in range(4)],
                chance=chance,
            )
            codes = [await client.code(id) for id in nexts]
            ends += [client.end(handle) for handle in handles[::2]]
            assert [await client.code(id) for id in ends] == [0] * 4
            assert codes[::2] == [0, 0]
            return tuple(codes[1::2])

    both = (0, CANCELLED)
    check_outcomes(outcomes(backend, scenario), {(a, b) for a in both for b in both})


def test_the_record_arrives_in_the_tick_of_the_end(backend: str) -> None:
    """Cases 63 and 66: the provider has been woken, and End comes before or after its record.

    After End the provider's code may go on to its next await, but no further,
    and its record reaches nobody.
    """

    async def scenario(chance: random.Random) -> Told:
        step = Step()
        beyond = False

        async def wait(query: Query, results: Results) -> None:
            nonlocal beyond
            await step.wait()
            await results.send(named("record"))
            await checkpoint()
            beyond = True

        async with open_house(FakeProvider(wait)) as house:
            client = house.connect()
            handle = client.begin()
            waiting = client.next(handle)
            await step.reached.wait()
            ends: list[int] = []
            await meet(step.go, lambda: ends.append(client.end(handle)), chance=chance)
            assert await client.code(ends[0]) == 0
            outcome = await told(client, waiting)
            assert not (beyond and outcome == CANCELLED)
            return (outcome,)

    check_outcomes(outcomes(backend, scenario), {("record",), (CANCELLED,)})


def test_end_at_any_of_three_steps(backend: str) -> None:
    """Case 64: one or two steps and 10111, or all three and the whole record."""

    async def scenario(chance: random.Random) -> Told:
        steps = 0
        first = anyio.Event()

        async def build(query: Query, results: Results) -> None:
            nonlocal steps
            for number in range(3):
                if number:
                    await checkpoint()
                steps += 1
                first.set()
            await results.send(named("whole"))

        async with open_house(FakeProvider(build)) as house:
            client = house.connect()
            handle = client.begin()
            waiting = client.next(handle)
            await first.wait()
            await ticks(chance.randint(0, 4))
            client.end(handle)
            return steps, await told(client, waiting)

    legal = {(1, CANCELLED), (2, CANCELLED), (3, "whole")}
    check_outcomes(outcomes(backend, scenario), legal)


def test_one_of_two_leaves_shared_work(backend: str) -> None:
    """Case 65: End of one meets the shared record; the other gets it, whatever happens."""

    async def scenario(chance: random.Random) -> Told:
        async with open_house() as house:
            one, two = house.connect(), house.connect()
            leaving, staying = one.begin("shared=k&gate=g"), two.begin("shared=k&gate=g")
            gone, kept = one.next(leaving), two.next(staying)
            await ticks(5)
            await meet(lambda: house.open("g"), lambda: one.end(leaving), chance=chance)
            return await told(one, gone), await told(two, kept)

    check_outcomes(outcomes(backend, scenario), {("test-1", "test-1"), (CANCELLED, "test-1")})


def test_disconnect_meets_a_record(backend: str) -> None:
    """Case 67: the client hears of its record or not; all that it held is freed once."""

    async def scenario(chance: random.Random) -> Told:
        async with open_house() as house:
            client = house.connect()
            waiting = client.next(client.begin("gate=g"))
            await ticks(5)
            await meet(lambda: house.open("g"), client.vanish, chance=chance)
            await ticks(20)
            return (client.told(waiting) is not None,)

    check_outcomes(outcomes(backend, scenario), {(True,), (False,)})


def test_rundown_before_the_work_has_begun(backend: str) -> None:
    """Case 68: Begin, Next and Rundown race the first step of the work; Next is answered."""

    async def scenario(chance: random.Random) -> Told:
        async with open_house() as house:
            client = house.connect()
            waiting = client.next(client.begin("records=1"))
            await ticks(chance.randint(0, 3))
            await client.result(client.send("NSPv2ClientSessionRundown"))
            return (await told(client, waiting),)

    check_outcomes(outcomes(backend, scenario), {(CANCELLED,), ("test-1",)})


def test_a_waiter_is_cancelled_at_the_hand_over(backend: str) -> None:
    """Case 72: a caller within the process leaves before, at and after: no record is lost (C7)."""

    async def scenario(chance: random.Random) -> Told:
        async with open_router([Entry(TestProvider())], log=Log()) as router:
            session = router.open_session(Peer(ALICE))
            session.startup(1, "", False)
            query = QuerySet(namespace=TEST, query_string="records=6&steps=2")
            lookup = session.begin(query)
            got: list[str | None] = []
            left = 0

            async def take() -> None:
                nonlocal left
                try:
                    got.append((await lookup.next()).service_instance_name)
                except anyio.get_cancelled_exc_class():
                    left += 1
                    raise

            for _ in range(3):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(take)
                    await ticks(chance.randint(0, 5))
                    tasks.cancel_scope.cancel()
            while len(got) < 6:
                await take()
            session.close()
        assert got == [f"test-{number}" for number in range(1, 7)]
        return (min(left, 1),)

    check_outcomes(outcomes(backend, scenario), {(0,), (1,)})


def test_all_of_eight_end_when_the_first_fails(backend: str) -> None:
    """Case 73: End of all who share meets the failure; all eight return, in either way."""

    async def scenario(chance: random.Random) -> Told:
        async with open_house() as house:
            clients = [house.connect() for _ in range(8)]
            script = "records=1&shared=k&gate=g&fail=11002"
            handles = [client.begin(script) for client in clients]
            pairs = list(zip(clients, handles, strict=True))
            nexts = [client.next(handle) for client, handle in pairs]
            await ticks(5)
            ends: list[int] = []
            closes = [lambda c=client, h=handle: ends.append(c.end(h)) for client, handle in pairs]
            await meet(lambda: house.open("g"), *closes, chance=chance)
            codes = {await client.code(id) for client, id in zip(clients, nexts, strict=True)}
            assert len(ends) == 8
            return (0 in codes, CANCELLED in codes)

    check_outcomes(outcomes(backend, scenario), {(True, True), (True, False), (False, True)})


def test_cancel_of_a_request_meets_its_record(backend: str) -> None:
    """Case 129: answered once; a record that the call did not get is the next call's."""

    async def scenario(chance: random.Random) -> Told:
        async with open_house() as house:
            client = house.connect()
            handle = client.begin("records=2&gate=g")
            waiting = client.next(handle)
            await ticks(5)
            cancel = {"id": waiting}
            await meet(
                lambda: house.open("g"),
                lambda: client.send("$/cancelRequest", cancel),
                lambda: client.send("$/cancelRequest", cancel),
                chance=chance,
            )
            house.open("g")
            first = await told(client, waiting)
            return first, await told(client, client.next(handle))

    check_outcomes(outcomes(backend, scenario), {("test-1", "test-2"), (CANCELLED, "test-1")})


def test_two_ends_at_once(backend: str) -> None:
    """Case 8: of two Ends one is 0 and the other 6, and which is which is open."""

    async def scenario(chance: random.Random) -> Told:
        async with open_house() as house:
            client = house.connect()
            handle = client.begin("gate=g")
            ends: dict[str, int] = {}
            await meet(
                lambda: ends.setdefault("a", client.end(handle)),
                lambda: ends.setdefault("b", client.end(handle)),
                chance=chance,
            )
            return tuple([await client.code(ends[name]) for name in "ab"])

    check_outcomes(outcomes(backend, scenario), {(0, INVALID_HANDLE), (INVALID_HANDLE, 0)})


def test_a_disabled_provider_meets_its_record(backend: str) -> None:
    """Case 96: the Next gets its record, or 10111 and the handle is gone."""

    async def scenario(chance: random.Random) -> Told:
        async with open_house() as house:
            client = house.connect()
            handle = client.begin("records=1&gate=g&hang=1")
            waiting = client.next(handle)
            await ticks(5)
            disable = {"provider_id": house.test.provider_id, "enable": False}
            await meet(
                lambda: house.test.add_tokens("g", 1),
                lambda: client.send("WSCEnableNSProvider", disable),
                chance=chance,
            )
            first = await told(client, waiting)
            return first, await client.code(client.next(handle))

    expected = {("test-1", INVALID_HANDLE), (CANCELLED, INVALID_HANDLE)}
    check_outcomes(outcomes(backend, scenario), expected)


async def reconnects(chance: random.Random) -> Told:
    """A client dies and comes back while what it held is being swept."""
    async with open_house() as house:
        await leave_and_return(house, chance)
        return (house.router.lookups,)


async def leave_and_return(house: House, chance: random.Random) -> None:
    """One round of that, with more lookups than one slice of the sweeper takes."""
    old = house.connect(ALICE)
    for _ in range(3):
        old.begin("gate=g")
    await ticks(chance.randint(0, 2))
    fresh: list[Client] = []
    await meet(old.vanish, lambda: fresh.append(house.connect(ALICE)), chance=chance)
    client = fresh[0]
    handle = client.begin()
    assert await client.name(handle) == "test-1"
    assert await client.code(client.end(handle)) == 0
    assert house.router.users[ALICE].sessions == 1


def test_a_client_comes_back_while_it_is_torn_down(
    backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Case 95: nothing is freed twice, and the new session knows nothing of the old one."""
    monkeypatch.setattr("nspd.core.sweeper.SLICE", 1)
    check_outcomes(outcomes(backend, reconnects, range(1000)), {(0,)})


def test_timers_meet_records(backend: str) -> None:
    """Case 39: a call's own time-out in the tick of its record: either, and nothing is lost."""

    async def scenario(chance: random.Random) -> Told:
        async with open_house() as house:
            client = house.connect()
            handle = client.begin("records=1&delay=1")
            first = await told(client, client.next(handle, timeout=1))
            follows = "test-1" if first == 10060 else 10110
            assert await told(client, client.next(handle)) == follows
            return (first,)

    check_outcomes(outcomes(backend, scenario), {("test-1",), (10060,)})


SCRIPTS = [
    "",
    "records=0",
    HANG,
    "gate=g",
    "records=4&gate=g&shared=k",
    "records=3&shared=k",
    "records=50&flood=1",
    "records=30&size=20000",
    "records=2&delay=0.01&jitter=0.02",
    "gate=g&stubborn=0.3",
    "records=2&fail=11002",
    "records=1&crash=1",
    "records=1&foreign=1",
    "refuse=10013",
    "steps=4",
    "records=3&gate=g&hang=1",
    "watch_every=0.01&records=2",
]


class Chaos:
    """Makes any operation at any time, as chance decides."""

    def __init__(self, house: House, chance: random.Random) -> None:
        self._house = house
        self._chance = chance
        self._clients = [house.connect(uid) for uid in (ADMIN, ADMIN, ALICE)]

    def _handle(self) -> int:
        """A handle that somebody has, or nobody."""
        handles = [h for session in self._house.router.sessions for h in session.lookups]
        return self._chance.choice([*sorted(handles), 1])

    def make(self) -> None:
        """One operation of one client."""
        chance, house = self._chance, self._house
        number = chance.randrange(len(self._clients))
        client = self._clients[number]
        handle = self._handle()
        match chance.randrange(16):
            case 0 | 1 | 2:
                client.send_begin(
                    chance.choice(SCRIPTS),
                    watch=chance.random() < 0.2,
                    timeout=chance.choice([None, None, 0, 0.01]),
                )
            case 3 | 4 | 5 | 6:
                client.next(
                    handle,
                    timeout=chance.choice([None, None, 0, 0.005]),
                    buffer_length=chance.choice([None, 0, 400]),
                    control_flags=chance.choice([0, 0x2000, 0x10]),
                )
            case 7 | 8:
                client.end(handle)
            case 9:
                client.send("nspd.EndLookup", lookup=handle)
            case 10:
                asked = chance.choice(client.asked)
                client.send("$/cancelRequest", {"id": asked})
            case 11:
                house.open("g", chance.randint(1, 3))
            case 12:
                query = {"namespace": TEST, "query_string": chance.choice(SCRIPTS)}
                client.send("nspd.Lookup", restrictions=query, timeout=0.05)
            case 13:
                id = {"provider_id": house.test.provider_id, "enable": chance.random() < 0.8}
                client.send("WSCEnableNSProvider", id)
            case 14:
                client.send(chance.choice(["NSPv2ClientSessionRundown", "NSPv2Cleanup"]))
                client.startup()
            case _:
                client.vanish()
                self._clients[number] = house.connect(client.uid)


def test_any_mixture_of_operations(backend: str) -> None:
    """Case 149: whatever comes when, each request has one reply, and nothing is left behind."""

    async def scenario(chance: random.Random) -> frozenset[int]:
        async with open_house(TestProvider(), another_test_provider()) as house:
            house.log.announced.add("provider failed")
            chaos = Chaos(house, chance)
            for _ in range(60):
                chaos.make()
                if chance.random() < 0.1:
                    await anyio.sleep(chance.choice([0.001, 0.02, 0.2]))
                else:
                    await ticks(chance.randrange(3))
        replies = [reply for client in house.clients for reply in client.received]
        return frozenset(code_of(reply) for reply in replies)

    codes = frozenset[int]().union(*outcomes(backend, scenario, range(100)))
    assert INTERNAL_ERROR not in codes
    if not one_seed_only():
        assert codes >= {0, 6, 10013, 10014, 10060, NO_MORE, CANCELLED, NO_DATA}
