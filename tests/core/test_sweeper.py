"""Closing many lookups in slices."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import cast

import anyio
import pytest
from anyio.lowlevel import checkpoint

from nspd.core.lookup import Lookup
from nspd.core.sweeper import SLICE, Sweeper
from tests.core.world import until

pytestmark = pytest.mark.anyio


class FakeLookup:
    """Notes that it was closed."""

    def __init__(self) -> None:
        self.closed = 0

    def close(self) -> None:
        self.closed += 1


def fakes(number: int) -> Sequence[FakeLookup]:
    """So many lookups."""
    return [FakeLookup() for _ in range(number)]


def sweep(sweeper: Sweeper, lookups: Sequence[FakeLookup], done: list[str], name: str) -> None:
    """Hand lookups over; ``name`` is noted when they are through."""
    sweeper.sweep(cast(Sequence[Lookup], lookups), lambda: done.append(name))


async def test_a_few_are_closed_at_once() -> None:
    """Up to one slice needs no task."""
    sweeper, done = Sweeper(), list[str]()
    lookups = fakes(SLICE)
    sweep(sweeper, lookups, done, "few")
    sweep(sweeper, [], done, "none")
    assert done == ["few", "none"]
    assert {lookup.closed for lookup in lookups} == {1}
    assert sweeper.idle


async def test_many_take_turns() -> None:
    """Two large sweeps go on by turns, each closes every lookup once and then says so."""
    sweeper, done = Sweeper(), list[str]()
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


async def test_others_get_their_turn_between_slices() -> None:
    """While many are closed, every other task takes a step after each slice, or after two."""
    sweeper, done = Sweeper(), list[str]()
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
