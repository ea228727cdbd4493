"""Counts over time stay few, however long the run."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nspd.race.series import Series

events = st.lists(st.tuples(st.floats(0, 10_000), st.sampled_from(["a", "b"])), max_size=60)


def of(happened: list[tuple[float, str]]) -> Series:
    """A series of these events."""
    series = Series()
    for at, name in happened:
        series.add(at, name)
    return series


@given(events)
def test_bounded_and_whole(happened: list[tuple[float, str]]) -> None:
    """There are 256 steps at most, and they count everything."""
    series = of(happened)
    points = list(series.points())
    assert sum(number for _, _, number in points) == len(happened)
    assert all(at <= 256 * series.step for at, _, _ in points)
    assert [at for at, _, _ in points] == sorted(at for at, _, _ in points)


@given(events, events)
def test_merged(first: list[tuple[float, str]], second: list[tuple[float, str]]) -> None:
    """Two series merged, by way of their packed form, count as one of all events."""
    both = of(first)
    both.merge(Series.from_dict(of(second).as_dict()))
    together = of(first + second)
    assert both.step == together.step
    assert sorted(both.points()) == sorted(together.points())


def test_lines() -> None:
    """For a plot, counts become rates on steps of equal length."""
    series = of([(0.0, "a"), (0.2, "a"), (3.9, "b")])
    assert series.lines(4.0, 4) == ([0.5, 1.5, 2.5, 3.5], {"a": [2, 0, 0, 0], "b": [0, 0, 0, 1]})


def test_lines_of_nothing() -> None:
    """A run without an event has no lines."""
    assert Series().lines(0.0, 4) == ([0.0625], {})
