"""Latencies in a log-linear histogram: bounded memory, better than 1 % of precision.

Each power of two is divided into 128 equal buckets, as HdrHistogram does, so a
value is known to within 1/128 of itself whether it is a microsecond or a minute.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

_BITS = 7
_NANOSECONDS = 1e9
QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999}


def _index(value: int) -> int:
    """The bucket of a number of nanoseconds."""
    shift = max(value.bit_length() - _BITS - 1, 0)
    return (shift << _BITS) + (value >> shift)


def _highest(index: int) -> int:
    """The largest number of nanoseconds that falls into a bucket."""
    shift = max((index >> _BITS) - 1, 0)
    return ((index - (shift << _BITS) + 1) << shift) - 1


class Histogram:
    """Counts of durations, all given and returned in seconds."""

    def __init__(self) -> None:
        self._buckets: Counter[int] = Counter()
        self.count = 0
        self.max = 0.0

    def record(self, seconds: float) -> None:
        """Count one duration; a negative one (clocks disagree) counts as 0."""
        seconds = max(seconds, 0.0)
        self._buckets[_index(round(seconds * _NANOSECONDS))] += 1
        self.count += 1
        self.max = max(self.max, seconds)

    def add(self, other: Histogram) -> None:
        """Count everything that another histogram counts."""
        self._buckets.update(other._buckets)
        self.count += other.count
        self.max = max(self.max, other.max)

    def quantile(self, share: float) -> float:
        """The duration that `share` of all (0 to 1) do not exceed; 0 if there are none."""
        rank, seen = share * self.count, 0
        for upper, count in self.buckets():
            seen += count
            if seen >= rank:
                return min(upper, self.max)
        return self.max

    def buckets(self) -> Iterator[tuple[float, int]]:
        """Upper edge and count of each bucket in use, shortest durations first."""
        for index in sorted(self._buckets):
            yield _highest(index) / _NANOSECONDS, self._buckets[index]

    def summary(self) -> dict[str, float]:
        """``count``, the usual quantiles and ``max``."""
        quantiles = {name: self.quantile(share) for name, share in QUANTILES.items()}
        return {"count": self.count, **quantiles, "max": self.max}
