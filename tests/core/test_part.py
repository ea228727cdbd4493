"""One lookup's part at one provider: budgets and verdicts."""

from __future__ import annotations

from collections.abc import Iterator

import anyio
import pytest

from nspd.core.catalog import Entry
from nspd.core.provider import Answer, Query, Results
from nspd.model.queryset import QuerySet
from nspd.providers.test import TestProvider
from tests.backends import VIRTUAL_TIME
from tests.core.world import Scripted, ask, begin, named, next_ex, open_world, work_of

pytestmark = pytest.mark.anyio


@VIRTUAL_TIME
async def test_budget_of_a_provider_names_its_setting() -> None:
    """A provider past its budget is stopped; what it gave is delivered; the verdict says why."""
    async with open_world(Entry(TestProvider(), budget=2.5)) as world:
        lookup = begin(world.session(), "records=9&delay=1")
        work = work_of(lookup)
        await anyio.sleep(10)
        assert work.cancelled_caught
        assert [next_ex(lookup).name for _ in range(2)] == ["test-1", "test-2"]
        end = next_ex(lookup)
        (verdict,) = end.data["verdicts"]
        assert (end.code, verdict.outcome, verdict.error) == (10110, "timed_out", 10060)
        assert (verdict.setting, verdict.records) == ("budget", 2)
        assert verdict.elapsed == pytest.approx(2.5)


@VIRTUAL_TIME
async def test_budget_of_one_provider_leaves_the_others() -> None:
    """Each provider has a budget of its own; none of them means as long as it takes."""

    async def slow(query: Query, results: Results) -> None:
        await anyio.sleep(5)
        await results.send(named("late"))

    bounded = Entry(Scripted(), budget=1)
    async with open_world(bounded, Scripted(slow, namespace=70002)) as world:
        lookup = world.session().begin()
        call = next_ex(lookup)
        await anyio.sleep(6)
        assert call.name == "late"
        outcomes = [verdict.outcome for verdict in next_ex(lookup).data["verdicts"]]
        assert outcomes == ["timed_out", "answered"]


@VIRTUAL_TIME
async def test_budget_with_policy_first_asks_the_next() -> None:
    """A provider that ran out of its budget without a record lets the next one be asked."""
    second = Scripted(at_once=lambda query: Answer([named("second")]), namespace=70002)
    async with open_world(Entry(Scripted(), budget=1), second) as world:
        lookup = world.session().begin(policy="first")
        call = next_ex(lookup)
        await anyio.sleep(2)
        assert call.name == "second"


@VIRTUAL_TIME
async def test_lookups_budget_skips_who_was_not_asked() -> None:
    """When the whole lookup's time is up, those not yet asked are skipped: 10060."""
    async with open_world(Scripted(), Scripted(namespace=70002)) as world:
        lookup = world.session().begin(policy="first", timeout=1)
        call = next_ex(lookup)
        await anyio.sleep(2)
        assert call.code == 10060
        verdicts = [(v.outcome, v.setting) for v in call.data["verdicts"]]
        assert verdicts == [("timed_out", "timeout"), ("skipped", None)]


async def test_an_answer_that_breaks_while_it_is_read() -> None:
    """An iterator that raises after a record ends the lookup: 10110, verdict failed."""

    def broken(query: Query) -> Answer:
        def records() -> Iterator[QuerySet]:
            yield named("a")
            raise ZeroDivisionError

        return Answer(records())

    async with open_world(Scripted(at_once=broken)) as world:
        world.log.announced.add("provider failed")
        lookup = ask(world.session())
        assert next_ex(lookup).name == "a"
        end = next_ex(lookup)
        (verdict,) = end.data["verdicts"]
        assert (end.code, verdict.outcome, verdict.error) == (10110, "failed", 10107)


async def test_c9_what_comes_after_the_cancellation_reaches_nobody() -> None:
    """Records, `known` and `synced` from a shielded clean-up are no error and have no effect."""
    cleaned: list[str] = []

    async def body(query: Query, results: Results) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await results.send(named("late"))
                results.known()
                results.synced()
                cleaned.append("up")

    async with open_world(Scripted(body, watches=True)) as world:
        session = world.session()
        lookup = ask(session, watch=True)
        call, work = next_ex(lookup), work_of(lookup)
        for _ in range(10):
            await anyio.lowlevel.checkpoint()
        lookup.end()
        while not work.finished:
            await anyio.lowlevel.checkpoint()
        assert (call.code, cleaned, session.user.bytes) == (10111, ["up"], 0)
        assert work.cancelled_caught
