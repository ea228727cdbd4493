"""The races that other systems got wrong, each by its name.

A test asserts both halves of a cancellation: the waiting call's 10111, and the
scope of the provider's task (`cancelled_caught`). The race client-side-drop is
also tested with the client libraries; here it is the in-process caller's.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import anyio
import pytest
from anyio.lowlevel import checkpoint

from nspd.core.catalog import Entry
from nspd.core.limits import Limits
from nspd.core.lookup import Lookup
from nspd.core.outcome import Outcome
from nspd.core.provider import Answer, Query, Results
from nspd.core.sweeper import SLICE
from nspd.model import errors
from nspd.model.queryset import QuerySet
from tests.backends import REAL_TIME, VIRTUAL_TIME
from tests.core.world import (
    ALICE,
    BOB,
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
    work_known,
    work_of,
)

pytestmark = pytest.mark.anyio

CANCELLED, TIMED_OUT, NO_MORE, HANDLE = 10111, 10060, 10110, 6


async def test_cancel_before_registered() -> None:
    """A cancel that comes in the very step of Begin reaches the call and the work."""
    async with open_world() as world:
        session = world.session()
        lookup = begin(session, "gate=never")
        call = next_ex(lookup)
        work = work_of(lookup)
        ending = lookup.end()
        assert call.code == CANCELLED
        assert (ending.cancelled, ending.work) == (1, "none")
        await until(lambda: work.finished)
        assert work.cancel_called
        assert not work.cancelled_caught  # for there was no scope yet to catch it
        assert next_ex(lookup).code == HANDLE


def _returns(results: Results) -> None:
    """Return as if every record had been given."""


def _says_no_more(results: Results) -> None:
    raise errors.NoMoreResults


def _says_not_found(results: Results) -> None:
    raise errors.ServiceNotFound


def _crashes(results: Results) -> None:
    raise RuntimeError("the clean-up failed")


@pytest.mark.parametrize("reaction", [_returns, _says_no_more, _says_not_found, _crashes])
async def test_cancel_as_success(reaction: Callable[[Results], None]) -> None:
    """Whatever the provider makes of its cancellation, the call is answered 10111 and no other."""

    async def body(query: Query, results: Results) -> None:
        try:
            await anyio.sleep_forever()
        except anyio.get_cancelled_exc_class():
            reaction(results)  # which hides the cancellation

    async with open_world(Scripted(body)) as world:
        lookup = ask(world.session())
        call, work = next_ex(lookup), work_of(lookup)
        await until(lambda: work.started)
        await turns()
        ending = lookup.end()
        assert call.code == CANCELLED
        assert await work_known(ending) == "stopped"
        assert call.code == CANCELLED
        assert work.cancel_called


async def test_cancel_as_success_half_cancelled_is_caught() -> None:
    """Work that lets its cancellation pass ends in its own scope: `cancelled_caught`."""
    async with open_world() as world:
        lookup = begin(world.session(), "gate=never")
        call, work = next_ex(lookup), work_of(lookup)
        await until(lambda: work.started)
        await turns()
        ending = lookup.end()
        assert call.code == CANCELLED
        assert not work.cancelled_caught
        assert await work_known(ending) == "stopped"
        assert work.cancelled_caught


async def test_cancel_drops_finished() -> None:
    """Ending one lookup takes nothing that another has ready, not even from shared work."""
    async with open_world() as world:
        session = world.session()
        script = "records=3&shared=one&gate=g"
        ended, kept = begin(session, script), begin(session, script)
        other = begin(session, "records=2")
        assert run_of(ended) is run_of(kept)
        add_tokens(world, "g", 3)
        await until(lambda: ended.ready == 3 and other.ready == 2)
        call = next_ex(ended)
        ended.end()
        assert call.name == "test-1"
        assert [next_ex(kept).name for _ in range(3)] == ["test-1", "test-2", "test-3"]
        assert [next_ex(other).name for _ in range(2)] == ["test-1", "test-2"]


async def test_result_before_handle() -> None:
    """However fast the provider is, nothing is delivered before Begin has given the handle."""
    delivered: list[Outcome] = []

    def at_once(query: Query) -> Answer:
        return Answer([named("a")])

    async with open_world(Scripted(at_once=at_once)) as world:
        lookup = ask(world.session())
        assert lookup.delivered == 0
        next_ex(lookup, then=delivered.append)
        assert [outcome for outcome in delivered if isinstance(outcome, QuerySet)] == delivered
        assert lookup.delivered == len(delivered) == 1


@pytest.mark.parametrize("at_hand", [False, True], ids=["from a task", "at hand"])
async def test_destroy_in_callback(at_hand: bool) -> None:
    """End from inside the delivery of a record: that record stays, the other calls get 10111."""
    gate = anyio.Event()

    async def body(query: Query, results: Results) -> None:
        await gate.wait()
        for number in range(3):
            await results.send(named(f"r{number}"))

    def at_once(query: Query) -> Answer | None:
        return Answer(named(f"r{number}") for number in range(3)) if at_hand else None

    async with open_world(Scripted(body, at_once=at_once)) as world:
        session = world.session()
        lookup = ask(session)
        session.cork(True)  # so that calls wait even where records are at hand

        def end_it(outcome: Outcome) -> None:
            lookup.end()

        first = next_ex(lookup, then=end_it)
        second, third = next_ex(lookup), next_ex(lookup)
        session.cork(False)
        gate.set()
        await settled(third)
        assert first.name == "r0"
        assert (second.code, third.code) == (CANCELLED, CANCELLED)
        with pytest.raises(errors.InvalidHandle):
            lookup.end()


async def test_cancel_can_fail() -> None:
    """With every limit reached and the work deaf, End succeeds and releases at once (C3)."""
    release = anyio.Event()

    async def deaf(query: Query, results: Results) -> None:
        with anyio.CancelScope(shield=True):
            await release.wait()

    limits = Limits(lookups=2, lookups_per_user=2, bytes_per_user=1)
    async with open_world(Scripted(deaf), limits=limits) as world:
        first = ask(world.session(BOB))
        lookup = ask(world.session(ALICE))
        call, work = next_ex(lookup), work_of(lookup)
        await until(lambda: work.started)
        with pytest.raises(errors.NotEnoughMemory):
            ask(world.session(ALICE))
        ending = lookup.end()
        assert call.code == CANCELLED
        assert not work.finished
        assert world.router.lookups == 1
        release.set()
        assert await work_known(ending) == "stopped"
        first.end()


@VIRTUAL_TIME
async def test_released_but_running() -> None:
    """A released call's work that goes on is told, counted, and forgotten when it ends (C8)."""
    async with open_world(end_grace=0.1) as world:
        session = world.session()
        lookup = begin(session, "records=0&hang=1&stubborn=5")
        call, work, run = next_ex(lookup), work_of(lookup), run_of(lookup)
        await anyio.sleep(1)
        ending = lookup.end()
        assert call.code == CANCELLED
        told: list[str | None] = []
        for pause in (0, 0.09, 0.02):
            await anyio.sleep(pause)
            told.append(ending.work)
        assert told == [None, None, "detached"]
        assert list(world.router.detached) == [run]
        assert (run.entry.detached, run.entry.detached_of) == (1, {ALICE: 1})
        assert session.user.detached == 1
        assert run.age == pytest.approx(1.11)
        await anyio.sleep(5)
        assert work.finished
        assert work.cancelled_caught
        assert not world.router.detached
        assert (run.entry.detached, run.entry.detached_of, session.user.detached) == (0, {}, 0)
        assert world.router.detached_ever == 1


@VIRTUAL_TIME
@pytest.mark.parametrize(("budget", "patience"), [(2.0, 2.0), (None, 10.0)])
async def test_joined_a_hung_leader(budget: float | None, patience: float) -> None:
    """A leader past the provider's budget is replaced, not joined (C11)."""
    entry = Entry(Scripted(key=lambda query: "key"), budget=budget)
    async with open_world(entry) as world:
        session = world.session()
        leader = ask(session)
        leaders_run = run_of(leader)
        await anyio.sleep(patience - 0.1)
        assert run_of(ask(session)) is leaders_run
        await anyio.sleep(0.2)
        late = ask(session)
        assert run_of(late) is not leaders_run
        assert run_of(ask(session)) is run_of(late)


@VIRTUAL_TIME
async def test_timed_out_call_stays() -> None:
    """Calls that timed out stand in no table and hold no timer."""
    async with open_world() as world:
        lookup = begin(world.session(), "gate=g")
        calls = [next_ex(lookup, timeout=1 + number / 1000) for number in range(500)]
        assert (len(lookup.waiting), world.live_timers()) == (500, 500)
        await anyio.sleep(2)
        assert {call.code for call in calls} == {TIMED_OUT}
        assert (len(lookup.waiting), world.live_timers()) == (0, 0)
        last = next_ex(lookup)
        add_tokens(world, "g")
        await settled(last)
        assert last.name == "test-1"


async def test_client_died_server_works() -> None:
    """Nothing works on for a client that is gone, whatever state its lookups were in."""
    async with open_world() as world:
        session = world.session()
        scripts = ["gate=never", "records=0&hang=1", "records=100", "records=1", "shared=a&hang=1"]
        lookups = [begin(session, script) for script in scripts]
        works = [work_of(lookup) for lookup in lookups]
        waiting = [next_ex(lookups[0]), next_ex(lookups[1])]
        await turns()
        begun_last = begin(session, "hang=1")
        session.close()
        assert [call.code for call in waiting] == [CANCELLED, CANCELLED]
        await until(lambda: world.idle)
        assert world.leftovers() == {}
        assert [work.cancelled_caught for work in works] == [True, True, True, False, True]
        assert begun_last.ended


async def test_slow_reader() -> None:
    """A client that does not read gets no record, holds a bounded number, and is cancelled."""
    async with open_world(limits=Limits(ready_records=4)) as world:
        session = world.session()
        lookup = begin(session, "records=100")
        hung = begin(session, "gate=never")
        session.cork(True)
        calls = [next_ex(lookup) for _ in range(3)]
        late = next_ex(lookup, timeout=0)
        cancelled = next_ex(hung)
        await turns(100)
        assert not any(call.settled for call in calls)
        assert run_of(lookup).total == 4
        assert late.code == TIMED_OUT
        hung.end()
        assert cancelled.code == CANCELLED
        session.cork(False)
        assert [call.name for call in calls] == ["test-1", "test-2", "test-3"]
        assert next_ex(lookup).name == "test-4"


@REAL_TIME
async def test_shutdown_waits_for_worker() -> None:
    """Work in a blocked thread delays neither the release of its call nor End's answer.

    That the process stops as well is a test of the daemon (tests/server/test_daemon.py).
    """
    release, blocked = threading.Event(), threading.Event()

    def block() -> None:
        blocked.set()
        assert release.wait(20)

    async def body(query: Query, results: Results) -> None:
        await provider.host.run_blocking(block)

    provider = Scripted(body, workers=2)
    async with open_world(provider, end_grace=0.01) as world:
        lookup = ask(world.session())
        call, work = next_ex(lookup), work_of(lookup)
        await until(blocked.is_set)
        ending = lookup.end()
        assert call.code == CANCELLED
        assert await work_known(ending) == "detached"
        assert not work.finished
        release.set()
        await until(lambda: work.finished)
        assert work.cancelled_caught


@VIRTUAL_TIME
async def test_counter_drift() -> None:
    """After every way for a lookup to end, each count is where it was, and a limit of one holds."""
    scripts = [
        "",
        "records=0",
        "records=40",
        "records=0&hang=1",
        "records=0&hang=1&stubborn=0.5",
        "fail=10060",
        "records=0&fail=11001",
        "shared=k&delay=1",
        "gate=never",
    ]
    limits = Limits(lookups_per_user=1, lookups=1)
    async with open_world(limits=limits, end_grace=0.1) as world:
        session = world.session()
        for script in scripts:
            for steps in range(6):
                lookup = begin(session, script, timeout=None if steps % 2 else 0.2)
                call = next_ex(lookup, timeout=0.1 if steps % 3 else None)
                await turns(steps)
                lookup.end()
                assert call.settled
                assert (world.router.lookups, session.user.lookups) == (0, 0)
            with pytest.raises(errors.TryAgain):
                begin(session, "refuse=11002")
        await anyio.sleep(2)
        assert world.idle
        assert session.user.bytes == 0
        assert world.leftovers() == {"sessions": 1, "users": 1}


async def test_quota_per_connection() -> None:
    """A user's limits count over all his connections, those of one who reconnects too."""
    async with open_world(limits=Limits(lookups_per_user=3)) as world:
        one, two = world.session(), world.session()
        lookups = [begin(one, "hang=1"), begin(two, "hang=1"), begin(one, "hang=1")]
        with pytest.raises(errors.NotEnoughMemory, match="lookups_per_user"):
            begin(two, "hang=1")
        begin(world.session(BOB), "hang=1")
        one.close()
        begin(two, "hang=1")
        lookups[1].end()
        three = world.session()
        begin(three, "hang=1")
        begin(three, "hang=1")
        with pytest.raises(errors.NotEnoughMemory, match="lookups_per_user"):
            begin(two, "hang=1")


@VIRTUAL_TIME
async def test_quota_per_connection_after_detached_work() -> None:
    """Detached work of a connection that is gone does not part its user from his count.

    The account is kept for as long as work of the user runs; forgetting a newer
    one in its place would give every further connection a count of its own.
    """
    async with open_world(limits=Limits(lookups_per_user=1), end_grace=0.1) as world:
        gone = world.session()
        begin(gone, "records=0&hang=1&stubborn=1")
        await anyio.sleep(0.01)
        gone.close()
        back = world.session()
        begin(back, "hang=1")
        await anyio.sleep(2)  # the old work becomes detached, and ends
        with pytest.raises(errors.NotEnoughMemory):
            begin(world.session(), "hang=1")
        assert world.router.users[ALICE] is back.user


async def test_foreign_cancel() -> None:
    """A cancellation that is nobody's is that provider's failure and touches no sibling (C15)."""
    async with open_world() as world:
        world.log.announced.add("provider failed")
        session = world.session()
        siblings = [begin(session, "gate=g") for _ in range(3)]
        calls = [next_ex(lookup) for lookup in siblings]
        struck = begin(session, "records=1&foreign=1")
        work = work_of(struck)
        assert await _all_codes(struck) == [0, NO_MORE]
        bare = begin(session, "records=0&foreign=1")
        failed = next_ex(bare)
        await settled(failed)
        assert (failed.code, failed.data["verdicts"][0].error) == (10107, 10107)
        assert not work.cancelled_caught
        assert not any(call.settled for call in calls)
        add_tokens(world, "g", 3)
        await settled(*calls)
        assert [call.name for call in calls] == ["test-1"] * 3


async def test_foreign_cancel_inside_a_task_group() -> None:
    """The same where the provider's own task group wraps what came out of its child."""

    async def stray() -> None:
        caught: BaseException | None = None
        with anyio.CancelScope() as scope:
            scope.cancel()
            try:
                await checkpoint()
            except anyio.get_cancelled_exc_class() as cancelled:
                caught = cancelled
        assert caught is not None
        raise BaseExceptionGroup("of a task group", [caught])

    async def body(query: Query, results: Results) -> None:
        await stray()

    async with open_world(Scripted(body), Scripted(namespace=70002)) as world:
        world.log.announced.add("provider failed")
        session = world.session()
        sibling = ask(session, 70002)
        sound = next_ex(sibling)
        struck = next_ex(ask(session))
        await settled(struck)
        assert struck.code == 10107
        await turns()
        assert not sound.settled
        assert not work_of(sibling).finished


async def test_flood_then_end() -> None:
    """A producer that never has to wait is stopped at its next `send` (C9)."""
    given = 0

    async def flood(query: Query, results: Results) -> None:
        nonlocal given
        while True:
            await results.send(named(f"r{given}"))
            given += 1

    async with open_world(Scripted(flood)) as world:
        lookup = ask(world.session())
        calls: list[Call] = []

        def again(outcome: Outcome) -> None:
            if isinstance(outcome, QuerySet):
                calls.append(next_ex(lookup, then=again))

        calls.append(next_ex(lookup, then=again))
        work = work_of(lookup)
        await until(lambda: given > 200)
        ending = lookup.end()
        at_end = given
        assert calls[-1].code == CANCELLED
        assert await work_known(ending) == "stopped"
        assert work.cancelled_caught
        assert given == at_end


async def test_ended_before_started() -> None:
    """Work whose lookup ended before its first step never takes one, and opens nothing."""
    opened: list[Query] = []

    async def body(query: Query, results: Results) -> None:
        opened.append(query)

    async with open_world(Scripted(body)) as world:
        session = world.session()
        for ends in (lambda: ask(session).end(), lambda: ask(session, timeout=0)):
            ends()
            await until(lambda: world.idle)
        ask(session)
        session.rundown(lambda: None)
        await until(lambda: world.idle)
        assert opened == []


async def test_mass_death() -> None:
    """While one client's thousands of lookups are freed, another's requests are served."""
    number = SLICE * 40
    async with open_world(limits=Limits(lookups_per_user=number)) as world:
        victim, other = world.session(), world.session(BOB)
        calls = [next_ex(begin(victim, "gate=never")) for _ in range(number)]
        await turns(3)
        assert world.router.work.running == number
        victim.close()
        assert (world.router.lookups, victim.user.lookups) == (0, 0)
        assert sum(call.settled for call in calls) == SLICE
        for _ in range(5):
            served = next_ex(begin(other, ""))
            await settled(served)
            assert served.name == "test-1"
        assert not world.router.sweeper.idle
        await until(lambda: world.router.sweeper.idle)
        assert {call.code for call in calls} == {CANCELLED}


async def test_mass_death_no_record_to_the_dead() -> None:
    """A lookup that waits to be swept gets no record any more, and its time-outs are 10111."""
    number = SLICE * 3
    async with open_world() as world:
        victim = world.session()
        lookups = [begin(victim, "gate=g") for _ in range(number)]
        calls = [next_ex(lookup) for lookup in lookups]
        await turns(3)
        victim.rundown(lambda: None)
        add_tokens(world, "g", number)
        await until(lambda: world.router.sweeper.idle)
        assert {call.code for call in calls} == {CANCELLED}
        assert next_ex(lookups[-1]).code == HANDLE


@pytest.mark.parametrize("cancel_first", [False, True])
async def test_client_side_drop(cancel_first: bool) -> None:
    """A record and its caller's cancellation in one step: the record is lost to neither (C7)."""
    caller = anyio.CancelScope()

    async def body(query: Query, results: Results) -> None:
        await until(lambda: lookup.wants)
        if cancel_first:
            caller.cancel()
        await results.send(named("raced"))
        caller.cancel()
        await results.send(named("following"))

    received: list[str | None] = []
    async with open_world(Scripted(body)) as world:
        lookup = ask(world.session())
        with caller:
            received.append((await lookup.next()).service_instance_name)
        while len(received) < 2:
            received.append((await lookup.next()).service_instance_name)
        assert received == ["raced", "following"]
        with pytest.raises(errors.NoMoreResults):
            await lookup.next()


class Swallower:
    """A provider's lookup that takes no cancellation for an answer."""

    def __init__(self, *, scoped: bool) -> None:
        self.released = anyio.Event()
        self.resumed = 0
        self._scoped = scoped

    async def __call__(self, query: Query, results: Results) -> None:
        while not self.released.is_set():
            try:
                if self._scoped:
                    with anyio.move_on_after(LONG_ENOUGH):
                        await self.released.wait()
                else:
                    await self.released.wait()
            except anyio.get_cancelled_exc_class():
                self.resumed += 1


LONG_ENOUGH = 3000


@REAL_TIME
@pytest.mark.parametrize("scoped", [False, True], ids=["bare", "in a scope of its own"])
async def test_swallowed_cancel(scoped: bool) -> None:
    """Code that swallows its cancellation counts as detached, and is not run at every turn."""
    deaf = Swallower(scoped=scoped)
    async with open_world(Scripted(deaf), end_grace=0.01) as world:
        lookup = ask(world.session())
        call, work = next_ex(lookup), work_of(lookup)
        await until(lambda: work.started)
        await turns()
        ending = lookup.end()
        assert call.code == CANCELLED
        assert await work_known(ending) == "detached"
        await turns(5)
        before = deaf.resumed
        assert before >= 1
        await turns(300)
        assert deaf.resumed - before <= 2
        assert (len(world.router.detached), work.finished) == (1, False)
        deaf.released.set()
        await until(lambda: work.finished)


async def _all_codes(lookup: Lookup) -> list[int]:
    """Call NextEx to the end; the codes."""
    codes: list[int] = []
    while not codes or codes[-1] == 0:
        call = next_ex(lookup)
        await settled(call)
        codes.append(call.code)
    return codes
