"""One lookup: taking, waiting, giving back, and its own end."""

from __future__ import annotations

import asyncio

import anyio
import pytest

from nspd.core.limits import Limits
from nspd.core.lookup import Lookup
from nspd.core.outcome import TIMED_OUT, Outcome
from nspd.core.provider import Answer, Query, Results
from nspd.core.waiting import Waiter
from nspd.model import errors
from nspd.model.flags import LookupFlags
from nspd.model.native import native_size
from nspd.model.queryset import CsAddr, QuerySet, SocketAddress
from tests.backends import VIRTUAL_TIME
from tests.core.world import (
    SCRIPTED,
    Call,
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
    work_of,
)

pytestmark = pytest.mark.anyio

PATIENCE = 5
"""Seconds after which what a test waits for is taken to be lost."""

FLUSH = int(LookupFlags.FLUSHPREVIOUS)


# Ends


async def test_the_end_is_told_again_and_again() -> None:
    """10110 with the verdicts, the same at every further call, until End."""
    async with open_world() as world:
        lookup = begin(world.session(), "records=1")
        first = next_ex(lookup)
        await settled(first)
        ends = [next_ex(lookup) for _ in range(3)]
        await settled(*ends)
        assert [end.code for end in ends] == [10110] * 3
        assert ends[0].data == ends[2].data
        (verdict,) = ends[0].data["verdicts"]
        assert (verdict.outcome, verdict.records, verdict.error) == ("answered", 1, None)
        lookup.end()
        with pytest.raises(errors.InvalidHandle):
            lookup.end()
        assert next_ex(lookup).code == 6


@pytest.mark.parametrize(
    ("script", "code", "outcome", "error"),
    [
        ("records=0", 11004, "empty", None),
        ("records=0&fail=11002", 11002, "failed", 11002),
        ("records=1&fail=11002", 10110, "failed", 11002),
        ("records=0&fail=10060", 10060, "timed_out", 10060),
        ("records=0&fail=10110", 11004, "empty", None),
        ("records=0&fail=10102", 11004, "empty", None),
        ("records=0&fail=10111", 10107, "failed", 10107),
        ("records=0&fail=6", 10107, "failed", 10107),
    ],
)
async def test_conclusions(script: str, code: int, outcome: str, error: int | None) -> None:
    """How a lookup ends follows from its verdicts, and the test namespace knows every name."""
    async with open_world() as world:
        lookup = begin(world.session(), script)
        await until(lambda: lookup.parts[0].outcome)
        if "records=1" in script:
            assert next_ex(lookup).name == "test-1"
        end = next_ex(lookup)
        (verdict,) = end.data["verdicts"]
        assert (end.code, verdict.outcome, verdict.error) == (code, outcome, error)


@VIRTUAL_TIME
async def test_budget_of_the_lookup() -> None:
    """When `timeout` runs out, what is ready is still delivered, then the end."""
    async with open_world() as world:
        session = world.session()
        lookup = begin(session, "records=10&delay=1", timeout=2.5)
        await anyio.sleep(5)
        assert work_of(lookup).cancelled_caught
        assert [next_ex(lookup).name for _ in range(2)] == ["test-1", "test-2"]
        end = next_ex(lookup)
        assert end.code == 10110
        (verdict,) = end.data["verdicts"]
        assert (verdict.outcome, verdict.setting) == ("timed_out", "timeout")
        assert (verdict.records, verdict.elapsed) == (2, pytest.approx(2.5))


@VIRTUAL_TIME
async def test_timeout_of_a_call() -> None:
    """A NextEx's own time-out ends that call alone; its record stays for the next (C7)."""
    async with open_world() as world:
        lookup = begin(world.session(), "records=1&delay=2")
        call = next_ex(lookup, timeout=1)
        await anyio.sleep(1.5)
        assert call.code == 10060
        assert call.outcome == TIMED_OUT
        await anyio.sleep(1)
        assert next_ex(lookup, timeout=0).name == "test-1"


@VIRTUAL_TIME
async def test_budget_zero_gives_what_is_ready() -> None:
    """A budget of nothing starts no work, but an answer at hand is delivered."""

    def at_once(query: Query) -> Answer | None:
        return Answer([named("at hand")]) if query.restrictions.context else None

    async with open_world(Scripted(at_once=at_once)) as world:
        session = world.session()
        lookup = session.begin(QuerySet(namespace=SCRIPTED, context="x"), timeout=0)
        assert [next_ex(lookup).name, next_ex(lookup).code] == ["at hand", 10110]
        assert next_ex(ask(session, timeout=0)).code == 10060


# Buffers and flags (10014, FLUSHPREVIOUS)


def two_records(query: Query) -> Answer:
    """Two records, of which the first is larger."""
    return Answer([named("a" * 50), named("b")])


async def test_a_record_that_does_not_fit_stays() -> None:
    """10014 says what is needed, and the record is the next call's (C7)."""
    async with open_world(Scripted(at_once=two_records)) as world:
        lookup = ask(world.session())
        small = next_ex(lookup, buffer_length=112)
        assert small.code == 10014
        needed = small.data["buffer_length"]
        assert next_ex(lookup, buffer_length=needed - 1).code == 10014
        fitting = next_ex(lookup, buffer_length=needed)
        assert isinstance(fitting.outcome, QuerySet)
        assert native_size(fitting.outcome) == needed
        assert next_ex(lookup).name == "b"


async def test_flushprevious_drops_the_record_that_did_not_fit() -> None:
    """FLUSHPREVIOUS drops that record and takes the next; it never skips an unseen one."""
    async with open_world(Scripted(at_once=two_records)) as world:
        session = world.session()
        lookup = ask(session)
        assert next_ex(lookup, buffer_length=1).code == 10014
        assert next_ex(lookup, FLUSH).name == "b"
        unseen = ask(session)
        assert next_ex(unseen, FLUSH).name == "a" * 50
        assert next_ex(unseen, FLUSH).name == "b"


async def test_flushprevious_is_judged_when_the_call_is_served() -> None:
    """A waiting call with FLUSHPREVIOUS drops what did not fit the call before it."""
    async with open_world() as world:
        lookup = begin(world.session(), "records=3&gate=g")
        calls = [next_ex(lookup, buffer_length=1), next_ex(lookup, FLUSH), next_ex(lookup)]
        add_tokens(world, "g", 3)
        await settled(*calls)
        assert calls[0].code == 10014
        assert [call.name for call in calls[1:]] == ["test-2", "test-3"]


async def test_field_flags_narrow_one_call() -> None:
    """Field flags of a NextEx are for that call only, and can never widen the lookup."""
    async with open_world() as world:
        flags = int(LookupFlags.RETURN_NAME | LookupFlags.RETURN_COMMENT)
        lookup = begin(world.session(), "records=3", control_flags=flags)
        await turns()
        shapes = [
            next_ex(lookup, int(LookupFlags.RETURN_COMMENT)).outcome,
            next_ex(lookup, int(LookupFlags.RETURN_ALL)).outcome,
            next_ex(lookup).outcome,
        ]
        seen = [
            (r.service_instance_name, r.comment, r.addresses, r.context)
            for r in shapes
            if isinstance(r, QuerySet)
        ]
        assert seen == [
            (None, "record 1 of 3", None, ""),
            ("test-2", "record 2 of 3", None, ""),
            ("test-3", "record 3 of 3", None, ""),
        ]


async def test_res_service_turns_addresses_round() -> None:
    """RES_SERVICE at NextEx gives a service query what to bind to, for that call."""
    here = SocketAddress.inet("192.0.2.1", 25)
    address = CsAddr(remote=here, socket_type=1, protocol=6)

    def at_once(query: Query) -> Answer:
        return Answer([named("a", addresses=(address,))] * 2)

    async with open_world(Scripted(at_once=at_once)) as world:
        session = world.session()
        service = session.begin(QuerySet(namespace=SCRIPTED, query_string="smtp/tcp"))
        flag = int(LookupFlags.RES_SERVICE)
        turned, plain = next_ex(service, flag).outcome, next_ex(service).outcome
        other = next_ex(ask(session), flag).outcome
        assert isinstance(turned, QuerySet)
        assert isinstance(plain, QuerySet)
        assert isinstance(other, QuerySet)
        assert turned.addresses == (CsAddr(local=here, socket_type=1, protocol=6),)
        assert plain.addresses == other.addresses == (address,)


# Policies


async def test_policy_all_asks_everyone_at_once() -> None:
    """Records are passed on as they come, in order within one provider."""
    gates = anyio.Event(), anyio.Event()

    def body(number: int) -> Scripted:
        async def lookup(query: Query, results: Results) -> None:
            await results.send(named(f"{number}a"))
            await gates[number].wait()
            await results.send(named(f"{number}b"))

        return Scripted(lookup, namespace=70001 + number)

    async with open_world(body(0), body(1)) as world:
        lookup = world.session().begin()
        names = []
        for gate in (None, None, gates[1], gates[0]):
            if gate is not None:
                gate.set()
            call = next_ex(lookup)
            await settled(call)
            names.append(call.name)
        assert sorted(names[:2], key=str) == ["0a", "1a"]
        assert names[2:] == ["1b", "0b"]


@pytest.mark.parametrize(
    ("first", "names", "outcomes"),
    [
        ("nothing", ["second"], ["empty", "answered", "skipped"]),
        ("failure", ["second"], ["failed", "answered", "skipped"]),
        ("refusal", ["second"], ["failed", "answered", "skipped"]),
        ("record", ["first"], ["answered", "skipped", "skipped"]),
        ("known", [], ["empty", "skipped", "skipped"]),
        ("at hand", ["first"], ["answered", "skipped", "skipped"]),
        ("none at hand", ["second"], ["empty", "answered", "skipped"]),
    ],
)
async def test_policy_first(first: str, names: list[str], outcomes: list[str]) -> None:
    """The next provider is asked only when the one before ended without an answer."""

    async def body(query: Query, results: Results) -> None:
        if first == "failure":
            raise errors.TryAgain
        if first == "record":
            await results.send(named("first"))
        if first == "known":
            results.known()

    def at_once(query: Query) -> Answer | None:
        if first == "refusal":
            raise errors.TryAgain
        if first == "at hand":
            return Answer([named("first")])
        return Answer([]) if first == "none at hand" else None

    async def second(query: Query, results: Results) -> None:
        await results.send(named("second"))

    providers = [
        Scripted(body, at_once=at_once),
        Scripted(second, namespace=70002),
        Scripted(namespace=70003),
    ]
    async with open_world(*providers) as world:
        lookup = world.session().begin(policy="first")
        seen = []
        call = next_ex(lookup)
        await settled(call)
        while call.code == 0:
            seen.append(call.name)
            call = next_ex(lookup)
            await settled(call)
        assert seen == names
        assert call.code == (10110 if names else 11004)
        assert [verdict.outcome for verdict in call.data["verdicts"]] == outcomes


async def test_a_fast_provider_does_not_keep_others_waiting() -> None:
    """Records of several providers alternate after a burst from one."""

    def many(name: str) -> Answer:
        return Answer(named(name) for _ in range(100))

    one = Scripted(at_once=lambda query: many("one"))
    two = Scripted(at_once=lambda query: many("two"), namespace=70002)
    async with open_world(one, two) as world:
        lookup = world.session().begin()
        names = [next_ex(lookup).name for _ in range(40)]
        assert names[:16] == ["one"] * 16
        assert names[16] == "two"


async def test_watch_skips_those_that_cannot() -> None:
    """Of several providers those that cannot report changes are skipped."""

    async def body(query: Query, results: Results) -> None:
        results.synced()
        await anyio.sleep_forever()

    async with open_world(Scripted(body, watches=True), Scripted(namespace=70002)) as world:
        lookup = world.session().begin(watch=True)
        call = next_ex(lookup)
        await settled(call)
        assert call.code == 10110
        assert [v.outcome for v in call.data["verdicts"]] == ["empty", "skipped"]


# In-process callers (C7)


async def test_next_raises_what_nextex_answers() -> None:
    """`await lookup.next()` gives records, then raises the end, and after `end` 6."""
    async with open_world() as world:
        lookup = begin(world.session(), "records=1")
        assert (await lookup.next()).service_instance_name == "test-1"
        with pytest.raises(errors.NoMoreResults) as over:
            await lookup.next()
        assert len(over.value.verdicts) == 1
        lookup.end()
        with pytest.raises(errors.InvalidHandle):
            await lookup.next()


async def test_a_provider_s_own_lack_is_not_called_falling_behind() -> None:
    """10055 of a provider, say for want of a descriptor, is told as what it is."""

    async def lacking(query: Query, results: Results) -> None:
        raise errors.NoBuffers("no socket")

    async with open_world(Scripted(lacking)) as world:
        with pytest.raises(errors.NoBuffers, match="lacked") as raised:
            await ask(world.session()).next()
        assert raised.value.data["verdicts"][0].error == errors.WSAENOBUFS


async def test_next_ends_with_the_lookup() -> None:
    """`end` while a task waits in `next`: `LookupCancelled`, and the task goes on."""
    async with open_world() as world:
        lookup = begin(world.session(), "gate=never")
        async with anyio.create_task_group() as tasks:

            async def end_it() -> None:
                await until(lambda: lookup.wants)
                lookup.end()

            tasks.start_soon(end_it)
            with pytest.raises(errors.LookupCancelled):
                await lookup.next()


async def test_a_cancelled_next_leaves_the_queue() -> None:
    """A cancelled caller withdraws its call, and the record goes to the next one."""
    async with open_world() as world:
        lookup = begin(world.session(), "records=1&gate=g")
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(lookup.next)
                await until(lambda: lookup.wants)
                scope.cancel()
        assert scope.cancelled_caught
        assert len(lookup.waiting) == 0
        add_tokens(world, "g")
        assert (await lookup.next()).service_instance_name == "test-1"


async def test_records_given_back_keep_their_order() -> None:
    """C7: several callers cancelled in the step of their records give them back in order."""
    calls, rounds = 4, 20
    wanted, scopes = anyio.Event(), list[anyio.CancelScope]()

    async def body(query: Query, results: Results) -> None:
        nonlocal wanted
        for _ in range(rounds):
            await wanted.wait()
            wanted = anyio.Event()
            for scope in scopes:
                scope.cancel()
            # In the step of the cancellation, before any caller can leave:
            for _ in range(calls):
                await results.send(named(f"r{run_of(lookup).total}"))

    async def take(scope: anyio.CancelScope) -> None:
        with scope:
            await lookup.next()

    async with open_world(Scripted(body)) as world:
        lookup = ask(world.session())
        for round in range(rounds):
            scopes = [anyio.CancelScope() for _ in range(calls)]
            async with anyio.create_task_group() as tasks:
                for scope in scopes:
                    tasks.start_soon(take, scope)
                await until(lambda: len(lookup.waiting) == calls)
                wanted.set()
            with anyio.fail_after(PATIENCE):
                names = [(await lookup.next()).service_instance_name for _ in range(calls)]
            assert names == [f"r{round * calls + number}" for number in range(calls)]


@VIRTUAL_TIME
async def test_a_watch_out_of_time_ends_with_its_set() -> None:
    """Changes that nobody has read yet never come before the one 10110 that ends the set."""
    async with open_world() as world:
        lookup = begin(world.session(), "records=2&watch_every=1", watch=True, timeout=3.5)
        await anyio.sleep(5)
        assert [next_ex(lookup).name for _ in range(2)] == ["test-1", "test-2"]
        assert [next_ex(lookup).code for _ in range(2)] == [10110, 10110]


async def test_the_end_of_a_watched_set_is_not_lost_with_its_caller() -> None:
    """The one 10110 of a watch that comes with its caller's cancellation is the next call's."""
    gate = anyio.Event()

    async def body(query: Query, results: Results) -> None:
        await gate.wait()
        caller.cancel()
        results.synced()
        await anyio.sleep_forever()

    caller = anyio.CancelScope()
    async with open_world(Scripted(body, watches=True)) as world:
        lookup = ask(world.session(), watch=True)
        async with anyio.create_task_group() as tasks:

            async def take() -> None:
                with caller:
                    await lookup.next()

            tasks.start_soon(take)
            await until(lambda: lookup.wants)
            gate.set()
        assert caller.cancelled_caught
        with anyio.fail_after(PATIENCE), pytest.raises(errors.NoMoreResults):
            await lookup.next()
        assert not next_ex(lookup).settled


@pytest.mark.parametrize("anyio_backend", ["asyncio", "uvloop"], indirect=True)
async def test_a_native_cancellation_gives_the_record_back() -> None:
    """On asyncio a task may be cancelled after its record has come; the record is not lost.

    (trio delivers no cancellation to a task that is about to run.)
    """
    async with open_world() as world:
        lookup = begin(world.session(), "records=1&gate=g")
        task = asyncio.get_running_loop().create_task(lookup.next())
        await until(lambda: lookup.wants)
        first = lookup.waiting.first
        assert first is not None

        add_tokens(world, "g")
        await until(lambda: lookup.delivered == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await lookup.next()).service_instance_name == "test-1"


# Settling calls that begin and end lookups


async def test_a_call_may_begin_the_next_from_its_own_answer() -> None:
    """C5: `settle` runs in the deciding step and may take, wait, end and begin."""
    async with open_world() as world:
        session = world.session()
        lookup = begin(session, "records=3")
        seen: list[str | None] = []
        others: list[Lookup] = []

        class Greedy(Waiter):
            def settle(self, outcome: Outcome) -> None:
                if isinstance(outcome, QuerySet):
                    seen.append(outcome.service_instance_name)
                    others.append(begin(session, "hang=1"))
                    lookup.wait(Greedy())

        lookup.wait(Greedy())
        await until(lambda: len(seen) == 3)
        await turns()
        assert seen == ["test-1", "test-2", "test-3"]
        assert len(lookup.waiting) == 0
        assert len({other.handle for other in others}) == 3


async def test_c5_a_record_before_end_stays() -> None:
    """A NextEx answered before End takes effect stays answered; after it, none is."""
    async with open_world() as world:
        lookup = begin(world.session(), "records=5&gate=g")
        calls = [next_ex(lookup) for _ in range(4)]
        add_tokens(world, "g", 2)
        await settled(calls[1])
        add_tokens(world, "g", 2)
        lookup.end()
        await turns(50)
        assert [call.code for call in calls] == [0, 0, 10111, 10111]


async def test_c6_no_half_records() -> None:
    """C6: however far a record is built when End comes, the cancelled call carries none of it."""
    for steps in range(12):
        async with open_world() as world:
            lookup = begin(world.session(), "records=3&steps=4")
            call = Call()
            lookup.wait(call)
            await turns(steps)
            lookup.end()
            if call.code == 0:
                assert isinstance(call.outcome, QuerySet)
                assert call.outcome.comment == "record 1 of 3"
            else:
                assert call.code == 10111


@VIRTUAL_TIME
async def test_ready_counts_what_waits_for_a_call() -> None:
    """`ready` is what a NextEx would get at once; `delivered` what was handed over."""
    async with open_world(limits=Limits(ready_records=5)) as world:
        lookup = begin(world.session(), "records=9")
        await anyio.sleep(1)
        assert (lookup.ready, lookup.delivered) == (5, 0)
        assert next_ex(lookup, buffer_length=1).code == 10014
        await anyio.sleep(1)
        assert lookup.ready == 6
        next_ex(lookup)
        assert (lookup.ready, lookup.delivered, run_of(lookup).total) == (5, 1, 6)
