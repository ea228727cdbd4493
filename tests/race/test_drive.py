"""Whole runs against a fake daemon on a real socket: honest, and telling one lie each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nspd.model.errors import AccessDenied, NetworkDown
from nspd.race.drive import Plan, Report, drive
from nspd.race.scenarios import SCENARIOS
from tests.race.fake_daemon import (
    LIARS,
    CancelAsNotFound,
    DropsWithdrawn,
    FakeDaemon,
    Leaks,
    LosesCancelled,
    serving,
)

pytestmark = pytest.mark.anyio


def plan(
    socket: str,
    *scenarios: str,
    lookups: int | None = 60,
    duration: float | None = None,
    patience: float = 10.0,
) -> Plan:
    """A small run of the scenarios named, or of all."""
    return Plan(
        socket=socket,
        scenarios=[SCENARIOS[name] for name in scenarios or SCENARIOS],
        clients=3,
        lookups=lookups,
        duration=duration,
        seed=7,
        patience=patience,
    )


async def raced(daemon: FakeDaemon, path: Path, *scenarios: str, **options: Any) -> Report:
    """Race a fake daemon; the options are those of `plan`."""
    async with serving(daemon, path / "sock") as socket:
        return await drive(plan(socket, *scenarios, **options))


async def test_honest(tmp_path: Path) -> None:
    """Of an honest daemon every lookup is run, each ends legally, and nothing is left behind."""
    report = await raced(FakeDaemon(), tmp_path)
    for tally in report.tallies:
        assert tally.lookups == 60
        assert tally.outcomes.total() == tally.races > 0
        assert tally.outcomes.keys() <= set(tally.scenario.outcomes)
        assert tally.examples == []
    assert report.leaked == {}


async def test_passes(tmp_path: Path) -> None:
    """A run passes if nothing was violated and the one legal outcome was seen."""
    report = await raced(FakeDaemon(), tmp_path, "end-vs-next", "double-end")
    assert report.passed


async def test_latencies_are_counted(tmp_path: Path) -> None:
    """Each End is timed, and each 10111 that it caused."""
    report = await raced(FakeDaemon(), tmp_path, "double-end")
    [tally] = report.tallies
    assert tally.to_end_reply.count == tally.to_cancelled.count == 60
    assert 0 < tally.to_end_reply.quantile(0.5) <= tally.to_end_reply.max


@pytest.mark.parametrize("liar", LIARS, ids=lambda liar: liar.__name__)
async def test_liar(liar: type[FakeDaemon], tmp_path: Path) -> None:
    """A daemon that breaks one promise fails the run, under that promise's number."""
    # Only a lost reply is waited for in vain.
    patience = 0.3 if liar is LosesCancelled else 10.0
    report = await raced(liar(), tmp_path, "double-end", "cancel-request", patience=patience)
    found = {promise for tally in report.tallies for promise in tally.violations}
    assert LIARS[liar] in found
    assert not report.passed


async def test_illegal_outcome_is_told(tmp_path: Path) -> None:
    """An outcome that no scenario allows is counted under what happened, and fails the run."""
    report = await raced(CancelAsNotFound(), tmp_path, "end-vs-next", lookups=5)
    [tally] = report.tallies
    assert tally.outcomes == {"NextEx got WSANO_DATA (11004)": 5}
    assert tally.violations == {"outcome": 5}
    assert not report.passed


async def test_record_not_kept(tmp_path: Path) -> None:
    """A record lost with the call that was withdrawn is an outcome, and C7."""
    report = await raced(DropsWithdrawn(), tmp_path, "cancel-request")
    [tally] = report.tallies
    assert tally.outcomes["the record was not kept: NextEx got WSA_E_NO_MORE (10110)"] > 0
    assert tally.violations["C7"] > 0


async def test_leak(tmp_path: Path) -> None:
    """A daemon whose census does not go back to where it was fails the run."""
    report = await raced(Leaks(), tmp_path, "end-vs-next", lookups=5, patience=0.5)
    assert report.leaked == {"lookups": 5}
    assert not report.passed


async def test_outcome_never_seen(tmp_path: Path) -> None:
    """One lookup cannot show both outcomes of a race, so the run does not pass."""
    report = await raced(FakeDaemon(), tmp_path, "end-vs-record", lookups=1)
    [tally] = report.tallies
    assert tally.unseen
    assert not tally.violations
    assert not report.passed


async def test_duration(tmp_path: Path) -> None:
    """With a duration alone, a scenario goes on until it is over."""
    report = await raced(FakeDaemon(), tmp_path, "double-end", lookups=None, duration=0.05)
    [tally] = report.tallies
    assert tally.lookups > 0
    assert 0.05 <= tally.seconds < 5


async def test_no_test_namespace(tmp_path: Path) -> None:
    """A daemon without the test namespace is refused with a hint, and not raced."""
    daemon = FakeDaemon()
    daemon.namespaces = (11,)
    async with serving(daemon, tmp_path / "sock") as socket:
        with pytest.raises(AccessDenied, match="no test namespace"):
            await drive(plan(socket))


async def test_no_gates(tmp_path: Path) -> None:
    """Who may not open gates is told so; scenarios without gates run all the same."""
    daemon = FakeDaemon()
    daemon.gates_allowed = False
    async with serving(daemon, tmp_path / "sock") as socket:
        with pytest.raises(AccessDenied, match=r"administrator.*end-vs-record"):
            await drive(plan(socket, "double-end", "end-vs-record"))
        assert (await drive(plan(socket, "double-end"))).passed


async def test_nobody_listens(tmp_path: Path) -> None:
    """A socket at which nobody listens is an unreachable daemon."""
    with pytest.raises(NetworkDown, match="No such file"):
        await drive(plan(str(tmp_path / "sock")))


async def test_report_for_programs(tmp_path: Path) -> None:
    """The JSON form has the verdict, the counts of each scenario, and each violation in words."""
    report = (await raced(Leaks(), tmp_path, "double-end", lookups=4, patience=0.5)).as_dict()
    assert report["passed"] is False
    assert report["census"]["leaked"] == {"lookups": 4}
    [scenario] = report["scenarios"]
    assert scenario["outcomes"] == {"one End": 4}
    assert scenario["latencies"]["to_end_reply"]["count"] == 4
    assert report["violations"] == []
