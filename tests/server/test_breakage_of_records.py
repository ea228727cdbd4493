"""Records that no reply can carry, and replies that no reader should have to hold."""

from __future__ import annotations

from typing import Any

import pytest

from nspd.core.provider import Answer, Query, Results
from nspd.model.namespaces import Namespace
from nspd.model.queryset import QuerySet
from tests.cases.fakes import FakeProvider, Step
from tests.cases.harness import FAILURE, NO_MORE, code_of, open_house, ticks

pytestmark = pytest.mark.anyio

NO_UNICODE = QuerySet(service_instance_name="a\udc80")
GOOD = QuerySet(service_instance_name="good")
QUERY = {"namespace": int(Namespace.TEST)}


def _at_hand(query: Query) -> Answer:
    return Answer((NO_UNICODE, GOOD))


def _at_work(step: Step) -> FakeProvider:
    async def send(query: Query, results: Results) -> None:
        await step.wait()
        await results.send(NO_UNICODE)
        await results.send(GOOD)

    return FakeProvider(send)


@pytest.mark.parametrize("at_hand", [True, False])
async def test_unwritable_record_fails_the_call_that_gets_it(at_hand: bool) -> None:
    """A record that is no Unicode is answered 10107, and the next call gets the next one (C1)."""
    step = Step()
    async with open_house(FakeProvider(answer=_at_hand) if at_hand else _at_work(step)) as house:
        client = house.connect()
        handle = client.now(client.begin_query(QUERY))["result"]["lookup"]
        calls = [client.next(handle) for _ in range(3)]
        await ticks()
        step.go()
        assert await client.code(calls[0]) == FAILURE
        assert await client.result(calls[1]) == {
            "service_instance_name": "good",
            **_stamp(house),
        }
        assert await client.code(calls[2]) == NO_MORE


@pytest.mark.parametrize("at_hand", [True, False])
async def test_unwritable_record_fails_a_whole_lookup(at_hand: bool) -> None:
    """`nspd.Lookup` with such a record in its result is answered 10107 (C1)."""
    step = Step()
    async with open_house(FakeProvider(answer=_at_hand) if at_hand else _at_work(step)) as house:
        client = house.connect()
        call = client.send("nspd.Lookup", restrictions=QUERY)
        await ticks()
        step.go()
        assert code_of(await client.reply(call)) == FAILURE


def _stamp(house: Any) -> dict[str, Any]:
    (entry,) = house.router.catalog
    return {
        "namespace": entry.namespace,
        "provider_id": entry.provider_id,
        "context": "",
        "output_flags": 0,
    }
