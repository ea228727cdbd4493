"""What a test asks the exhaustive run for."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import NamedTuple

from tests.ahead import Processes
from tests.exhaustive.explore import Report, begin_on_every_core, explore
from tests.exhaustive.schedules import SCENARIOS

MORE = int(os.environ.get("NSPD_MORE_EVENTS", "0"))
"""Events by which every run of `EVENTS` is to be longer."""

EVENTS = {
    "one": 8,
    "budget": 6,
    "stubborn": 5,
    "shared": 6,
    "shared-budget": 4,
    "shared-stubborn": 4,
    "one-client": 5,
}
"""How many events each scenario goes through on asyncio."""

_MANY = 5
"""Events from which on one exploration is shared out among processes."""


class Exploration(NamedTuple):
    """One scenario, with so many events, on one backend."""

    scenario: str
    events: int
    backend: str = "asyncio"
    pruned: bool = True

    def __str__(self) -> str:
        return f"{self.scenario}-{self.events}-{self.backend}{'' if self.pruned else '-unpruned'}"

    def begin(self, processes: Processes) -> Callable[[], Report]:
        """Begin it; what waits for its report."""
        scenario = SCENARIOS[self.scenario]
        if self.events >= _MANY and self.pruned and self.backend == "asyncio":
            return begin_on_every_core(processes, scenario, self.events)
        begun = processes.begin(explore, scenario, self.events, self.backend, pruned=self.pruned)
        return begun.result


Ask = Callable[[Exploration], Report]


def in_full(scenario: str) -> Exploration:
    """A scenario on asyncio with the events of `EVENTS`, and `MORE`."""
    return Exploration(scenario, EVENTS[scenario] + MORE)
