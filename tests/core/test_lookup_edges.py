"""Lookups at the edges: refusals, budgets that meet failures, and what must not come back."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from itertools import groupby
from typing import Any
from uuid import NAMESPACE_DNS, uuid5

import anyio
import pytest

from nspd.core import sweeper
from nspd.core.catalog import Entry
from nspd.core.lookup import Lookup
from nspd.core.part import Part
from nspd.core.provider import Answer, Query, Results
from nspd.model import errors
from nspd.model.flags import LookupFlags, ResultFlags
from nspd.model.queryset import QuerySet, weight
from tests.backends import VIRTUAL_TIME
from tests.core.world import (
    SCRIPTED,
    Scripted,
    ask,
    hang,
    named,
    next_ex,
    open_world,
    settled,
    turns,
    until,
)

pytestmark = pytest.mark.anyio

ALL = 0


def _fails(query: Query) -> Answer:
    raise errors.TryAgain("not now")


def _fails_for_good(query: Query) -> Answer:
    raise errors.NoRecovery("never")


@pytest.mark.parametrize("policy", ["all", "first"])
async def test_begin_is_refused_if_every_provider_refuses(policy: str) -> None:
    """With the code of the last one; if one of them takes the lookup, Begin succeeds."""
    refusing = Scripted(at_once=_fails), Scripted(at_once=_fails_for_good, namespace=SCRIPTED + 1)
    async with open_world(*refusing) as world:
        session = world.session()
        with pytest.raises(errors.NoRecovery):
            ask(session, ALL, policy=policy)
        assert session.user.lookups == 0
    async with open_world(refusing[0], Scripted(hang, namespace=SCRIPTED + 2)) as world:
        assert not next_ex(ask(world.session(), ALL, policy=policy)).settled


@VIRTUAL_TIME
async def test_the_budget_goes_before_a_failure() -> None:
    """Without a record, a lookup whose time ran out ends with 10060, whoever failed besides."""
    providers = Scripted(hang), Scripted(at_once=_fails, namespace=SCRIPTED + 1)
    async with open_world(*providers) as world:
        call = next_ex(ask(world.session(), ALL, timeout=1.0))
        await anyio.sleep(2)
        assert call.code == 10060
        assert [verdict.outcome for verdict in call.data["verdicts"]] == ["timed_out", "failed"]


async def test_a_budget_of_nothing_waits_for_nobody_who_has_answered() -> None:
    """An answer at hand is read to its end however short the budget, and ends as it would."""
    answers = iter([Answer(iter(())), Answer((named("a"),)), Answer(iter([named("a")]))])
    async with open_world(Scripted(at_once=lambda query: next(answers))) as world:
        session = world.session()
        assert next_ex(ask(session, timeout=0)).code == 10108
        for _ in range(2):
            lookup = ask(session, timeout=0)
            assert next_ex(lookup).name == "a"
            end = next_ex(lookup)
            assert end.code == 10110
            assert [verdict.outcome for verdict in end.data["verdicts"]] == ["answered"]


@VIRTUAL_TIME
async def test_c7_what_was_ready_at_the_end_of_the_budget_comes_once() -> None:
    """One reader of shared work is out of time: its ready record comes once, then the end."""

    async def body(query: Query, results: Results) -> None:
        await results.send(named("ready"))
        await anyio.sleep(2)
        await results.send(named("too late"))
        await anyio.sleep_forever()

    async with open_world(Scripted(body, key=lambda query: "k")) as world:
        session = world.session()
        short, patient = ask(session, timeout=1.0), ask(session)
        await anyio.sleep(3)
        assert short.ready == 0  # of its run; the rest is kept by the lookup itself
        assert [next_ex(short).name, next_ex(short).code] == ["ready", 10110]
        assert [next_ex(patient).name for _ in range(2)] == ["ready", "too late"]
        assert next_ex(short).code == 10110


@VIRTUAL_TIME
async def test_c7_what_was_ready_at_the_end_of_a_providers_budget_comes_once() -> None:
    """One reader's part is out of time, while the shared work and another provider go on."""

    async def body(query: Query, results: Results) -> None:
        await results.send(named("ready"))
        await anyio.sleep(1.1)
        await results.send(named("too late"))
        await anyio.sleep_forever()

    shared = Entry(Scripted(body, key=lambda query: "k"), budget=1.0)
    async with open_world(shared, Scripted(hang, namespace=SCRIPTED + 1)) as world:
        session = world.session()
        first = ask(session, ALL)
        await anyio.sleep(0.5)
        second = ask(session, ALL)
        await anyio.sleep(0.7)
        assert next_ex(first).name == "ready"
        for _ in range(2):
            call = next_ex(first)
            assert not call.settled
            call.withdraw()
        assert [next_ex(second).name for _ in range(2)] == ["ready", "too late"]


@VIRTUAL_TIME
async def test_what_is_kept_beyond_the_budget_is_charged_until_it_is_read() -> None:
    """Records that were ready when the time ran out count as bytes of their user."""

    async def body(query: Query, results: Results) -> None:
        for number in range(2):
            await results.send(named(str(number), blob=b"x" * 10_000))
        await anyio.sleep_forever()

    async with open_world(Scripted(body)) as world:
        session = world.session()
        lookup = ask(session, timeout=1.0)
        held = []
        await anyio.sleep(2)
        for name in ("0", "1"):
            held.append(session.user.bytes // 10_000)
            assert next_ex(lookup).name == name
        held.append(session.user.bytes // 10_000)
        assert held == [2, 1, 0]


@VIRTUAL_TIME
async def test_a_watch_out_of_time_ends_with_its_set() -> None:
    """Whoever has read all of the existing set gets its 10110 next, and no change before it."""

    async def body(query: Query, results: Results) -> None:
        await results.send(named("of the set"))
        results.synced()
        await results.send(named("change", output_flags=int(ResultFlags.ADDED)))
        await anyio.sleep_forever()

    async with open_world(Scripted(body, watches=True)) as world:
        lookup = ask(world.session(), watch=True, timeout=1.0)
        await turns()
        assert next_ex(lookup).name == "of the set"
        await anyio.sleep(2)
        assert [next_ex(lookup).code for _ in range(2)] == [10110, 10110]


async def test_a_provider_switched_off_gives_nothing_more() -> None:
    """What it had ready is forgotten with its part; the others' records come (C10)."""

    async def body(query: Query, results: Results) -> None:
        await results.send(named("of the one switched off"))
        await anyio.sleep_forever()

    async def other(query: Query, results: Results) -> None:
        await results.send(named("of the other"))

    off = Scripted(body)
    async with open_world(off, Scripted(other, namespace=SCRIPTED + 1)) as world:
        lookup = ask(world.session(), ALL)
        await until(lambda: lookup.ready == 2)
        world.router.enable_provider(off.provider_id, False)
        assert next_ex(lookup).name == "of the other"
        assert next_ex(lookup).code == 10110
        world.router.enable_provider(off.provider_id, True)


async def test_ended_before_started_while_it_is_swept(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lookup of a session that was run down asks no further provider before it is closed."""
    monkeypatch.setattr(sweeper, "SLICE", 1)
    go_on = anyio.Event()
    begun: list[Query] = []
    asked: list[Query] = []

    async def first(query: Query, results: Results) -> None:
        begun.append(query)
        await go_on.wait()

    note: Callable[[Query], None] = asked.append
    second = Scripted(hang, at_once=note, namespace=SCRIPTED + 1)
    async with open_world(Scripted(first), second) as world:
        session = world.session()
        calls = [next_ex(ask(session, ALL, policy="first")) for _ in range(4)]
        await until(lambda: len(begun) == len(calls))
        await turns()
        go_on.set()
        session.rundown(lambda: None)
        await settled(*calls)
        await until(lambda: world.idle)
        assert [call.code for call in calls] == [10111] * len(calls)
        assert asked == []


async def test_client_side_drop_of_a_narrowed_record() -> None:
    """A record that was narrowed for a caller who had gone comes whole to the next (C7)."""
    caller = anyio.CancelScope()

    async def body(query: Query, results: Results) -> None:
        await until(lambda: lookup.wants)
        caller.cancel()
        await results.send(named("raced", comment="whole"))

    async with open_world(Scripted(body)) as world:
        lookup = ask(world.session())
        with caller:
            await lookup.next(int(LookupFlags.RETURN_NAME))
        assert caller.cancelled_caught
        record = await lookup.next()
        assert (record.service_instance_name, record.comment) == ("raced", "whole")


@pytest.fixture
def _collector_off() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("_collector_off")
async def test_providers_that_were_not_asked_leave_no_cycle() -> None:
    """A lookup that ends while some of its providers wait to be asked is freed at once."""

    def of_lookups() -> int:
        return sum(isinstance(found, Lookup | Part) for found in gc.get_objects())

    async with open_world(Scripted(hang), Scripted(hang, namespace=SCRIPTED + 1)) as world:
        session = world.session()
        before = of_lookups()
        for _ in range(5):
            ask(session, ALL, policy="first").end()
            await until(lambda: world.idle)
        await turns()
        assert of_lookups() == before


async def test_what_is_kept_for_the_next_call_counts_as_ready() -> None:
    """A record that did not fit, or whose caller had gone, is as ready as those not taken yet."""

    async def body(query: Query, results: Results) -> None:
        for name in "ab":
            await results.send(named(name))

    async with open_world(Scripted(body)) as world:
        lookup = ask(world.session())
        await until(lambda: world.idle)
        assert lookup.ready == 2
        assert next_ex(lookup, buffer_length=1).code == errors.WSAEFAULT
        assert lookup.ready == 2
        record = next_ex(lookup).outcome
        assert lookup.ready == 1
        lookup.give_back(record, None, lookup.last_taken)
        assert lookup.ready == 2
        assert [next_ex(lookup).name for _ in range(2)] == ["a", "b"]
        assert lookup.ready == 0


async def test_a_lookup_is_charged_for_what_was_asked() -> None:
    """Its restrictions count as bytes of its user until it ends."""
    async with open_world(Scripted(hang)) as world:
        session = world.session()
        query = named("x" * 1000, namespace=SCRIPTED)
        lookup = session.begin(query)
        assert (lookup.charged, session.user.bytes) == (weight(query), weight(query))
        lookup.end()
        assert session.user.bytes == 0


async def test_ended_before_anything_was_taken() -> None:
    """A task that waits for a corked session's lookup is told of its end, too."""
    codes: list[int] = []

    async def wait() -> None:
        with pytest.raises(errors.LookupCancelled) as cancelled:
            await lookup.next()
        codes.append(cancelled.value.code)

    async with open_world(Scripted(hang)) as world, anyio.create_task_group() as tasks:
        session = world.session()
        session.cork(True)
        lookup = ask(session)
        tasks.start_soon(wait)
        await until(lambda: lookup.waiting.first is not None)
        lookup.end()
        await until(lambda: codes)
        assert codes == [10111]


async def test_what_did_not_fit_is_charged_until_it_is_taken_or_dropped() -> None:
    """A record that is kept for a larger buffer counts as bytes of its user; once."""

    async def body(query: Query, results: Results) -> None:
        for _ in range(2):
            await results.send(named("a", blob=b"x" * 10_000))

    async with open_world(Scripted(body)) as world:
        session = world.session()
        lookup = ask(session)
        await until(lambda: world.idle)
        charged = lookup.charged
        held = []
        for room in (1, 1, None, 1):
            call = next_ex(lookup, 0, room)
            held.append(session.user.bytes // 10_000)
            if room is None:
                taken = call.outcome
        assert held == [2, 2, 1, 1]
        assert isinstance(taken, QuerySet)
        assert lookup.charged - charged == weight(taken)
        assert next_ex(lookup, int(LookupFlags.FLUSHPREVIOUS)).code == errors.WSA_E_NO_MORE
        assert session.user.bytes < 10_000
        assert next_ex(lookup).code == errors.WSA_E_NO_MORE


async def test_only_the_end_of_a_set_is_told_again() -> None:
    """A caller that had gone before it heard that a change did not fit misses no 10110."""

    async def body(query: Query, results: Results) -> None:
        results.synced()
        await results.send(named("change", output_flags=int(ResultFlags.ADDED)))
        await anyio.sleep_forever()

    async with open_world(Scripted(body, watches=True)) as world:
        lookup = ask(world.session(), watch=True)
        await until(lambda: lookup.ready == 1)
        assert next_ex(lookup).code == 10110
        misfit = next_ex(lookup, buffer_length=1)
        assert misfit.code == errors.WSAEFAULT
        lookup.give_back(misfit.outcome, None, lookup.last_taken)
        assert next_ex(lookup).name == "change"
        assert not next_ex(lookup).settled


async def test_a_record_that_comes_back_goes_to_the_call_that_waits() -> None:
    """It is given in the step in which it comes back."""

    async def body(query: Query, results: Results) -> None:
        await results.send(named("a"))
        await anyio.sleep_forever()

    async with open_world(Scripted(body)) as world:
        lookup = ask(world.session())
        await until(lambda: lookup.ready == 1)
        record = next_ex(lookup).outcome
        call = next_ex(lookup)
        lookup.give_back(record, None, lookup.last_taken)
        assert call.name == "a"


async def test_providers_with_much_to_give_take_turns() -> None:
    """Sixteen records of one, sixteen of the next, and round again, in the providers' order."""

    def gives(name: str, namespace: int) -> Scripted:
        records = tuple(named(name) for _ in range(40))
        return Scripted(at_once=lambda query: Answer(records), namespace=namespace)

    providers = [gives(name, SCRIPTED + place) for place, name in enumerate("abc")]
    async with open_world(*providers) as world:
        lookup = ask(world.session(), ALL)
        names = [next_ex(lookup).name for _ in range(120)]
        turns_taken = [(name, len([*group])) for name, group in groupby(names)]
        rounds = [(name, size) for size in (16, 16, 8) for name in "abc"]
        assert turns_taken == rounds


async def test_the_verdicts_outlive_the_lookup() -> None:
    """What was told at the end of the records can still be told after End."""
    async with open_world(Scripted(at_once=lambda query: Answer((named("a"),)))) as world:
        lookup = ask(world.session())
        assert next_ex(lookup).name == "a"
        (verdict,) = next_ex(lookup).data["verdicts"]
        lookup.end()
        assert lookup.verdicts() == [verdict]


@pytest.mark.parametrize("refusing", [0, 1])
async def test_a_lookup_that_one_provider_took_has_begun(refusing: int) -> None:
    """Though it failed while its first record was looked at, and the other one refused."""

    def broken() -> Iterator[QuerySet]:
        yield from ()
        raise errors.TryAgain("not now")

    taking = Scripted(at_once=lambda query: Answer(broken()), namespace=SCRIPTED + 1 - refusing)
    refuses = Scripted(at_once=_fails_for_good, namespace=SCRIPTED + refusing)
    async with open_world(*sorted((taking, refuses), key=lambda each: each.namespace)) as world:
        end = next_ex(ask(world.session(), ALL, policy="first"))
        failures = sorted(verdict.error for verdict in end.data["verdicts"])
        assert failures == [errors.WSATRY_AGAIN, errors.WSANO_RECOVERY]


def _leveled(namespace: int, **options: Any) -> list[Scripted]:
    """Two providers of a namespace that are asked one after the other."""
    names = [f"{namespace}-{place}" for place in range(2)]
    guids = [str(uuid5(NAMESPACE_DNS, name)) for name in names]
    return [
        Scripted(namespace=namespace, leveled=True, provider_id=guid, identifier=name, **options)
        for guid, name in zip(guids, names, strict=True)
    ]


async def test_a_watch_that_all_who_can_watch_refuse() -> None:
    """Those that cannot were not asked, so Begin fails with the code of the others."""
    refusing = _leveled(SCRIPTED, at_once=_fails_for_good, watches=True)
    async with open_world(*refusing, *_leveled(SCRIPTED + 1)) as world:
        session = world.session()
        with pytest.raises(errors.NoRecovery):
            ask(session, ALL, watch=True)


async def test_the_end_of_one_sequence_asks_nobody_of_another_again() -> None:
    """Each namespace goes on by itself, while the first provider of the other is at work."""
    asked: list[int] = []

    async def body(query: Query, results: Results) -> None:
        asked.append(SCRIPTED)
        await anyio.sleep_forever()

    async def empty(query: Query, results: Results) -> None:
        asked.append(SCRIPTED + 1)

    first, second = _leveled(SCRIPTED, body=body), _leveled(SCRIPTED + 1, body=empty)
    async with open_world(*first, *second) as world:
        lookup = ask(world.session(), ALL)
        await until(lambda: len(asked) == 3)
        await turns()
        assert sorted(asked) == [SCRIPTED, SCRIPTED + 1, SCRIPTED + 1]
        assert [part.outcome for part in lookup.parts] == [None, None, "empty", "empty"]


@VIRTUAL_TIME
async def test_a_time_that_is_up_when_all_is_over_changes_nothing() -> None:
    """Nobody had to be stopped or skipped, so what the providers said decides."""

    async def empty(query: Query, results: Results) -> None:
        """Knows nothing."""

    providers = Scripted(at_once=_fails), Scripted(empty, namespace=SCRIPTED + 1)
    async with open_world(*providers) as world:
        codes = []
        for wait in (0.5, 2.0):
            lookup = ask(world.session(), ALL, timeout=1.0)
            await anyio.sleep(wait)
            codes.append(next_ex(lookup).code)
        assert codes == [errors.WSATRY_AGAIN] * 2
