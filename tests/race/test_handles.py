"""The set of used handles: exact, small, and bounded."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nspd.race.handles import HandleSet


@given(st.lists(st.integers(0, 40)))
def test_is_a_set(handles: list[int]) -> None:
    """Whatever the order and the repetitions, it holds exactly what was added."""
    seen = HandleSet()
    for handle in handles:
        seen.add(handle)
    assert {handle for handle in range(-1, 42) if handle in seen} == set(handles)


@given(st.permutations(range(30)))
def test_neighbours_join(handles: list[int]) -> None:
    """Consecutive handles are one interval, in whatever order they came."""
    seen = HandleSet()
    for handle in handles:
        seen.add(handle)
    assert len(seen) == 1


def test_lowest_is_forgotten() -> None:
    """Past its bound it gives up the lowest interval and counts that."""
    seen = HandleSet(most_intervals=2)
    for handle in (10, 20, 30):
        seen.add(handle)
    assert (10 in seen, 20 in seen, 30 in seen) == (False, True, True)
    assert seen.forgotten == 1
