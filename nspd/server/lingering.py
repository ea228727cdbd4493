"""Looking once more for requests before going to sleep, for as long as that pays.

A client that asks one thing after another asks again within some 50 µs of its
answer. To go to sleep for so long costs more than the time: the processor must
be woken again, and its caches are cold.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import TypeVar

_Found = TypeVar("_Found")

LINGER = 100e-6
"""Seconds for which to look."""

_MOST_MISSES = 6


class Lingering:
    """Decides when to look, by what came of it before.

    After n looks in vain, one after the other, the next 2**n - 1 chances are let
    pass, at most 63. So daemons whose clients do not ask again at once, or cannot
    because they need the processor that is used for looking, hardly look.
    """

    __slots__ = ("_misses", "_passes")

    def __init__(self) -> None:
        """It may pay."""
        self._misses = 0
        self._passes = 0

    @property
    def is_due(self) -> bool:
        """Whether to look now; asking takes the chance."""
        if self._passes:
            self._passes -= 1
            return False
        return True

    def look(self, find: Callable[[], list[_Found]]) -> list[_Found]:
        """What there is within `LINGER`; nothing if there is nothing by then.

        Args:
            find: finds what there is, without waiting.
        """
        until = perf_counter() + LINGER
        while not (found := find()) and perf_counter() < until:
            pass
        if found:
            self._misses = 0
        else:
            self._misses = min(self._misses + 1, _MOST_MISSES)
            self._passes = 2**self._misses - 1
        return found
