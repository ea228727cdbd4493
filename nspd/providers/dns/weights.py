"""The order in which the targets of a service are to be tried (RFC 2782)."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import Protocol, TypeVar


class Weighted(Protocol):
    """What an SRV record says of its target's place."""

    @property
    def priority(self) -> int:
        """Lower ones first."""

    @property
    def weight(self) -> int:
        """Share of the traffic among targets of one priority."""


_T = TypeVar("_T", bound=Weighted)


def in_order(targets: Iterable[_T], random: Random) -> list[_T]:
    """The targets by priority, and within one priority drawn by their weights.

    As the RFC says: they are put in any order, those of weight 0 first; a number from 0 to the sum
    of all weights is drawn, and the first target at which the running sum
    reaches it comes next; and so on with those that are left.
    """
    by_priority: dict[int, list[_T]] = {}
    for target in targets:
        by_priority.setdefault(target.priority, []).append(target)
    ordered: list[_T] = []
    for priority in sorted(by_priority):
        group = by_priority[priority]
        left = sorted(random.sample(group, len(group)), key=lambda target: target.weight > 0)
        while left:
            ordered.append(left.pop(_drawn(left, random)))
    return ordered


def _drawn(left: list[_T], random: Random) -> int:
    drawn = random.randint(0, sum(target.weight for target in left))
    running = 0
    for index, target in enumerate(left):
        running += target.weight
        if running >= drawn:
            return index
    raise AssertionError("the running sum ends at the sum")
