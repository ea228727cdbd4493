"""What is left out of the schedules would have shown nothing else, and nothing else is left out."""

from __future__ import annotations

import pytest

from tests.exhaustive.explore import Report, explore, explore_on_every_core
from tests.exhaustive.schedules import SCENARIOS


def _seen(report: Report) -> set[tuple[object, ...]]:
    """Every sequence of facts, and every beginning of one.

    Without the numbers of calls, which differ where two calls were swapped.
    """
    sequences = [
        [(fact[0], fact[2]) if fact[0] == "reply" else fact for fact in ending]
        for ending in report.endings
    ]
    return {tuple(facts[:end]) for facts in sequences for end in range(len(facts) + 1)}


@pytest.mark.parametrize(
    ("name", "events"),
    [
        ("one", 5),
        ("budget", 5),
        ("stubborn", 4),
        ("shared", 4),
        ("shared-budget", 4),
        ("shared-stubborn", 4),
    ],
)
def test_pruning_loses_nothing(name: str, events: int) -> None:
    """With every order tried, equivalent or not, nothing is seen that pruned runs do not show."""
    pruned = explore(SCENARIOS[name], events)
    unpruned = explore(SCENARIOS[name], events, pruned=False)
    assert pruned.schedules < unpruned.schedules
    assert _seen(pruned) == _seen(unpruned)


def test_sharing_out_loses_nothing() -> None:
    """Shared out among processes, the schedules and what they show are the same."""
    assert explore_on_every_core(SCENARIOS["one"], 4) == explore(SCENARIOS["one"], 4)
