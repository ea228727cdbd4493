"""Cases 22 to 39: Next, its records, buffers and flags."""

from __future__ import annotations

from typing import Any

import anyio
import msgspec
import pytest
from anyio.lowlevel import checkpoint

from nspd.core.catalog import Entry
from nspd.core.provider import Query, Results
from nspd.model.errors import TryAgain
from nspd.model.native import native_size
from nspd.model.queryset import QuerySet
from nspd.providers.email import EmailProvider
from nspd.providers.registry import RegistryProvider
from tests.cases.fakes import FakeProvider, named
from tests.cases.harness import (
    FAILURE,
    FAULT,
    HANG,
    NO_MORE,
    NOT_FOUND,
    TEST,
    VIRTUAL_TIME,
    another_test_provider,
    open_house,
    ticks,
)
from tests.providers.email.resolver import MAIL, ZoneResolver

pytestmark = pytest.mark.anyio

FLUSHPREVIOUS = 0x2000
RETURN_PREFERRED_NAMES = 0x10000
EMAIL = 37
NAME, ALL, BLOB = 0x10, 0xFF0, 0x200


async def nothing(query: Query, results: Results) -> None:
    """Know no name."""
    await checkpoint()


async def test_an_unknown_name() -> None:
    """Case 22: Begin succeeds; Next is 10108, and again; End succeeds."""
    async with open_house(FakeProvider(nothing)) as house:
        client = house.connect()
        handle = client.begin(name="nobody")
        first = await client.error(client.next(handle))
        assert first["code"] == NOT_FOUND
        assert await client.error(client.next(handle)) == first
        assert await client.code(client.end(handle)) == 0


async def test_the_end_again_and_again() -> None:
    """Case 23: 10110 each time, with the same verdicts; the handle lives until its End."""
    async with open_house() as house:
        client = house.connect()
        handle = client.begin("records=1")
        assert await client.name(handle) == "test-1"
        errors = [await client.error(client.next(handle)) for _ in range(4)]
        assert errors[0]["code"] == NO_MORE
        assert errors == [errors[0]] * 4
        assert await client.code(client.end(handle)) == 0


async def test_flushprevious_with_nothing_to_flush() -> None:
    """Case 27: as first call and after a success it is an ordinary Next."""
    async with open_house() as house:
        client = house.connect()
        handle = client.begin("records=3")
        names = [await client.name(handle, control_flags=FLUSHPREVIOUS) for _ in range(3)]
        assert names == ["test-1", "test-2", "test-3"]


async def test_flushprevious_drops_what_did_not_fit() -> None:
    """Case 27: after a 10014 it skips that record, and no other."""
    async with open_house() as house:
        client = house.connect()
        handle = client.begin("records=3")
        assert await client.code(client.next(handle, buffer_length=1)) == FAULT
        assert await client.name(handle, control_flags=FLUSHPREVIOUS) == "test-2"
        assert await client.name(handle) == "test-3"


async def test_no_room_at_all() -> None:
    """Case 28: 10014 with the size of the record, which stays."""
    async with open_house() as house:
        client = house.connect()
        handle = client.begin("records=1", control_flags=ALL)
        for _ in range(3):
            error = await client.error(client.next(handle, buffer_length=0))
            assert error["code"] == FAULT
            needed = error["data"]["buffer_length"]
        record = await client.result(client.next(handle))
        assert native_size(msgspec.convert(record, QuerySet)) == needed


async def test_any_room() -> None:
    """Case 29: without a capacity there is no limit, whatever the size of the record."""
    async with open_house() as house:
        client = house.connect()
        handle = client.begin("records=1&size=500000", control_flags=ALL)
        record = await client.result(client.next(handle))
        assert len(msgspec.convert(record, QuerySet).blob or b"") == 500_000


async def test_exactly_the_room_that_was_reported() -> None:
    """Case 30: one byte less does not do; the size written is the size that was asked for."""
    async with open_house() as house:
        client = house.connect()
        handle = client.begin("records=1&size=1000", control_flags=ALL)
        error = await client.error(client.next(handle, buffer_length=0))
        needed = error["data"]["buffer_length"]
        assert await client.code(client.next(handle, buffer_length=needed - 1)) == FAULT
        record = await client.result(client.next(handle, buffer_length=needed))
        assert native_size(msgspec.convert(record, QuerySet)) == needed


async def test_records_of_growing_size() -> None:
    """Case 31: the previous size is too small each time, a new one is told, nothing is lost."""

    async def grow(query: Query, results: Results) -> None:
        for number in range(1, 8):
            await results.send(named("xx" * number))

    async with open_house(FakeProvider(grow)) as house:
        client = house.connect()
        handle = client.begin()
        names, sizes, room = [], [], 0
        while True:
            reply = await client.reply(client.next(handle, buffer_length=room))
            if "result" in reply:
                names.append(reply["result"]["service_instance_name"])
            elif reply["error"]["code"] == FAULT:
                room = reply["error"]["data"]["buffer_length"]
                sizes.append(room)
            else:
                break
        assert names == ["xx" * number for number in range(1, 8)]
        assert sizes == sorted(set(sizes))
        assert len(sizes) == 7


async def test_next_cannot_widen_what_begin_asked() -> None:
    """Case 33: a blob that Begin did not ask for does not come, and that is no error."""
    async with open_house() as house:
        client = house.connect()
        handle = client.begin("records=1&size=9", control_flags=ALL & ~BLOB)
        record = await client.result(client.next(handle, control_flags=ALL))
        assert "blob" not in record
        assert "comment" in record


async def test_the_flags_of_next_hold_for_one_call() -> None:
    """Case 34: after a Next for the name alone, the next record has everything."""
    async with open_house() as house:
        client = house.connect()
        handle = client.begin("records=2&size=9", control_flags=ALL)
        first = await client.result(client.next(handle, control_flags=NAME))
        assert not {"comment", "addresses", "blob", "version"} & set(first)
        second = await client.result(client.next(handle, control_flags=ALL))
        assert {"comment", "addresses", "blob", "version"} <= set(second)


async def test_preferred_names() -> None:
    """Case 35: preferred names, asked for without a name: one that is just a name, then 10110."""
    zone = ZoneResolver(*MAIL)
    async with open_house(EmailProvider(open_resolver=zone.opened), RegistryProvider()) as house:
        client = house.connect()
        members = {"namespace": EMAIL, "blob": "Y2FyZA=="}
        registered = client.register("user@example.org", "192.0.2.1", members=members)
        await client.result(registered)
        await client.result(client.register("a printer of the registry", "192.0.2.2"))
        for namespace in (EMAIL, 0):
            handle = client.begin_query(
                {"namespace": namespace}, control_flags=ALL | RETURN_PREFERRED_NAMES
            )
            handle = (await client.result(handle))["lookup"]
            record = await client.result(client.next(handle))
            assert record["service_instance_name"] == "user@example.org"
            assert record["output_flags"] == RETURN_PREFERRED_NAMES == 0x10000
            assert "addresses" not in record
            assert await client.code(client.next(handle)) == NO_MORE
            await client.result(client.end(handle))
    assert zone.asked == []


async def test_a_provider_is_disabled_while_another_is_asked() -> None:
    """Case 36: the other's records come, and the verdict tells who was cancelled."""
    off, on = another_test_provider(1), another_test_provider(2)
    async with open_house(Entry(off), Entry(on)) as house:
        client = house.connect()
        handle = client.begin("records=1&gate=g")
        waiting = client.next(handle)
        await ticks()
        disabled = client.send("WSCEnableNSProvider", provider_id=off.provider_id, enable=False)
        assert await client.code(disabled) == 0
        assert client.told(waiting) is None
        on.add_tokens("g", 1)
        assert (await client.result(waiting))["provider_id"] == on.provider_id
        error = await client.error(client.next(handle))
        assert error["code"] == NO_MORE
        verdicts = {v["provider_id"]: v["outcome"] for v in error["data"]["verdicts"]}
        assert verdicts == {off.provider_id: "cancelled", on.provider_id: "answered"}


@pytest.mark.parametrize(
    ("given", "told"),
    [(10102, NO_MORE), (10110, NO_MORE), (10103, NO_MORE), (10111, NO_MORE), (6, NO_MORE)],
)
async def test_a_provider_gives_a_code_that_is_the_routers(given: int, told: int) -> None:
    """Case 36: after records the end is 10110 whatever the provider says; 10102 is never told."""
    async with open_house() as house:
        client = house.connect()
        handle = client.begin(f"records=1&fail={given}")
        await client.name(handle)
        error = await client.error(client.next(handle))
        assert error["code"] == told
        (verdict,) = error["data"]["verdicts"]
        plain_end = given in (10102, 10110)
        assert verdict["outcome"] == ("answered" if plain_end else "failed")
        assert verdict["error"] == (None if plain_end else FAILURE)


async def test_a_provider_that_fails_ten_thousand_times() -> None:
    """Case 38: its retries are its own; the Next ends with one error, and the daemon goes on."""
    tries = 0

    def try_it() -> None:
        raise TryAgain("try again")

    async def retry(query: Query, results: Results) -> None:
        nonlocal tries
        while True:
            try:
                try_it()
            except TryAgain:
                tries += 1
                if tries == 10_000:
                    raise

    async with open_house(FakeProvider(retry)) as house:
        client = house.connect()
        handle = client.begin()
        assert await client.code(client.next(handle)) == TryAgain.code
        assert tries == 10_000


async def test_a_thousand_providers_fail_one_after_the_other() -> None:
    """Case 38: with policy "first" each failure asks the next one, without recursion."""

    async def fail(query: Query, results: Results) -> None:
        await checkpoint()
        raise TryAgain("try again")

    providers = [FakeProvider(fail, number=number) for number in range(1500)]
    async with open_house(*providers) as house:
        client = house.connect()
        handle = client.begin(policy="first")
        assert await client.code(client.next(handle)) == TryAgain.code
        assert [provider.started for provider in providers] == [1] * 1500


@VIRTUAL_TIME
async def test_nothing_ever_arrives() -> None:
    """Case 39: an hour later the Next still waits: no time-out is hidden anywhere."""
    async with open_house() as house:
        client = house.connect()
        handle = client.begin(HANG)
        waiting = client.next(handle)
        await anyio.sleep(3600)
        assert client.open_calls == [waiting]


@VIRTUAL_TIME
@pytest.mark.parametrize("timeout", [0, 0.25, 3])
async def test_the_time_out_of_one_call(timeout: float) -> None:
    """Case 39: only a time-out that was asked for ends a call, and its record stays (C7)."""
    async with open_house() as house:
        client = house.connect()
        handle = client.begin("gate=g")
        begun = anyio.current_time()
        error = await client.error(client.next(handle, timeout=timeout))
        assert (error["code"], "verdicts" in error["data"]) == (10060, False)
        assert anyio.current_time() - begun == pytest.approx(timeout, abs=0.002)
        house.open("g")
        assert await client.name(handle) == "test-1"


async def test_a_query_of_every_provider_leaves_the_test_namespace_out() -> None:
    """Case 11: NS_ALL does not ask the provider of the test namespace, which is all there is."""
    async with open_house() as house:
        client = house.connect()
        query: dict[str, Any] = {"service_instance_name": "x"}
        assert await client.code(client.begin_query(query)) == NOT_FOUND
        assert await client.code(client.begin_query(query | {"namespace": TEST})) == 0
