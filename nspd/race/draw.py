"""Which scenario a client runs next."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Mapping
from itertools import accumulate
from random import Random

from nspd.race.plan import MIXED
from nspd.race.scenario import Scenario


class Draw:
    """Which scenario is next: always the same, or in ``mixed`` one by weight."""

    def __init__(self, name: str, scenarios: Mapping[str, Scenario]) -> None:
        """Make a draw.

        Args:
            name: a scenario, or ``mixed``.
            scenarios: all that there are, by name.
        """
        self.mixed = name == MIXED
        self.scenarios = list(scenarios.values()) if self.mixed else [scenarios[name]]
        self.rare = [scenario for scenario in self.scenarios if self.mixed and scenario.every]
        self._often = [scenario for scenario in self.scenarios if scenario not in self.rare]
        self._weights = list(accumulate(scenario.weight for scenario in self._often))
        self._harmless = [scenario for scenario in self._often if not scenario.detaches]

    def title(self, scenario: Scenario) -> str:
        """The name under which the outcomes of a scenario are counted."""
        return f"{MIXED}: {scenario.name}" if self.mixed else scenario.name

    def one(self, random: Random) -> Scenario:
        """Draw one by weight."""
        if len(self._often) == 1:
            return self._often[0]
        return self._often[bisect(self._weights, random.random() * self._weights[-1])]

    def one_that_detaches_nothing(self, random: Random) -> Scenario:
        """Draw one that leaves no detached work."""
        return random.choice(self._harmless)
