"""One lookup: every order of up to eight events."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from nspd.core.lookup import Lookup
from nspd.core.part import Part
from nspd.core.run import Run
from nspd.core.work import Work
from tests.exhaustive.asked import Ask, Exploration, in_full
from tests.exhaustive.explore import explore
from tests.exhaustive.schedules import SCENARIOS


@pytest.mark.parametrize("exploration", [in_full("one")], ids=str)
def test_every_order_of_eight_events(exploration: Exploration, explored: Ask) -> None:
    """Begin, NextEx, End, records, ends, cancels, time-outs, leaving: in each order C1 to C10."""
    assert explored(exploration).schedules > 100_000


@pytest.mark.parametrize("exploration", [in_full("budget")], ids=str)
def test_every_order_with_a_budget(exploration: Exploration, explored: Ask) -> None:
    """Whenever the budget runs out, what is ready is still delivered, then the end."""
    assert explored(exploration).schedules > 7_000


@pytest.mark.parametrize("exploration", [in_full("stubborn")], ids=str)
def test_every_order_of_stubborn_work(exploration: Exploration, explored: Ask) -> None:
    """Whenever work goes on after its End, End says so, and nothing of it is delivered (C8, C9)."""
    assert explored(exploration).schedules > 5_000


ON_TRIO = [
    Exploration(name, 5, backend)
    for name in ("one", "budget", "stubborn")
    for backend in ("trio", "trio-reversed")
]


@pytest.mark.parametrize("exploration", ON_TRIO, ids=str)
def test_every_order_on_trio(exploration: Exploration, explored: Ask) -> None:
    """The same on trio with fewer events, its tasks in two orders."""
    assert explored(exploration).schedules > 1_500


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
    assert not _of_lookups() - before


def _of_lookups() -> set[int]:
    """The identities of what there is of lookups in this process."""
    kinds = Lookup | Part | Run | Work
    return {id(found) for found in gc.get_objects() if isinstance(found, kinds)}
