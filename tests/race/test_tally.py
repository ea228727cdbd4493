"""Tallies: what one driver counts, and what several count together."""

from __future__ import annotations

from nspd.race.judge import Violation
from nspd.race.tally import Race, Tally, merged


def tally_of(*outcomes: str, name: str = "race") -> Tally:
    """A tally of a scenario with two legal outcomes, in which these were seen."""
    tally = Tally(name, ("record", "cancelled"))
    for at, outcome in enumerate(outcomes):
        tally.add_race(Race(outcome), float(at))
    return tally


def test_contested() -> None:
    """A lookup that was no race is counted, and its outcome is not."""
    tally = tally_of("record")
    assert tally.add_race(Race("cancelled", contested=False), 0.0) is None
    assert (tally.lookups, tally.races, tally.outcomes) == (2, 1, {"record": 1})
    assert tally.unseen == ["cancelled"]
    assert not tally.passed


def test_illegal() -> None:
    """An outcome that the scenario does not allow is told, contested or not."""
    tally = tally_of("record", "cancelled")
    assert tally.add_race(Race("NextEx got 8", contested=False), 0.0) == "NextEx got 8"
    assert tally.outcomes["NextEx got 8"] == 1


def test_several_lookups() -> None:
    """A race of many lookups counts as many."""
    tally = tally_of()
    tally.add_race(Race("record", lookups=50), 0.0)
    assert (tally.lookups, tally.races, tally.outcomes["record"]) == (50, 50, 50)


def test_packed() -> None:
    """What goes to another process comes out there as it was."""
    tally = tally_of("record", "cancelled")
    tally.add_violations([Violation("C2", 1.5, 3, "late")])
    tally.latencies.to_census.record(0.25)
    tally.seconds = 2.0
    copy = Tally.unpacked(tally.packed())
    assert copy.as_dict() == tally.as_dict()
    assert copy.examples == tally.examples
    assert list(copy.series.points()) == list(tally.series.points())


def test_merged() -> None:
    """Tallies of one scenario become one; scenarios keep their order."""
    parts = [
        tally_of("record", name="b"),
        tally_of("record", name="a"),
        tally_of("cancelled", name="b"),
    ]
    parts[2].latencies.next.record(0.1)
    parts[2].add_violations([Violation("C1", 0.0, 1, "lost")])
    first, second = merged(parts)
    assert (first.name, second.name) == ("b", "a")
    assert first.outcomes == {"record": 1, "cancelled": 1}
    assert (first.lookups, first.races, first.latencies.next.count) == (2, 2, 1)
    assert first.violations == {"C1": 1}
    assert [violation.detail for violation in first.examples] == ["lost"]


def test_rare() -> None:
    """A rare outcome is legal, and not missed when it does not come."""
    tally = Tally("race", ("record",), ("never ran",))
    assert tally.add_race(Race("record"), 0.0) is None
    assert tally.passed
    assert tally.add_race(Race("never ran"), 0.0) is None
    assert tally.passed
    copy = Tally.unpacked(tally.packed())
    assert copy.add_race(Race("never ran"), 0.0) is None
