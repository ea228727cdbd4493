"""Two lookups, of two users, that share work (C11): every order of up to six events."""

from __future__ import annotations

import pytest

from tests.exhaustive.asked import Ask, Exploration, in_full


@pytest.mark.parametrize("exploration", [in_full("shared")], ids=str)
def test_every_order_of_six_events(exploration: Exploration, explored: Ask) -> None:
    """Whoever joins, leaves or times out, and when: each gets what it would get alone."""
    assert explored(exploration).schedules > 100_000


@pytest.mark.parametrize(
    "exploration", [in_full("shared-budget"), in_full("shared-stubborn")], ids=str
)
def test_every_order_of_other_work(exploration: Exploration, explored: Ask) -> None:
    """The same with budgets, each lookup its own, and with work that goes on after its End."""
    assert explored(exploration).schedules > 1_500


@pytest.mark.parametrize("exploration", [in_full("one-client")], ids=str)
def test_every_order_of_one_client(exploration: Exploration, explored: Ask) -> None:
    """Two lookups of one client: Rundown takes both handles at once, and ends both (C10)."""
    assert explored(exploration).schedules > 8_000


ON_TRIO = [
    Exploration(name, 4, backend)
    for name in ("shared", "shared-budget", "shared-stubborn", "one-client")
    for backend in ("trio", "trio-reversed")
]


@pytest.mark.parametrize("exploration", ON_TRIO, ids=str)
def test_every_order_on_trio(exploration: Exploration, explored: Ask) -> None:
    """The same on trio, its tasks in two orders."""
    assert explored(exploration).schedules > 1_000
