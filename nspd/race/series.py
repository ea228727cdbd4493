"""Counts over time, in so many steps at most, however long the run."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

_FIRST_STEP = 0.125
_MOST_STEPS = 256


class Series:
    """How often each thing happened in each step of time. The step doubles when need be."""

    def __init__(self) -> None:
        self.step = _FIRST_STEP
        """Seconds."""
        self._steps: dict[int, Counter[str]] = {}

    def add(self, at: float, name: str, number: int = 1) -> None:
        """Count something that happened ``at`` seconds after the beginning."""
        place = int(at / self.step)
        while place >= _MOST_STEPS:
            self._coarsen()
            place = int(at / self.step)
        step = self._steps.get(place)
        if step is None:
            step = self._steps[place] = Counter()
        step[name] += number

    def merge(self, other: Series) -> None:
        """Count what another series with the same beginning counts."""
        while self.step < other.step:
            self._coarsen()
        for at, name, number in other.points():
            self.add(at, name, number)

    def points(self) -> Iterator[tuple[float, str, int]]:
        """(seconds at which the step begins, name, count), in order of time."""
        for place in sorted(self._steps):
            for name, number in self._steps[place].items():
                yield place * self.step, name, number

    def lines(self, seconds: float, most: int) -> tuple[list[float], dict[str, list[float]]]:
        """For a plot: the middle of each step in seconds, and by name how many a second.

        Args:
            seconds: how long the line is to be.
            most: steps at most; they are made longer to fit.
        """
        step = self.step
        while seconds / step > most:
            step *= 2
        steps = max(math.ceil(seconds / step), 1)
        lines: dict[str, list[float]] = {}
        for at, name, number in self.points():
            line = lines.setdefault(name, [0.0] * steps)
            line[min(int(at / step), steps - 1)] += number / step
        return [(place + 0.5) * step for place in range(steps)], lines

    def as_dict(self) -> dict[str, Any]:
        """The series for programs."""
        return {"step": self.step, "counts": [list(point) for point in self.points()]}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Series:
        """What `as_dict` gave."""
        series = cls()
        series.step = value["step"]
        for at, name, number in value["counts"]:
            series.add(at, name, number)
        return series

    def _coarsen(self) -> None:
        finer, self._steps = self._steps, {}
        self.step *= 2
        for place, step in finer.items():
            self._steps.setdefault(place // 2, Counter()).update(step)
