"""Cases 1 to 21: Begin and End, their arguments and handles."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from nspd.core.catalog import Entry
from nspd.core.limits import Limits
from nspd.core.provider import Answer, Query, Results
from nspd.model.errors import AccessDenied
from tests.cases.fakes import FakeProvider, named
from tests.cases.harness import (
    ACCESS,
    ALICE,
    BOB,
    HANG,
    INVALID,
    INVALID_HANDLE,
    INVALID_PARAMS,
    NO_DATA,
    NOT_ENOUGH_MEMORY,
    NOT_FOUND,
    TEST,
    another_test_provider,
    open_house,
    ticks,
)

pytestmark = pytest.mark.anyio


async def test_begin_without_a_query_set() -> None:
    """Case 1: -32602 with 10022 in its data, and no handle is made."""
    async with open_house() as house:
        client = house.connect()
        error = await client.error(client.send("NSPv2LookupServiceBegin"))
        assert (error["code"], error["data"]["wsa"]) == (INVALID_PARAMS, INVALID)
        assert error["data"]["path"] == "$.params.restrictions"
        assert house.router.lookups == 0


async def test_end_of_null_and_of_zero() -> None:
    """Case 4: null is no handle at all, 0 is one that nobody has."""
    async with open_house() as house:
        client = house.connect()
        ended = client.send("NSPv2LookupServiceEnd", lookup=None)
        assert await client.code(ended) == INVALID_PARAMS
        assert await client.code(client.end(0)) == INVALID_HANDLE


async def test_begin_gives_a_handle_of_its_own() -> None:
    """Case 5: with RETURN_ALL and DEEP, the handle differs from every live one."""
    async with open_house() as house:
        client = house.connect()
        handles = [client.begin("records=1", control_flags=0xFF1) for _ in range(10)]
        assert len(set(handles)) == 10
        assert 0 not in handles


async def test_all_records_and_then_no_more() -> None:
    """Case 6: three full records, then 10110 exactly; the End of what is over stops nothing."""
    async with open_house() as house:
        client = house.connect()
        handle = client.begin("records=3&size=10", control_flags=0xFF0)
        records = await client.records(handle)
        assert [record["service_instance_name"] for record in records] == [
            "test-1",
            "test-2",
            "test-3",
        ]
        for record in records:
            assert {"version", "comment", "addresses", "blob"} <= set(record)
        assert await client.result(client.end(handle)) == {"cancelled": 0, "work": "none"}


async def test_a_handle_that_is_not_live() -> None:
    """Case 7: its neighbours, a large and a negative number are 6; the handle still works."""
    async with open_house() as house:
        client = house.connect()
        handle = client.begin("records=1")
        for wrong in (handle + 1, handle - 1, 2**63 + 12345, -handle):
            assert await client.code(client.next(wrong)) == INVALID_HANDLE
            assert await client.code(client.end(wrong)) == INVALID_HANDLE
        for call in ("NSPv2LookupServiceNextEx", "NSPv2LookupServiceEnd"):
            assert await client.code(client.send(call, lookup=str(handle))) == INVALID_PARAMS
        assert await client.name(handle) == "test-1"


async def test_end_again_and_again() -> None:
    """Case 8: each further End is 6, and does nothing."""
    async with open_house() as house:
        client = house.connect()
        handle = client.begin(HANG)
        assert await client.code(client.end(handle)) == 0
        before = house.census()
        for _ in range(10):
            assert await client.code(client.end(handle)) == INVALID_HANDLE
        assert house.census() == before


async def test_next_after_end() -> None:
    """Case 9: 6, in the very step of the call."""
    async with open_house() as house:
        client = house.connect()
        handle = client.begin(HANG)
        client.end(handle)
        assert client.now(client.next(handle))["error"]["code"] == INVALID_HANDLE


async def test_a_provider_refuses_begin() -> None:
    """Case 10: its error is passed on, and no handle is made."""
    async with open_house() as house:
        client = house.connect()
        before = house.census()
        reply = client.now(client.send_begin(f"refuse={ACCESS}"))
        assert reply["error"]["code"] == ACCESS
        assert "result" not in reply
        assert house.census() == before


async def test_a_namespace_that_nobody_serves() -> None:
    """Case 11: 10108 at Begin."""
    async with open_house() as house:
        client = house.connect()
        assert await client.code(client.begin_query({"namespace": 4711})) == NOT_FOUND


async def test_a_provider_that_is_not_installed() -> None:
    """Case 12: 10108 at Begin, whether the GUID is a parameter or a member."""
    nobody = "00000000-0000-4000-8000-000000000000"
    async with open_house() as house:
        client = house.connect()
        query: dict[str, Any] = {"namespace": TEST}
        assert await client.code(client.begin_query(query, provider_id=nobody)) == NOT_FOUND
        assert await client.code(client.begin_query(query | {"provider_id": nobody})) == NOT_FOUND


@pytest.mark.parametrize("refusing", [0, 1], ids=["first", "second"])
async def test_one_of_two_providers_refuses_begin(refusing: int) -> None:
    """Case 13: Begin succeeds in both orders, with the records of the one that accepts."""

    def refuse(query: Query) -> Answer:
        raise AccessDenied("not for you")

    def accept(query: Query) -> Answer:
        return Answer([named("accepted")])

    answers = [accept, accept]
    answers[refusing] = refuse
    providers = [FakeProvider(answer=answer, number=n) for n, answer in enumerate(answers)]
    async with open_house(*providers) as house:
        client = house.connect()
        handle = client.begin()
        assert [r["service_instance_name"] for r in await client.records(handle)] == ["accepted"]
        verdicts = (await client.error(client.next(handle)))["data"]["verdicts"]
        assert verdicts[refusing]["outcome"] == "failed"
        assert verdicts[refusing]["error"] == ACCESS
        assert verdicts[1 - refusing]["outcome"] == "answered"
        assert await client.code(client.end(handle)) == 0


async def test_a_provider_without_containers() -> None:
    """Case 14: Begin with CONTAINERS succeeds, the first Next is 11004."""
    async with open_house() as house:
        client = house.connect()
        handle = client.begin("records=3", control_flags=0xFF2)
        assert await client.code(client.next(handle)) == NO_DATA


async def test_begin_does_not_wait_for_the_provider() -> None:
    """Case 15: the handle comes in the very step of the call, though the gate is closed."""
    async with open_house() as house:
        client = house.connect()
        handle = client.begin("gate=closed")
        await ticks()
        waiting = client.next(handle)
        await ticks()
        assert client.open_calls == [waiting]


async def test_members_that_mean_nothing_in_a_query() -> None:
    """Case 16: comment, addresses and output flags do not reach the provider."""
    provider = FakeProvider(answer=lambda query: Answer([named("found")]))
    async with open_house(provider) as house:
        client = house.connect()
        rubbish = {
            "comment": "\x00 rubbish",
            "addresses": [{"socket_type": -1, "protocol": 77777}],
            "output_flags": 0xFFFFFFFF,
        }
        begun = client.begin_query({"namespace": TEST, "service_instance_name": "x"} | rubbish)
        handle = (await client.result(begun))["lookup"]
        assert [r["service_instance_name"] for r in await client.records(handle)] == ["found"]
        (query,) = provider.queries
        seen = query.restrictions
        assert (seen.comment, seen.addresses, seen.output_flags) == (None, None, None)


async def test_protocols_missing_and_empty() -> None:
    """Case 17: null in place of the list is refused, a list of none is accepted."""
    async with open_house() as house:
        client = house.connect()
        missing = await client.error(client.begin_query({"namespace": TEST, "protocols": None}))
        assert (missing["code"], missing["data"]["wsa"]) == (INVALID_PARAMS, INVALID)
        assert await client.code(client.begin_query({"namespace": TEST, "protocols": []})) == 0


@pytest.mark.parametrize(
    "name", ["printer.example.com", "PRINTER.Example.COM", "printer.example.com.", "EXAMPLE.com."]
)
async def test_a_provider_that_serves_one_suffix(name: str) -> None:
    """Case 18: case and a trailing dot make no difference; other names go to the others."""
    serving, rest = another_test_provider(1), another_test_provider(2)
    async with open_house(Entry(serving, domains=["example.com."]), Entry(rest)) as house:
        client = house.connect()
        record = await client.result(client.next(client.begin(name=name)))
        assert record["provider_id"] == serving.provider_id
        record = await client.result(client.next(client.begin(name="not" + name)))
        expected = rest if name.lower().startswith("example") else serving
        assert record["provider_id"] == expected.provider_id


async def test_end_frees_the_place_of_its_lookup() -> None:
    """Case 19: with a limit of 3, Begin and End a thousand times in a row all succeed."""
    async with open_house(limits=Limits(lookups_per_user=3)) as house:
        client = house.connect(ALICE)
        for _ in range(1000):
            client.end(client.begin(HANG))
        assert house.router.lookups == 0


async def test_the_limit_counts_for_a_user() -> None:
    """Case 20: over all his connections, and for nobody else; an End frees one place."""
    async with open_house(limits=Limits(lookups_per_user=4)) as house:
        one, two, other = house.connect(ALICE), house.connect(ALICE), house.connect(BOB)
        handles = [one.begin(HANG), two.begin(HANG), one.begin(HANG), two.begin(HANG)]
        for client in (one, two):
            assert await client.code(client.send_begin(HANG)) == NOT_ENOUGH_MEMORY
        for _ in range(4):
            other.begin(HANG)
        one.end(handles[0])
        two.begin(HANG)
        assert await one.code(one.send_begin(HANG)) == NOT_ENOUGH_MEMORY


async def test_begin_and_end_without_next() -> None:
    """Case 21: a thousand times; the provider is told to stop each time that it had started."""

    async def wait(query: Query, results: Results) -> None:
        await anyio.sleep_forever()

    provider = FakeProvider(wait)
    async with open_house(provider) as house:
        client = house.connect()
        ended = []
        for number in range(1000):
            handle = client.begin()
            if number % 2:
                await ticks(3)
            ended.append(client.end(handle))
        for id in ended:
            assert await client.code(id) == 0
    assert 500 <= provider.started == provider.cancelled == provider.stopped < 1000
