"""Cases 99 to 119: SetServiceEx, from the wire to the registry and back."""

from __future__ import annotations

from typing import Any

import pytest

from nspd.core.limits import Limits
from nspd.core.provider import Change
from nspd.model.errors import NotEnoughMemory
from nspd.providers.registry import RegistryProvider
from nspd.providers.test import TestProvider
from nspd.server.settings import AccessSettings
from tests.cases.fakes import FakeProvider, Step
from tests.cases.harness import (
    ACCESS,
    ADMIN,
    ALICE,
    BOB,
    INVALID_PARAMS,
    NO_MORE,
    NOT_ENOUGH_MEMORY,
    NOT_FOUND,
    NOT_SUPPORTED,
    REGISTRY,
    TEST,
    Client,
    open_house,
    ticks,
)

pytestmark = pytest.mark.anyio

REGISTER, DEREGISTER, DELETE = 0, 1, 2
MULTIPLE = 1
ONE, TWO, THREE = "192.0.2.1", "192.0.2.2", "192.0.2.3"


async def find(client: Client, name: str, **members: Any) -> Any:
    """The one record of a name, or the error that there is none."""
    query = {"namespace": REGISTRY, "service_instance_name": name} | members
    reply = await client.reply(client.send("nspd.Lookup", restrictions=query))
    if "error" in reply:
        return reply["error"]["code"]
    (record,) = reply["result"]["results"]
    return record


async def hosts(client: Client, name: str) -> list[str]:
    """The addresses of a name."""
    record = await find(client, name)
    return [address["remote"]["host"] for address in record.get("addresses", [])]


async def test_register_and_find() -> None:
    """Case 99: found by Begin and Next with exactly its addresses."""
    async with open_house(RegistryProvider()) as house:
        client = house.connect()
        await client.result(client.register("printer", ONE, TWO))
        handle = await client.result(
            client.begin_query({"namespace": REGISTRY, "service_instance_name": "printer"})
        )
        (record,) = await client.records(handle["lookup"])
        assert [address["remote"]["host"] for address in record["addresses"]] == [ONE, TWO]


async def test_register_again() -> None:
    """Case 100: one object, with the new address alone."""
    async with open_house(RegistryProvider()) as house:
        client = house.connect()
        await client.result(client.register("printer", ONE, TWO))
        await client.result(client.register("printer", THREE))
        assert await hosts(client, "printer") == [THREE]


async def test_register_one_address_more() -> None:
    """Case 101: with MULTIPLE addresses are added, each once."""
    async with open_house(RegistryProvider()) as house:
        client = house.connect()
        await client.result(client.register("printer", ONE))
        for _ in range(2):
            await client.result(client.register("printer", TWO, control_flags=MULTIPLE))
            assert await hosts(client, "printer") == [ONE, TWO]


async def test_deregister_one_address_after_the_other() -> None:
    """Case 103: first it stays registered; then the object stays, without addresses."""
    async with open_house(RegistryProvider()) as house:
        client = house.connect()
        await client.result(client.register("printer", ONE, TWO))
        options = {"operation": DEREGISTER, "control_flags": MULTIPLE}
        await client.result(client.register("printer", ONE, **options))
        assert await hosts(client, "printer") == [TWO]
        await client.result(client.register("printer", TWO, **options))
        restored = client.register("printer", THREE, control_flags=MULTIPLE)
        await client.result(restored)
        assert await hosts(client, "printer") == [THREE]


@pytest.mark.parametrize("operation", [DEREGISTER, DELETE])
@pytest.mark.parametrize("flags", [0, MULTIPLE])
async def test_nothing_to_take_away(operation: int, flags: int) -> None:
    """Case 104: 10108, with MULTIPLE or without."""
    async with open_house(RegistryProvider()) as house:
        client = house.connect()
        call = client.register("nobody", ONE, operation=operation, control_flags=flags)
        assert await client.code(call) == NOT_FOUND


async def test_delete_twice() -> None:
    """Case 105: 0, then 10108, though both were sent before the first was carried out."""
    async with open_house(RegistryProvider()) as house:
        client = house.connect()
        calls = [client.register("printer", ONE)]
        calls += [client.register("printer", operation=DELETE) for _ in range(2)]
        assert [await client.code(call) for call in calls] == [0, 0, NOT_FOUND]


async def test_protocol_any() -> None:
    """Case 106: answered as the usual protocol, and removed by it (Q24)."""
    address: dict[str, Any] = {
        "remote": {"family": "inet", "host": ONE, "port": 80},
        "socket_type": 1,
        "protocol": 0,
    }
    async with open_house(RegistryProvider()) as house:
        client = house.connect()
        await client.result(client.register("any", members={"addresses": [address]}))
        record = await find(client, "any")
        assert [found["protocol"] for found in record["addresses"]] == [6]
        removed = client.register("any", ONE, operation=DELETE, control_flags=MULTIPLE)
        assert await client.code(removed) == 0
        assert await find(client, "any") == NOT_FOUND


@pytest.mark.parametrize(
    ("operation", "code"), [(3, NOT_SUPPORTED), (-1, NOT_SUPPORTED), ("REGISTER", INVALID_PARAMS)]
)
async def test_an_operation_that_does_not_exist(operation: Any, code: int) -> None:
    """Case 107: 10045 for a number, -32602 for a text; the entry is still there."""
    async with open_house(RegistryProvider()) as house:
        client = house.connect()
        await client.result(client.register("printer", ONE))
        call = client.register("printer", TWO, operation=operation)
        assert await client.code(call) == code
        assert await hosts(client, "printer") == [ONE]


async def test_one_name_in_two_contexts() -> None:
    """Case 109: deleted in one, it is untouched in the other."""
    async with open_house(RegistryProvider()) as house:
        client = house.connect()
        for context in ("red", "blue"):
            await client.result(client.register("printer", ONE, members={"context": context}))
        gone = client.register("printer", operation=DELETE, members={"context": "red"})
        await client.result(gone)
        assert await find(client, "printer", context="red") == NOT_FOUND
        assert (await find(client, "printer", context="blue"))["context"] == "blue"


async def test_a_user_at_his_limit() -> None:
    """Case 110: 8 for a new name, 0 for an old one."""
    async with open_house(RegistryProvider(), limits=Limits(registrations_per_user=2)) as house:
        client = house.connect(ALICE)
        for name in ("a", "b"):
            await client.result(client.register(name, ONE))
        assert await client.code(client.register("c", ONE)) == NOT_ENOUGH_MEMORY
        assert await client.code(client.register("a", TWO)) == 0
        assert await hosts(client, "a") == [TWO]


async def test_a_provider_without_registrations() -> None:
    """Case 113: 10045, as an error and without a result."""
    async with open_house() as house:
        client = house.connect()
        call = client.send(
            "NSPv2SetServiceEx",
            registration={"namespace": TEST, "service_instance_name": "x"},
            operation=REGISTER,
        )
        reply = await client.reply(call)
        assert (reply["error"]["code"], "result" in reply) == (NOT_SUPPORTED, False)


@pytest.mark.parametrize("fails", [False, True])
async def test_the_client_leaves_during_a_change(fails: bool) -> None:
    """Case 114: the change runs to its end, once, and nobody is told."""
    step = Step()
    carried_out: list[str | None] = []

    async def slow(change: Change) -> None:
        await step.wait()
        carried_out.append(change.registration.service_instance_name)
        if fails:
            raise NotEnoughMemory("full")

    async with open_house(FakeProvider(set_service=slow)) as house:
        client = house.connect()
        for name in ("first", "second"):
            client.send(
                "NSPv2SetServiceEx",
                registration={"namespace": TEST, "service_instance_name": name},
                operation=REGISTER,
            )
        await step.reached.wait()
        client.vanish()
        await ticks()
        step.go()
        await ticks()
        assert carried_out == ["first", "second"]


async def test_a_name_of_the_machine() -> None:
    """Case 115: another user may not change it; the same user and an administrator may (Q26)."""
    access = AccessSettings(register_machine=(str(ALICE), str(BOB)))
    async with open_house(RegistryProvider(), access=access) as house:
        maker, same = house.connect(ALICE), house.connect(ALICE)
        other, admin = house.connect(BOB), house.connect(ADMIN)
        await maker.result(maker.register("shared", ONE, visibility="machine"))
        assert await hosts(other, "shared") == [ONE]
        for operation in (REGISTER, DELETE):
            call = other.register("shared", TWO, operation=operation, visibility="machine")
            assert await other.code(call) == ACCESS
        assert await same.code(same.register("shared", TWO, visibility="machine")) == 0
        removed = admin.register("shared", operation=DELETE, visibility="machine")
        assert await admin.code(removed) == 0


async def test_enumerations_in_parallel() -> None:
    """Case 119: ten classes of twenty services, ten enumerations: 200 results, each its own."""
    async with open_house(RegistryProvider()) as house:
        client = house.connect()
        for kind in range(10):
            calls = [client.register(f"class{kind}-{n:02}", ONE) for n in range(20)]
            assert [await client.code(call) for call in calls] == [0] * 20
        handles = []
        for kind in range(10):
            query = {"namespace": REGISTRY, "service_instance_name": f"class{kind}-*"}
            handles.append((await client.result(client.begin_query(query)))["lookup"])
        found: list[list[str]] = [[] for _ in handles]
        for _ in range(20):
            for kind, handle in enumerate(handles):
                found[kind].append(await client.name(handle))
        for kind, handle in enumerate(handles):
            assert sorted(found[kind]) == [f"class{kind}-{n:02}" for n in range(20)]
            assert await client.code(client.next(handle)) == NO_MORE


async def test_changes_and_lookups_share_a_connection() -> None:
    """Case 59: a Next that waits holds up no registration, nor the other way round."""
    async with open_house(RegistryProvider(), TestProvider()) as house:
        client = house.connect()
        waiting = client.next(client.begin("gate=g"))
        await client.result(client.register("printer", ONE))
        assert client.told(waiting) is None
        house.open("g")
        await client.result(waiting)
