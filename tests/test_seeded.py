"""The tools of the race tests: a seed gives a schedule, and time is virtual."""

from __future__ import annotations

import random

import anyio
import pytest
from anyio.lowlevel import checkpoint

from tests.seeded import BACKENDS, outcomes, run_seeded


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
    assert set(outcomes(backend, finishing_order)) == {"abc", "acb", "bac", "bca", "cab", "cba"}


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
    assert caught.value.__notes__ == [f"seed 17 on {backend}"]
