"""Ways round what a user may hold, and ways in which a quota held up the wrong one."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from nspd.core.collect import Collector
from nspd.core.limits import Limits
from nspd.core.lookup import Lookup
from nspd.core.outcome import Failure
from nspd.model.namespaces import Namespace
from nspd.model.queryset import QuerySet
from nspd.model.verdict import Verdict
from nspd.providers.test import TestProvider
from tests.cases.harness import (
    NOT_ENOUGH_MEMORY,
    another_test_provider,
    code_of,
    open_house,
    ticks,
)
from tests.core.world import (
    ALICE,
    BOB,
    add_tokens,
    begin,
    next_ex,
    open_world,
    settled,
    turns,
    until,
)

pytestmark = pytest.mark.anyio

SMALL = Limits(bytes_per_user=100_000)


async def test_bytes_of_another_user_do_not_hold_up_shared_work() -> None:
    """Who waits on work that another began gets his record though the other is at his limit."""
    async with open_world(limits=SMALL) as world:
        alice, bob = world.session(ALICE), world.session(BOB)
        script = "records=20&size=60000&shared=k"
        begin(alice, script)
        await until(lambda: alice.user.bytes >= SMALL.bytes_per_user)
        lookup = begin(bob, script)
        for number in range(1, 21):
            call = next_ex(lookup)
            await settled(call)
            assert call.name == f"test-{number}"


async def test_call_that_was_held_back_gets_its_record_past_the_limit() -> None:
    """A client that reads again is served, be its user's bytes spent on other lookups."""
    async with open_world(limits=SMALL) as world:
        session = world.session(ALICE)
        lookup = begin(session, "records=1&gate=g")
        begin(session, "records=20&size=120000")
        await until(lambda: session.user.bytes >= SMALL.bytes_per_user)
        session.cork(True)
        call = next_ex(lookup)
        add_tokens(world, "g")
        await until(lambda: len(session.user.starved) == 2)
        assert not call.settled
        session.cork(False)
        await settled(call)
        assert call.name == "test-1"


async def test_record_that_did_not_fit_is_charged() -> None:
    """A record kept for a caller with more room counts among its user's bytes, once."""
    async with open_world() as world:
        session = world.session(ALICE)
        lookup = begin(session, "records=1&size=50000")
        before = session.user.bytes
        for _ in range(3):
            call = next_ex(lookup, buffer_length=0)
            await settled(call)
            assert call.code == 10014
        assert 50_000 <= session.user.bytes - before < 60_000
        call = next_ex(lookup)
        await settled(call)
        assert call.name == "test-1"
        assert session.user.bytes == before


async def test_records_kept_after_the_time_is_up_are_charged() -> None:
    """What is still delivered after a lookup's budget counts among its user's bytes."""
    async with open_world() as world:
        session = world.session(ALICE)
        lookup = begin(session, "records=9&size=50000")
        before = session.user.bytes
        await until(lambda: lookup.ready > 1)
        await turns()
        ready = lookup.ready
        lookup.run_out_of_time()
        assert session.user.bytes - before >= ready * 50_000
        for left in range(ready - 1, -1, -1):
            call = next_ex(lookup)
            await settled(call)
            assert call.code == 0
            assert left * 50_000 <= session.user.bytes - before < (left + 1) * 50_000
        assert next_ex(lookup).code == 10110


async def test_verdict_names_the_cap_on_detached_work() -> None:
    """A provider past its cap fails in the verdict with 10055 and the setting's name."""
    capped, other = TestProvider(), another_test_provider()
    async with open_world(
        capped, other, end_grace=0.05, limits=Limits(detached_per_provider=1)
    ) as w:
        session = w.session(ALICE)
        query = QuerySet(query_string="records=0&hang=1&stubborn=0.5")
        stubborn = session.begin(query, provider_id=capped.provider_id)
        await turns()
        stubborn.end()
        await anyio.sleep(0.2)
        assert w.router.detached
        lookup = session.begin(QuerySet(namespace=Namespace.TEST, query_string="records=1"))
        verdict = lookup.verdicts()[0]
        assert (verdict.outcome, verdict.error, verdict.setting) == (
            "failed",
            10055,
            "limits.detached_per_provider",
        )
        await anyio.sleep(1)  # the books are closed with no work left


async def test_new_limit_of_bytes_binds_those_who_are_here() -> None:
    """Limits read again hold for connected users, and free work that waited for the old ones."""
    async with open_world(limits=SMALL) as world:
        session = world.session(ALICE)
        lookup = begin(session, "records=20&size=60000")
        await until(lambda: session.user.starved)
        world.router.set_limits(Limits(bytes_per_user=300_000))
        await until(lambda: lookup.ready > 2)
        assert session.user.byte_limit == 300_000


class _Whole(Collector):
    """A whole lookup that notes how it failed."""

    __slots__ = ("failures",)

    def __init__(self, lookup: Lookup) -> None:
        super().__init__(lookup, None)
        self.failures: list[Failure | None] = []

    def prepare(self, record: QuerySet) -> bytes:
        return record.blob or b""

    def done(self, verdicts: list[Verdict], failure: Failure | None) -> None:
        self.failures.append(failure)


async def test_whole_lookups_do_not_pass_the_limit_of_bytes_together() -> None:
    """Many of them that wait for more records hold no more than their user may; 10055 past it."""
    async with open_world(limits=SMALL) as world:
        session = world.session(ALICE)
        wholes = [
            _Whole(begin(session, "records=1&size=40000&gate=g&hang=1", oneshot=True))
            for _ in range(5)
        ]
        for whole in wholes:
            whole.run()
        await turns()
        add_tokens(world, "g", 5)
        await until(lambda: [whole for whole in wholes if whole.failures])
        await turns(50)
        codes = [whole.failures[0].code for whole in wholes if whole.failures and whole.failures[0]]
        assert codes == [10055] * 3
        assert session.user.bytes <= SMALL.bytes_per_user


async def test_replies_that_wait_for_their_batch_are_charged() -> None:
    """They count as unsent, until the batch is answered or its client gone."""
    async with open_house(limits=Limits(bytes_per_user=200_000)) as house:
        one, other = house.connect(ALICE), house.connect(ALICE)
        user = house.router.users[ALICE]
        for client in (one, other):
            handles = [client.begin("records=1&size=40000&gate=g") for _ in range(3)]
            client.asked += ["m", *map(str, handles)]
            client.write([_call("nspd.Monitor", "m"), *map(_next_ex, handles)])
        await ticks()
        before = user.bytes
        house.open("g", 6)
        await ticks(100)
        assert user.bytes - before > 6 * 40_000
        refused = other.send_begin()
        assert code_of(other.now(refused)) == NOT_ENOUGH_MEMORY
        one.vanish()
        assert 3 * 40_000 < user.bytes < 4 * 60_000
        other.send("$/cancelRequest", {"id": "m"})
        await other.reply("m")
        assert user.bytes < 40_000


def _call(method: str, id: str, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": id, "method": method, "params": params}


def _next_ex(handle: int) -> dict[str, Any]:
    return _call("NSPv2LookupServiceNextEx", str(handle), lookup=handle)
