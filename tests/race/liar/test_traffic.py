"""Nothing is found where every promise is kept, however requests and replies interleave."""

from __future__ import annotations

from collections import deque
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from nspd.race.judge import Judge, Violation
from tests.ahead import Begun
from tests.race.liar.long import REQUESTS, Outcome
from tests.race.liar.traffic import Traffic


@given(st.integers(), st.integers(1, 400))
@settings(deadline=None)
def test_any_history(seed: int, requests: int) -> None:
    """Random requests of several clients, answered in any legal order, break nothing."""
    judge = Judge(end_grace=0.1)
    violations: list[Violation] = []

    def observe(*observation: Any) -> None:
        violations.extend(judge.observe(*observation))

    traffic = Traffic(seed, observe)
    traffic.run(requests)
    traffic.deliver()
    violations += judge.finish(traffic.model.now)
    assert violations == []


@given(st.integers(), st.integers(1, 400))
@settings(deadline=None)
def test_memory_is_what_is_open(seed: int, requests: int) -> None:
    """Once all is ended and answered, the judge holds nothing, though the clients are there."""
    judge = Judge()
    traffic = Traffic(seed, judge.observe)
    traffic.run(requests)
    traffic.settle()
    assert judge.remembered == 0


def test_much_in_flight() -> None:
    """What the judge holds is what waits and what is open, at every moment."""
    judge = Judge()
    most: deque[int] = deque(maxlen=1)
    traffic = Traffic("memory", judge.observe, clients=5)
    for requests in range(1_000, 6_000, 1_000):
        traffic.run(requests)
        census = traffic.model.census()
        unread = sum(len(outbox) for outbox in traffic.model.outboxes.values())
        most.append(judge.remembered)
        assert judge.remembered <= 2 * (sum(census.values()) + unread)
    assert most[0] > 0


def test_a_million_calls(long_history: Begun[Outcome]) -> None:
    """A true history of so many calls has no violation, and is forgotten as it goes."""
    outcome = long_history.result()
    assert outcome.violations == []
    assert outcome.judged > 0.9 * REQUESTS
    assert outcome.remembered == 0
