"""Things that arrive in any order, taken in their own; but none waits long for one that is late."""

from __future__ import annotations

from typing import Generic, TypeVar

import anyio

_T = TypeVar("_T")

Place = tuple[int, ...]
"""Where something comes: places compare as tuples do."""


class Ordered(Generic[_T]):
    """A waiting room between many producers and one consumer.

    What is expected is named by its place. The consumer gets what has arrived
    in the order of the places; but once something has waited for `grace`, it is
    given out although something before it is still missing. That comes when it
    comes.
    """

    def __init__(self, grace: float) -> None:
        """Expect nothing yet.

        Args:
            grace: seconds.
        """
        self._grace = grace
        self._missing: set[Place] = set()
        self._ready: dict[Place, tuple[float, _T]] = {}
        self._news = anyio.Event()

    def expect(self, place: Place) -> None:
        """Something will come here, or will turn out not to (`put` or `give_up`)."""
        self._missing.add(place)

    def put(self, place: Place, thing: _T) -> None:
        """It has come."""
        self._missing.discard(place)
        self._ready[place] = anyio.current_time(), thing
        self._tell()

    def give_up(self, place: Place) -> None:
        """Nothing will come here."""
        self._missing.discard(place)
        self._tell()

    def _tell(self) -> None:
        news, self._news = self._news, anyio.Event()
        news.set()

    async def take(self) -> _T | None:
        """Wait for the next one; None: everything expected has come and been taken."""
        while self._missing or self._ready:
            news = self._news
            if not self._ready:
                await news.wait()
                continue
            first = min(self._ready)
            if not self._missing or first < min(self._missing):
                return self._ready.pop(first)[1]
            patience = min(since for since, _ in self._ready.values()) + self._grace
            if anyio.current_time() >= patience:
                return self._ready.pop(first)[1]
            with anyio.move_on_after(patience - anyio.current_time()):
                await news.wait()
        return None
