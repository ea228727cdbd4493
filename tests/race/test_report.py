"""What people read after a run."""

from __future__ import annotations

from typing import Any

from nspd.race.judge import Violation
from nspd.race.meter import Meter
from nspd.race.plan import Plan
from nspd.race.report import bars, latency_rows, load, remarks, rows_of, scenario_rows, verdict
from nspd.race.result import Report, Stretch
from nspd.race.tally import Race, Tally


def tally_of(*outcomes: str, name: str = "end-vs-record") -> Tally:
    """A tally of two seconds with two legal outcomes, in which these were seen."""
    tally = Tally(name, ("record", "cancelled"))
    for outcome in outcomes:
        tally.add_race(Race(outcome), 0.5)
    tally.seconds = 2.0
    return tally


def report_of(*tallies: Tally, name: str = "end-vs-record", **members: Any) -> Report:
    """A report on one stretch; the census began with 1 connection and 0 lookups."""
    before = {"connections": 1, "lookups": 0}
    after = {**before, **members.pop("after", {})}
    stretch = Stretch(name, 10.0, 2.0, list(tallies), 0.9, 0.4)
    fixed: dict[str, Any] = {"daemon": "nspd", "judged": 12, "not_judged": {}, "meter": Meter(None)}
    plan = Plan(socket="s", scenarios=[])
    return Report(
        plan=plan, stretches=[stretch], before=before, after=after, **{**fixed, **members}
    )


def test_scenario_row() -> None:
    """The row counts lookups, races, outcomes (0 for a legal one never seen) and violations."""
    tally = tally_of("record", "record")
    tally.add_race(Race("record", contested=False), 0.5)
    tally.add_violations([Violation("C2", 0.0, 1, "late"), Violation("C2", 0.0, 1, "late")])
    assert list(scenario_rows([tally])) == [
        ("end-vs-record", "3", "2", "2", "2 record, 0 cancelled", "2 C2")
    ]


def test_illegal_outcome_is_counted() -> None:
    """An outcome that the scenario does not allow is told apart, contested or not."""
    tally = tally_of("record", "cancelled")
    assert tally.add_race(Race("NextEx got 8", contested=False), 0.5) == "NextEx got 8"
    [row] = scenario_rows([tally])
    assert row[4] == "1 record, 1 cancelled, 1 NextEx got 8"


def test_latency_rows() -> None:
    """A kind of latency that was never measured has no row; units suit the size."""
    tally = tally_of("record")
    for seconds in (0.0001, 0.002, 3.0):
        tally.latencies.to_end_reply.record(seconds)
    [row] = latency_rows([tally])
    assert row == ("end-vs-record", "End to its reply", "2 ms", "3 s", "3 s", "3 s", "3 s")


def test_bars() -> None:
    """Each doubling has a line, also an empty one in between; the longest bar is the mode."""
    tally = tally_of("record")
    for seconds in (100e-6, 100e-6, 900e-6):
        tally.latencies.to_cancelled.record(seconds)
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
    report = report_of(tally, after={"lookups": 3})
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
    assert (
        verdict(report_of(good, after={"lookups": 1})) == "FAILED: 12 replies judged, violations: 1"
    )


def test_fewer_than_before_is_no_leak() -> None:
    """Another client that left meanwhile is not held against the daemon."""
    assert report_of(tally_of("record", "cancelled"), after={"connections": 0}).leaked == {}


def test_mixed_has_a_sum() -> None:
    """Before the rows of a mixture stands their sum, without outcomes of its own."""
    parts = [tally_of("record", name="mixed: a"), tally_of("cancelled", name="mixed: b")]
    rows = rows_of(report_of(*parts, name="mixed"))
    assert [row.name for row in rows] == ["mixed", "mixed: a", "mixed: b"]
    assert next(scenario_rows(rows)) == ("mixed", "2", "2", "1", "", "none")


def test_load() -> None:
    """The last lines say who worked how much, and whether the daemon had more to give."""
    busy = report_of(tally_of("record"))
    assert load(busy) == (
        "CPU: the daemon took 90% of one, the drivers, which judge as they go, 40%"
    )
    idle = report_of(tally_of("record"))
    idle.stretches[0] = Stretch("x", 10.0, 2.0, [], 0.3, 0.4)
    assert "could have done more" in load(idle)
    idle.stretches[0] = Stretch("x", 10.0, 2.0, [], None, 0.4)
    assert load(idle).startswith("CPU: the daemon's is not known")


def test_cut_short() -> None:
    """A run that the daemon left, or somebody stopped, says so and does not pass."""
    gone = report_of(tally_of("record", "cancelled"), gone="exit 1", after={"lookups": 5})
    assert list(remarks(gone)) == ["the run ended early, for the daemon went away: exit 1"]
    stopped = report_of(tally_of("record", "cancelled"), interrupted=True)
    assert list(remarks(stopped)) == ["interrupted: this is what there was so far"]
    assert not gone.passed
    assert not stopped.passed
