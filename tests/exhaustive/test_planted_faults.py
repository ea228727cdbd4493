"""Faults planted in the core are found, and the schedule that shows them is named."""

from __future__ import annotations

import pytest

from tests.exhaustive.asked import EVENTS
from tests.exhaustive.explore import first_violation, replay
from tests.exhaustive.faults import FAULTS
from tests.exhaustive.rig import Violation
from tests.exhaustive.schedules import SCENARIOS

DEEP_ENOUGH = 5
"""Events by which every fault has shown itself, and by no more than are tried without one."""


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found(name: str, backend: str) -> None:
    """The run finds the fault; its schedule shows it again, and is innocent without it."""
    fault = FAULTS[name]
    scenario = SCENARIOS[fault.scenario]
    most = min(EVENTS[fault.scenario], DEEP_ENOUGH)
    with fault.planted():
        found = first_violation(scenario, most, backend)
        assert found is not None
        command = f"{scenario.name} '{found.schedule}' --backend {backend}"
        assert str(found).endswith(f"python -m tests.exhaustive {command}")
        with pytest.raises(Violation) as again:
            replay(scenario, found.schedule, backend)
        assert again.value.schedule == found.schedule
    replay(scenario, found.schedule, backend)
