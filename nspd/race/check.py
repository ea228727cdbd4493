"""Judges a history from anywhere, a line at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from msgspec import to_builtins

from nspd.race.history import read
from nspd.race.judge import Judge, Violation
from nspd.race.stopwatch import Latencies, Stopwatch


class Check:
    """What a history comes to. Memory is what is in flight, and the handles that were used."""

    def __init__(self) -> None:
        self._judge = Judge()
        self._stopwatch = Stopwatch()
        self.latencies = Latencies()
        self.violations: Counter[str] = Counter()
        """By promise."""
        self.entries = 0
        self.requests = 0
        """Messages sent; a batch counts as one."""

    @property
    def judged(self) -> int:
        """Replies judged."""
        return self._judge.judged

    @property
    def not_judged(self) -> dict[str, int]:
        """Messages about which nothing could be said, by reason."""
        return dict(self._judge.not_judged)

    @property
    def passed(self) -> bool:
        """There was something to judge, and no promise was broken."""
        return not self.violations and self.judged > 0

    def violations_of(self, lines: Iterable[bytes]) -> Iterator[Violation]:
        """Judge a whole history, and yield each violation when it comes to light.

        Raises:
            BadHistory: a line is no entry.
        """
        time = 0.0
        for entry in read(lines):
            self.entries += 1
            self.requests += entry.direction == "sent"
            time, seen = entry.time, entry.seen
            yield from self._counted(self._judge.observe(time, entry.client, entry.direction, seen))
            self._stopwatch.observe(time, entry.client, entry.direction, seen, self.latencies)
        yield from self._counted(self._judge.finish(time))

    def as_dict(self) -> dict[str, Any]:
        """The result for programs; latencies in seconds."""
        return {
            "passed": self.passed,
            "entries": self.entries,
            "requests": self.requests,
            "judged": self.judged,
            "not_judged": self.not_judged,
            "violations": dict(self.violations),
            "latencies": {
                kind: histogram.summary() for kind, histogram in self.latencies.by_kind().items()
            },
        }

    def _counted(self, found: list[Violation]) -> list[Violation]:
        for violation in found:
            self.violations[violation.promise] += 1
        return found


def as_dict(violation: Violation) -> dict[str, Any]:
    """A violation for programs."""
    value: dict[str, Any] = to_builtins(violation)
    return value
