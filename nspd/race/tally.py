"""What a run of one scenario adds up to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct, convert, to_builtins

from nspd.race.histogram import Histogram
from nspd.race.judge import Violation
from nspd.race.series import Series
from nspd.race.stopwatch import KINDS, Latencies

_EXAMPLES = 5


class Race(Struct, frozen=True, gc=False):
    """How one lookup went, or several alike."""

    outcome: str
    """One of the scenario's legal outcomes, or a description of what happened instead."""
    contested: bool = True
    """Either side could still win when the race was started."""
    lookups: int = 1


class Tally:
    """Counts and latencies of one scenario; as large after a million lookups as after ten."""

    def __init__(self, name: str, legal: Sequence[str], rare: Sequence[str] = ()) -> None:
        self.name = name
        self.rare = tuple(rare)
        """Further outcomes that the scenario allows, and that need not be seen."""
        self.legal = tuple(legal)
        """The outcomes that the scenario allows, all of which have to be seen."""
        self.lookups = 0
        self.races = 0
        """Lookups in which either side could still win when the race was started."""
        self.outcomes: Counter[str] = Counter()
        """How the races ended; lookups that were no race are left out."""
        self.violations: Counter[str] = Counter()
        """By promise."""
        self.examples: list[Violation] = []
        """The first violations of each promise, in full."""
        self.at_the_cap = 0
        """Lookups refused with 10055, for too much work was detached."""
        self.seconds = 0.0
        self.latencies = Latencies()
        self.series = Series()
        """Outcomes over time, of lookups that were no race too."""

    def add_race(self, race: Race, at: float) -> str | None:
        """Count one race that ended ``at`` seconds after the beginning.

        Returns:
            What was wrong, if it ended in no legal way.
        """
        self.lookups += race.lookups
        legal = race.outcome in self.legal or race.outcome in self.rare
        if race.contested or not legal:
            self.races += race.lookups
            self.outcomes[race.outcome] += race.lookups
        self.series.add(at, race.outcome, race.lookups)
        return None if legal else race.outcome

    def add_violations(self, violations: Iterable[Violation]) -> None:
        """Count violations, and keep the first of them."""
        for violation in violations:
            self.violations[violation.promise] += 1
            if self.violations[violation.promise] <= _EXAMPLES:
                self.examples.append(violation)

    def merge(self, other: Tally) -> None:
        """Count what another driver counted in the same scenario at the same time."""
        self.lookups += other.lookups
        self.races += other.races
        self.outcomes += other.outcomes
        self.violations += other.violations
        self.examples += other.examples
        self.at_the_cap += other.at_the_cap
        self.seconds = max(self.seconds, other.seconds)
        self.latencies.add(other.latencies)
        self.series.merge(other.series)

    @property
    def unseen(self) -> list[str]:
        """Legal outcomes that no race had: those races were not really run."""
        return [outcome for outcome in self.legal if not self.outcomes[outcome]]

    @property
    def passed(self) -> bool:
        """No violation, and every legal outcome was seen."""
        return not self.violations and not self.unseen

    def as_dict(self) -> dict[str, Any]:
        """The tally for programs; latencies in seconds."""
        return {
            "scenario": self.name,
            "lookups": self.lookups,
            "races": self.races,
            "seconds": self.seconds,
            "outcomes": dict(self.outcomes),
            "unseen": self.unseen,
            "at_the_cap": self.at_the_cap,
            "violations": dict(self.violations),
            "latencies": {
                kind: histogram.summary() for kind, histogram in self.latencies.by_kind().items()
            },
        }

    def packed(self) -> dict[str, Any]:
        """Everything, for another process."""
        return {
            "name": self.name,
            "legal": self.legal,
            "rare": self.rare,
            "lookups": self.lookups,
            "races": self.races,
            "seconds": self.seconds,
            "outcomes": dict(self.outcomes),
            "violations": dict(self.violations),
            "at_the_cap": self.at_the_cap,
            "examples": to_builtins(self.examples),
            "series": self.series.as_dict(),
            "latencies": {
                kind: (histogram.encoded(), histogram.max)
                for kind, histogram in self.latencies.by_kind().items()
            },
        }

    @classmethod
    def unpacked(cls, value: Mapping[str, Any]) -> Tally:
        """What `packed` gave."""
        tally = cls(value["name"], value["legal"], value["rare"])
        tally.lookups, tally.races = value["lookups"], value["races"]
        tally.seconds, tally.at_the_cap = value["seconds"], value["at_the_cap"]
        tally.outcomes.update(value["outcomes"])
        tally.violations.update(value["violations"])
        tally.examples = convert(value["examples"], list[Violation])
        tally.series = Series.from_dict(value["series"])
        for kind in KINDS:
            setattr(tally.latencies, kind, Histogram.decoded(*value["latencies"][kind]))
        return tally


def merged(tallies: Iterable[Tally]) -> list[Tally]:
    """One tally for each scenario, in the order in which they first come."""
    found: dict[str, Tally] = {}
    for tally in tallies:
        if tally.name in found:
            found[tally.name].merge(tally)
        else:
            found[tally.name] = tally
    return list(found.values())
