"""Two lookups, of two users, that share work (C11): every order of up to six events."""

from __future__ import annotations

import pytest

from tests.exhaustive.explore import explore, explore_on_every_core
from tests.exhaustive.schedules import SCENARIOS
from tests.exhaustive.telling import Tell


def test_every_order_of_six_events(tell: Tell) -> None:
    """Whoever joins, leaves or times out, and when: each gets what it would get alone."""
    assert tell(explore_on_every_core(SCENARIOS["shared"], 6)).schedules > 100_000


@pytest.mark.parametrize("name", ["shared-budget", "shared-stubborn"])
def test_every_order_of_five_events(name: str, tell: Tell) -> None:
    """The same with budgets, each lookup its own, and with work that goes on after its End."""
    assert tell(explore_on_every_core(SCENARIOS[name], 5)).schedules > 20_000


def test_every_order_of_one_client(tell: Tell) -> None:
    """Two lookups of one client: Rundown takes both handles at once, and ends both (C10)."""
    assert tell(explore_on_every_core(SCENARIOS["one-client"], 5)).schedules > 8_000


@pytest.mark.parametrize("backend", ["trio", "trio-reversed"])
@pytest.mark.parametrize("name", ["shared", "shared-budget", "shared-stubborn", "one-client"])
def test_every_order_on_trio(name: str, backend: str, tell: Tell) -> None:
    """The same on trio with fewer events, its tasks in two orders."""
    assert tell(explore(SCENARIOS[name], 4, backend)).schedules > 1_000
