"""What people read after a run."""

from __future__ import annotations

from typing import Any

from nspd.race.drive import Plan, Report
from nspd.race.judge import Violation
from nspd.race.report import bars, latency_rows, remarks, scenario_rows, verdict
from nspd.race.scenarios import SCENARIOS
from nspd.race.scenarios.base import Race
from nspd.race.tally import Tally


def tally_of(*outcomes: str, seconds: float = 2.0) -> Tally:
    """A tally of end-vs-record in which these outcomes were seen."""
    tally = Tally(SCENARIOS["end-vs-record"])
    for outcome in outcomes:
        tally.add_race(Race(outcome))
    tally.seconds = seconds
    return tally


def report_of(tally: Tally, **after: int) -> Report:
    """A report with one tally; the census began with 1 connection and 0 lookups."""
    before = {"connections": 1, "lookups": 0}
    members: dict[str, Any] = {"daemon": "nspd", "judged": 12, "not_judged": {}}
    return Report(
        plan=Plan(socket="s", scenarios=[]),
        tallies=[tally],
        before=before,
        after={**before, **after},
        **members,
    )


def test_scenario_row() -> None:
    """The row counts lookups, races, outcomes (0 for a legal one never seen) and violations."""
    tally = tally_of("record", "record")
    tally.add_race(Race("record", contested=False))
    tally.add_violations([Violation("C2", 0.0, 1, "late"), Violation("C2", 0.0, 1, "late")])
    assert list(scenario_rows([tally])) == [
        ("end-vs-record", "3", "2", "2", "2 record, 0 cancelled", "2 C2")
    ]


def test_illegal_outcome_is_counted() -> None:
    """An outcome that the scenario does not allow is told apart, contested or not."""
    tally = tally_of("record", "cancelled")
    assert tally.add_race(Race("NextEx got 8", contested=False)) == "NextEx got 8"
    [row] = scenario_rows([tally])
    assert row[4] == "1 record, 1 cancelled, 1 NextEx got 8"


def test_latency_rows() -> None:
    """A kind of latency that was never measured has no row; units suit the size."""
    tally = tally_of("record")
    for seconds in (0.0001, 0.002, 3.0):
        tally.to_end_reply.record(seconds)
    [row] = latency_rows([tally])
    assert row == ("end-vs-record", "End to reply", "2.01 ms", "3 s", "3 s", "3 s", "3 s")


def test_bars() -> None:
    """Each doubling has a line, also an empty one in between; the longest bar is the mode."""
    tally = tally_of("record")
    for seconds in (100e-6, 100e-6, 900e-6):
        tally.to_cancelled.record(seconds)
    assert [line.split() for line in bars([tally])] == [
        ["to", "128", "us", "#" * 40, "2"],
        ["to", "256", "us", "0"],
        ["to", "512", "us", "0"],
        ["to", "1.02", "ms", "#" * 20, "1"],
    ]


def test_bars_of_nothing() -> None:
    """Without a latency there is no picture."""
    assert list(bars([tally_of("record")])) == []


def test_remarks() -> None:
    """Violations are told in words up to a number, then counted; so are gaps and leaks."""
    tally = tally_of("record")
    tally.add_violations([Violation("C1", 0.0, 4, f"call {n}") for n in range(7)])
    report = report_of(tally, lookups=3)
    lines = list(remarks(report))
    assert lines[0] == "end-vs-record: C1 on connection 4: call 0"
    assert lines[5:] == [
        "end-vs-record: and 2 more",
        "end-vs-record: the outcome 'cancelled' is legal and was never seen; race longer",
        "C8: the census has 3 lookups more than before (3)",
    ]


def test_verdict() -> None:
    """The last line says passed or FAILED, and counts the evidence; a leak fails a run too."""
    good = tally_of("record", "cancelled")
    assert verdict(report_of(good)) == "passed: 12 replies judged, violations: 0"
    assert verdict(report_of(good, lookups=1)) == "FAILED: 12 replies judged, violations: 1"


def test_fewer_than_before_is_no_leak() -> None:
    """Another client that left meanwhile is not held against the daemon."""
    assert report_of(tally_of("record", "cancelled"), connections=0).leaked == {}
