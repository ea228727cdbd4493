"""The histogram keeps quantiles to within one part in 128."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nspd.race.histogram import Histogram

durations = st.floats(min_value=1e-9, max_value=1e4)


@given(st.lists(durations, min_size=1), st.floats(0.01, 1))
def test_quantile_is_close(values: list[float], share: float) -> None:
    """A quantile is the value of that rank, or at most a bucket's width above it."""
    histogram = Histogram()
    for value in values:
        histogram.record(value)
    exact = sorted(values)[math.ceil(share * len(values)) - 1]
    found = histogram.quantile(share)
    assert exact - 1e-9 <= found <= max(exact * (1 + 1 / 128) + 1e-9, exact)


@given(st.lists(durations))
def test_buckets_hold_everything(values: list[float]) -> None:
    """The buckets' counts add up, their edges rise, and none is below a value it holds."""
    histogram = Histogram()
    for value in values:
        histogram.record(value)
    buckets = list(histogram.buckets())
    assert sum(count for _, count in buckets) == histogram.count == len(values)
    edges = [edge for edge, _ in buckets]
    assert edges == sorted(set(edges))
    if values:
        assert edges[-1] >= max(values) - 1e-9


def test_empty() -> None:
    """Without a duration every quantile is 0."""
    assert Histogram().summary() == {
        "count": 0,
        "p50": 0,
        "p90": 0,
        "p99": 0,
        "p99.9": 0,
        "max": 0,
    }


def test_summary() -> None:
    """A hundred durations of 1 to 100 ms: the quantiles are where they belong."""
    histogram = Histogram()
    for milliseconds in range(1, 101):
        histogram.record(milliseconds / 1000)
    summary = histogram.summary()
    assert summary["count"] == 100
    assert summary["p50"] == pytest.approx(0.050, rel=0.01)
    assert summary["p90"] == pytest.approx(0.090, rel=0.01)
    assert summary["p99"] == pytest.approx(0.099, rel=0.01)
    assert summary["max"] == 0.1


def test_negative_counts_as_zero() -> None:
    """A reply stamped before its request is a duration of 0, not an error."""
    histogram = Histogram()
    histogram.record(-1.0)
    assert list(histogram.buckets()) == [(0.0, 1)]
