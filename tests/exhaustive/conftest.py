"""Exhaustive runs print how many schedules they were, whether or not output is captured."""

from __future__ import annotations

import os

import pytest

from tests.exhaustive.explore import Report
from tests.exhaustive.telling import Tell


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest) -> Tell:
    """Print what a report says, with the processor time since the test began."""
    since = _processor_time()

    def say(report: Report) -> Report:
        taken = _processor_time() - since
        with capsys.disabled():
            print(f"\n{request.node.name}: {report.schedules:,} schedules in {taken:.1f} s")
        return report

    return say


def _processor_time() -> float:
    """Seconds that this process and those that it has waited for have spent."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
