"""Latencies in an HdrHistogram: bounded memory, 0.1 % of precision.

HdrHistogram (hdrhistogram.org) divides each power of two into equal buckets, so
a value is known to a thousandth of itself whether it is a microsecond or a
minute; its encoded form is read by the tools of that project.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import frexp, ldexp

from hdrh.histogram import HdrHistogram

_NANOSECONDS = 1e9
_LOWEST, _HIGHEST = 1_000, 3_600_000_000_000
"""A microsecond and an hour, in nanoseconds."""

_DIGITS = 3

_BITS = 12
_STEPS, _MASK = 1 << _BITS, (1 << _BITS) - 1

QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999}


class Histogram:
    """Counts of durations, all given and returned in seconds, told apart from a microsecond on."""

    __slots__ = ("_fresh", "_whole", "max")

    def __init__(self) -> None:
        self._fresh: dict[int, int] = {}
        """Counts not yet entered in `_whole`, by a number of 12 binary digits and its exponent."""
        # Of all the histograms of a run most stay empty, and this takes 200 KB.
        self._whole: HdrHistogram | None = None
        self.max = 0.0

    def record(self, seconds: float) -> None:
        """Count one duration; a negative one (clocks disagree) is 0, more than an hour is one."""
        # The library takes 3 us for each, a tenth of what a driver may spend on a request.
        mantissa, exponent = frexp(seconds) if seconds > 0 else (0.5, -31)
        key = (exponent << _BITS) + int(mantissa * _STEPS)
        self._fresh[key] = self._fresh.get(key, 0) + 1
        self.max = max(self.max, seconds)

    @property
    def count(self) -> int:
        """How many durations there are."""
        counts = self._counts()
        return 0 if counts is None else int(counts.get_total_count())

    def add(self, other: Histogram) -> None:
        """Count everything that another histogram counts."""
        counts = other._counts()
        if counts is None:
            return
        if self._whole is None:
            self._whole = _new()
        self._whole.add(counts)
        self.max = max(self.max, other.max)

    def quantile(self, share: float) -> float:
        """The duration that `share` of all (0 to 1) do not exceed, by nearest rank; 0 of none."""
        counts = self._counts()
        if counts is None:
            return 0.0
        found: int = counts.get_value_at_percentile(share * 100)
        return min(found / _NANOSECONDS, self.max)

    def buckets(self) -> Iterator[tuple[float, int]]:
        """Upper edge and count of each bucket in use, shortest durations first."""
        counts = self._counts()
        if counts is None:
            return
        for item in counts.get_recorded_iterator():
            upper = counts.get_highest_equivalent_value(item.value_iterated_to)
            yield upper / _NANOSECONDS, item.count_at_value_iterated_to

    def summary(self) -> dict[str, float]:
        """``count``, the usual quantiles and ``max``."""
        quantiles = {name: self.quantile(share) for name, share in QUANTILES.items()}
        return {"count": self.count, **quantiles, "max": self.max}

    def encoded(self) -> str:
        """The counts as HdrHistogram's compressed V2 form in base64; empty if there are none."""
        counts = self._counts()
        if counts is None:
            return ""
        encoded: bytes = counts.encode()
        return encoded.decode("ascii")

    @classmethod
    def decoded(cls, text: str, longest: float) -> Histogram:
        """What `encoded` gave, with the longest duration, which the buckets do not know exactly."""
        histogram = cls()
        if text:
            histogram._whole = HdrHistogram.decode(text)
            histogram.max = longest
        return histogram

    def _counts(self) -> HdrHistogram | None:
        """All counts, or None without any."""
        if self._fresh:
            if self._whole is None:
                self._whole = _new()
            for key, count in self._fresh.items():
                # The upper edge of the step: a quantile may be given too long, never too short.
                seconds = ldexp(((key & _MASK) + 1) / _STEPS, key >> _BITS)
                nanoseconds = min(max(int(seconds * _NANOSECONDS), 1), _HIGHEST)
                self._whole.record_value(nanoseconds, count)
            self._fresh.clear()
        return self._whole


def _new() -> HdrHistogram:
    return HdrHistogram(_LOWEST, _HIGHEST, _DIGITS)
