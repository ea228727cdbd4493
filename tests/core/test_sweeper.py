"""Closing many lookups in slices."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import cast

import anyio
import pytest
from anyio.lowlevel import checkpoint

from nspd.core.lookup import Lookup
from nspd.core.sweeper import SLICE, Sweeper
from tests.core.world import Log, until

pytestmark = pytest.mark.anyio


class FakeLookup:
    """Notes that it was closed."""

    def __init__(self, handle: int) -> None:
        self.handle = handle
        self.closed = 0

    def close(self) -> None:
        self.closed += 1


class FaultyLookup(FakeLookup):
    """Cannot be closed."""

    def close(self) -> None:
        super().close()
        raise LookupError(self.handle)


def fakes(number: int) -> Sequence[FakeLookup]:
    """So many lookups."""
    return [FakeLookup(handle) for handle in range(number)]


def sweep(sweeper: Sweeper, lookups: Sequence[FakeLookup], done: list[str], name: str) -> None:
    """Hand lookups over; ``name`` is noted when they are through."""
    sweeper.sweep(cast(Sequence[Lookup], lookups), lambda: done.append(name))


async def test_a_few_are_closed_at_once() -> None:
    """Up to one slice needs no task."""
    sweeper, done = Sweeper(Log()), list[str]()
    lookups = fakes(SLICE)
    sweep(sweeper, lookups, done, "few")
    sweep(sweeper, [], done, "none")
    assert done == ["few", "none"]
    assert {lookup.closed for lookup in lookups} == {1}
    assert sweeper.idle


async def test_many_take_turns() -> None:
    """Two large sweeps go on by turns, each closes every lookup once and then says so."""
    sweeper, done = Sweeper(Log()), list[str]()
    large, small = fakes(SLICE * 6 + 1), fakes(SLICE * 2)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(sweeper.run)
        sweep(sweeper, large, done, "large")
        sweep(sweeper, small, done, "small")
        assert sum(lookup.closed for lookup in large) == SLICE
        await until(lambda: sweeper.idle)
        tasks.cancel_scope.cancel()
    assert done == ["small", "large"]
    assert {lookup.closed for lookup in [*large, *small]} == {1}


async def test_it_rests_when_nothing_is_left() -> None:
    """After a sweep the task waits for the next one, and does not go round and round."""
    sweeper, done = Sweeper(Log()), list[str]()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(sweeper.run)
        assert sweeper.idle
        for name in ("one", "two"):
            sweep(sweeper, fakes(SLICE * 2), done, name)
            await until(partial(done.count, name))
            await until(lambda: sweeper.idle and not sweeper._more.is_set())
        tasks.cancel_scope.cancel()


async def test_others_get_their_turn_between_slices() -> None:
    """While many are closed, every other task takes a step after each slice, or after two."""
    sweeper, done = Sweeper(Log()), list[str]()
    lookups = fakes(SLICE * 8)
    closed_at = [SLICE]  # at once

    async def other() -> None:
        while not done:
            closed_at.append(sum(lookup.closed for lookup in lookups))
            await checkpoint()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(sweeper.run)
        sweep(sweeper, lookups, done, "all")
        tasks.start_soon(other)
        await until(lambda: done)
        tasks.cancel_scope.cancel()
    steps = [after - before for before, after in pairwise([*closed_at, len(lookups)])]
    assert max(steps) <= 2 * SLICE


async def test_what_fails_is_logged_and_the_rest_is_closed() -> None:
    """A lookup that cannot be closed holds up none behind it, at once nor later."""
    log, done = Log(), list[str]()
    sweeper = Sweeper(log)
    lookups = [*fakes(SLICE * 3)]
    faulty = (1, SLICE + 1, SLICE * 3 - 1)
    for handle in faulty:
        lookups[handle] = FaultyLookup(handle)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(sweeper.run)
        sweep(sweeper, lookups, done, "faulty")
        sweep(sweeper, (after := fakes(SLICE * 2)), done, "after")
        await until(lambda: sweeper.idle)
        sweep(sweeper, (later := fakes(SLICE * 2)), done, "later")
        await until(lambda: sweeper.idle)
        tasks.cancel_scope.cancel()
    assert sorted(done) == ["after", "faulty", "later"]
    assert {lookup.closed for lookup in [*lookups, *after, *later]} == {1}
    assert log.entries == [("exception", "closing a lookup failed")] * 3
    assert {values["lookup"] for values in log.values} == set(faulty)


@pytest.mark.parametrize("number", [SLICE, SLICE + 1])
async def test_what_follows_a_sweep_may_fail(number: int) -> None:
    """Whether it is called at once or by the task, it is logged, and the sweeper goes on."""
    log, done = Log(), list[str]()
    sweeper = Sweeper(log)

    def answer() -> None:
        done.append("tried")
        raise OSError("no such socket")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(sweeper.run)
        sweeper.sweep(cast(Sequence[Lookup], fakes(number)), answer)
        sweep(sweeper, fakes(SLICE * 2), done, "next")
        await until(lambda: sweeper.idle)
        tasks.cancel_scope.cancel()
    assert done == ["tried", "next"]
    assert log.entries == [("exception", "what follows a sweep failed")]
    assert log.values == [{"action": f"{answer.__qualname__}"}]
