"""Runs: what a provider may do with its `Results`, and who reads them."""

from __future__ import annotations

import threading

import anyio
import pytest

from nspd.core.catalog import Entry
from nspd.core.limits import READY_BYTES, Limits
from nspd.core.provider import Query, Results
from nspd.core.run import KEPT_RECORDS
from nspd.model import errors
from nspd.model.flags import LookupFlags, ResultFlags
from nspd.model.queryset import QuerySet
from tests.backends import REAL_TIME, VIRTUAL_TIME
from tests.core.world import (
    ALICE,
    BOB,
    Scripted,
    add_tokens,
    ask,
    begin,
    named,
    next_ex,
    open_world,
    run_of,
    settled,
    turns,
    until,
    work_known,
    work_of,
)

pytestmark = pytest.mark.anyio

ADDED, CHANGED, DELETED = ResultFlags.ADDED, ResultFlags.CHANGED, ResultFlags.DELETED


async def test_provider_waits_while_enough_is_ready() -> None:
    """A provider waits with `ready_records` unread, and goes on for each one that is read."""
    async with open_world(limits=Limits(ready_records=3)) as world:
        lookup = begin(world.session(), "records=10")
        run = run_of(lookup)
        await turns(50)
        assert (run.total, lookup.ready) == (3, 3)
        assert next_ex(lookup).name == "test-1"
        await turns(50)
        assert (run.total, lookup.ready) == (4, 3)


async def test_provider_waits_for_bytes() -> None:
    """A provider waits with 256 KiB unread, however few records that is."""
    async with open_world() as world:
        lookup = begin(world.session(), f"records=10&size={READY_BYTES // 2}")
        await turns(50)
        assert run_of(lookup).total == 2


async def test_two_tasks_of_a_provider_may_send() -> None:
    """Senders of one provider that wait at the same time all go on when there is room."""

    async def body(query: Query, results: Results) -> None:
        async def send(name: str) -> None:
            for number in range(3):
                await results.send(named(f"{name}{number}"))

        async with anyio.create_task_group() as tasks:
            for name in "abc":
                tasks.start_soon(send, name)

    async with open_world(Scripted(body), limits=Limits(ready_records=1)) as world:
        lookup = ask(world.session())
        await turns(50)
        names = []
        for _ in range(9):
            call = next_ex(lookup)
            await settled(call)
            names.append(call.name)
        assert sorted(name or "" for name in names) == [f"{n}{i}" for n in "abc" for i in range(3)]


async def test_bytes_of_a_user_hold_his_providers_back() -> None:
    """Past `bytes_per_user` the providers of a user's lookups wait, and only his (C8)."""
    limits = Limits(bytes_per_user=50_000)
    async with open_world(limits=limits) as world:
        alice, bob = world.session(ALICE), world.session(BOB)
        hogs = [begin(alice, "records=4&size=20000") for _ in range(2)]
        await turns(50)
        assert sum(run_of(hog).total for hog in hogs) == 3
        assert alice.user.bytes >= 50_000
        with pytest.raises(errors.NotEnoughMemory, match="bytes_per_user"):
            begin(alice)
        other = begin(bob, "records=4&size=10000")
        await turns(50)
        assert run_of(other).total == 4
        hogs[0].end()
        await turns(50)
        assert run_of(hogs[1]).total == 3  # 60,000 and some bytes, where 40,000 would do


async def test_bytes_do_not_bind_administrators() -> None:
    """An administrator's providers do not wait for his bytes."""
    async with open_world(limits=Limits(bytes_per_user=1000)) as world:
        session = world.session(administrator=True)
        lookup = begin(session, "records=4&size=20000")
        await turns(50)
        assert run_of(lookup).total == 4
        begin(session)


async def test_a_waiting_call_gets_its_record_past_the_limit() -> None:
    """A record that a call waits for is not held ready, so no limit stops it."""
    async with open_world(limits=Limits(bytes_per_user=1)) as world:
        session = world.session()
        lookup = begin(session, "records=3")
        names = []
        for _ in range(3):
            call = next_ex(lookup)
            await settled(call)
            names.append(call.name)
        assert names == ["test-1", "test-2", "test-3"]


async def test_known_tells_no_data_from_not_found() -> None:
    """Without a record the end is 11004 if the provider knew the name, else 10108."""

    async def body(query: Query, results: Results) -> None:
        if query.restrictions.service_instance_name == "known":
            results.known()

    async with open_world(Scripted(body)) as world:
        session = world.session()
        codes = {}
        for name in ("known", "unknown"):
            query = QuerySet(namespace=70001, service_instance_name=name)
            call = next_ex(session.begin(query))
            await settled(call)
            codes[name] = call.code
        assert codes == {"known": 11004, "unknown": 10108}


async def test_records_are_stamped() -> None:
    """Namespace, GUID, context and output flags come with every record, whoever left them out."""

    async def body(query: Query, results: Results) -> None:
        await results.send(named("bare"))
        await results.send(named("full", namespace=5, context="c", output_flags=1))

    provider = Scripted(body)
    async with open_world(provider) as world:
        lookup = ask(world.session())
        await turns()
        bare, full = (next_ex(lookup).outcome for _ in range(2))
        own = {"provider_id": provider.provider_id}
        assert bare == named("bare", namespace=70001, context="", output_flags=0, **own)
        assert full == named("full", namespace=5, context="c", output_flags=1, **own)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.TryAgain("busy"), 11002),
        (errors.TimedOut(), 10060),
        (errors.NoMoreResults(), 10108),
        (errors.LookupCancelled(), 10107),
        (errors.InvalidHandle(), 10107),
        (errors.BufferTooSmall(), 10107),
        (ExceptionGroup("of a task group", [errors.TryAgain("busy")]), 11002),
        (ExceptionGroup("two", [errors.TryAgain(), errors.TimedOut()]), 10107),
        (ZeroDivisionError(), 10107),
    ],
    ids=str,
)
async def test_failures_become_codes(error: Exception, code: int) -> None:
    """What a provider raises becomes the code of the lookup: its own, or 10107."""

    async def body(query: Query, results: Results) -> None:
        raise error

    async with open_world(Scripted(body)) as world:
        world.log.announced.add("provider failed")
        call = next_ex(ask(world.session()))
        await settled(call)
        assert call.code == code
        unplanned = not isinstance(error, errors.WSAError) and code == 10107
        assert (("error", "provider failed") in world.log.entries) == unplanned


# Sharing (C11)


def _shared(world_script: str = "") -> str:
    return f"shared=k&{world_script}"


async def test_c11_one_run_for_those_who_ask_the_same() -> None:
    """Lookups with the same key join one run, each reading from the first record on."""
    async with open_world() as world:
        session, other = world.session(), world.session(BOB)
        script = _shared("records=4&gate=g")
        first = begin(session, script)
        add_tokens(world, "g", 2)
        await until(lambda: first.ready == 2)
        assert next_ex(first).name == "test-1"
        second = begin(other, script)
        assert run_of(second) is run_of(first)
        assert world.router.work.running == 1
        assert [next_ex(second).name for _ in range(2)] == ["test-1", "test-2"]
        add_tokens(world, "g", 2)
        await until(lambda: run_of(first).total == 4)
        assert [next_ex(first).name for _ in range(3)] == ["test-2", "test-3", "test-4"]
        assert [next_ex(second).name for _ in range(2)] == ["test-3", "test-4"]
        await turns()
        assert (next_ex(first).code, next_ex(second).code) == (10110, 10110)


async def test_c11_leaving_disturbs_nobody_and_the_last_stops_the_work() -> None:
    """A waiter that leaves disturbs no other; the last to leave stops the run."""
    async with open_world() as world:
        session = world.session()
        script = _shared("records=2&gate=g")
        first, second = begin(session, script), begin(session, script)
        calls = next_ex(first), next_ex(second)
        work = work_of(first)
        await until(lambda: work.started)
        ending = first.end()
        assert (calls[0].code, ending.work) == (10111, "none")
        add_tokens(world, "g")
        await settled(calls[1])
        assert calls[1].name == "test-1"
        last = next_ex(second)
        ending = second.end()
        assert last.code == 10111
        late = begin(session, script)  # in the very step in which the last has left
        assert run_of(late)._work is not work
        assert await work_known(ending) == "stopped"
        assert work.cancelled_caught


@pytest.mark.parametrize(
    ("flags", "joins"),
    [(0xFF0, True), (0x10, True), (0x1FF0, False), (0xFF1, False), (0x2FF0, True)],
    ids=["same", "other fields", "FLUSHCACHE", "DEEP", "FLUSHPREVIOUS"],
)
async def test_c11_scope_flags_must_agree(flags: int, joins: bool) -> None:
    """Field flags do not part lookups; scope flags and FLUSHCACHE do."""
    async with open_world() as world:
        session = world.session()
        one = begin(session, _shared("hang=1"))
        two = begin(session, _shared("hang=1"), control_flags=flags)
        assert (run_of(one) is run_of(two)) == joins


async def test_c11_flushcache_joins_flushcache() -> None:
    """Two lookups with FLUSHCACHE share one run."""
    async with open_world() as world:
        session = world.session()
        one, two = (begin(session, _shared("hang=1"), control_flags=0x1FF0) for _ in range(2))
        assert run_of(one) is run_of(two)


async def test_c11_a_watch_is_never_shared() -> None:
    """A watch has a run of its own."""
    async with open_world() as world:
        session = world.session()
        one, two = (begin(session, _shared("hang=1"), watch=True) for _ in range(2))
        assert run_of(one) is not run_of(two)


@pytest.mark.parametrize("across", [True, False])
async def test_c11_across_users_only_where_the_answer_is_the_same(across: bool) -> None:
    """Users share a run only at a provider whose answers do not depend on who asks."""
    provider = Scripted(key=lambda query: "key", shares_across_users=across)
    async with open_world(provider) as world:
        alice, bob = ask(world.session(ALICE)), ask(world.session(BOB))
        assert (run_of(alice) is run_of(bob)) == across
        assert run_of(ask(world.session(ALICE))) is run_of(alice)


async def test_c11_paced_by_the_fastest_and_left_behind() -> None:
    """The run goes at its fastest reader's pace; who is left behind ends with 10055."""
    async with open_world() as world:
        session = world.session()
        script = _shared(f"records={KEPT_RECORDS + 20}")
        fast, slow = begin(session, script), begin(session, script)
        for number in range(KEPT_RECORDS + 10):
            call = next_ex(fast)
            await settled(call)
            assert call.name == f"test-{number + 1}"
        assert run_of(begin(session, script)) is not run_of(fast)
        behind = next_ex(slow)
        assert behind.code == 10055
        assert behind.data["verdicts"][0].outcome == "failed"
        await turns()
        assert next_ex(fast).name == f"test-{KEPT_RECORDS + 11}"


async def test_c11_past_a_mebibyte_nobody_joins() -> None:
    """A run that has given more than it keeps is not joined; its readers go on."""
    async with open_world() as world:
        session = world.session()
        script = _shared("records=5&size=500000")
        first = begin(session, script)
        for _ in range(4):
            call = next_ex(first)
            await settled(call)
        assert run_of(begin(session, script)) is not run_of(first)
        last = next_ex(first)
        await settled(last)
        assert last.name == "test-5"


@VIRTUAL_TIME
async def test_c11_each_keeps_its_own_deadline() -> None:
    """One waiter's budget ends its own lookup alone."""
    async with open_world() as world:
        session = world.session()
        script = _shared("records=1&delay=3")
        short = begin(session, script, timeout=1)
        patient = begin(session, script, timeout=5)
        calls = next_ex(short), next_ex(patient)
        assert run_of(short) is run_of(patient)
        await anyio.sleep(2)
        assert (calls[0].code, calls[1].settled) == (10060, False)
        assert calls[0].data["verdicts"][0].setting == "timeout"
        await anyio.sleep(2)
        assert calls[1].name == "test-1"


async def test_c11_an_error_is_everyones() -> None:
    """The failure of a shared run is the end of every lookup that reads it."""
    async with open_world() as world:
        session = world.session()
        script = _shared("records=1&gate=g&fail=11002")
        lookups = [begin(session, script) for _ in range(3)]
        add_tokens(world, "g")
        await until(lambda: all(lookup.parts[0].outcome for lookup in lookups))
        assert [next_ex(lookup).name for lookup in lookups] == ["test-1"] * 3
        ends = [next_ex(lookup) for lookup in lookups]
        assert [end.code for end in ends] == [10110] * 3
        assert {end.data["verdicts"][0].error for end in ends} == {11002}


# Watching


def _change(name: str, flags: ResultFlags) -> QuerySet:
    return named(name, output_flags=int(flags))


class Feed:
    """A watched set: what is put in is sent on, one after the other."""

    def __init__(self, *existing: str) -> None:
        self.existing = existing
        self.sent = 0
        self._put, self._take = anyio.create_memory_object_stream[QuerySet](100)

    def put(self, *changes: QuerySet) -> None:
        """Have the provider send these."""
        for change in changes:
            self._put.send_nowait(change)

    async def __call__(self, query: Query, results: Results) -> None:
        with self._put, self._take:
            for name in self.existing:
                await results.send(named(name))
            results.synced()
            async for change in self._take:
                await results.send(change)
                self.sent += 1


async def test_watch_tells_the_set_then_one_end_then_changes() -> None:
    """A watch: the existing set, one 10110, then NextEx waits for changes, with no second 10110."""
    feed = Feed("a", "b")
    async with open_world(Scripted(feed, watches=True)) as world:
        lookup = ask(world.session(), watch=True)
        feed.put(_change("c", ADDED))
        await until(lambda: feed.sent == 1)
        assert [next_ex(lookup).name for _ in range(2)] == ["a", "b"]
        assert next_ex(lookup).code == 10110
        change = next_ex(lookup).outcome
        assert isinstance(change, QuerySet)
        assert (change.service_instance_name, change.output_flags) == ("c", ADDED)
        waiting = next_ex(lookup)
        assert not waiting.settled
        feed.put(_change("a", DELETED))
        await settled(waiting)
        assert waiting.name == "a"


async def test_watch_end_of_an_empty_set_releases_a_waiting_call() -> None:
    """The end of the set answers a call that waits already."""
    feed = Feed()
    async with open_world(Scripted(feed, watches=True)) as world:
        lookup = ask(world.session(), watch=True)
        first, second = next_ex(lookup), next_ex(lookup)
        await settled(first)
        assert first.code == 10110
        assert not second.settled


async def test_watch_coalesces_for_a_slow_reader() -> None:
    """Once enough changes wait, later ones melt into the unread one of the same name."""
    feed = Feed()
    world_limits = Limits(ready_records=3)
    async with open_world(Scripted(feed, watches=True), limits=world_limits) as world:
        lookup = ask(world.session(), watch=True)
        changes = [
            _change("a", ADDED),
            _change("b", CHANGED),
            _change("c", ADDED),
            _change("a", CHANGED),  # still new to the reader
            _change("B", DELETED),  # names compare case-insensitively
            _change("b", ADDED),  # known, gone and back: changed
            _change("c", DELETED),  # came and went unseen
        ]
        feed.put(*changes)
        await until(lambda: feed.sent == len(changes))
        assert next_ex(lookup).code == 10110
        seen = [next_ex(lookup).outcome for _ in range(2)]
        told = [
            (change.service_instance_name, change.output_flags)
            for change in seen
            if isinstance(change, QuerySet)
        ]
        assert told == [("a", ADDED), ("b", CHANGED)]
        assert not next_ex(lookup).settled


async def test_watch_coalescing_past_the_users_bytes_leaves_no_trace() -> None:
    """A run that coalesced instead of waiting is not kept among those that wait for bytes."""
    feed = Feed()
    limits = Limits(bytes_per_user=600)
    async with open_world(Scripted(feed, watches=True), limits=limits) as world:
        session = world.session()
        lookup = ask(session, watch=True)
        feed.put(*[_change("a", CHANGED)] * 5)
        await until(lambda: feed.sent == 5)
        assert session.user.bytes < 1000
        lookup.end()
        await until(lambda: world.idle)
        assert session.user.starved == set()


async def test_end_says_none_of_work_that_goes_on_for_others() -> None:
    """C8: "none" for shared work that others still read, and for work that has finished."""
    async with open_world() as world:
        session = world.session()
        shared = [begin(session, _shared("hang=1")) for _ in range(2)]
        await turns()
        assert shared[0].end().work == "none"
        done = begin(session, "records=1")
        await turns()
        assert done.end().work == "none"


@VIRTUAL_TIME
async def test_end_of_work_whose_budget_detached_it() -> None:
    """C8: work that its budget could not stop is detached, and a later End says so."""
    entry = Entry(Scripted(_deaf), budget=1)
    async with open_world(entry, end_grace=0.1) as world:
        session = world.session()
        lookup = ask(session)
        call = next_ex(lookup)
        await anyio.sleep(2)
        assert call.code == 10060
        assert call.data["verdicts"][0].setting == "budget"
        assert len(world.router.detached) == 1
        assert lookup.end().work == "detached"
        await anyio.sleep(10)
        assert not world.router.detached


async def _deaf(query: Query, results: Results) -> None:
    with anyio.CancelScope(shield=True):
        await anyio.sleep(5)


@VIRTUAL_TIME
async def test_detached_work_that_awaits_again_is_stopped() -> None:
    """Work that outlived its grace in a shield is stopped at a later step, not left for good."""

    async def body(query: Query, results: Results) -> None:
        await _deaf(query, results)
        await anyio.sleep_forever()

    async with open_world(Scripted(body), end_grace=0.1) as world:
        lookup = ask(world.session())
        work = work_of(lookup)
        await anyio.sleep(0.5)
        lookup.end()
        await anyio.sleep(3)
        assert len(world.router.detached) == 1
        await anyio.sleep(4)
        assert not world.router.detached
        assert work.cancelled_caught


@REAL_TIME
async def test_detached_worker_stops_after_its_call() -> None:
    """A blocking provider is cancelled when the call returns that nothing could interrupt."""
    calls = 0

    def block() -> None:
        nonlocal calls
        calls += 1
        started.set()
        assert release.wait(20)

    started, release = threading.Event(), threading.Event()

    async def body(query: Query, results: Results) -> None:
        for _ in range(5):
            await provider.host.run_blocking(block)

    provider = Scripted(body, workers=1)
    async with open_world(provider, end_grace=0.01) as world:
        lookup = ask(world.session())
        work = work_of(lookup)
        await until(started.is_set)
        assert await work_known(lookup.end()) == "detached"
        release.set()
        await until(lambda: work.finished)
        assert work.cancelled_caught
        assert calls == 1


async def test_c11_aliases_come_to_those_who_asked_for_them() -> None:
    """Lookups with other field flags share a run; its alias records stay with who wants them."""

    async def body(query: Query, results: Results) -> None:
        await results.send(named("x"))
        await results.send(named("alias", output_flags=int(ResultFlags.ALIAS)))

    async with open_world(Scripted(body, key=lambda query: "one")) as world:
        session = world.session()
        plain = ask(session, control_flags=int(LookupFlags.RETURN_NAME))
        full = ask(session)
        assert run_of(plain) is run_of(full)
        await turns()
        assert [next_ex(full).name for _ in range(2)] == ["x", "alias"]
        assert next_ex(plain).name == "x"
        assert next_ex(plain).code == 10110
