"""One heap of timers for the whole daemon."""

from __future__ import annotations

import random
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import anyio
import pytest

from nspd.core.backend import time_source
from nspd.core.clock import Clock
from tests.backends import VIRTUAL_TIME
from tests.core.world import Log, turns


class Now:
    """A time that the test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_dead_entries_let_go_of_what_they_point_to() -> None:
    """A cancelled entry keeps nothing alive, though its place in the heap remains."""

    class Thing:
        def act(self) -> None:
            """Nothing."""

    clock, thing = Clock(Now(), Log()), Thing()
    gone = weakref.ref(thing)
    timer = clock.call_later(1, thing.act)
    timer.cancel()
    del thing
    assert gone() is None
    assert len(clock) == 1


def test_an_entry_that_has_fired_lets_go_of_what_it_pointed_to() -> None:
    """Whoever keeps it keeps nothing else alive."""

    class Thing:
        def act(self) -> None:
            """Nothing."""

    now = Now()
    clock, thing = Clock(now, Log()), Thing()
    gone = weakref.ref(thing)
    timer = clock.call_later(1, thing.act)
    now.now += 1
    assert not clock._fire(now())
    del thing
    assert gone() is None
    timer.cancel()


def test_the_heap_is_rebuilt_when_half_of_it_is_dead() -> None:
    """Cancelled entries never outnumber the live ones by more than a constant."""
    clock = Clock(Now(), Log())
    kept = [clock.call_later(1000 + number, lambda: None) for number in range(100)]
    for number in range(10_000):
        clock.call_later(number, lambda: None).cancel()
    assert len(clock) <= 2 * len(kept) + 2
    for timer in kept:
        timer.cancel()
    assert len(clock) <= 130


def test_the_heap_is_not_rebuilt_for_a_few() -> None:
    """Up to half of the entries may be dead, counted without those whose time has passed."""
    now = Now()
    clock = Clock(now, Log())
    for number in range(64):
        clock.call_later(number / 100, lambda: None).cancel()
    assert len(clock) == 64
    now.now += 1
    assert not clock._fire(now())
    assert len(clock) == 0
    timers = [clock.call_later(1000, lambda: None) for _ in range(200)]
    for timer in timers[:100]:
        timer.cancel()
    assert len(clock) == 200
    timers[100].cancel()
    assert len(clock) == 99
    for timer in timers[101:120]:
        timer.cancel()
    assert len(clock) == 99


def test_dead_entries_are_counted() -> None:
    """Whatever is made, cancelled, rebuilt and carried out: the clock knows how many are dead."""
    now, chance = Now(), random.Random(3)
    clock = Clock(now, Log())
    timers = []
    for _ in range(2000):
        timers.append(clock.call_later(chance.randrange(1, 300), lambda: None))
        if chance.random() < 0.7:
            timers.pop(chance.randrange(len(timers))).cancel()
        now.now += 0.1
        while clock._fire(now()):
            pass
        assert clock._dead == sum(entry[2].action is None for entry in clock._heap)


def test_a_rebuilt_heap_is_in_order() -> None:
    """What is left after a rebuild still comes when it is due, and not before."""
    now, chance = Now(), random.Random(7)
    clock, fired = Clock(now, Log()), list[int]()
    delays = [chance.randrange(1, 1000) for _ in range(600)]
    timers = [clock.call_later(delay, partial(fired.append, delay)) for delay in delays]
    gone = set(chance.sample(range(600), 400))
    for index in gone:
        timers[index].cancel()
    assert len(clock) < 500
    start = now.now
    left = [delay for index, delay in enumerate(delays) if index not in gone]
    for passed in range(0, 1000, 50):
        now.now = start + passed
        while clock._fire(now()):
            pass
        assert sorted(fired) == sorted(delay for delay in left if delay <= passed)


def test_cancelling_twice_or_late_is_harmless() -> None:
    """A timer may be cancelled again, and after it has fired."""
    now = Now()
    clock, fired = Clock(now, Log()), []
    timer = clock.call_later(1, lambda: fired.append(1))
    dropped = clock.call_later(1, lambda: fired.append(2))
    dropped.cancel()
    dropped.cancel()
    now.now += 1
    assert not clock._fire(now())
    timer.cancel()
    assert (fired, len(clock)) == ([1], 0)


@asynccontextmanager
async def running(log: Log | None = None) -> AsyncIterator[Clock]:
    """A clock that is served."""
    clock = Clock(time_source(), log or Log())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(clock.run)
        await turns(3)
        yield clock
        tasks.cancel_scope.cancel()


@VIRTUAL_TIME
@pytest.mark.anyio
async def test_actions_come_in_order_and_in_time() -> None:
    """Entries fire at their time, those of one time in the order in which they were made."""
    async with running() as clock:
        start = clock.now()
        fired: list[tuple[str, float]] = []

        def fire(name: str) -> None:
            fired.append((name, round(clock.now() - start, 3)))

        for name, delay in [("c", 3.0), ("a", 1.0), ("b", 2.0), ("b2", 2.0), ("past", -5.0)]:
            clock.call_later(delay, partial(fire, name))
        await anyio.sleep(5)
        assert fired == [("past", 0.0), ("a", 1.0), ("b", 2.0), ("b2", 2.0), ("c", 3.0)]


@VIRTUAL_TIME
@pytest.mark.anyio
async def test_an_earlier_entry_wakes_the_clock() -> None:
    """An entry made while the clock sleeps until a later one is not late."""
    async with running() as clock:
        fired: list[float] = []
        start = clock.now()
        clock.call_later(100, lambda: fired.append(clock.now() - start))
        await anyio.sleep(1)
        clock.call_later(1, lambda: fired.append(clock.now() - start))
        await anyio.sleep(200)
        assert fired == pytest.approx([2, 100])


@VIRTUAL_TIME
@pytest.mark.anyio
async def test_a_later_entry_keeps_none_waiting() -> None:
    """An entry made while the clock sleeps until an earlier one does not make that one late."""
    async with running() as clock:
        fired: list[float] = []
        start = clock.now()
        clock.call_later(2, lambda: fired.append(clock.now() - start))
        await anyio.sleep(1)
        clock.call_later(100, lambda: fired.append(clock.now() - start))
        await anyio.sleep(200)
        assert fired == pytest.approx([2, 101])


@VIRTUAL_TIME
@pytest.mark.anyio
async def test_actions_may_make_and_cancel_entries() -> None:
    """What an action changes counts within the same run."""
    async with running() as clock:
        fired: list[str] = []
        victim = clock.call_later(1, lambda: fired.append("victim"))
        clock.call_at(victim.when - 0.5, victim.cancel)

        def make_another() -> None:
            clock.call_later(0, lambda: fired.append("follower"))

        clock.call_later(0.5, make_another)
        await anyio.sleep(2)
        assert fired == ["follower"]


@VIRTUAL_TIME
@pytest.mark.anyio
async def test_many_that_are_due_leave_others_their_turn() -> None:
    """Thousands due at once are carried out in slices."""
    async with running() as clock:
        fired, seen = [0], set()

        def fire() -> None:
            fired[0] += 1

        for _ in range(2000):
            clock.call_later(1, fire)
        await anyio.sleep(1)
        while fired[0] < 2000:
            seen.add(fired[0])
            await turns(1)
        assert len(seen) >= 3


class Lease:
    """Something with an action that fails."""

    def __init__(self) -> None:
        self.tried = 0

    def expire(self, why: str = "") -> None:
        self.tried += 1
        raise LookupError(why)


@VIRTUAL_TIME
@pytest.mark.anyio
async def test_an_action_that_fails_is_logged_and_the_clock_goes_on() -> None:
    """Others come in time, in the same moment and later; what failed is not tried again."""
    log, lease, fired = Log(), Lease(), list[str]()
    async with running(log) as clock:
        clock.call_later(1, lease.expire)
        clock.call_later(1, partial(lease.expire, "example.org"))
        clock.call_later(1, lambda: fired.append("same moment"))
        clock.call_later(2, lambda: fired.append("later"))
        await anyio.sleep(3)
    assert fired == ["same moment", "later"]
    assert lease.tried == 2
    assert log.entries == [("exception", "timer action failed")] * 2
    # Not the arguments: they may hold names that the log must not show.
    assert log.values == [{"action": "Lease.expire"}] * 2


@VIRTUAL_TIME
@pytest.mark.anyio
async def test_what_must_stop_the_process_passes_through_the_clock() -> None:
    """An exception that is no `Exception` is nobody's to swallow."""

    class Stop(BaseException):
        """Like KeyboardInterrupt, which would end the test run itself."""

    def stop() -> None:
        raise Stop

    log = Log()
    with pytest.raises(BaseExceptionGroup) as caught:
        async with running(log) as clock:
            clock.call_later(1, stop)
            await anyio.sleep(2)
    assert caught.group_contains(Stop)
    assert log.entries == []
