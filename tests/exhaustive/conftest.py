"""Exhaustive runs go on in other processes, and print how many schedules they were.

What the tests of a module ask for is begun when the first of them asks, in
their order, so that no core is idle meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.ahead import open_processes
from tests.exhaustive.asked import Ask, Exploration
from tests.exhaustive.explore import Report


@pytest.fixture(scope="module")
def begun(request: pytest.FixtureRequest) -> Iterator[Ask]:
    """Every exploration that a test of the module has for a parameter."""
    wanted: list[Exploration] = []
    for item in request.session.items:
        if isinstance(item, pytest.Function) and item.module is request.module:
            parameters = item.callspec.params.values() if hasattr(item, "callspec") else ()
            wanted += [value for value in parameters if isinstance(value, Exploration)]
    with open_processes() as processes:
        reports: dict[Exploration, Callable[[], Report]] = {
            each: each.begin(processes) for each in dict.fromkeys(wanted)
        }
        yield lambda exploration: reports[exploration]()


@pytest.fixture
def explored(begun: Ask, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest) -> Ask:
    """Wait for the report of one, and print what it says, captured output or not."""

    def wait(exploration: Exploration) -> Report:
        report = begun(exploration)
        with capsys.disabled():
            print(f"\n{request.node.name}: {report}")
        return report

    return wait
