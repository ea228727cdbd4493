"""What is kept of earlier answers: a table bounded by bytes, oldest use first to go.

It knows nothing of time: what it keeps says itself until when it is good.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

_V = TypeVar("_V")

PLACE_BYTES = 300
"""What a place in the table costs beside what is in it."""


class Cache(Generic[_V]):
    """Values by key, with their sizes; the least recently used give way to new ones."""

    __slots__ = ("_places", "bytes", "limit")

    def __init__(self, limit: int) -> None:
        """An empty cache of at most so many bytes; of 0 bytes it keeps nothing."""
        self._places: OrderedDict[Hashable, tuple[_V, int]] = OrderedDict()
        self.limit = limit
        self.bytes = 0
        """What all that is kept counts for."""

    def __len__(self) -> int:
        return len(self._places)

    def get(self, key: Hashable) -> _V | None:
        """The value under a key, if it is still there; this counts as a use of it."""
        place = self._places.get(key)
        if place is None:
            return None
        self._places.move_to_end(key)
        return place[0]

    def put(self, key: Hashable, value: _V, size: int) -> None:
        """Keep a value instead of what was under the key before.

        Args:
            key: what it is found by.
            value: what to keep. One larger than the whole cache is not kept.
            size: its bytes, `PLACE_BYTES` not counted in.
        """
        self.discard(key)
        size += PLACE_BYTES
        if size > self.limit:
            return
        self._places[key] = (value, size)
        self.bytes += size
        while self.bytes > self.limit:
            _, (_, freed) = self._places.popitem(last=False)
            self.bytes -= freed

    def discard(self, key: Hashable) -> None:
        """Forget what is under the key, if anything is."""
        place = self._places.pop(key, None)
        if place is not None:
            self.bytes -= place[1]

    def clear(self) -> None:
        """Forget everything."""
        self._places.clear()
        self.bytes = 0

    def __iter__(self) -> Iterator[tuple[Hashable, _V, int]]:
        """Key, value and bytes of everything, least recently used first, as it is now."""
        return iter([(key, value, size) for key, (value, size) in self._places.items()])
