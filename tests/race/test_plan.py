"""How a run is divided among its drivers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nspd.race.plan import Plan, shares


@given(st.integers(0, 9), st.integers(1, 40), st.integers(1, 5_000), st.floats(0.05, 1))
def test_everything_is_shared_out(processes: int, clients: int, lookups: int, scale: float) -> None:
    """Every client has one driver, no driver is without, and the lookups add up."""
    plan = Plan(
        socket="s",
        scenarios=["x"],
        processes=processes,
        clients=clients,
        lookups=lookups,
        rate=100.0,
    )
    parts = shares(plan, "x", scale)
    numbers = [
        number
        for part in parts
        for number in range(part.first_client, part.first_client + part.clients)
    ]
    assert numbers == list(range(clients))
    assert all(part.clients for part in parts)
    assert sum(part.lookups or 0 for part in parts) == max(round(lookups * scale), 1)
    assert sum(part.rate or 0 for part in parts) == pytest.approx(100.0)


def test_without_end() -> None:
    """Without a number of lookups, or a rate, no driver has one."""
    [part] = shares(Plan(socket="s", scenarios=["x"], lookups=None), "x", 1.0)
    assert (part.lookups, part.rate, part.clients) == (None, None, 16)
