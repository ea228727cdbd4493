"""The order of a service's targets (RFC 2782)."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from nspd.providers.dns.weights import in_order


class Target(NamedTuple):
    """One target."""

    priority: int
    weight: int
    name: str = ""


targets = st.lists(st.builds(Target, st.integers(0, 3), st.integers(0, 65535), st.text(max_size=1)))


@given(targets, st.integers())
def test_every_target_comes_once_and_priorities_ascend(given_: list[Target], seed: int) -> None:
    """Whatever is drawn."""
    ordered = in_order(given_, Random(seed))
    assert Counter(ordered) == Counter(given_)
    assert [each.priority for each in ordered] == sorted(each.priority for each in given_)


@given(targets, st.integers())
def test_the_same_seed_gives_the_same_order(given_: list[Target], seed: int) -> None:
    """Chance is the source's alone."""
    assert in_order(given_, Random(seed)) == in_order(given_, Random(seed))


def test_weights_are_shares() -> None:
    """Of 60 and 40, the first comes first in about six of ten draws."""
    random = Random(7)
    pair = [Target(10, 60, "a"), Target(10, 40, "b")]
    first = Counter(in_order(pair, random)[0].name for _ in range(10_000))
    assert 5_800 < first["a"] < 6_200


def test_weight_zero_has_a_very_small_chance() -> None:
    """It may come first, but hardly ever beside a large weight."""
    random = Random(7)
    pair = [Target(10, 9, "a"), Target(10, 0, "b")]
    first = Counter(in_order(pair, random)[0].name for _ in range(10_000))
    assert 700 < first["b"] < 1_300  # one of the ten numbers from 0 to 9 is its


def test_a_lower_priority_goes_before_any_weight() -> None:
    """The larger weight of a later priority counts for nothing."""
    random = Random(7)
    pair = [Target(20, 65535, "backup"), Target(10, 0, "main")]
    assert {in_order(pair, random)[0].name for _ in range(100)} == {"main"}


def test_without_weights_every_order_is_as_likely() -> None:
    """Targets of weight 0 alone are not always tried in the same order."""
    random = Random(7)
    three = [Target(10, 0, name) for name in "abc"]
    first = Counter(in_order(three, random)[0].name for _ in range(3_000))
    assert all(900 < first[name] < 1_100 for name in "abc")
