"""Cases 80 to 98: Startup, Rundown, Cleanup, disconnect and drain."""

from __future__ import annotations

import gc
import weakref

import anyio
import msgspec
import pytest

from nspd.core.catalog import Entry
from nspd.core.limits import Limits
from nspd.core.router import open_router
from nspd.core.users import Peer
from nspd.model.errors import InvalidArgument, NotReady
from nspd.model.namespaces import fixed_guid
from nspd.model.queryset import QuerySet
from nspd.providers.registry import RegistryProvider
from nspd.providers.test import TestProvider
from nspd.server.settings import ProviderSettings, Settings
from tests.cases.harness import (
    ADMIN,
    ALICE,
    BOB,
    CANCELLED,
    HANG,
    INVALID,
    INVALID_HANDLE,
    INVALID_PARAMS,
    NO_MORE,
    NOT_ENOUGH_MEMORY,
    NOT_FOUND,
    NOT_INITIALISED,
    NOT_READY,
    REGISTRY,
    TEST,
    VERSION,
    VIRTUAL_TIME,
    Log,
    Reply,
    code_of,
    open_house,
    ticks,
    until,
)

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("NSPv2LookupServiceBegin", {"restrictions": {"namespace": TEST}}),
        ("NSPv2LookupServiceNextEx", {"lookup": 5}),
        ("NSPv2LookupServiceEnd", {"lookup": 5}),
        ("NSPv2SetServiceEx", {"registration": {"service_instance_name": "x"}, "operation": 0}),
    ],
)
@pytest.mark.parametrize("valid", [True, False])
async def test_without_startup(method: str, params: dict[str, object], valid: bool) -> None:
    """Case 80: 10093 before anything else is checked, even the arguments."""
    async with open_house() as house:
        client = house.connect(startup=False)
        call = client.send(method, **(params if valid else {"rubbish": 1}))
        assert await client.code(call) == NOT_INITIALISED


async def test_what_needs_no_session() -> None:
    """Case 80: whole lookups, the catalog and management work without a Startup."""
    async with open_house() as house:
        client = house.connect(startup=False)
        whole = client.send("nspd.Lookup", restrictions={"namespace": TEST})
        assert len((await client.result(whole))["results"]) == 1
        assert await client.code(client.send("WSAEnumNameSpaceProvidersEx")) == 0
        assert (await client.result(client.send("nspd.Status")))["census"]["sessions"] == 0


async def test_end_as_the_very_first_frame() -> None:
    """Case 150: 10093, and the connection is none the worse for it."""
    async with open_house() as house:
        client = house.connect(startup=False)
        assert await client.code(client.end(5)) == NOT_INITIALISED
        await client.result(client.startup())
        assert await client.name(client.begin()) == "test-1"


@pytest.mark.parametrize("protocol", [0, -1, 2, 2**40])
async def test_startup_with_another_protocol(protocol: int) -> None:
    """Case 81: 10092, with the versions that there are; no session is made."""
    async with open_house() as house:
        client = house.connect(startup=False)
        error = await client.error(client.startup(protocol=protocol, client="x"))
        assert (error["code"], error["data"]["supported"]) == (VERSION, [1, 1])
        assert await client.code(client.send_begin()) == NOT_INITIALISED


async def test_startup_with_two_faults() -> None:
    """Case 81: the version is what is reported."""
    async with open_house() as house:
        client = house.connect(startup=False)
        assert await client.code(client.startup(protocol=99, client=5, rubbish=[])) == VERSION
        assert await client.code(client.startup(protocol=1, client=5)) == INVALID_PARAMS


async def test_startup_without_a_protocol() -> None:
    """Case 81: version 1; a second Startup counts, and gives the same session."""
    async with open_house() as house:
        client = house.connect(startup=False)
        first = await client.result(client.startup())
        assert first["protocol"] == 1
        assert (await client.result(client.startup()))["client_session"] == first["client_session"]
        cleanups = [client.send("NSPv2Cleanup") for _ in range(3)]
        assert [await client.code(id) for id in cleanups] == [0, 0, INVALID]
        again = await client.result(client.startup())
        assert again["client_session"] != first["client_session"]


@pytest.mark.parametrize("lookups", [1, 1000])
@pytest.mark.parametrize("method", ["NSPv2Cleanup", "NSPv2ClientSessionRundown"])
async def test_every_next_is_answered_before_the_session_is_over(lookups: int, method: str) -> None:
    """Case 85: all 10111 come before the reply to Cleanup, or to Rundown."""
    async with open_house() as house:
        client = house.connect()
        waiting = [client.next(client.begin(HANG)) for _ in range(lookups)]
        over = client.send(method)
        await client.result(over)
        assert {await client.code(id) for id in waiting} == {CANCELLED}
        order = [reply["id"] for reply in client.received]
        assert order.index(over) == len(order) - 1
        assert house.router.lookups == 0


async def test_begin_while_the_session_is_run_down() -> None:
    """Case 86: refused from the first 10111 on, and the Rundown takes no longer for it."""
    async with open_house() as house:
        client = house.connect()
        waiting = [client.next(client.begin(HANG)) for _ in range(500)]
        begun: list[int] = []

        def begin_another(reply: Reply) -> None:
            if code_of(reply) == CANCELLED:
                begun.append(client.send_begin(HANG))

        client.on_reply = begin_another
        await client.result(client.send("NSPv2ClientSessionRundown"))
        assert len(begun) == len(waiting)
        assert {await client.code(id) for id in begun} == {INVALID}
        client.on_reply = None
        assert await client.result(client.send("NSPv2ClientSessionRundown")) is None
        await client.result(client.send("NSPv2Cleanup"))
        await client.result(client.startup())
        assert await client.name(client.begin()) == "test-1"


async def test_a_client_with_a_thousand_handles_dies() -> None:
    """Case 89: its lookups are out of every count at once, and its work ends in slices."""
    async with open_house() as house:
        dying, other = house.connect(ALICE), house.connect(ALICE)
        for _ in range(1000):
            dying.next(dying.begin(HANG))
        mine = other.begin(HANG)
        await ticks()
        dying.vanish()
        assert (house.router.lookups, house.census()["links"]) == (1, 1)
        other.now(other.next(mine, timeout=0))
        await until(lambda: house.router.work.running == 1)


@VIRTUAL_TIME
async def test_a_drain_asked_for_twice_and_cancelled() -> None:
    """Case 90: the second is harmless, and a cancellation from outside still comes through."""
    async with open_house() as house:
        client = house.connect()
        waiting = client.next(client.begin(HANG))
        with anyio.CancelScope() as scope:
            scope.cancel()
            await house.server.drain(60)
        assert scope.cancelled_caught
        assert client.open_calls == [waiting]
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(house.server.drain, 1)
            tasks.start_soon(house.server.drain, 1)
        assert await client.code(waiting) == CANCELLED
        assert client.socket.closed


@VIRTUAL_TIME
async def test_a_drain_waits_for_a_record() -> None:
    """Case 91: the Next gets its data, and the drain is over when the lookup is ended."""
    async with open_house() as house:
        client = house.connect()
        handle = client.begin("gate=g")
        waiting = client.next(handle)
        over = anyio.Event()

        async def drain() -> None:
            await house.server.drain(60)
            over.set()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(drain)
            await ticks()
            (going,) = [m for m in client.received if m.get("method") == "nspd.GoingAway"]
            assert going["params"] == {"deadline": 60}
            house.open("g")
            assert (await client.result(waiting))["service_instance_name"] == "test-1"
            assert not over.is_set()
            begun = anyio.current_time()
            assert await client.code(client.end(handle)) == 0
            await over.wait()
            assert anyio.current_time() - begun < 1
        assert client.socket.closed


@VIRTUAL_TIME
async def test_what_a_drain_refuses_and_what_it_serves() -> None:
    """Case 92: Begin, whole lookups and SetServiceEx are 10091; Next and End are served."""
    async with open_house(TestProvider(), RegistryProvider()) as house:
        client = house.connect()
        handle = client.begin("records=1")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(house.server.drain, 60)
            await ticks()
            whole = client.send("nspd.Lookup", restrictions={"namespace": TEST})
            for refused in (client.send_begin(), whole, client.register("x", "192.0.2.1")):
                assert await client.code(refused) == NOT_READY
            with pytest.raises(ConnectionRefusedError):
                house.connect()
            house.clients.pop()
            assert await client.name(handle) == "test-1"
            assert await client.code(client.end(handle)) == 0


async def test_a_lookup_after_the_end() -> None:
    """Case 93: once the router has closed, Begin fails at once and starts nothing."""
    async with open_router([Entry(TestProvider())], log=Log()) as router:
        session = router.open_session(Peer(ADMIN, administrator=True))
        session.startup(1, "", False)
    with pytest.raises(NotReady):
        session.begin(QuerySet(namespace=TEST))
    assert router.work.running == 0


async def test_a_provider_is_disabled_with_lookups_running() -> None:
    """Case 96: waiting calls are 10111, the handles gone; the provider goes with the last one."""
    released = await disable_and_release()
    await ticks()  # asyncio of Python 3.13 holds what the last turn raised, and so its frames
    gc.collect()
    assert released() is None


async def disable_and_release() -> weakref.ref[TestProvider]:
    """Disable a provider under two lookups; a weak reference to it."""
    provider = TestProvider()
    async with open_house(provider) as house:
        client = house.connect()
        handles = [client.begin(HANG) for _ in range(2)]
        waiting = client.next(handles[0])
        await ticks()
        disable = client.send("WSCEnableNSProvider", provider_id=provider.provider_id, enable=False)
        assert await client.code(disable) == 0
        assert code_of(client.now(waiting)) == CANCELLED
        for handle in handles:
            assert await client.code(client.next(handle)) == INVALID_HANDLE
        await until(lambda: house.router.work.running == 0)
    return weakref.ref(provider)


async def test_a_lookup_that_was_through_outlives_its_provider() -> None:
    """Case 96: what the provider had given before it was disabled is still delivered."""
    provider = TestProvider()
    async with open_house(provider) as house:
        client = house.connect()
        handle = client.begin("records=2")
        await ticks()
        client.send("WSCEnableNSProvider", provider_id=provider.provider_id, enable=False)
        assert [await client.name(handle) for _ in range(2)] == ["test-1", "test-2"]
        assert await client.code(client.next(handle)) == NO_MORE


async def test_registrations_outlive_their_client() -> None:
    """Case 98: A registers and dies; B of the same user still finds it, "session" ones not."""
    async with open_house(RegistryProvider()) as house:
        a, b = house.connect(ALICE), house.connect(ALICE)
        await a.result(a.register("stays", "192.0.2.1"))
        await a.result(a.register("goes", "192.0.2.2", lifetime="session"))
        a.vanish()

        async def found(name: str) -> int:
            restrictions = {"namespace": REGISTRY, "service_instance_name": name}
            return await b.code(b.send("nspd.Lookup", restrictions=restrictions))

        assert await found("stays") == 0
        assert await found("goes") == 10108


async def test_the_limit_of_connections() -> None:
    """Case 134: the last one is refused with an error 8, the others work; one leaves, one fits."""
    limits = Limits(connections_per_user=2)
    async with open_house(limits=limits) as house:
        first, second = house.connect(ALICE), house.connect(ALICE)
        refused = house.connect(ALICE, startup=False)
        (line,) = refused.received
        assert (line["id"], line["error"]["code"]) == (None, NOT_ENOUGH_MEMORY)
        assert refused.socket.closed
        house.connect(BOB)
        assert await first.name(first.begin()) == "test-1"
        second.vanish()
        third = house.connect(ALICE)
        assert await third.name(third.begin()) == "test-1"


async def test_a_place_is_kept_for_an_administrator() -> None:
    """Case 134: users fill all places but one, which an administrator still gets."""
    async with open_house(limits=Limits(connections=3)) as house:
        house.connect(ALICE)
        house.connect(BOB)
        assert house.connect(ALICE, startup=False).socket.closed
        admin = house.connect(ADMIN)
        assert await admin.name(admin.begin()) == "test-1"
        assert house.connect(ADMIN, startup=False).socket.closed


async def test_a_reload_keeps_handles_and_sessions() -> None:
    """Case 118: a Next goes on waiting through it, and what cannot be read changes nothing."""
    async with open_house() as house:
        client = house.connect()
        handle = client.begin("gate=g")
        waiting = client.next(handle)
        kept = ProviderSettings(
            kind="test", identifier="test", provider_id=fixed_guid(TEST), namespace=TEST
        )
        before = house.server.settings
        house.server.load = lambda: msgspec.structs.replace(before, providers=(kept,))
        await client.result(client.send("nspd.Reload"))

        def unreadable() -> Settings:
            raise InvalidArgument("line 1: what?")

        house.server.load = unreadable
        assert await client.code(client.send("nspd.Reload")) == INVALID
        assert client.open_calls == [waiting]
        house.open("g")
        assert await client.code(waiting) == 0
        assert await client.code(client.end(handle)) == 0


async def test_a_reload_applies_budgets_and_domains() -> None:
    """Lookups begun after it have them; what a provider is made with needs a restart."""
    async with open_house() as house:
        client = house.connect()
        provider = ProviderSettings(
            kind="test",
            identifier="test",
            provider_id=fixed_guid(TEST),
            namespace=TEST,
            budget=0.01,
            domains=("example",),
        )
        before = house.server.settings
        house.server.load = lambda: msgspec.structs.replace(before, providers=(provider,))
        await client.result(client.send("nspd.Reload"))
        (entry,) = [e for e in house.server.router.catalog if e.namespace == TEST]
        assert (entry.budget, entry.domains) == (0.01, ("example",))
        query = {"namespace": TEST, "query_string": "records=0&hang=1"}
        elsewhere = client.begin_query(query | {"service_instance_name": "a.example.net"})
        assert await client.code(elsewhere) == NOT_FOUND
        begun = client.begin_query(query | {"service_instance_name": "a.example"})
        handle = (await client.result(begun))["lookup"]
        assert await client.code(client.next(handle)) == 10060
        assert await client.code(client.end(handle)) == 0
