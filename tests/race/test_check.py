"""A history from anywhere is judged as it is read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nspd.race.check import Check, as_dict
from nspd.race.history import BadHistory
from tests.race.histories import BEGIN, END, NEXT


def line(direction: str, message: Any = None, time: float = 1.0) -> bytes:
    """One line of a history of one client."""
    entry = {"time": time, "client": 1, "direction": direction, "message": message}
    return json.dumps(entry).encode() + b"\n"


BEGUN = (
    line("sent", {"id": 1, "method": BEGIN, "params": {"restrictions": {}}}),
    line("received", {"id": 1, "result": {"lookup": 71}}),
    line("sent", {"id": 2, "method": NEXT, "params": {"lookup": 71}}),
    line("sent", {"id": 3, "method": END, "params": {"lookup": 71}}, 2.0),
)
ENDED = line("received", {"id": 3, "result": {"cancelled": 1, "work": "stopped"}}, 2.5)
CANCELLED = line("received", {"id": 2, "error": {"code": 10111, "message": "", "data": {}}}, 2.5)


def test_true_history() -> None:
    """A history in which each promise is kept passes, with its latencies."""
    check = Check()
    assert list(check.violations_of([*BEGUN, CANCELLED, ENDED, line("left", time=3.0)])) == []
    assert check.passed
    assert (check.entries, check.requests, check.judged) == (7, 3, 3)
    assert check.as_dict()["latencies"]["to_cancelled"]["max"] == 0.5


def test_violation() -> None:
    """A violation is yielded when its line is read, and counted under its promise."""
    check = Check()
    found = [as_dict(violation) for violation in check.violations_of([*BEGUN, ENDED, CANCELLED])]
    assert [violation["promise"] for violation in found] == ["C2"]
    assert found[0]["time"] == 2.5
    assert check.violations == {"C2": 1}
    assert not check.passed


def test_lost_reply() -> None:
    """What was due when the history ends is lost."""
    check = Check()
    assert [violation.promise for violation in check.violations_of(BEGUN)] == ["C1", "C1"]


def test_nothing_to_judge() -> None:
    """An empty history shows nothing, so it does not pass."""
    check = Check()
    assert list(check.violations_of([])) == []
    assert not check.passed


def test_bad_line() -> None:
    """A line that is no entry ends it."""
    with pytest.raises(BadHistory, match="line 5"):
        list(Check().violations_of([*BEGUN, b"{}"]))
