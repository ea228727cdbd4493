"""The histogram keeps quantiles to within a thousandth, from a microsecond on."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nspd.race.histogram import Histogram

durations = st.floats(min_value=2e-6, max_value=3_000)


def of(*values: float) -> Histogram:
    """A histogram of these durations."""
    histogram = Histogram()
    for value in values:
        histogram.record(value)
    return histogram


@settings(deadline=None)
@given(st.lists(durations, min_size=1), st.floats(0.01, 1))
def test_quantile_is_close(values: list[float], share: float) -> None:
    """A quantile is the value of the nearest rank."""
    nearest_rank = max(math.floor(share * len(values) + 0.5), 1)
    exact = sorted(values)[nearest_rank - 1]
    found = of(*values).quantile(share)
    assert exact * (1 - 1e-3) - 1e-6 <= found <= exact * (1 + 2e-3) + 1e-6


@settings(deadline=None, max_examples=25)  # each takes a walk over all the buckets
@given(st.lists(durations))
def test_buckets_hold_everything(values: list[float]) -> None:
    """The buckets' counts add up and their edges rise."""
    histogram = of(*values)
    buckets = list(histogram.buckets())
    assert sum(count for _, count in buckets) == histogram.count == len(values)
    edges = [edge for edge, _ in buckets]
    assert edges == sorted(set(edges))


@settings(deadline=None, max_examples=40)
@given(st.lists(durations), st.lists(durations))
def test_added_and_packed(first: list[float], second: list[float]) -> None:
    """Two histograms added, by way of their encoded form, are one of all durations."""
    both, other = of(*first), of(*second)
    both.add(Histogram.decoded(other.encoded(), other.max))
    assert both.summary() == of(*first, *second).summary()


def test_empty() -> None:
    """Without a duration every quantile is 0."""
    empty = Histogram()
    assert set(empty.summary().values()) == {0}
    assert (empty.encoded(), list(empty.buckets())) == ("", [])


def test_summary() -> None:
    """A hundred durations of 1 to 100 ms: the quantiles are where they belong."""
    summary = of(*[milliseconds / 1000 for milliseconds in range(1, 101)]).summary()
    assert summary["count"] == 100
    assert summary["p50"] == pytest.approx(0.050, rel=2e-3)
    assert summary["p90"] == pytest.approx(0.090, rel=2e-3)
    assert summary["p99"] == pytest.approx(0.099, rel=2e-3)
    assert summary["max"] == 0.1


def test_out_of_range() -> None:
    """A reply stamped before its request is no time at all; more than an hour counts as one."""
    assert of(-1.0, 0.0).summary() == {**of().summary(), "count": 2}
    long = of(1e6)
    assert long.max == 1e6
    assert long.quantile(0.5) == pytest.approx(3_600, rel=2e-3)


def test_recorded_after_asking() -> None:
    """Durations recorded after a quantile was asked for count in the next."""
    histogram = of(0.001)
    assert histogram.quantile(0.5) == pytest.approx(0.001, rel=2e-3)
    histogram.record(0.1)
    histogram.record(0.1)
    assert histogram.quantile(0.5) == pytest.approx(0.1, rel=2e-3)
    assert histogram.count == 3
