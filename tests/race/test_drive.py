"""Whole runs against a fake daemon on a real socket: honest, and telling one lie each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import pytest

from nspd.model.errors import AccessDenied, InvalidArgument, NetworkDown
from nspd.race.drive import Standing, drive
from nspd.race.history import read
from nspd.race.plan import Plan
from nspd.race.report import remarks
from nspd.race.result import Report
from tests.race.fake_daemon import (
    LIARS,
    CancelAsNotFound,
    Capped,
    DropsWithdrawn,
    FakeDaemon,
    GoesAway,
    Leaks,
    LosesCancelled,
    serving,
)

pytestmark = pytest.mark.anyio


SCENARIOS = ("end-vs-next", "end-vs-record", "double-end", "end-before-next", "cancel-request")
"""Those that the fake daemon knows enough for."""


def plan(socket: str, *scenarios: str, **options: Any) -> Plan:
    """A small run of the scenarios named, or of all that the fake daemon can be raced in."""
    fixed = {"clients": 3, "lookups": 60, "seed": 7}
    return Plan(socket=socket, scenarios=scenarios or SCENARIOS, **{**fixed, **options})


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
        assert tally.outcomes.keys() <= set(tally.legal)
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
    kinds = tally.latencies
    assert kinds.to_end_reply.count == kinds.to_cancelled.count == 60
    assert 0 < kinds.to_end_reply.quantile(0.5) <= kinds.to_end_reply.max


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
    assert tally.violations["outcome"] == 5
    assert not report.passed


async def test_record_not_kept(tmp_path: Path) -> None:
    """A record lost with the call that was withdrawn is an outcome, and C7."""
    report = await raced(DropsWithdrawn(), tmp_path, "cancel-request")
    [tally] = report.tallies
    assert tally.outcomes["the record was not kept: NextEx got WSA_E_NO_MORE (10110)"] > 0
    assert tally.violations["C7"] > 0


async def test_leak(tmp_path: Path) -> None:
    """A daemon whose census does not go back to where it was fails the run.

    The JSON form has the verdict, the counts of each scenario, and each violation in words.
    """
    run = await raced(Leaks(), tmp_path, "double-end", lookups=4, patience=1.0)
    assert run.leaked == {"lookups": 4}
    assert not run.passed
    report = run.as_dict()
    assert report["passed"] is False
    assert report["census"]["leaked"] == {"lookups": 4}
    [scenario] = report["scenarios"]
    assert scenario["outcomes"] == {"one End": 4}
    assert scenario["latencies"]["to_end_reply"]["count"] == 4
    assert report["violations"] == []


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


async def test_unknown_scenario(tmp_path: Path) -> None:
    """A scenario that there is not is refused before anything is connected."""
    with pytest.raises(InvalidArgument, match="'tea'"):
        await drive(plan(str(tmp_path / "nobody"), "tea"))


async def test_in_processes(tmp_path: Path) -> None:
    """Drivers in processes of their own share the clients and lookups, and one history."""
    history = tmp_path / "history"
    report = await raced(
        FakeDaemon(), tmp_path, "end-vs-next", clients=5, processes=2, history=str(history)
    )
    [tally] = report.tallies
    assert (tally.lookups, tally.outcomes) == (60, {"cancelled": 60})
    assert report.passed
    with history.open("rb") as lines:
        entries = list(read(lines))
    assert [entry.time for entry in entries] == sorted(entry.time for entry in entries)
    assert len({entry.client for entry in entries}) == 5
    sent = [entry.seen["method"] for entry in entries if entry.direction == "sent"]
    assert sent.count("NSPv2LookupServiceBegin") == 60


async def test_history_nowhere(tmp_path: Path) -> None:
    """A history that cannot be written is found before the race."""
    async with serving(FakeDaemon(), tmp_path / "s") as socket:
        for processes in (0, 1):
            with pytest.raises(FileNotFoundError):
                await drive(plan(socket, processes=processes, history=str(tmp_path / "no" / "h")))


async def test_same_seed(tmp_path: Path) -> None:
    """With the same seed a client sends the same requests."""

    async def begun(name: str, seed: int) -> list[str]:
        history = tmp_path / name
        async with serving(FakeDaemon(), tmp_path / f"{name}.sock") as socket:
            await drive(plan(socket, "double-end", clients=1, seed=seed, history=str(history)))
        with history.open("rb") as lines:
            return [e.seen["method"] for e in read(lines) if e.direction == "sent"]

    first, again, other = await begun("a", 7), await begun("b", 7), await begun("c", 8)
    assert first == again
    assert first != other


async def test_open_loop(tmp_path: Path) -> None:
    """At a rate, lookups begin on time, and no faster."""
    report = await raced(FakeDaemon(), tmp_path, "double-end", lookups=40, rate=200.0)
    [tally] = report.tallies
    assert tally.lookups == 40
    assert tally.seconds >= 39 / 200


async def test_late_counts(tmp_path: Path) -> None:
    """A rate that cannot be kept shows in the latencies, for lookups wait for a client."""
    report = await raced(FakeDaemon(), tmp_path, "double-end", clients=1, rate=1e6)
    [tally] = report.tallies
    # Of its own, each takes a sixtieth; the run may have been held up behind the last one.
    assert tally.latencies.to_end_reply.quantile(0.9) > tally.seconds / 10


async def test_watched(tmp_path: Path) -> None:
    """Whoever watches is told of each scenario, up to its last lookup."""
    told: list[Standing] = []
    async with serving(FakeDaemon(), tmp_path / "s") as socket:
        await drive(plan(socket, "double-end", "end-vs-next"), told.append)
    last = {standing.scenario: standing.lookups for standing in told}
    assert last == {"double-end": 60, "end-vs-next": 60}
    assert [standing.place for standing in told] == sorted(standing.place for standing in told)


@pytest.mark.parametrize("processes", [0, 2])
async def test_stopped(tmp_path: Path, processes: int) -> None:
    """When told to stop, the drivers finish their lookups and the report says what there was."""
    stop = anyio.Event()

    def watch(standing: Standing) -> None:
        if standing.lookups:
            stop.set()

    async with serving(FakeDaemon(), tmp_path / "s") as socket:
        report = await drive(
            plan(socket, "double-end", "end-vs-next", lookups=None, processes=processes),
            watch,
            stop,
        )
    [tally] = report.tallies
    assert report.interrupted
    assert tally.name == "double-end"
    assert tally.lookups > 0
    assert not tally.violations
    assert not report.passed


async def test_gone(tmp_path: Path) -> None:
    """A daemon that goes away in the middle is told of, with what was unanswered."""
    report = await raced(GoesAway(20), tmp_path, "end-vs-next", "double-end", patience=2.0)
    assert report.gone is not None
    assert [tally.name for tally in report.tallies] == ["end-vs-next"]
    assert not report.passed


async def test_at_the_cap(tmp_path: Path) -> None:
    """A Begin refused because too much is detached is no race and no violation; it is told."""
    report = await raced(Capped(), tmp_path, "end-vs-next", lookups=20)
    [tally] = report.tallies
    assert (tally.lookups, tally.at_the_cap) == (16, 4)
    assert not tally.violations
    assert "refused for detached work" in " ".join(remarks(report))
