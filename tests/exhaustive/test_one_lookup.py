"""One lookup: every order of up to eight events."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from nspd.core.lookup import Lookup
from nspd.core.part import Part
from nspd.core.run import Run
from nspd.core.work import Work
from tests.exhaustive.explore import explore, explore_on_every_core
from tests.exhaustive.schedules import SCENARIOS
from tests.exhaustive.telling import Tell


def test_every_order_of_eight_events(tell: Tell) -> None:
    """Begin, NextEx, End, records, ends, cancels, time-outs, leaving: in each order C1 to C10."""
    assert tell(explore_on_every_core(SCENARIOS["one"], 8)).schedules > 100_000


def test_every_order_with_a_budget(tell: Tell) -> None:
    """Whenever the budget runs out, what is ready is still delivered, then the end."""
    assert tell(explore_on_every_core(SCENARIOS["budget"], 7)).schedules > 20_000


def test_every_order_of_stubborn_work(tell: Tell) -> None:
    """Whenever work goes on after its End, End says so, and nothing of it is delivered (C8, C9)."""
    assert tell(explore_on_every_core(SCENARIOS["stubborn"], 6)).schedules > 30_000


@pytest.mark.parametrize("backend", ["trio", "trio-reversed"])
@pytest.mark.parametrize("name", ["one", "budget", "stubborn"])
def test_every_order_on_trio(name: str, backend: str, tell: Tell) -> None:
    """The same on trio with fewer events, its tasks in two orders."""
    assert tell(explore(SCENARIOS[name], 5, backend)).schedules > 1_500


@pytest.fixture
def _collector_off() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("_collector_off")
@pytest.mark.parametrize("name", ["one", "budget", "stubborn", "shared"])
def test_no_order_leaves_a_cycle(name: str) -> None:
    """Whatever the order, all of a lookup is freed by reference counts when it is over."""
    before = _of_lookups()
    explore(SCENARIOS[name], 4)
    assert _of_lookups() == before


def _of_lookups() -> int:
    return sum(isinstance(found, Lookup | Part | Run | Work) for found in gc.get_objects())
