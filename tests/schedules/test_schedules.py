"""Every race of the laboratory, over many seeds, on trio and on asyncio.

On trio under pytest-trio, with its clock and a seeded scheduler; on asyncio on a
loop that shuffles what is ready. All outcomes are legal, and each legal one is
seen. A failure prints the command that replays its seed (docs/testing.md).
"""

from __future__ import annotations

from importlib import import_module

import pytest
from trio.testing import MockClock

from tests.schedules.laboratory import RACES, Race
from tests.seeded import check_outcomes, chosen, outcomes, run_seeded_here

for _module in ("cancelling", "working", "clients", "rows_of_end", "rows_of_order"):
    import_module(f"tests.schedules.{_module}")

EACH = pytest.mark.parametrize("race", RACES.values(), ids=list(RACES))


@EACH
@pytest.mark.trio
async def test_on_trio(race: Race, autojump_clock: MockClock) -> None:
    """Each race, under trio's scheduler."""
    seen: dict[object, int] = {}
    for seed in chosen(range(race.seeds)):
        seen.setdefault(await run_seeded_here(seed, race.scenario), seed)
    check_outcomes(seen, race.legal)


@EACH
def test_on_asyncio(race: Race) -> None:
    """Each race, on a loop that shuffles its ready queue."""
    check_outcomes(outcomes("asyncio", race.scenario, range(race.seeds)), race.legal)


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
