"""One long history in which every promise is kept, judged as it goes."""

from __future__ import annotations

from typing import Any, NamedTuple

from nspd.race.judge import Judge, Violation
from tests.race.liar.traffic import Traffic

REQUESTS = 1_000_000
"""In one long history."""


class Outcome(NamedTuple):
    """What became of a long history."""

    violations: list[str]
    judged: int
    remembered: int


def judged(requests: int) -> Outcome:
    """A true history of so many calls, judged as it goes."""
    judge = Judge(end_grace=0.1)
    violations: list[Violation] = []

    def observe(*observation: Any) -> None:
        violations.extend(judge.observe(*observation))

    traffic = Traffic("long", observe, clients=5)
    traffic.run(requests)
    traffic.settle()
    violations += judge.finish(traffic.model.now)
    return Outcome([str(each) for each in violations], judge.judged, judge.remembered)
