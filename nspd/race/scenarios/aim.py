"""Meeting a moment that only the daemon knows."""

from __future__ import annotations

import time
from collections.abc import Callable
from random import Random

import anyio.lowlevel

_FIRST_GUESS = 100e-6
_SHORTEST, _LONGEST = 1e-6, 0.1


class Aim:
    """How long to hesitate so that two sides meet, learnt from which of them was first.

    How long the daemon takes depends on its load, so a fixed time would miss.
    """

    def __init__(self, random: Random, clock: Callable[[], float] = time.monotonic) -> None:
        """Make an aim.

        Args:
            random: from which it draws how far it strays, up to a fifth.
            clock: seconds.
        """
        self._random = random
        self._clock = clock
        self._seconds = _FIRST_GUESS

    async def hesitate(self) -> None:
        """Let the other clients run for about as long as was right last time."""
        until = self._clock() + self._seconds * self._random.uniform(0.8, 1.2)
        while self._clock() < until:
            await anyio.lowlevel.checkpoint()

    def learn(self, *, too_early: bool) -> None:
        """Take note of whether the side that hesitated came too early or too late."""
        seconds = self._seconds * (1.15 if too_early else 0.85)
        self._seconds = min(max(seconds, _SHORTEST), _LONGEST)
