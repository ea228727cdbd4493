"""The real daemon, raced from outside: it keeps every promise that can be seen there."""

from __future__ import annotations

import anyio
import pytest

from nspd.race.daemon import own_daemon
from nspd.race.drive import Plan, Report, drive
from nspd.race.scenarios import SCENARIOS


async def race(backend: str) -> Report:
    """Start a daemon on this event loop and run every scenario."""
    async with own_daemon(backend) as socket:
        plan = Plan(socket=socket, scenarios=list(SCENARIOS.values()), clients=8, lookups=600)
        return await drive(plan)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_race(backend: str) -> None:
    """No violation, nothing left behind, and each race went both ways."""
    report = anyio.run(race, backend)
    assert [violation for tally in report.tallies for violation in tally.examples] == []
    assert report.leaked == {}
    assert [tally.unseen for tally in report.tallies] == [[]] * len(SCENARIOS)
    assert report.passed
