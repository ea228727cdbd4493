"""The tools of the race tests: a seed gives a schedule, and time is virtual."""

from __future__ import annotations

import random

import anyio
import pytest
from anyio.lowlevel import checkpoint
from trio.testing import MockClock

from tests.seeded import (
    BACKENDS,
    check_outcomes,
    outcomes,
    run_seeded,
    run_seeded_here,
    spend,
)

ORDERS = {"abc", "acb", "bac", "bca", "cab", "cba"}


async def finishing_order(chance: random.Random) -> str:
    """Three tasks that each take two steps; the order in which they finish."""
    order: list[str] = []

    async def run(name: str) -> None:
        await checkpoint()
        await checkpoint()
        order.append(name)

    async with anyio.create_task_group() as tasks:
        for name in "abc":
            tasks.start_soon(run, name)
    return "".join(order)


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_order_comes_up(backend: str) -> None:
    """Over the seeds each of the six orders is seen."""
    check_outcomes(outcomes(backend, finishing_order), ORDERS)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_seed_gives_its_schedule_again(backend: str) -> None:
    """The same seed, the same order: a failure can be replayed."""
    first = [run_seeded(backend, seed, finishing_order) for seed in range(50)]
    assert [run_seeded(backend, seed, finishing_order) for seed in range(50)] == first


@pytest.mark.parametrize("backend", BACKENDS)
def test_time_is_virtual(backend: str) -> None:
    """An hour passes at once, to the second."""

    async def an_hour(chance: random.Random) -> int:
        begun = anyio.current_time()
        await anyio.sleep(3600)
        return round(anyio.current_time() - begun, 6) == 3600.0

    assert run_seeded(backend, 0, an_hour)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_failure_names_its_seed(backend: str) -> None:
    """The exception says which backend and which seed it needs to come again."""

    async def fail(chance: random.Random) -> None:
        raise LookupError

    with pytest.raises(LookupError) as caught:
        run_seeded(backend, 17, fail)
    seed, command = caught.value.__notes__
    assert seed == f"seed 17 on {backend}"
    test = "tests/test_seeded.py::test_a_failure_names_its_seed"
    assert command == f"NSPD_SEED=17 pytest '{test}[{backend}]'"


@pytest.mark.trio
async def test_a_seed_gives_the_same_within_one_run_of_trio(autojump_clock: MockClock) -> None:
    """Under pytest-trio the order is the seed's too, whatever was run before."""

    async def timed_order(chance: random.Random) -> str:
        await anyio.sleep(0.1 + chance.random())
        return f"{await finishing_order(chance)} at {anyio.current_time()}"

    orders = [await run_seeded_here(seed, timed_order) for seed in range(100)]
    assert {order[:3] for order in orders} == ORDERS
    assert [await run_seeded_here(seed, timed_order) for seed in range(99, -1, -1)] == orders[::-1]


@pytest.mark.parametrize("backend", BACKENDS)
def test_one_seed_by_the_environment(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """NSPD_SEED runs that seed alone, and does not ask that every outcome be seen."""
    monkeypatch.setenv("NSPD_SEED", "31")
    seen = outcomes(backend, finishing_order)
    assert list(seen.values()) == [31]
    check_outcomes(seen, ORDERS)
    monkeypatch.setenv("NSPD_SEEDS", "3")
    monkeypatch.delenv("NSPD_SEED")
    assert set(outcomes(backend, finishing_order).values()) <= {0, 1, 2}


def test_an_outcome_that_is_not_legal() -> None:
    """The failure says which it was, and how to have it again; one never seen fails, too."""
    with pytest.raises(AssertionError, match="abc is not legal; again: NSPD_SEED=4 pytest"):
        check_outcomes({"abc": 4}, ORDERS - {"abc"})
    with pytest.raises(AssertionError, match="never seen"):
        check_outcomes({"abc": 4}, ORDERS)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_step_that_takes_long(backend: str) -> None:
    """Time that a step spends brings a deadline nearer, although nobody waited."""

    async def work(chance: random.Random) -> bool:
        with anyio.move_on_after(1):
            while True:
                spend(0.4)
                await checkpoint()
        return 1 < anyio.current_time() < 2.5

    assert run_seeded(backend, 0, work)
