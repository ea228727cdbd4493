"""Schedules that come from a seed, and virtual time, on asyncio and on trio.

A race is run once for each seed; which task goes next is then the seed's choice
and can be had again. On trio the scheduler's own order is seeded (whether or not
hypothesis is imported, which changes it); on asyncio a loop shuffles the queue
of what is ready. Neither says anything of the other, so a race runs on both.

Time is virtual on both: when nothing is left to do, the clock jumps to the next
deadline. A thread at work counts as nothing to do.

`NSPD_SEED=117` in the environment runs that seed alone, and `NSPD_SEEDS=2000` so
many of them; a failure says the command with which it comes again.
"""

from __future__ import annotations

import asyncio
import os
import random
import selectors
from collections.abc import Awaitable, Callable, Collection, Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any, TypeVar

import anyio
import trio
from trio.testing import MockClock

_T = TypeVar("_T", bound=Hashable)

BACKENDS = ("asyncio", "trio")
SEEDS = range(200)


_DAY = 24 * 3600
"""For asyncio a longer wait is one without end (it has a timer for infinity)."""

_PATIENCE = 30.0
"""Seconds of real time for a thread to do something when nothing else is left to do."""


class _JumpingSelector(selectors.DefaultSelector):
    """Waits for no time to pass: says that it has passed."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout >= _DAY:
            events = super().select(_PATIENCE)
            assert events, "nothing is left that could ever happen"
            return events
        events = super().select(0)
        if not events:
            self.now += max(0.0, timeout)
        return events


class VirtualLoop(asyncio.SelectorEventLoop):
    """An asyncio loop on virtual time."""

    def __init__(self) -> None:
        self._clock = _JumpingSelector()
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.now

    def spend(self, seconds: float) -> None:
        """Let time pass as if the step under way had taken so long."""
        self._clock.now += seconds


class ShuffledLoop(VirtualLoop):
    """An asyncio loop on virtual time whose ready queue is in the order that a seed gives."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._chance = random.Random(seed)

    def _run_once(self) -> None:
        # The one place that asyncio has for this; without it the test of this module fails.
        ready: Any = self._ready  # type: ignore[attr-defined]
        self._chance.shuffle(ready)
        super()._run_once()  # type: ignore[misc]


@contextmanager
def seeded_trio(seed: int) -> Iterator[None]:
    """Have trio's scheduler draw the order of its tasks from the seed."""
    scheduler: Any = import_module("trio._core._run")
    before = scheduler._ALLOW_DETERMINISTIC_SCHEDULING
    state = scheduler._r.getstate()
    scheduler._ALLOW_DETERMINISTIC_SCHEDULING = True
    scheduler._r.seed(seed)
    try:
        yield
    finally:
        scheduler._ALLOW_DETERMINISTIC_SCHEDULING = before
        scheduler._r.setstate(state)


def spend(seconds: float) -> None:
    """Let virtual time pass as if the step under way had taken so long."""
    try:
        clock = trio.lowlevel.current_clock()
    except RuntimeError:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        loop.spend(seconds)
    else:
        assert isinstance(clock, MockClock)
        clock.jump(seconds)


def chosen(seeds: Iterable[int]) -> Iterable[int]:
    """The seeds to run: these, unless the environment names one or says how many."""
    if (one := os.environ.get("NSPD_SEED")) is not None:
        return (int(one),)
    if (number := os.environ.get("NSPD_SEEDS")) is not None:
        return range(int(number))
    return seeds


def again(seed: int) -> str:
    """The command that runs the test under way with this seed alone."""
    test = os.environ["PYTEST_CURRENT_TEST"].rpartition(" (")[0]
    return f"NSPD_SEED={seed} pytest '{test}'"


def run_seeded(backend: str, seed: int, scenario: Callable[[random.Random], Awaitable[_T]]) -> _T:
    """Run a scenario once under the schedule that a seed gives; its result.

    The scenario also gets a source of chance of its own. An exception out of it
    carries notes that name backend and seed, and the command for a replay.
    """
    chance = random.Random(seed)
    try:
        if backend == "trio":
            clock = MockClock(autojump_threshold=0)
            with seeded_trio(seed):
                return anyio.run(scenario, chance, backend="trio", backend_options={"clock": clock})
        options = {"loop_factory": lambda: ShuffledLoop(seed)}
        return anyio.run(scenario, chance, backend="asyncio", backend_options=options)
    except BaseException as error:
        error.add_note(f"seed {seed} on {backend}")
        error.add_note(again(seed))
        raise


async def run_seeded_here(seed: int, scenario: Callable[[random.Random], Awaitable[_T]]) -> _T:
    """The same within a run of trio whose clock is a `MockClock`, such as pytest-trio's.

    The clock starts anew, for what rounding makes of a sum of times must not
    depend on what was run before.
    """
    clock: Any = trio.lowlevel.current_clock()
    clock._virtual_base = 0.0
    try:
        with seeded_trio(seed):
            return await scenario(random.Random(seed))
    except BaseException as error:
        error.add_note(f"seed {seed} on trio")
        error.add_note(again(seed))
        raise


def outcomes(
    backend: str,
    scenario: Callable[[random.Random], Awaitable[_T]],
    seeds: Iterable[int] = SEEDS,
) -> Mapping[_T, int]:
    """Every outcome that a scenario had over the seeds, with a seed that gave it."""
    seen: dict[_T, int] = {}
    for seed in chosen(seeds):
        seen.setdefault(run_seeded(backend, seed, scenario), seed)
    return seen


def one_seed_only() -> bool:
    """Whether a failure is being replayed: then not every outcome can be seen."""
    return "NSPD_SEED" in os.environ


def check_outcomes(seen: Mapping[_T, int], legal: Collection[_T]) -> None:
    """Each outcome is legal, and each legal outcome was seen: else the race was not run.

    With one seed from the environment only the first half can be asked.
    """
    for outcome, seed in seen.items():
        assert outcome in legal, f"{outcome} is not legal; again: {again(seed)}"
    if not one_seed_only():
        never = set(legal) - set(seen)
        assert not never, f"never seen, so the race was not run: {never}; seen: {set(seen)}"
