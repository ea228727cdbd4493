"""What is left out of the schedules would have shown nothing else, and nothing else is left out."""

from __future__ import annotations

import pytest

from tests.ahead import open_processes
from tests.exhaustive.asked import Ask, Exploration
from tests.exhaustive.explore import Report, begin_on_every_core, explore
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


SHORT = [
    Exploration(name, events)
    for name, events in (
        ("one", 5),
        ("budget", 5),
        ("stubborn", 4),
        ("shared", 4),
        ("shared-budget", 4),
        ("shared-stubborn", 4),
    )
]


@pytest.mark.parametrize(
    ("pruned", "unpruned"), [(each, each._replace(pruned=False)) for each in SHORT], ids=str
)
def test_pruning_loses_nothing(pruned: Exploration, unpruned: Exploration, begun: Ask) -> None:
    """With every order tried, equivalent or not, nothing is seen that pruned runs do not show."""
    some, all_of_them = begun(pruned), begun(unpruned)
    assert some.schedules < all_of_them.schedules
    assert _seen(some) == _seen(all_of_them)


def test_sharing_out_loses_nothing() -> None:
    """Shared out among processes, the schedules and what they show are the same."""
    scenario = SCENARIOS["one"]
    alone = explore(scenario, 4)
    with open_processes() as processes:
        shared_out = begin_on_every_core(processes, scenario, 4)()
    assert (shared_out.schedules, shared_out.endings) == (alone.schedules, alone.endings)
