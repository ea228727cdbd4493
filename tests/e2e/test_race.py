"""The real daemon, raced from outside: it keeps every promise that can be seen there."""

from __future__ import annotations

import contextlib
import os
import signal

import anyio
import pytest

from nspd.race.daemon import OwnDaemon, own_daemon, owned_daemon
from nspd.race.drive import Standing, Watcher, drive
from nspd.race.plan import MIXED, Plan
from nspd.race.result import Report
from nspd.race.scenarios import SCENARIOS

BACKENDS = ["asyncio", "trio"]
MOST_ROUNDS = 10


async def race_all(backend: str) -> list[Report]:
    """Start a daemon on this event loop and run every scenario, until all outcomes were seen."""
    reports = []
    missing = set(SCENARIOS)
    async with own_daemon(backend) as socket:
        for seed in range(MOST_ROUNDS):
            # On a busy machine the rarest outcome of a scenario may take another round.
            names = [name for name in SCENARIOS if name in missing]
            plan = Plan(
                socket=socket, scenarios=names, clients=12, lookups=150, seed=seed, processes=1
            )
            reports.append(await drive(plan))
            seen = [tally for report in reports for tally in report.tallies]
            missing = {
                name
                for name in names
                if set(SCENARIOS[name].outcomes)
                - {outcome for tally in seen if tally.name == name for outcome in tally.outcomes}
            }
            if not missing:
                break
    assert missing == set()
    return reports


@pytest.mark.parametrize("backend", BACKENDS)
def test_race(backend: str) -> None:
    """No violation, nothing left behind, and each race went every way that it may."""
    for report in anyio.run(race_all, backend):
        assert [violation for tally in report.tallies for violation in tally.examples] == []
        assert report.leaked == {}
        assert report.gone is None


async def race_mixed(backend: str) -> Report:
    async with own_daemon(backend) as socket:
        return await drive(
            Plan(
                socket=socket,
                scenarios=[MIXED],
                clients=24,
                lookups=None,
                duration=4.0,
                processes=2,
                seed=5,
            )
        )


@pytest.mark.parametrize("backend", BACKENDS)
def test_mixed(backend: str) -> None:
    """All scenarios at once, from two processes: no violation, and nothing detached at the end."""
    report = anyio.run(race_mixed, backend)
    assert [violation for tally in report.tallies for violation in tally.examples] == []
    assert report.leaked == {}
    assert report.after["detached"] == 0
    assert len(report.tallies) == len(SCENARIOS)
    assert sum(tally.lookups for tally in report.tallies) > 500
    assert report.daemon_cpu is not None
    assert report.daemon_cpu > 0
    assert report.driver_cpu > 0


async def race_and_kill() -> tuple[Report, str | None]:
    async with owned_daemon() as daemon:
        return await drive(plan_for(daemon), killer(daemon)), daemon.epitaph


def plan_for(daemon: OwnDaemon) -> Plan:
    return Plan(socket=daemon.socket, scenarios=["end-vs-next", "double-end"], lookups=100_000)


def killer(daemon: OwnDaemon) -> Watcher:
    def kill(standing: Standing) -> None:
        if standing.lookups and daemon.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):  # killed, and not yet noticed
                os.kill(daemon.process.pid, signal.SIGKILL)

    return kill


def test_daemon_dies() -> None:
    """A daemon that is killed in the middle of the race is told of; the race is over."""
    report, epitaph = anyio.run(race_and_kill)
    assert report.gone is not None
    assert epitaph == "the daemon ended (SIGKILL): it said nothing"
    assert [tally.name for tally in report.tallies] == ["end-vs-next"]
    assert not report.passed
