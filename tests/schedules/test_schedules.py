"""Every race of the laboratory, over many seeds, on trio and on asyncio.

On trio under pytest-trio, with its clock and a seeded scheduler; on asyncio on a
loop that shuffles what is ready, in other processes meanwhile (a single seed is
run here). All outcomes are legal, and each legal one is seen. A failure prints
the command that replays its seed (docs/testing.md).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Iterator, Mapping
from importlib import import_module

import pytest
from trio.testing import MockClock

from tests.ahead import open_processes
from tests.schedules.laboratory import RACES, Race
from tests.seeded import check_outcomes, chosen, one_seed_only, outcomes, run_seeded_here

for _module in ("cancelling", "working", "clients", "rows_of_end", "rows_of_order"):
    import_module(f"tests.schedules.{_module}")

EACH = pytest.mark.parametrize("race", RACES.values(), ids=list(RACES))

Seen = Mapping[Hashable, int]


def on_asyncio(name: str, test: str) -> Seen:
    """What comes of a race on asyncio, with a seed for each; run for the test of this id."""
    os.environ["PYTEST_CURRENT_TEST"] = f"{test} (call)"
    race = RACES[name]
    return outcomes("asyncio", race.scenario, range(race.seeds))


@pytest.fixture(scope="module", autouse=True)
def seen_on_asyncio(request: pytest.FixtureRequest) -> Iterator[Callable[[str], Seen]]:
    """What was seen of a race on asyncio, by the name of the race."""
    tests: dict[str, str] = {}
    for item in request.session.items:
        if isinstance(item, pytest.Function) and item.function is test_on_asyncio:
            race = item.callspec.params["race"]
            assert isinstance(race, Race)
            tests[race.name] = item.nodeid
    if one_seed_only():
        yield lambda name: on_asyncio(name, tests[name])
        return
    with open_processes() as processes:
        begun = {name: processes.begin(on_asyncio, name, test) for name, test in tests.items()}
        yield lambda name: begun[name].result()


@EACH
@pytest.mark.trio
async def test_on_trio(race: Race, autojump_clock: MockClock) -> None:
    """Each race, under trio's scheduler."""
    seen: dict[object, int] = {}
    for seed in chosen(range(race.seeds)):
        seen.setdefault(await run_seeded_here(seed, race.scenario), seed)
    check_outcomes(seen, race.legal)


@EACH
def test_on_asyncio(race: Race, seen_on_asyncio: Callable[[str], Seen]) -> None:
    """Each race, on a loop that shuffles its ready queue."""
    check_outcomes(seen_on_asyncio(race.name), race.legal)


NAMES = (
    "cancel-before-registered",
    "cancel-as-success",
    "cancel-drops-finished",
    "result-before-handle",
    "destroy-in-callback",
    "cancel-can-fail",
    "released-but-running",
    "joined-a-hung-leader",
    "timed-out-call-stays",
    "client-died-server-works",
    "slow-reader",
    "shutdown-waits-for-worker",
    "counter-drift",
    "quota-per-connection",
    "foreign-cancel",
    "flood-then-end",
    "ended-before-started",
    "mass-death",
    "client-side-drop",
    "swallowed-cancel",
)


@pytest.mark.parametrize("name", NAMES)
def test_each_race_that_others_got_wrong_is_run(name: str) -> None:
    """Each has its name here, at least two outcomes, and 200 seeds or more."""
    race = RACES[name]
    assert len(race.legal) >= 2
    assert race.seeds >= 200
