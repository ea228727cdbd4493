"""The set of all handles ever seen, kept small.

A daemon numbers its lookups one after another, so the handles of a run are a
few long intervals, however many they are.
"""

from __future__ import annotations

from bisect import bisect_right

_MOST_INTERVALS = 65_536


class HandleSet:
    """A set of integers as sorted intervals; the lowest are forgotten when there are too many."""

    def __init__(self, most_intervals: int = _MOST_INTERVALS) -> None:
        self._starts: list[int] = []
        self._stops: list[int] = []
        self._most = most_intervals
        self.forgotten = 0
        """How many intervals were given up; a handle in one of them is not found again."""

    def __contains__(self, handle: int) -> bool:
        place = bisect_right(self._starts, handle) - 1
        return place >= 0 and handle < self._stops[place]

    def __len__(self) -> int:
        """The number of intervals held."""
        return len(self._starts)

    def add(self, handle: int) -> bool:
        """Take in a handle; False: it is there already."""
        after = bisect_right(self._starts, handle)
        if after and handle < self._stops[after - 1]:
            return False
        joins_left = after > 0 and self._stops[after - 1] == handle
        joins_right = after < len(self._starts) and self._starts[after] == handle + 1
        if joins_left and joins_right:
            self._stops[after - 1] = self._stops.pop(after)
            del self._starts[after]
        elif joins_left:
            self._stops[after - 1] = handle + 1
        elif joins_right:
            self._starts[after] = handle
        else:
            self._starts.insert(after, handle)
            self._stops.insert(after, handle + 1)
            self._give_up_lowest()
        return True

    def _give_up_lowest(self) -> None:
        if len(self._starts) > self._most:
            del self._starts[0], self._stops[0]
            self.forgotten += 1
