"""Meeting a moment that only the daemon knows."""

from __future__ import annotations

from random import Random

_FIRST_GUESS = 100e-6
_SHORTEST, _LONGEST = 1e-6, 0.1


class Aim:
    """How long to hesitate so that two sides meet, learnt from which of them was first.

    How long the daemon takes depends on its load, so a fixed time would miss. One aim
    serves all clients of a driver: they meet the same daemon.
    """

    def __init__(self) -> None:
        self._seconds = _FIRST_GUESS

    def drawn(self, random: Random) -> float:
        """How long to hesitate this time, in seconds; ``random`` draws how far it strays."""
        return self._seconds * random.uniform(0.8, 1.2)

    def learn(self, *, too_early: bool) -> None:
        """Take note of whether the side that hesitated came too early or too late."""
        seconds = self._seconds * (1.15 if too_early else 0.85)
        self._seconds = min(max(seconds, _SHORTEST), _LONGEST)
