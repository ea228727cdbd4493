"""What a run of one scenario adds up to."""

from __future__ import annotations

from collections import Counter
from typing import Any

from nspd.race.histogram import Histogram
from nspd.race.judge import Violation
from nspd.race.scenarios.base import Race, Scenario

_EXAMPLES = 5


class Tally:
    """Counts and latencies of one scenario; as large after a million lookups as after ten."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.lookups = 0
        self.races = 0
        """Lookups in which either side could still win when the race was started."""
        self.outcomes: Counter[str] = Counter()
        """How the races ended; lookups that were no race are left out."""
        self.violations: Counter[str] = Counter()
        """By promise."""
        self.examples: list[Violation] = []
        """The first violations of each promise, in full."""
        self.seconds = 0.0
        self.to_cancelled = Histogram()
        """From sending what cancels (End, a cancel request) to each 10111."""
        self.to_end_reply = Histogram()
        """From sending End to its reply."""

    def add_race(self, race: Race) -> str | None:
        """Count one lookup. Returns what was wrong if it ended in no legal way."""
        self.lookups += 1
        legal = race.outcome in self.scenario.outcomes
        if race.contested or not legal:
            self.races += 1
            self.outcomes[race.outcome] += 1
        return None if legal else race.outcome

    def add_violations(self, violations: list[Violation]) -> None:
        """Count violations, and keep the first of them."""
        for violation in violations:
            self.violations[violation.promise] += 1
            if self.violations[violation.promise] <= _EXAMPLES:
                self.examples.append(violation)

    @property
    def unseen(self) -> list[str]:
        """Legal outcomes that no race had: those races were not really run."""
        return [outcome for outcome in self.scenario.outcomes if not self.outcomes[outcome]]

    @property
    def passed(self) -> bool:
        """No violation, and every legal outcome was seen."""
        return not self.violations and not self.unseen

    def as_dict(self) -> dict[str, Any]:
        """The tally for programs; latencies in seconds."""
        return {
            "scenario": self.scenario.name,
            "lookups": self.lookups,
            "races": self.races,
            "seconds": self.seconds,
            "outcomes": dict(self.outcomes),
            "unseen": self.unseen,
            "violations": dict(self.violations),
            "latencies": {
                "to_cancelled": self.to_cancelled.summary(),
                "to_end_reply": self.to_end_reply.summary(),
            },
        }
